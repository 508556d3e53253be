import { formatByteSize } from "../core/memory/byte-size.ts";
import type { PoolName } from "../core/memory/memory-account.ts";
import type { PoolReading, VictimRecord } from "./event.ts";
import type { EventOf, History } from "./history.ts";
import type { RequestChain } from "./request-chain.ts";
import { bytesByPool, bytesTaken } from "./sentences.ts";
import { counted, durationText, listed, percentText } from "./words.ts";

/** From here on an answer counts as slow, and why is said. */
export const SLOW_US = 1_000_000;

/** Hints that follow from the numbers of what happened; none where nothing follows. */
export const preventionOf = (history: History, chain: RequestChain): readonly string[] => [
  ...new Set([
    ...chain.events.flatMap((event) => {
      switch (event.event) {
        case "eviction":
          return evictionHints(history, chain, event);
        case "refused":
          return refusalHints(event);
        case "killed":
          return killHints(event);
        case "fault":
          return [`The fault ${event.fault} struck here: without that rule it would not have.`];
        default:
          return [];
      }
    }),
    ...answerHints(history, chain),
  ]),
];

export const killHints = ({ asked, free }: EventOf<"killed">): readonly string[] => {
  const missing = asked - Math.max(0, free);
  if (missing <= 0) return [];
  return [
    `With ${formatByteSize(missing)} more of free host memory nobody would have been killed (asked for ${formatByteSize(asked)}, free ${formatByteSize(Math.max(0, free))}).`,
  ];
};

const refusalHints = ({ pool, asked, free }: EventOf<"refused">): readonly string[] =>
  asked > free
    ? [
        `With ${formatByteSize(asked - Math.max(0, free))} more of free memory on ${pool} it would not have been refused.`,
      ]
    : [`There was room on ${pool}: a limit of the model's own, gpu_mem_limit, refused it.`];

export const evictionHints = (
  history: History,
  chain: RequestChain,
  event: EventOf<"eviction">,
): readonly string[] => {
  const { highWater, measured = [] } = event;
  if (highWater === undefined) return [];
  const over =
    event.trigger === "high-utilisation"
      ? event.reading.filter(
          ({ pool, used, capacity }) => measured.includes(pool) && used > highWater * capacity,
        )
      : [];
  return [
    ...staleHints(history, event, over, highWater),
    ...estimateHints(history, chain, event, highWater),
    ...over.map(
      ({ pool, used, capacity }) =>
        `The mark of ${percentText(highWater)} would not have been passed with ${formatByteSize(Math.ceil(used / highWater))} of ${pool} or more; this machine has ${formatByteSize(capacity)}.`,
    ),
  ];
};

/** What was read lay above the mark; what was so at that moment did not. */
const staleHints = (
  history: History,
  event: EventOf<"eviction">,
  over: readonly PoolReading[],
  highWater: number,
): readonly string[] => {
  if (event.readingAgeUs <= 0 || over.length === 0) return [];
  const now = over.map(({ pool, used, capacity }) => ({
    pool,
    capacity,
    used: used + changeOf(history, event, pool),
  }));
  if (now.some(({ used, capacity }) => used > highWater * capacity)) return [];
  const stood = now.map(({ pool, used, capacity }) => `${pool} ${percentText(used / capacity)}`).join(", ");
  return [
    `A fresh reading would have shown ${stood}, below the mark: the one that decided was ${durationText(event.readingAgeUs)} old.`,
  ];
};

/** By how much a pool's use changed between the reading and the decision. */
const changeOf = (history: History, event: EventOf<"eviction">, pool: PoolName): number => {
  const fromUs = event.atUs - event.readingAgeUs;
  let change = 0;
  for (const other of history.events) {
    if (other === event) break;
    if (
      other.event === "bytes" &&
      other.pool === pool &&
      other.instance === event.instance &&
      other.atUs > fromUs
    ) {
      change += other.change;
    }
  }
  return change;
};

