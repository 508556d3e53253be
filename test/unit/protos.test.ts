import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type AnyDefinition, loadSync } from "@grpc/proto-loader";
import { expect, test } from "vitest";

/*
 * fixtures/grpc/public-interface.json holds names and numbers of the public interface of release 24.10, as the generated
 * classes of the PyPI package tritonclient 2.51.0 describe them.
 */

interface PublicInterface {
  readonly messages: Record<string, Record<string, readonly [number: number, type: string]>>;
  readonly enums: Record<string, Record<string, number>>;
  readonly rpcs: Record<
    string,
    readonly [request: string, streamed: boolean, response: string, streamed: boolean]
  >;
}

interface FieldDescriptor {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
}

interface MessageDescriptor {
  readonly name: string;
  readonly field: readonly FieldDescriptor[];
  readonly nestedType: readonly MessageDescriptor[];
  readonly enumType: readonly EnumDescriptor[];
  readonly options: { readonly mapEntry?: boolean } | null;
}

interface EnumDescriptor {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number: number }[];
}

const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));

const published: PublicInterface = JSON.parse(
  readFileSync(path("fixtures/grpc/public-interface.json"), "utf8"),
);
const definitions = loadSync(["service.proto", "model_config.proto"], {
  keepCase: true,
  includeDirs: [path("protos")],
});

/** The descriptor that proto-loader keeps with a message or enum. */
const descriptorOf = <T>(definition: AnyDefinition, format: string): T | null =>
  "format" in definition && definition.format === format && "type" in definition
    ? (definition.type as T)
    : null;

const valuesOf = ({ value }: EnumDescriptor): Record<string, number> =>
  Object.fromEntries(value.map(({ name, number }) => [name, number]));

const enums = (): Record<string, Record<string, number>> => {
  const found: Record<string, Record<string, number>> = {};
  const visit = (scope: string, message: MessageDescriptor): void => {
    const fullName = `${scope}.${message.name}`;
    for (const inner of message.enumType) found[`${fullName}.${inner.name}`] = valuesOf(inner);
    for (const nested of message.nestedType) visit(fullName, nested);
  };
  for (const [name, definition] of Object.entries(definitions)) {
    if (name.split(".").length !== 2) continue;
    const message = descriptorOf<MessageDescriptor>(definition, "Protocol Buffer 3 DescriptorProto");
    const top = descriptorOf<EnumDescriptor>(definition, "Protocol Buffer 3 EnumDescriptorProto");
    if (message !== null) visit("inference", message);
    if (top !== null) found[name] = valuesOf(top);
  }
  return found;
};

const messages = (): Record<string, Record<string, readonly [number, string]>> => {
  const found: Record<string, Record<string, readonly [number, string]>> = {};
  const visit = (scope: string, message: MessageDescriptor): void => {
    const fullName = `${scope}.${message.name}`;
    const maps = new Map(message.nestedType.filter(isMapEntry).map((entry) => [entry.name, entry]));
    found[fullName] = Object.fromEntries(
      message.field.map((field) => [field.name, [field.number, typeOf(field, fullName, maps)] as const]),
    );
    for (const nested of message.nestedType) if (!isMapEntry(nested)) visit(fullName, nested);
  };
  for (const [name, definition] of Object.entries(definitions)) {
    const message = descriptorOf<MessageDescriptor>(definition, "Protocol Buffer 3 DescriptorProto");
    if (message !== null && name.split(".").length === 2) visit("inference", message);
  }
  return found;
};

const isMapEntry = (message: MessageDescriptor): boolean => message.options?.mapEntry === true;

const typeOf = (
  field: FieldDescriptor,
  scope: string,
  maps: ReadonlyMap<string, MessageDescriptor>,
): string => {
  const named = field.typeName.split(".").at(-1) ?? "";
  const entry = maps.get(named);
  if (entry !== undefined) {
    const [key, value] = entry.field.map((inner) => typeOf(inner, scope, new Map()));
    return `map<${key},${value}>`;
  }
  const repeated = field.label === "LABEL_REPEATED" ? "repeated " : "";
  if (field.typeName === "") return `${repeated}${field.type.slice("TYPE_".length).toLowerCase()}`;
  return `${repeated}${resolve(field.typeName, scope)}`;
};

/** A type name is relative to the scopes around it, the innermost first. */
const resolve = (name: string, scope: string): string => {
  if (name.startsWith(".")) return name.slice(1);
  const parts = scope.split(".");
  for (let length = parts.length; length > 0; length--) {
    const candidate = [...parts.slice(0, length), name].join(".");
    if (candidate in published.messages || candidate in published.enums) return candidate;
  }
  return name;
};

test("protos: have every message and field of the public interface, with its number and type", () => {
  expect(messages()).toEqual(published.messages);
});

test("protos: have every enumeration of the public interface, with its values", () => {
  expect(enums()).toEqual(published.enums);
});

const nameOf = (type: object): unknown => ("name" in type ? type.name : null);

test("protos: have every RPC of the public interface, with its messages and streams", () => {
  const service = definitions["inference.GRPCInferenceService"];
  if (service === undefined || "format" in service) throw new Error("no service");
  const rpcs = Object.entries(service).map(([name, method]) => [
    name,
    [
      nameOf(method.requestType.type),
      method.requestStream,
      nameOf(method.responseType.type),
      method.responseStream,
    ],
  ]);
  expect(Object.fromEntries(rpcs)).toEqual(published.rpcs);
});
