import { formatByteSize, parseByteSize } from "../core/memory/byte-size.ts";
import type { PoolName } from "../core/memory/memory-account.ts";
import type { JournalEvent } from "../journal/event.ts";
import { durationText } from "../journal/words.ts";
import type { EmulatorControl } from "./control.ts";

/** What a matcher answers; `message` is for when it is not what was expected. */
export interface Judgement {
  readonly pass: boolean;
  message(): string;
}

/** Since the start or the last reset. */
export const hasLoaded = async (emulator: EmulatorControl, model: string): Promise<Judgement> => {
  const events = await emulator.journal({ model });
  const pass = events.some((event) => isLoad(event) && event.model === model);
  return judgement(
    pass,
    `expected ${model} ${pass ? "not " : ""}to have been loaded, but it was${pass ? "" : " not"}`,
    await emulator.explain(model),
  );
};

/** Unloaded to make room. @param newcomer for this model; absent = for any */
export const hasEvicted = async (
  emulator: EmulatorControl,
  model: string,
  newcomer?: string,
): Promise<Judgement> => {
  const events = await emulator.journal();
  const pass = events.some(
    (event) =>
      event.event === "eviction" &&
      event.victims.some((victim) => victim.model === model) &&
      (newcomer === undefined || event.model === newcomer),
  );
  const forWhom = newcomer === undefined ? "" : ` for ${newcomer}`;
  return judgement(
    pass,
    `expected ${model} ${pass ? "not " : ""}to have been evicted${forWhom}, but it was${pass ? "" : " not"}`,
    await emulator.explain(model),
  );
};

/** A load, or an invocation that the caller reads about. @param model absent = of any */
export const hasAnswered507 = async (emulator: EmulatorControl, model?: string): Promise<Judgement> => {
  const events = await emulator.journal();
  const answered = events.find((event) => is507(event) && (model === undefined || event.model === model));
  const of = model === undefined ? "" : ` for ${model}`;
  if (answered === undefined) {
    return judgement(
      false,
      `expected a 507 of the container${of}, but there was none`,
      model === undefined ? "" : await emulator.explain(model),
    );
  }
  const about = answered.request ?? answered.model ?? model;
  return judgement(
    true,
    `expected no 507 of the container${of}, but there was one ${since(events, answered)}`,
    about === undefined ? "" : await emulator.explain(about),
  );
};

/**
 * Judges by the most that was used of the pool since the start or the last reset, over all instances.
 * Rejects where there is no such pool, or where the limit is none.
 * @param limit a size such as `12GiB`, bytes, or a share of the pool such as `80%`
 */
export const hasStayedUnder = async (
  emulator: EmulatorControl,
  limit: string | number,
  pool: PoolName,
): Promise<Judgement> => {
  const { instances } = await emulator.memory();
  const pools = instances.flatMap((instance) => instance.pools);
  const sizes = pools.filter((size) => size.pool === pool);
  const capacity = Math.max(...sizes.map(({ capacityBytes }) => capacityBytes));
  if (sizes.length === 0) {
    const names = [...new Set(pools.map((size) => size.pool))];
    throw new TypeError(
      names.length === 0
        ? "toHaveStayedUnder: no machine is emulated, so no memory has a size: start with `machine`"
        : `toHaveStayedUnder: there is no pool '${pool}': there are ${names.join(", ")}`,
    );
  }
  const limitBytes = bytesOf(limit, capacity);
  const events = await emulator.journal();
  const highest = events
    .filter((event) => event.event === "bytes")
    .filter((event) => event.pool === pool)
    .reduce<BytesEvent | null>(
      (most, event) => (most === null || event.after > most.after ? event : most),
      null,
    );
  const isWhole = !events.some(({ event }) => event === "dropped");
  const peak = Math.max(
    highest?.after ?? 0,
    ...sizes.map(({ usedBytes, highWaterBytes }) => (isWhole ? usedBytes : highWaterBytes)),
  );
  const pass = peak < limitBytes;
  const under = `under ${formatByteSize(limitBytes)} of ${formatByteSize(capacity)}`;
  const moment =
    highest !== null && highest.after === peak ? ` ${since(events, highest)}, ${takerText(highest)}` : "";
  const reached = `${pool} reached ${formatByteSize(peak)}${moment}`;
  return judgement(
    pass,
    pass
      ? `expected ${pool} not to have stayed ${under}, but it did: ${reached}`
      : `expected ${pool} to have stayed ${under}, but ${reached}`,
    highest?.model === undefined ? "" : await emulator.explain(highest.model),
  );
};

type BytesEvent = Extract<JournalEvent, { event: "bytes" }>;

const isLoad = (event: JournalEvent): boolean =>
  (event.event === "load-answer" && event.status === 200) ||
  (event.event === "model-state" && event.state === "READY");

/** The caller of an endpoint gets the container's 507 within a ModelError. */
const is507 = (event: JournalEvent): boolean =>
  (event.event === "load-answer" && event.status === 507) ||
  (event.event === "answer" &&
    event.from === "container" &&
    event.text?.startsWith("Received server error (507)") === true);

const bytesOf = (limit: string | number, capacityBytes: number): number => {
  if (typeof limit === "number") return limit;
  const share = /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(limit)?.[1];
  const bytes = share === undefined ? parseByteSize(limit) : (Number(share) / 100) * capacityBytes;
  if (bytes !== null) return bytes;
  throw new TypeError(
    `toHaveStayedUnder: '${limit}' is neither a size such as 12GiB nor a share such as 80%`,
  );
};

const takerText = ({ model, process, change, kind }: BytesEvent): string =>
  `when ${model ?? process} took ${formatByteSize(change)} (${kind})`;

const since = (events: readonly JournalEvent[], { atUs }: JournalEvent): string => {
  const reset = events.findLast(({ event }) => event === "reset");
  const from = reset ?? events[0];
  return `${durationText(atUs - (from?.atUs ?? atUs))} after the ${reset === undefined ? "start" : "reset"}`;
};

const judgement = (pass: boolean, verdict: string, story: string): Judgement => ({
  pass,
  message: () => (story === "" ? verdict : `${verdict}\n\n${story.trimEnd()}`),
});
