import { fail, ok, type Result } from "../common/status.ts";
import type { EventBody, EventName, JournalEvent } from "./event.ts";

/** A kind of value: what it may be, and the order of its members where it is a list of records. */
interface Shape {
  /** As an error names it. */
  readonly name: string;
  readonly optional: boolean;
  accepts(value: unknown): boolean;
  /** The value with its members in order. */
  ordered(value: unknown): unknown;
}

const asItIs = (value: unknown): unknown => value;

const shape = (name: string, accepts: (value: unknown) => boolean): Shape => ({
  name,
  optional: false,
  accepts,
  ordered: asItIs,
});

const isNumber = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value);
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const text = shape("a text", (value) => typeof value === "string");
const number = shape("a number", isNumber);
const amount = shape("a number of 0 or more", (value) => isNumber(value) && Number(value) >= 0);
/** The fractions of a clock are not written. */
const span: Shape = {
  ...amount,
  ordered: (value) => (typeof value === "number" ? Math.round(value) : value),
};
const truth = shape("true or false", (value) => typeof value === "boolean");

const orNull = (inner: Shape): Shape => ({
  ...inner,
  name: `${inner.name} or null`,
  accepts: (value) => value === null || inner.accepts(value),
});

const optional = (inner: Shape): Shape => ({ ...inner, optional: true });

const oneOf = (...words: readonly string[]): Shape =>
  shape(words.map((word) => JSON.stringify(word)).join(" or "), (value) =>
    words.some((word) => word === value),
  );

const listOf = (name: string, members: Readonly<Record<string, Shape>>): Shape => ({
  name: `a list of ${name} with ${Object.keys(members).join(", ")}`,
  optional: false,
  accepts: (value) =>
    Array.isArray(value) &&
    value.every(
      (entry: unknown) =>
        isRecord(entry) &&
        Object.keys(entry).length === Object.keys(members).length &&
        Object.entries(members).every(([key, member]) => member.accepts(entry[key])),
    ),
  ordered: (value) =>
    Array.isArray(value)
      ? value.map((entry: Readonly<Record<string, unknown>>) =>
          Object.fromEntries(
            Object.entries(members).map(([key, member]) => [key, member.ordered(entry[key])]),
          ),
        )
      : value,
});

const pool = shape(
  "a pool: host, disk, shm, gpu:0, ...",
  (value) => typeof value === "string" && /^(host|disk|shm|gpu:\d+)$/.test(value),
);

const poolNames = shape(
  "a list of pools",
  (value) => Array.isArray(value) && value.every((entry: unknown) => pool.accepts(entry)),
);

const readings = listOf("pools", { pool, used: amount, capacity: amount });

const pools = listOf("pools", { pool, capacity: amount, reserve: amount });

const victims = listOf("victims", {
  model: text,
  hostBytes: amount,
  gpuBytes: amount,
  idleUs: span,
  uses: amount,
});

const kinds = oneOf(
  "server",
  "library",
  "cuda-context",
  "weights",
  "staging",
  "arena",
  "workspace",
  "shm",
  "cache",
  "residue",
  "leak",
);

const agentActions = oneOf("LOAD", "LOAD_COMPLETE", "LOAD_FAIL", "UNLOAD", "UNLOAD_COMPLETE");

/** What an event is about, before its own fields. */
const subject = {
  endpoint: optional(text),
  instance: optional(text),
  model: optional(text),
  request: optional(text),
};

/** The own fields of every event, in the order of the text. */
export const eventFields: {
  readonly [Name in EventName]: {
    readonly [Field in Exclude<keyof Extract<EventBody, { event: Name }>, "event">]-?: Shape;
  };
} = {
  run: {
    seed: number,
    machine: orNull(text),
    profile: text,
    policy: orNull(text),
    scenario: orNull(text),
    epochMs: number,
  },
  invocation: { cacheHit: truth },
  answer: {
    status: amount,
    from: oneOf("container", "platform"),
    durationUs: span,
    text: optional(text),
  },
  download: { bytes: amount },
  unpacked: { bytes: amount, durationUs: span },
  "artifact-refused": { text },
  "archive-deleted": { bytes: amount, rule: text },
  load: {},
  "load-answer": { status: orNull(amount), durationUs: span, text: optional(text) },
  eviction: {
    trigger: text,
    because: text,
    rule: text,
    reading: readings,
    readingAgeUs: span,
    needHostBytes: amount,
    needGpuBytes: amount,
    victims,
    enough: truth,
    highWater: optional(amount),
    measured: optional(poolNames),
  },
  unload: { because: text },
  "unload-answer": { status: orNull(amount), durationUs: span },
  placed: { because: text },
  "model-state": { version: amount, state: text, reason: text },
  "agent-action": { agent: text, action: agentActions },
  bytes: {
    process: text,
    pool,
    kind: kinds,
    change: number,
    before: amount,
    after: amount,
    cause: text,
  },
  refused: { pool, asked: amount, free: number, text },
  killed: {
    process: text,
    residentBytes: amount,
    rule: text,
    tied: amount,
    newcomer: text,
    asked: amount,
    free: number,
  },
  "freeze-risk": { free: number },
  fault: { fault: text, operation: text },
  ping: { status: orNull(amount), asked: optional(oneOf("list")) },
  "container-died": { because: text },
  "container-started": { pools: optional(pools) },
  "endpoint-status": { region: text, status: orNull(text), config: text, text: optional(text) },
  reset: { scope: text },
  step: { did: text, status: optional(orNull(amount)), text: optional(text), durationUs: optional(amount) },
  clock: { byUs: span },
  dropped: { count: amount },
};