/** Fewer would have been enough, had the estimates been what the load then took and the victims gave back. */
const estimateHints = (
  history: History,
  { resident, events }: RequestChain,
  event: EventOf<"eviction">,
  highWater: number,
): readonly string[] => {
  const { victims, measured = [], trigger, rule, instance } = event;
  if (victims.length < 2 || !rule.includes("until-estimate-fits")) return [];
  const load = events.find((other) => other.event === "load" && other.atUs >= event.atUs);
  const answer = events.find(
    (other): other is EventOf<"load-answer"> => other.event === "load-answer" && other.atUs >= event.atUs,
  );
  if (load === undefined || answer?.status !== 200) return [];
  const taken = new Map(bytesTaken(history, resident, load.atUs, answer.atUs));
  if (taken.size === 0) return [];
  const pools = event.reading.filter(({ pool }) => measured.includes(pool));
  const fits = (count: number): boolean =>
    pools.every(({ pool, used, capacity }) => {
      const freed = victims.slice(0, count).map((victim) => freedBy(history, instance, victim, pool, event));
      const left = used - freed.reduce((sum, bytes) => sum + bytes, 0);
      return left + (taken.get(pool) ?? 0) <= highWater * capacity;
    });
  const least = trigger === "out-of-memory-answer" ? 1 : 0;
  const enough = victims.findIndex((_, count) => count >= least && fits(count));
  if (enough < 0) return [];
  const spared = victims.slice(enough).map(({ model }) => model);
  const took = bytesByPool(pools.map(({ pool }) => [pool, taken.get(pool) ?? 0]));
  return [
    `The load took ${took}. Had that been known, and what each victim really gives back, ${counted(enough, "victim")} would have been enough: ${listed(spared)} could have stayed.`,
  ];
};

/** What its unload gave back, up to the load it was for; the platform's expectation where the journal has no bytes of it. */
const freedBy = (
  history: History,
  instance: string | undefined,
  { model, hostBytes, gpuBytes }: VictimRecord,
  pool: PoolName,
  event: EventOf<"eviction">,
): number => {
  const resident = { instance, model };
  if (history.bytesOf(resident).length === 0) return pool === "host" ? hostBytes : gpuBytes;
  const endUs = history.staysOf(resident).find(({ end }) => end?.eviction === event)?.end?.atUs ?? event.atUs;
  return -(new Map(bytesTaken(history, resident, event.atUs, endUs)).get(pool) ?? 0);
};

const answerHints = (
  history: History,
  { request, resident, events, startUs }: RequestChain,
): readonly string[] => {
  if (request === null || request.answer === null) return [];
  const { answer, invocation } = request;
  const hints: string[] = [];
  const killed = history.stayBefore(resident, startUs)?.killed;
  if (killed && answer.status >= 400 && killed.atUs <= startUs) {
    hints.push(...killHints(killed));
    if (history.hasPlatform) {
      hints.push(
        `Only a new load brings ${resident.model} back, and the platform sees no reason for one: its answer is no 507.`,
      );
    }
  }
  const load = events.findLast((event): event is EventOf<"load-answer"> => event.event === "load-answer");
  if (load !== undefined && load.status === 200 && load.atUs > answer.atUs) {
    hints.push(
      `The load was done ${durationText(load.atUs - answer.atUs)} after the answer: the same request then finds ${resident.model} in memory.`,
    );
  }
  const starved = events.some(({ event }) => event === "killed" || event === "refused");
  if (
    load?.status !== undefined &&
    load.status !== null &&
    load.status >= 400 &&
    load.status !== 507 &&
    starved
  ) {
    hints.push(
      `The container answered ${load.status}, not 507: only a 507 makes the platform unload others and try again.`,
    );
  }
  if (!invocation.cacheHit && answer.status < 400 && answer.durationUs >= SLOW_US) {
    const warm = history
      .requestsOf(resident)
      .flatMap(({ invocation: other, answer: its }) =>
        other.cacheHit && its !== null && its.status < 400 ? [its.durationUs] : [],
      )
      .sort((a, b) => a - b);
    const middle = warm[Math.floor(warm.length / 2)];
    if (middle !== undefined && middle < answer.durationUs / 2) {
      hints.push(
        `Where ${resident.model} was in memory already, an answer took ${durationText(middle)} (median of ${warm.length}).`,
      );
    }
  }
  return hints;
};
