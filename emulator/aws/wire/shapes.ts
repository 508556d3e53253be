import { AwsError } from "./aws-error.ts";
import { Timestamp } from "./timestamp.ts";

/**
 * The shapes of AWS's service models: they read what came over the wire into typed values, and report every constraint that is
 * not met in AWS's words. A value of a wrong type is a `SerializationException` at once, as there.
 */

/** `form`: values are texts, lists are `member.1`, `member.2` (query protocol). */
export type Wire = "json" | "cbor" | "form";

/** What is wrong with one input, gathered over all of it. */
export class Reading {
  readonly wire: Wire;
  readonly violations: string[] = [];

  constructor(wire: Wire) {
    this.wire = wire;
  }

  /** @param path e.g. `productionVariants.1.member.variantName` */
  violated(value: unknown, path: string, constraint: string): void {
    const shown = value === null ? "null" : `'${valueText(value)}'`;
    this.violations.push(`Value ${shown} at '${path}' failed to satisfy constraint: ${constraint}`);
  }
}

export interface Shape<T> {
  /**
   * @param value neither undefined nor null
   * @returns undefined = a constraint is not met, and the reading says so
   * @throws AwsError `SerializationException` where the type is wrong
   */
  read(value: unknown, path: string, reading: Reading): T | undefined;
  /** A text or a number: a list reports what its members do not meet in one sentence. */
  readonly isScalar?: true;
  readonly required?: true;
}

export interface RequiredShape<T> extends Shape<T> {
  readonly required: true;
}

/** The type of what a shape reads. */
export type Read<S> = S extends Shape<infer T> ? T : never;

export type Members = Readonly<Record<string, Shape<unknown>>>;

/** Members that are not `required` may be undefined. */
export type StructureOf<M extends Members> = {
  readonly [K in keyof M]: M[K] extends RequiredShape<infer T>
    ? T
    : M[K] extends Shape<infer T>
      ? T | undefined
      : never;
};

/** A structure of AWS has to have this member. */
export const required = <T>(shape: Shape<T>): RequiredShape<T> => ({ ...shape, required: true });

export interface Range {
  readonly min?: number;
  readonly max?: number;
}

export interface StringConstraints extends Range {
  /** As in the service model: matches the whole value. It is quoted as it stands here. */
  readonly pattern?: string;
  /** The same, where JavaScript writes it in another way. */
  readonly expression?: RegExp;
}

export const string = (constraints: StringConstraints = {}): Shape<string> => {
  const { min, max, pattern } = constraints;
  const whole =
    pattern === undefined ? null : (constraints.expression ?? new RegExp(`^(?:${pattern})$`, "u"));
  return scalar(textOf, (value) => [
    // Characters count as one each, whatever JavaScript makes of them.
    ...lengthViolations(value.length > (max ?? 0) ? [...value].length : value.length, min, max),
    ...(whole === null || whole.test(value)
      ? []
      : [`Member must satisfy regular expression pattern: ${pattern}`]),
  ]);
};

export const enumeration = <const T extends string>(values: readonly T[]): Shape<T> => {
  const isOne = (value: string): value is T => values.some((one) => one === value);
  const constraint = `Member must satisfy enum value set: [${values.join(", ")}]`;
  return {
    read(value, path, reading) {
      const text = textOf(value);
      if (isOne(text)) return text;
      reading.violated(text, path, constraint);
      return undefined;
    },
    isScalar: true,
  };
};

export const integer = ({ min, max }: Range = {}): Shape<number> =>
  scalar(
    (value, wire) => {
      const number = numberOf(value, wire, "Integer");
      // AWS cuts fractions off.
      return Math.trunc(number);
    },
    (value) => rangeViolations(value, min, max),
  );

export const double = ({ min, max }: Range = {}): Shape<number> =>
  scalar(
    (value, wire) => numberOf(value, wire, "Double"),
    (value) => rangeViolations(value, min, max),
  );

export const boolean = (): Shape<boolean> =>
  scalar(
    (value, wire) => {
      if (typeof value === "boolean") return value;
      if (wire === "form" && (value === "true" || value === "false")) return value === "true";
      throw serialization(`${kindOf(value)} can not be converted to a Boolean`);
    },
    () => [],
  );

