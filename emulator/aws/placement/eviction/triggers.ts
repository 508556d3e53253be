import { type Measure, type MemoryReading, type ResidentModel, utilisation } from "./resident-model.ts";

/** What has just happened on an instance. */
export type Occasion =
  | { readonly kind: "load-needed" }
  /** The container has answered a load or an invocation. */
  | { readonly kind: "answer"; readonly status: number }
  /** The last response of an invocation is out. */
  | { readonly kind: "invocation-done"; readonly model: string }
  | { readonly kind: "time-passed"; readonly nowUs: number }
  /** An archive is about to be downloaded or unpacked. */
  | { readonly kind: "disk-write"; readonly bytes: number };

export interface Situation {
  readonly occasion: Occasion;
  readonly residents: readonly ResidentModel[];
  readonly reading: MemoryReading;
}

export interface TriggerSettings {
  readonly measure: Measure;
  /** Share of the capacity above which memory counts as full. */
  readonly highWater: number;
  /** Microseconds; 0 = models never idle out. */
  readonly idleTimeoutUs: number;
}

/** `make-room`: policy and count choose, `leastVictims` at least. `unload`: exactly these, in this order. */
export type Firing =
  | {
      readonly action: "make-room";
      readonly from: "memory" | "disk";
      readonly leastVictims: 0 | 1;
      readonly because: string;
    }
  | { readonly action: "unload"; readonly models: readonly string[]; readonly because: string };

/** Null = not this time. */
export type Trigger = (situation: Situation, settings: TriggerSettings) => Firing | null;

/** A model has to be loaded and the last sample stands above the high-water mark: room is made before the load is tried. */
const highUtilisation: Trigger = ({ occasion, reading }, { measure, highWater }) => {
  const share = utilisation(reading, measure);
  if (occasion.kind !== "load-needed" || share <= highWater) return null;
  const because = `${measure} memory stood at ${percent(share)}, above ${percent(highWater)}`;
  return { action: "make-room", from: "memory", leastVictims: 0, because };
};

/**
 * The container has said 507 to a load or an invocation. At least one model goes, even where the estimate fits: the answer
 * has shown the estimate to be wrong.
 */
const outOfMemoryAnswer: Trigger = ({ occasion }) =>
  occasion.kind === "answer" && occasion.status === 507
    ? { action: "make-room", from: "memory", leastVictims: 1, because: "the container answered 507" }
    : null;

/** `ModelCacheSetting: Disabled`: a model goes when its last invocation is done; one still in use goes after that one. */
const cacheDisabled: Trigger = ({ occasion, residents }) => {
  if (occasion.kind !== "invocation-done") return null;
  const done = residents.find(({ name }) => name === occasion.model);
  if (done === undefined || done.busy || done.pinned) return null;
  return { action: "unload", models: [done.name], because: "ModelCacheSetting is Disabled" };
};

/** Models that nobody has asked for in `idleTimeoutUs` go, the longest unused first, full or not. */
const idleTimeout: Trigger = ({ occasion, residents }, { idleTimeoutUs }) => {
  if (occasion.kind !== "time-passed" || idleTimeoutUs === 0) return null;
  const models = residents
    .filter(({ busy, pinned, lastUseUs }) => !busy && !pinned && occasion.nowUs - lastUseUs >= idleTimeoutUs)
    .sort((a, b) => a.lastUseUs - b.lastUseUs || a.loadOrder - b.loadOrder)
    .map(({ name }) => name);
  if (models.length === 0) return null;
  return { action: "unload", models, because: `not used for ${idleTimeoutUs / 1e6} s` };
};

/** An archive does not fit on the disk: those of models that are not loaded go. */
const diskFull: Trigger = ({ occasion, reading: { used, capacity } }) => {
  if (occasion.kind !== "disk-write" || used.disk + occasion.bytes <= capacity.disk) return null;
  const because = `${occasion.bytes} bytes do not fit on the disk, ${Math.max(0, capacity.disk - used.disk)} are free`;
  return { action: "make-room", from: "disk", leastVictims: 1, because };
};

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export const triggers = {
  "high-utilisation": highUtilisation,
  "out-of-memory-answer": outOfMemoryAnswer,
  "cache-disabled": cacheDisabled,
  "idle-timeout": idleTimeout,
  "disk-full": diskFull,
} satisfies Readonly<Record<string, Trigger>>;

export type TriggerName = keyof typeof triggers;
