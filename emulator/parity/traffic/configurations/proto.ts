import { readFileSync } from "node:fs";
import { protosFolder } from "../../shipped-files.ts";

/** A field of a message, as protos/model_config.proto has it. */
export interface ProtoField {
  readonly name: string;
  /** Name of a scalar type, a message or an enum; of the values where it is a map. */
  readonly type: string;
  readonly repeated: boolean;
  /** Type of a map's keys; null = no map. */
  readonly key: string | null;
  /** Name of the oneof it belongs to. */
  readonly oneof: string | null;
}

/** What protos/model_config.proto says; inner names without their outer ones, which none shares with another of its kind. */
export interface Proto {
  readonly messages: ReadonlyMap<string, readonly ProtoField[]>;
  /** Names of the values; the index is the number. */
  readonly enums: ReadonlyMap<string, readonly string[]>;
}

/** The file of this package, which has no more of the language than what is read here. */
const readProto = (text: string): Proto => {
  const messages = new Map<string, ProtoField[]>();
  const enums = new Map<string, string[]>();
  const open: { readonly kind: string; readonly name: string }[] = [];
  const owner = (): string => open.findLast(({ kind }) => kind === "message")?.name ?? "";
  for (const line of text.split("\n").map((one) => one.replace(/\/\/.*/, "").trim())) {
    const [, kind, name = ""] = /^(message|enum|oneof) (\w+) \{/.exec(line) ?? [];
    if (kind !== undefined) {
      const full = qualified(open.findLast((one) => one.kind === "message")?.name, name);
      if (kind === "message") messages.set(full, []);
      if (kind === "enum") enums.set(full, []);
      if (!line.endsWith("}")) open.push({ kind, name: full });
    } else if (line === "}") open.pop();
    else if (open.at(-1)?.kind === "enum") enums.get(open.at(-1)?.name ?? "")?.push(line.split(" ")[0] ?? "");
    else {
      const [, repeated, key, value, plain, field = ""] =
        /^(repeated )?(?:map<(\w+), ([\w.]+)>|([\w.]+)) (\w+) = \d+;/.exec(line) ?? [];
      const type = value ?? plain;
      if (type !== undefined && type !== "syntax")
        messages.get(owner())?.push({
          name: field,
          type,
          repeated: repeated !== undefined,
          key: key ?? null,
          oneof: open.at(-1)?.kind === "oneof" ? (open.at(-1)?.name ?? null) : null,
        });
    }
  }
  return { messages: resolved(messages, enums), enums };
};

const qualified = (outer: string | undefined, name: string): string =>
  outer === undefined ? name : `${outer}.${name}`;

/** Types by their whole names, looked for from the inside out. */
const resolved = (
  messages: ReadonlyMap<string, readonly ProtoField[]>,
  enums: ReadonlyMap<string, unknown>,
): Map<string, readonly ProtoField[]> => {
  const whole = (type: string, owner: string): string => {
    for (let scope = owner.split("."); ; scope = scope.slice(0, -1)) {
      const name = [...scope, type].join(".");
      if (messages.has(name) || enums.has(name)) return name;
      if (scope.length === 0) return type;
    }
  };
  return new Map(
    [...messages].map(([owner, fields]) => [
      owner,
      fields.map((field) => ({ ...field, type: whole(field.type, owner) })),
    ]),
  );
};

export const modelConfigProto: Proto = readProto(
  readFileSync(new URL("model_config.proto", protosFolder), "utf8"),
);
