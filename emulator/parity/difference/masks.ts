import type { JsonText } from "../exchange/json-text.ts";

/** What no two servers could agree on, so that it is not compared; each with its reason, shown in the docs. */
export interface Mask {
  readonly name: string;
  readonly reason: string;
}

interface JsonMask extends Mask {
  readonly place: RegExp;
  /** Whether the two values may stand for each other. */
  readonly alike: (ours: string, theirs: string) => boolean;
}

const isPositive = (text: string): boolean => /^[1-9]\d*$/.test(text);
const bothTimes = (ours: string, theirs: string): boolean => isPositive(ours) && isPositive(theirs);
/** Less than a microsecond or a nanosecond may well be 0. */
const bothWhole = (ours: string, theirs: string): boolean => /^\d+$/.test(ours) && /^\d+$/.test(theirs);

const jsonMasks: readonly JsonMask[] = [
  {
    name: "durations in statistics",
    reason:
      "how long something took on this machine; compared is whether any time was counted, except where it may be too short for one nanosecond",
    place: /\/ns$/,
    alike: (ours, theirs) => bothTimes(ours, theirs) || bothWhole(ours, theirs),
  },
  {
    name: "time of the last inference",
    reason: "a time of day; compared is whether there was one",
    place: /\/last_inference$/,
    alike: bothTimes,
  },
];

/** The mask that covers two unequal values; null = none does. */
export const jsonMask = (
  pointer: string,
  ours: JsonText | undefined,
  theirs: JsonText | undefined,
): Mask | null =>
  jsonMasks.find(({ place, alike }) => place.test(pointer) && alike(textOf(ours), textOf(theirs))) ?? null;

const textOf = (value: JsonText | undefined): string => {
  if (value?.kind === "token") return value.text;
  return value?.kind === "string" ? value.value : "";
};

const orderOfVersions: Mask = {
  name: "order of failed versions",
  reason: "versions of a model load side by side, and an error lists them as they failed",
};

/** Covers two texts of errors that say the same in another order. */
export const textMask = (
  pointer: string,
  ours: JsonText | undefined,
  theirs: JsonText | undefined,
): Mask | null => {
  const sorted = (value: JsonText | undefined): string =>
    textOf(value)
      .replace(/\n$/, "")
      .split(/(?=version \d+ is at )/)
      .sort()
      .join("");
  return /\/(error|reason)$/.test(pointer) && sorted(ours) === sorted(theirs) ? orderOfVersions : null;
};

interface MetricMask extends Mask {
  readonly family: RegExp;
}

const metricMasks: readonly MetricMask[] = [
  {
    name: "durations in metrics",
    reason: "how long something took on this machine",
    family: /(_us|_duration_per_model|_lookup_duration|_insertion_duration|_ms|_secs)$/,
  },
  {
    name: "gauges of the machine",
    reason: "what the processor and the memory of the machine did meanwhile",
    family: /^nv_(cpu_|gpu_|energy_|pinned_memory_pool_used)/,
  },
];

export const metricMask = (family: string): Mask | null =>
  metricMasks.find((mask) => mask.family.test(family)) ?? null;

export const allMasks: readonly Mask[] = [
  ...jsonMasks,
  ...metricMasks,
  orderOfVersions,
  {
    name: "order of map entries",
    reason:
      "entries of protobuf maps, samples of a metric family and the list of the container API come in the order of a hash table",
  },
  {
    name: "paths of folders",
    reason:
      "each server has a repository of its own and puts the files of an override into a folder of its own choice",
  },
  {
    name: "message that ends in a blank",
    reason:
      "Node's HTTP/2, with which we ask, drops a header whose value ends in a blank, as grpc-message then does",
  },
  {
    name: "compressed bytes",
    reason: "two zlibs need not compress alike, so bodies are compared unpacked",
  },
  {
    name: "length of the body",
    reason:
      "Content-Length follows from the body, which is compared; compared is whether the header is there",
  },
];