/** Read as milliseconds since 1970. */
export const timestamp = (): Shape<number> =>
  scalar(
    (value) => {
      if (value instanceof Timestamp) return value.epochMs;
      if (typeof value === "number") return value * 1000;
      const epochMs = typeof value === "string" ? Date.parse(value) : Number.NaN;
      if (Number.isNaN(epochMs))
        throw serialization(`${kindOf(value)} can not be converted to milliseconds since epoch`);
      return epochMs;
    },
    () => [],
  );

export const list = <T>(member: Shape<T>, { min, max }: Range = {}): Shape<readonly T[]> => ({
  read(value, path, reading) {
    const values = listOf(value, reading.wire);
    const before = reading.violations.length;
    for (const constraint of lengthViolations(values.length, min, max))
      reading.violated(values, path, constraint);
    const read = readMembers(member, values, path, reading);
    return reading.violations.length > before ? undefined : read;
  },
});

/** Keys are texts; `{"a": "b"}` in JSON and CBOR. */
export const map = <T>(value: Shape<T>, { min, max }: Range = {}): Shape<Readonly<Record<string, T>>> => ({
  read(raw, path, reading) {
    const before = reading.violations.length;
    const entries = Object.entries(objectOf(raw));
    for (const constraint of lengthViolations(entries.length, min, max))
      reading.violated(raw, path, constraint);
    const read: Record<string, T> = {};
    for (const [key, one] of entries) {
      const member = one === null ? undefined : value.read(one, `${path}.${key}.member`, reading);
      if (member !== undefined) read[key] = member;
    }
    return reading.violations.length > before ? undefined : read;
  },
});

/** Members it does not know are left out, as AWS does. */
export const structure = <const M extends Members>(members: M): Shape<StructureOf<M>> => ({
  read(value, path, reading) {
    const before = reading.violations.length;
    const given = objectOf(value);
    const read: Record<string, unknown> = {};
    for (const [name, member] of Object.entries(members)) {
      const at = path === "" ? memberName(name) : `${path}.${memberName(name)}`;
      const one = Object.hasOwn(given, name) ? given[name] : undefined;
      if (one !== undefined && one !== null) read[name] = member.read(one, at, reading);
      else if (member.required) reading.violated(null, at, "Member must not be null");
    }
    if (reading.violations.length > before) return undefined;
    // Every member was read by its own shape, and none that is required is missing.
    return read as StructureOf<M>;
  },
});

/** A structure of which nothing is read. */
export const anything = (): Shape<unknown> => ({ read: (value) => value });

/**
 * The input of an operation.
 * @param invalid the service's error for what does not meet its constraints, given the whole text
 * @throws AwsError
 */
export const readInput = <T>(
  shape: Shape<T>,
  value: unknown,
  wire: Wire,
  invalid: (message: string) => AwsError = validationException,
): T => {
  const reading = new Reading(wire);
  const read = shape.read(value ?? {}, "", reading);
  const { violations } = reading;
  if (violations.length > 0 || read === undefined) {
    const errors = violations.length === 1 ? "1 validation error" : `${violations.length} validation errors`;
    throw invalid(`${errors} detected: ${violations.join("; ")}`);
  }
  return read;
};

export const validationException = (message: string): AwsError =>
  new AwsError("ValidationException", message);

export const serialization = (message: string): AwsError => new AwsError("SerializationException", message);

const scalar = <T>(
  convert: (value: unknown, wire: Wire) => T,
  violations: (value: T) => readonly string[],
): Shape<T> => ({
  read(value, path, reading) {
    const read = convert(value, reading.wire);
    const found = violations(read);
    for (const constraint of found) reading.violated(read, path, constraint);
    return found.length === 0 ? read : undefined;
  },
  isScalar: true,
});

