import type { FaultOperation } from "./fault-source.ts";

/** What an effect may be told beside its name. */
export type EffectField = "message" | "delay" | "after_bytes";

export interface EffectEntry {
  readonly operations: readonly FaultOperation[];
  readonly required: readonly EffectField[];
  readonly optional: readonly EffectField[];
  readonly description: string;
}

export const operations: readonly FaultOperation[] = [
  "download",
  "unpack",
  "load",
  "infer",
  "unload",
  "ping",
  "list",
  "respond",
  "invoke",
];

/** Every effect by its word; docs/faults.md has the same table. */
export const effects = {
  "out-of-memory": {
    operations: ["load", "infer"],
    required: [],
    optional: ["message"],
    description: "fails in the words in which the model's backend says that its GPU is full",
  },
  fail: {
    operations: ["download", "unpack", "load", "infer"],
    required: ["message"],
    optional: [],
    description: "fails with the message",
  },
  slow: {
    operations: ["download", "unpack", "load", "infer", "unload", "ping", "list"],
    required: ["delay"],
    optional: [],
    description: "takes that much longer",
  },
  hang: {
    operations: ["download", "unpack", "load", "infer", "unload", "ping", "list"],
    required: [],
    optional: [],
    description: "never ends",
  },
  kill: {
    operations: ["load", "infer", "ping"],
    required: [],
    optional: [],
    description: "the stub process of the model's instance dies; at a ping, the server",
  },
  "truncated-archive": {
    operations: ["unpack"],
    required: [],
    optional: [],
    description: "the archive ends too early",
  },
  "disk-full": {
    operations: ["download", "unpack"],
    required: [],
    optional: [],
    description: "the disk of the instance has no room",
  },
  unhealthy: {
    operations: ["ping", "list"],
    required: [],
    optional: [],
    description: "the ping is answered with 400, the list with 404, as by a container that has none",
  },
  reset: {
    operations: ["ping", "list", "respond"],
    required: [],
    optional: ["after_bytes"],
    description: "the connection breaks after that many bytes of the answer, 0 unless told otherwise",
  },
  throttled: {
    operations: ["invoke"],
    required: [],
    optional: ["message"],
    description: "is answered with ThrottlingException (400)",
  },
  unavailable: {
    operations: ["invoke"],
    required: [],
    optional: ["message"],
    description: "is answered with ServiceUnavailable (503)",
  },
  "internal-failure": {
    operations: ["invoke"],
    required: [],
    optional: ["message"],
    description: "is answered with InternalFailure (500)",
  },
  "dependency-failure": {
    operations: ["invoke"],
    required: [],
    optional: ["message"],
    description: "is answered with InternalDependencyException (530)",
  },
} as const satisfies Readonly<Record<string, EffectEntry>>;

export type EffectName = keyof typeof effects;

export const effectNames: readonly string[] = Object.keys(effects);

export const effectEntry = (name: string): EffectEntry | null => {
  const known: Readonly<Record<string, EffectEntry>> = effects;
  return Object.hasOwn(known, name) ? (known[name] ?? null) : null;
};

/** What GNU tar and the container's own unpacking have in common: the archive ended inside a file. */
export const TRUNCATED_ARCHIVE = "the archive is cut off: unexpected end of file";

/** As the C library says it, which the container API answers with 507. */
export const DISK_FULL = "No space left on device";
