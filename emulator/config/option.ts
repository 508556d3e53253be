import { z } from "zod";

/** The groups of `--help` and of the reference page, in their order. */
export const optionGroups = [
  "Server",
  "Logging",
  "Model Repository",
  "HTTP",
  "GRPC",
  "Sagemaker",
  "Vertex",
  "Metrics",
  "Tracing",
  "Backend",
  "Repository Agent",
  "Response Cache",
  "Rate Limiter",
  "Memory/Device Management",
  "triton-local",
  "DEPRECATED",
] as const;

export type OptionGroup = (typeof optionGroups)[number];

/** What is said about an option beside its type and default. */
export interface OptionMeta {
  readonly group: OptionGroup;
  /** How `--help` writes the argument, e.g. `<integer>`; null = the flag takes none. */
  readonly argument: string | null;
  readonly description: string;
  readonly unit?: "seconds" | "milliseconds" | "bytes";
  /** May be given several times; environment values are separated by `;`, the file takes a list. */
  readonly repeated?: true;
  /** Why setting it changes nothing here, said once at start. Absent: the option works. */
  readonly withoutEffect?: string;
  /** Replaces the default on the reference page where that is not a constant. */
  readonly defaultText?: string;
  /** Printed to stderr as soon as the flag is met, as the real server does. @param text the value as given */
  readonly deprecation?: (text: string) => string;
}

export const optionRegistry = z.registry<OptionMeta>();

export const option = <T extends z.ZodType>(schema: T, meta: OptionMeta): T => {
  optionRegistry.add(schema, meta);
  return schema;
};

type Refuse = (detail: string) => never;

class Refused extends Error {}

/**
 * A schema that reads texts by `parse` and takes values of other types as they are. Details that end in a line feed do
 * so on the real server as well: its message for a value it cannot convert ends in one line feed more than the others.
 */
const fromText = <T extends z.ZodType>(parse: (text: string, refuse: Refuse) => unknown, schema: T) =>
  z.preprocess((value, context) => {
    if (typeof value !== "string") return value;
    try {
      return parse(value, (detail) => {
        throw new Refused(detail);
      });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  }, schema);

const parseBoolean = (text: string, refuse: Refuse): boolean => {
  const lower = text.toLowerCase();
  if (lower === "true" || lower === "on" || lower === "1") return true;
  if (lower === "false" || lower === "off" || lower === "0") return false;
  return refuse(`invalid value for bool option: ${text}`);
};

/** As C++'s stoi and stoll: leading blanks and whatever follows the digits are ignored. */
export const parseInteger = (text: string, refuse: Refuse, bits: 32 | 64 = 32): number => {
  const digits = /^\s*([+-]?\d+)/.exec(text)?.[1];
  if (digits === undefined) return refuse(`Invalid option value. Got ${text}\n`);
  const value = BigInt(digits);
  if (BigInt.asIntN(bits, value) !== value)
    return refuse(`Provided option value is out of bound. Got ${text}\n`);
  return Number(value);
};

const parseFloatingPoint = (text: string, refuse: Refuse): number => {
  const value = Number.parseFloat(text);
  return Number.isNaN(value) ? refuse(`Invalid option value. Got ${text}\n`) : value;
};

export const text = () => z.string();
export const boolean = () => fromText(parseBoolean, z.boolean());
export const integer = () => fromText((value, refuse) => parseInteger(value, refuse), z.int());
export const integer64 = () => fromText((value, refuse) => parseInteger(value, refuse, 64), z.int());
export const float = () => fromText(parseFloatingPoint, z.number());

/** The real server takes any number and uses its lowest 16 bits; a number that cannot be a port is refused here. */
export const port = () =>
  integer().refine((value) => value >= 0 && value <= 65535, {
    error: (issue) => `not a port between 0 and 65535: ${String(issue.input)}`,
  });

/** Case-insensitive, as most choices of the real server are; the value is the word as it stands in `words`. */
export const choice = <const W extends readonly [string, ...string[]]>(
  words: W,
  flag: string,
  exactCase = false,
) =>
  fromText((value, refuse) => {
    const word = words.find((w) => w === value || (!exactCase && w === value.toLowerCase()));
    return word ?? refuse(`invalid argument for --${flag}`);
  }, z.enum(words));

/** An option that may be repeated; one value alone stands for a list of one. */
export const list = <T extends z.ZodType>(element: T) =>
  z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(element)).default([]);

/** A text with parts, such as `<backend>,<setting>=<value>`, as what `parse` makes of it. */
export const parsed = <T>(parse: (text: string, refuse: Refuse) => T) =>
  z.string().transform((value, context): T => {
    try {
      return parse(value, (detail) => {
        throw new Refused(detail);
      });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  });

/** `<first><separator><second>`, both numbers. */
export const pair = (separator: string, second: "integer" | "float" = "integer") =>
  parsed((value, refuse): readonly [number, number] => {
    const at = value.indexOf(separator);
    if (at < 0) {
      return refuse(
        "Cannot parse pair option due to incorrect number of inputs.--<pair option> argument requires format " +
          `<first>${separator}<second>. Found: ${value}\n`,
      );
    }
    const rest = value.slice(at + 1);
    return [
      parseInteger(value.slice(0, at), refuse),
      second === "float" ? parseFloatingPoint(rest, refuse) : parseInteger(rest, refuse, 64),
    ];
  });

/** A setting of a named thing; `name` is null where the text names none. */
export interface NamedSetting {
  readonly name: string | null;
  readonly setting: string;
  readonly value: string;
}

/** `[<name>,]<setting>=<value>`; null when a part is missing. The first comma and the first `=` after it divide. */
export const splitNamedSetting = (text: string, separator = ","): NamedSetting | null => {
  const comma = text.indexOf(separator);
  const equals = text.indexOf("=", comma + 1);
  if (equals <= comma + 1 || equals === text.length - 1) return null;
  return {
    name: comma < 0 ? null : text.slice(0, comma),
    setting: text.slice(comma + 1, equals),
    value: text.slice(equals + 1),
  };
};