const shapesOf = (name: EventName): readonly (readonly [string, Shape])[] => [
  ...Object.entries<Shape>(subject),
  ...Object.entries<Shape>(eventFields[name]),
];

const shapesByName = new Map<string, ReadonlyMap<string, Shape>>();

const fieldsOf = (name: EventName): ReadonlyMap<string, Shape> => {
  const known = shapesByName.get(name) ?? new Map(shapesOf(name));
  shapesByName.set(name, known);
  return known;
};

/** An event as one line, without its end. Fields stand in the order of the table, so equal events are equal texts. */
export const eventText = (event: JournalEvent): string => {
  const values: Readonly<Record<string, unknown>> = { ...event };
  const line: Record<string, unknown> = { atUs: event.atUs, event: event.event };
  for (const [name, { ordered }] of fieldsOf(event.event)) {
    const value = values[name];
    if (value !== undefined) line[name] = ordered(value);
  }
  return JSON.stringify(line);
};

/**
 * Reads a journal file. Strict: the first line is `run`, every line is an event of docs/journal.md with all its fields and
 * no others, and time never goes back. INVALID_ARG says which line is wrong, and how.
 */
export const readJournal = (content: string): Result<readonly JournalEvent[]> => {
  const lines = content.split("\n");
  // What follows the last line's end.
  const rest = lines.pop() ?? "";
  const wrong = (line: number, what: string) => fail("INVALID_ARG", `line ${line}: ${what}`);
  if (rest !== "") return wrong(lines.length + 1, "it is cut off: there is no line end after it");
  const events: JournalEvent[] = [];
  let lastUs = Number.NEGATIVE_INFINITY;
  for (const [index, line] of lines.entries()) {
    const event = readEvent(line);
    if (!event.ok) return wrong(index + 1, event.error.message);
    const { value } = event;
    if ((value.event === "run") !== (index === 0)) {
      return wrong(
        index + 1,
        index === 0
          ? `a journal begins with the event run, not ${value.event}`
          : "a second run: this is more than one journal",
      );
    }
    if (value.atUs < lastUs) {
      return wrong(index + 1, `atUs ${value.atUs} is before the line above, ${lastUs}`);
    }
    lastUs = value.atUs;
    events.push(value);
  }
  return events.length === 0
    ? wrong(1, "the file is empty; a journal begins with the event run")
    : ok(events);
};

const readEvent = (line: string): Result<JournalEvent> => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return fail("INVALID_ARG", "it is no JSON");
  }
  const problem = problemOf(value);
  return problem === null && isEvent(value) ? ok(value) : fail("INVALID_ARG", problem ?? "");
};

const isEvent = (value: unknown): value is JournalEvent => problemOf(value) === null;

const isEventName = (name: unknown): name is EventName =>
  typeof name === "string" && Object.hasOwn(eventFields, name);

/** Null = it is an event. */
const problemOf = (value: unknown): string | null => {
  if (!isRecord(value)) return "it is no JSON object";
  const name = value.event;
  if (!isEventName(name)) return `event ${JSON.stringify(name)} is not known`;
  if (!amount.accepts(value.atUs)) return `${name}: atUs has to be ${amount.name}`;
  const fields = fieldsOf(name);
  for (const [field, { accepts, optional: isOptional, name: expected }] of fields) {
    if (value[field] === undefined && isOptional) continue;
    if (value[field] === undefined) return `${name}: ${field} is missing`;
    if (!accepts(value[field])) {
      return `${name}: ${field} has to be ${expected}, not ${JSON.stringify(value[field])}`;
    }
  }
  const unknown = Object.keys(value).find((key) => key !== "atUs" && key !== "event" && !fields.has(key));
  return unknown === undefined ? null : `${name}: ${unknown} is not one of its fields`;
};
