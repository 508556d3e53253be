import { formatByteSize } from "../core/memory/byte-size.ts";
import type { PoolName } from "../core/memory/memory-account.ts";
import type { JournalEvent, PoolReading } from "./event.ts";
import type { EventOf, History, Resident, StayEnd } from "./history.ts";
import { counted, durationText, listed, percentText } from "./words.ts";

/** Longer texts of others lose their middle: the whole stands in the journal. */
const LONGEST_QUOTE = 200;
const QUOTE_HEAD = 80;
const MOST_VICTIMS = 8;
const MOST_HOLDERS = 4;

/** Around the container's own text: what the platform says of every error of its, and where its log is. */
const platformError = /^(Received \w+ error \(\d+\)) from primary with message "(.*)"\. See https:.*$/s;

/** A text of somebody else, in one line; of a JSON error its message. */
export const quoted = (text: string): string => {
  const line = messageIn(text).replace(/\s+/g, " ").trim();
  return `“${line.length > LONGEST_QUOTE ? `${line.slice(0, QUOTE_HEAD)} ... ${line.slice(QUOTE_HEAD - LONGEST_QUOTE)}` : line}”`;
};

const messageIn = (text: string): string => {
  const [, received, message] = platformError.exec(text) ?? [];
  if (received !== undefined && message !== undefined) return `${received}: ${messageIn(message)}`;
  if (!text.startsWith("{")) return text;
  try {
    const value: unknown = JSON.parse(text);
    const error = typeof value === "object" && value !== null && "error" in value ? value.error : null;
    return typeof error === "string" ? error : text;
  } catch {
    return text;
  }
};

/** `on i-1`, with a blank before it; empty where there is only one. */
export const onInstance = (instance: string | undefined): string =>
  instance === undefined ? "" : ` on ${instance}`;

/** A time of the journal: of the day where the run was on the clock of the machine, else since the start. */
export const momentText = (history: History, atUs: number): string => {
  const [run] = history.events;
  if (run?.event !== "run" || run.scenario !== null) return durationText(atUs - (run?.atUs ?? 0));
  return `${new Date(run.epochMs + (atUs - run.atUs) / 1000).toISOString().slice(11, 19)} UTC`;
};

const requested = (request: string | undefined): string =>
  request === undefined ? "" : `, which request ${request} asked for`;

/** Why a model was not in memory at a time: a sentence without its subject, `had been unloaded ...`. */
export const absenceText = (history: History, resident: Resident, atUs: number): string => {
  const stay = history.stayBefore(resident, atUs);
  const failed = history.failedLoadsOf(resident).findLast((load) => load.atUs < atUs);
  const end = stay === undefined || stay.end === null || stay.end.atUs > atUs ? null : stay.end;
  if (failed !== undefined && (stay === undefined || (end !== null && failed.atUs > end.atUs))) {
    return `had last failed to load ${ago(atUs, failed.atUs)}, with ${statusText(failed.status)}`;
  }
  if (stay === undefined) {
    const since = history.isCut ? " since the journal's oldest line" : "";
    return `had not been loaded${onInstance(resident.instance)}${since}`;
  }
  if (end !== null) return departureText(end, atUs);
  return stay.killed !== null && stay.killed.atUs <= atUs
    ? killedText(stay.killed, atUs)
    : "was on its way out";
};

const killedText = (event: EventOf<"killed">, atUs: number): string => {
  const { model, newcomer, asked, free } = event;
  const who = newcomer === model ? "it" : newcomer;
  return `had lost its process ${ago(atUs, event.atUs)}: the kernel killed it when ${who} asked for ${formatByteSize(asked)} with ${formatByteSize(Math.max(0, free))} free`;
};

const departureText = (end: StayEnd, atUs: number): string => {
  const { event, eviction } = end;
  const before = ago(atUs, end.atUs);
  switch (event.event) {
    case "unload":
      return eviction === null
        ? `had been unloaded ${before}: ${event.because}`
        : `had been unloaded ${before} to make room for ${eviction.model}${requested(eviction.request)}`;
    case "load":
      return `was no longer known to the container ${before}`;
    case "container-died":
      return `had gone with its container, which died ${before}: ${event.because}`;
    case "reset":
      return `had gone with a reset ${before}`;
    case "model-state":
      return `had been unloaded ${before}${event.reason === "" ? "" : ` (${event.reason})`}`;
  }
};

