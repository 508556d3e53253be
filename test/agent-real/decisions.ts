import type { PlatformAnswer } from "../../emulator/aws/placement/platform-answer.ts";
import type { EventName, JournalEvent } from "../../emulator/journal/event.ts";

/** What the platform decided, and what the container said to it. */
const decisive: readonly EventName[] = [
  "artifact-refused",
  "archive-deleted",
  "download",
  "unpacked",
  "load",
  "load-answer",
  "eviction",
  "unload",
  "unload-answer",
  "container-died",
  "container-started",
];

/** What is not the same when the same is decided: times, and the words in which it is told. */
const left: readonly string[] = [
  "atUs",
  "instance",
  "durationUs",
  "readingAgeUs",
  "idleUs",
  "text",
  "because",
];

const withoutTimes = (event: object): string =>
  JSON.stringify(event, (key, value: unknown) => (left.includes(key) ? undefined : value));

/**
 * The decisions of a run, one a line. Victims are unloaded side by side, and which of them is gone first is not decided by
 * anybody: neighbouring lines of unloads are sorted.
 */
export const decisionsOf = (events: readonly JournalEvent[]): string[] => {
  const lines: string[] = [];
  let unloads: string[] = [];
  for (const event of events.filter((candidate) => decisive.includes(candidate.event))) {
    if (event.event === "unload" || event.event === "unload-answer") {
      unloads.push(withoutTimes(event));
      continue;
    }
    lines.push(...unloads.sort());
    unloads = [];
    lines.push(withoutTimes(event));
  }
  return [...lines, ...unloads.sort()];
};

export const answerLine = (requestId: string, answer: PlatformAnswer): string =>
  `${requestId} ${answer.status} from ${answer.from} ${answer.cacheHit ? "hit" : "miss"} ` +
  `${answer.error?.type ?? ""} ${answer.error?.originalStatusCode ?? ""}`.trimEnd();

export interface Difference {
  readonly line: number;
  readonly one: string;
  readonly other: string;
}

export const differences = (one: readonly string[], other: readonly string[]): Difference[] =>
  Array.from({ length: Math.max(one.length, other.length) }, (_, index) => ({
    line: index + 1,
    one: one[index] ?? "(nothing)",
    other: other[index] ?? "(nothing)",
  })).filter((pair) => pair.one !== pair.other);