const readMembers = <T>(
  member: Shape<T>,
  values: readonly unknown[],
  path: string,
  reading: Reading,
): T[] => {
  if (!member.isScalar) {
    return values.flatMap((one, index) => {
      const read = one === null ? undefined : member.read(one, `${path}.${index + 1}.member`, reading);
      return read === undefined ? [] : [read];
    });
  }
  const alone = new Reading(reading.wire);
  const read = values.flatMap((one) => {
    const value = one === null ? undefined : member.read(one, "", alone);
    return value === undefined ? [] : [value];
  });
  if (alone.violations.length > 0) {
    const constraints = new Set(alone.violations.map((text) => text.slice(text.indexOf(AT) + AT.length)));
    reading.violated(values, path, `Member must satisfy constraint: [${[...constraints].join(", ")}]`);
  }
  return read;
};

const AT = " at '' failed to satisfy constraint: ";

const lengthViolations = (length: number, min?: number, max?: number): string[] => [
  ...(max !== undefined && length > max ? [`Member must have length less than or equal to ${max}`] : []),
  ...(min !== undefined && length < min ? [`Member must have length greater than or equal to ${min}`] : []),
];

const rangeViolations = (value: number, min?: number, max?: number): string[] => [
  ...(max !== undefined && value > max ? [`Member must have value less than or equal to ${max}`] : []),
  ...(min !== undefined && value < min ? [`Member must have value greater than or equal to ${min}`] : []),
];

const textOf = (value: unknown): string => {
  if (typeof value === "string") return value;
  // As AWS's parser does it.
  if (typeof value === "number" || typeof value === "boolean")
    throw serialization(`${kindOf(value)} can not be converted to a String`);
  throw serialization(
    Array.isArray(value)
      ? "Unexpected list element found"
      : "Start of structure or map found where not expected.",
  );
};

const numberOf = (value: unknown, wire: Wire, type: string): number => {
  if (typeof value === "number") return value;
  if (typeof value === "string") {
    if (wire === "form" && value.trim() !== "" && Number.isFinite(Number(value))) return Number(value);
    // JSON has no other way to write these.
    const special = type === "Double" ? specialDoubles[value] : undefined;
    if (special !== undefined) return special;
  }
  throw serialization(`${kindOf(value)} can not be converted to an ${type}`.replace("an Double", "a Double"));
};

const specialDoubles: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

const listOf = (value: unknown, wire: Wire): readonly unknown[] => {
  if (Array.isArray(value)) return value;
  if (wire === "form") {
    if (value === "") return [];
    const { member } = objectOf(value);
    if (member !== undefined) {
      return Object.entries(objectOf(member))
        .filter(([index]) => /^\d+$/.test(index))
        .sort(([a], [b]) => Number(a) - Number(b))
        .map(([, one]) => one);
    }
  }
  throw serialization(
    typeof value === "object"
      ? "Start of structure or map found where not expected."
      : "Unexpected field type",
  );
};

const objectOf = (value: unknown): Readonly<Record<string, unknown>> => {
  if (isObject(value)) return value;
  throw serialization(Array.isArray(value) ? "Unexpected list element found" : "Unexpected field type");
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const kindOf = (value: unknown): string => {
  if (typeof value === "string") return "STRING_VALUE";
  if (typeof value === "boolean") return value ? "TRUE_VALUE" : "FALSE_VALUE";
  if (typeof value === "number") return Number.isInteger(value) ? "NUMBER_VALUE" : "DECIMAL_VALUE";
  return Array.isArray(value) ? "START_ARRAY" : "START_OBJECT";
};

/** Paths begin each name with a small letter. */
const memberName = (name: string): string => `${name.charAt(0).toLowerCase()}${name.slice(1)}`;

/** As AWS shows a value; what is nested more deeply than its inputs are is left out. */
const valueText = (value: unknown, depth = 0): string => {
  if (depth > DEEPEST_SHOWN) return "...";
  const text = (one: unknown): string => valueText(one, depth + 1);
  if (Array.isArray(value)) return `[${value.map(text).join(", ")}]`;
  if (isObject(value)) {
    return `{${Object.entries(value)
      .map(([name, one]) => `${memberName(name)}=${text(one)}`)
      .join(", ")}}`;
  }
  return String(value);
};

const DEEPEST_SHOWN = 16;