const ago = (nowUs: number, thenUs: number): string =>
  nowUs - thenUs <= 1 ? "just before" : `${durationText(nowUs - thenUs)} before`;

export const statusText = (status: number | null): string =>
  status === null ? "no answer" : `the answer ${status}`;

/** `room was made: ...` and the victims, one a line. */
export const evictionLines = (
  event: EventOf<"eviction">,
): { readonly text: string; readonly details: readonly string[] } => {
  const { rule, trigger, victims, enough } = event;
  const need = needText(event);
  const nobody = enough
    ? "nobody had to go"
    : "nobody could be unloaded: no other model is loaded, or they are busy, pinned or too recently used";
  const chosen =
    victims.length === 0
      ? nobody
      : `rule ${rule} chose ${counted(victims.length, "model")} for ${event.model}${need}`;
  const short = enough || victims.length === 0 ? "" : "; that was all that could go, and not enough";
  return {
    text: `room was to be made (${trigger}): ${readingText(event)}`,
    details: [`${chosen}${short}${victims.length > 0 ? ":" : ""}`, ...victimLines(event)],
  };
};

/** Why it fired, with what had been read. */
const readingText = ({
  trigger,
  because,
  reading,
  readingAgeUs,
  highWater,
  measured = [],
}: EventOf<"eviction">): string => {
  const poolText = ({ used, capacity }: PoolReading): string =>
    `${formatByteSize(used)} of ${formatByteSize(capacity)}`;
  const age = readingAgeUs > 0 ? `, read ${durationText(readingAgeUs)} before` : "";
  const share = ({ used, capacity }: PoolReading): number => (capacity === 0 ? 0 : used / capacity);
  const [fullest] = reading.filter(({ pool }) => measured.includes(pool)).sort((a, b) => share(b) - share(a));
  if (trigger !== "high-utilisation" || highWater === undefined || fullest === undefined) {
    const pools = reading.map((pool) => `${pool.pool} ${poolText(pool)}`).join(", ");
    return `${because}${pools === "" ? "" : ` (${pools}${age})`}`;
  }
  const others = reading.filter(({ pool }) => pool !== fullest.pool);
  const rest = others.map((pool) => `; ${pool.pool} ${poolText(pool)}`).join("");
  return `${fullest.pool} stood at ${percentText(share(fullest))} (${poolText(fullest)}${age}), above the mark of ${percentText(highWater)}${rest}`;
};

const needText = ({ needHostBytes, needGpuBytes }: EventOf<"eviction">): string => {
  const needs = bytesByPool([
    ["host", needHostBytes],
    ["GPU", needGpuBytes],
  ]);
  return needs === "" ? "" : `, which needs an estimated ${needs}`;
};

const victimLines = ({ victims }: EventOf<"eviction">): readonly string[] => {
  const shown = victims.slice(0, MOST_VICTIMS).map(({ model, hostBytes, gpuBytes, idleUs, uses }) => {
    const frees = bytesByPool([
      ["host", hostBytes],
      ["GPU", gpuBytes],
    ]);
    return `  ${model}: idle ${durationText(idleUs)}, ${counted(uses, "use")}, frees ${frees === "" ? "nothing" : frees}`;
  });
  const more = victims.length - shown.length;
  return more > 0 ? [...shown, `  and ${more} more`] : shown;
};

/** `1.9 GiB of host and 436.0 MiB of gpu:0`; empty where nothing is. */
export const bytesByPool = (pools: readonly (readonly [string, number])[]): string =>
  listed(
    pools.filter(([, bytes]) => bytes !== 0).map(([pool, bytes]) => `${formatByteSize(bytes)} of ${pool}`),
  );

/** What a kill was, and whether it met somebody who had nothing to do with it. */
export const killText = (history: History, event: EventOf<"killed">): string => {
  const { process, model, newcomer, residentBytes, rule, tied, asked, free } = event;
  const size = formatByteSize(residentBytes);
  const wish = `when ${newcomer} asked for ${formatByteSize(asked)} of host with ${formatByteSize(Math.max(0, free))} free`;
  const chance = tied > 0 ? `, by chance among ${counted(tied + 1, "process")} of that size` : "";
  if (model === undefined) return `the kernel killed ${process} itself (${size}) ${wish} (rule: ${rule})`;
  if (model === newcomer) {
    return `the kernel killed ${process}, the process of ${model} itself (${size}), ${wish} (rule: ${rule})`;
  }
  const idleUs = history.idleUs({ instance: event.instance, model }, event.atUs);
  const state =
    idleUs === "busy"
      ? "in the middle of a request"
      : `idle${idleUs === null ? "" : ` for ${durationText(idleUs)}`} and innocent`;
  return `the kernel killed ${process} of ${model} (${size}), ${state}, ${wish} (rule: ${rule}${chance}). Nobody is told: ${model} still looks READY`;
};

/** What a model's bytes changed by between two times, by pool; the largest first. */
export const bytesTaken = (
  history: History,
  resident: Resident,
  fromUs: number,
  toUs: number,
): readonly (readonly [PoolName, number])[] => {
  const pools = new Map<PoolName, number>();
  for (const event of history.bytesOf(resident)) {
    if (event.atUs < fromUs || event.atUs > toUs) continue;
    pools.set(event.pool, (pools.get(event.pool) ?? 0) + event.change);
  }
  return [...pools].filter(([, bytes]) => bytes !== 0).sort(([, a], [, b]) => b - a);
};

/** Who held a pool, the largest first; empty where the journal has no bytes of it. Before the event itself. */
export const holderLines = (
  history: History,
  pool: PoolName,
  event: EventOf<"refused" | "killed">,
): readonly string[] => {
  const { instance, atUs } = event;
  const held = new Map<string, number>();
  for (const other of history.events) {
    if (other === event) break;
    if (other.event !== "bytes" || other.pool !== pool || other.instance !== instance) continue;
    const holder = other.model ?? other.process;
    held.set(holder, (held.get(holder) ?? 0) + other.change);
  }
  const all = [...held].filter(([, bytes]) => bytes > 0).sort(([, a], [, b]) => b - a);
  const shown = all.slice(0, MOST_HOLDERS).map(([model, bytes]) => {
    const state = holderState(history, { instance, model }, atUs);
    return `${model} ${formatByteSize(bytes)}${state === "" ? "" : ` (${state})`}`;
  });
  const rest = all.slice(MOST_HOLDERS);
  if (rest.length > 0) {
    const bytes = rest.reduce((sum, [, more]) => sum + more, 0);
    shown.push(`${counted(rest.length, "other")} ${formatByteSize(bytes)}`);
  }
  return shown.length === 0 ? [] : [`${pool} was held by ${listed(shown)}`];
};

const holderState = (history: History, resident: Resident, atUs: number): string => {
  const stay = history.stayBefore(resident, atUs);
  if (stay?.end && stay.end.atUs < atUs) return `unloaded ${ago(atUs, stay.end.atUs)}`;
  const idleUs = history.idleUs(resident, atUs);
  if (idleUs === "busy") return "in use";
  return idleUs === null ? "" : `idle for ${durationText(idleUs)}`;
};

/** What a scenario did, and what it was told. */
export const stepText = ({ did, status, text, durationUs = 0 }: EventOf<"step">): string => {
  const after = durationUs === 0 ? "" : ` after ${durationText(durationUs)}`;
  const answer = status === undefined ? "" : `: ${statusText(status)}${after}`;
  return `${did}${answer}${text === undefined || text === "" ? "" : `, ${quoted(text)}`}`;
};

/** Events that happened to an instance as a whole. */
export const instanceText = (event: JournalEvent): string | null => {
  switch (event.event) {
    case "container-died":
      return `the container died: ${event.because}`;
    case "container-started":
      return "the container was started again, empty";
    case "ping":
      return event.status === 200
        ? "pings were answered 200 again"
        : `${event.asked === "list" ? "the list after a ping" : "a ping"} got ${statusText(event.status)}`;
    default:
      return null;
  }
};
