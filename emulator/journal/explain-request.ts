import { formatByteSize } from "../core/memory/byte-size.ts";
import type { JournalEvent } from "./event.ts";
import { isServing } from "./explain-endpoint.ts";
import type { Explained, StoryLine, Told } from "./explanation.ts";
import type { EventOf, History, RequestHistory, Resident, Stay } from "./history.ts";
import { preventionOf, SLOW_US } from "./prevention.ts";
import { chainOf, type RequestChain } from "./request-chain.ts";
import {
  absenceText,
  bytesByPool,
  bytesTaken,
  evictionLines,
  holderLines,
  instanceText,
  killText,
  momentText,
  onInstance,
  quoted,
  statusText,
  stepText,
} from "./sentences.ts";
import { counted, durationText, listed } from "./words.ts";

/** Of a story: beyond them, the middle is left out. */
const MOST_LINES = 30;
const FIRST_LINES = 18;
const MOST_NAMES = 4;

/** Null = the journal has no such request. */
export const explainRequest = (history: History, id: string): Explained | null => {
  const chain = chainOf(history, id);
  if (chain === null) return null;
  return {
    answer: headline(history, chain),
    story: storyOf(history, chain),
    figures: figuresOf(chain),
    prevention: preventionOf(history, chain),
  };
};

const headline = (history: History, chain: RequestChain): string => {
  const { request, resident, startUs, endUs } = chain;
  if (request === null) return operationText(chain);
  const { answer } = request;
  const who = `Request ${request.id}${whatFor(request)}${onInstance(resident.instance)}`;
  const took = durationText(endUs - startUs);
  if (answer === null) {
    return `${who} has no answer ${took} after it came (${momentText(history, startUs)}).`;
  }
  const from = answer.from === "platform" ? "the platform" : "the container";
  const took2 = `${answer.status} from ${from} after ${took}`;
  if (answer.status >= 400) {
    const text = answer.text === undefined ? "" : `\nThe caller read: ${quoted(answer.text)}`;
    return `${who} failed: ${took2}, because ${failureReason(history, chain, answer)}.${text}`;
  }
  const reason = answer.durationUs < SLOW_US ? "" : `, because ${slowReason(request, chain)}`;
  return `${who} succeeded: ${took2}${reason}.`;
};

/** An endpoint of one model is not told which. */
const whatFor = ({ invocation: { model = "", endpoint } }: RequestHistory): string =>
  `${model === "" ? "" : ` for ${model}`}${endpoint === undefined ? "" : ` to endpoint ${endpoint}`}`;

/** Of what is no invocation. */
const operationText = ({ id, resident, events, startUs, endUs }: RequestChain): string => {
  const [first] = events;
  const what = first === undefined ? "something" : `a ${first.event}`;
  const took = durationText(endUs - startUs);
  return `${id} was no invocation but ${what} of ${resident.model}${onInstance(resident.instance)}; all that belongs to it took ${took}.`;
};

/** The first that is true, the most telling first. */
const failureReason = (history: History, chain: RequestChain, answer: EventOf<"answer">): string => {
  const { resident, events, endUs, startUs } = chain;
  const { endpoint } = chain.request?.invocation ?? {};
  const status = endpoint === undefined ? undefined : history.endpointStatusAt(endpoint, startUs);
  if (status !== undefined && !isServing(status)) return notServingText(status, startUs);
  const before = events.filter(({ atUs }) => atUs <= endUs);
  const last = <Name extends JournalEvent["event"]>(name: Name): EventOf<Name> | undefined =>
    before.findLast((event): event is EventOf<Name> => event.event === name);
  const refusedArtifact = last("artifact-refused");
  if (refusedArtifact !== undefined) return `its archive could not be used: ${quoted(refusedArtifact.text)}`;
  const died = last("container-died");
  if (died !== undefined) return `the container died meanwhile: ${died.because}`;
  const fault =
    before.findLast(
      (event): event is EventOf<"fault"> => event.event === "fault" && event.request === chain.id,
    ) ?? last("fault");
  if (fault !== undefined) return `the fault ${fault.fault} struck at ${fault.operation}`;
  if (answer.status === 429) return `${resident.model} was not loaded in time`;
  const load = last("load-answer");
  if (load !== undefined && load.status === 507) {
    const loads = before.filter((event) => event.event === "load-answer").length;
    const eviction = last("eviction");
    const tried = loads === 1 ? "the load was answered 507" : `the load was answered 507 ${loads} times`;
    return eviction === undefined || eviction.enough
      ? `${resident.model} did not fit into memory: ${tried}`
      : `${resident.model} did not fit into memory and nobody was left to unload: ${tried}`;
  }
  if (load !== undefined && (load.status === null || load.status >= 300)) {
    return `${resident.model} could not be loaded: ${statusText(load.status)}`;
  }
  if (isDead(history.stayBefore(resident, startUs), startUs))
    return `${resident.model} ${absenceText(history, resident, startUs)}`;
  return answer.from === "container" ? "the container said so" : "the platform said so";
};

const notServingText = ({ endpoint, status, text, atUs }: EventOf<"endpoint-status">, nowUs: number) => {
  const since = durationText(nowUs - atUs);
  if (status === null) return `endpoint ${endpoint} had been deleted ${since} before`;
  const reason = text === undefined ? "" : `, with the reason ${quoted(text)}`;
  return `endpoint ${endpoint} was ${status}, since ${since}${reason}`;
};

const slowReason = (
  { invocation }: RequestHistory,
  { broughtBy, events, resident }: RequestChain,
): string => {
  const fault = events.find((event): event is EventOf<"fault"> => event.event === "fault");
  if (fault !== undefined) return `the fault ${fault.fault} struck at ${fault.operation}`;
  if (invocation.cacheHit) return "it took that long in the container or waited for others there";
  return broughtBy === null
    ? `${resident.model} had to be brought into memory first`
    : `it waited for ${resident.model}, which request ${broughtBy} was bringing into memory`;
};

const storyOf = (history: History, chain: RequestChain): readonly StoryLine[] => {
  const { request, startUs } = chain;
  const lines: Told[] =
    request === null ? [] : [{ atUs: startUs, text: arrivalText(history, request, chain) }];
  const used = new Set<JournalEvent>();
  for (const event of withoutEchoes(chain.events)) {
    if (used.has(event)) continue;
    const end = endOf(chain.events, event);
    if (end !== undefined) used.add(end);
    const told =
      event.event === "unload" ? unloadsLine(chain, event, used) : toldOf(history, chain, event, end);
    if (told !== null) lines.push(told);
  }
  const answer = request?.answer ?? null;
  if (answer !== null) {
    const at = lines.findIndex(({ atUs }) => atUs > answer.atUs);
    lines.splice(at < 0 ? lines.length : at, 0, { atUs: answer.atUs, text: `answered ${answer.status}` });
  }
  const all = [...lines, ...aftermath(history, chain)].map(({ atUs, text, details = [] }) => ({
    when: atUs < startUs ? momentText(history, atUs) : `+${durationText(atUs - startUs)}`,
    text,
    details,
  }));
  const tooMany = all.length - MOST_LINES;
  if (tooMany <= 0) return all;
  const left = { when: "...", text: `${counted(tooMany, "line")} left out`, details: [] };
  return [...all.slice(0, FIRST_LINES), left, ...all.slice(FIRST_LINES + tooMany)];
};

/** Unloads that began together and ended alike are one line. @param used takes in what is told here */
const unloadsLine = ({ events }: RequestChain, event: EventOf<"unload">, used: Set<JournalEvent>): Told => {
  const outcome = unloadEnd(endOf(events, event));
  const alike = events.filter(
    (other): other is EventOf<"unload"> =>
      other.event === "unload" && other.atUs === event.atUs && unloadEnd(endOf(events, other)) === outcome,
  );
  for (const other of alike) {
    used.add(other);
    const end = endOf(events, other);
    if (end !== undefined) used.add(end);
  }
  const names = alike.map(({ model }) => model ?? "");
  const shown =
    names.length > MOST_NAMES ? [...names.slice(0, MOST_NAMES), `${names.length - MOST_NAMES} more`] : names;
  return {
    atUs: event.atUs,
    text: `${listed(shown)} ${names.length === 1 ? "was" : "were"} unloaded${outcome}`,
  };
};

/** The container and the platform each say that it died, and that it is back. */
const withoutEchoes = (events: readonly JournalEvent[]): readonly JournalEvent[] => {
  let last = "";
  return events.filter(({ event }) => {
    if (event !== "container-died" && event !== "container-started") return true;
    const isNew = event !== last;
    last = event;
    return isNew;
  });
};

/** Whether the kernel had killed its process by then. */
const isDead = (stay: Stay | undefined, atUs: number): boolean =>
  stay !== undefined && stay.killed !== null && stay.killed.atUs <= atUs && (stay.end?.atUs ?? atUs) >= atUs;

const arrivalText = (
  history: History,
  { invocation }: RequestHistory,
  { resident, startUs, broughtBy }: RequestChain,
): string => {
  if (invocation.endpoint !== undefined) return "no instance got to see it";
  const model = resident.model || "the model";
  const stay = history.stayBefore(resident, startUs);
  if (invocation.cacheHit) {
    if (isDead(stay, startUs))
      return `${model} looked ready, but it ${absenceText(history, resident, startUs)}`;
    const since = stay === undefined ? "" : `, loaded ${durationText(startUs - stay.begin.atUs)} before`;
    const others = history.inFlight([resident], startUs) - 1;
    const company =
      others > 0
        ? `; ${counted(others, "other request")} for it ${others === 1 ? "was" : "were"} in flight`
        : "";
    return `${model} was in memory${since}${company}`;
  }
  if (broughtBy !== null) {
    return `${model} was not in memory, but request ${broughtBy} was already bringing it in: this one waited for it`;
  }
  return `${model} was not in memory: it ${absenceText(history, resident, startUs)}`;
};

const ends: Readonly<Partial<Record<JournalEvent["event"], readonly JournalEvent["event"][]>>> = {
  download: ["unpacked", "artifact-refused"],
  load: ["load-answer"],
  unload: ["unload-answer"],
};

/** The event that ends what this one begins. */
const endOf = (events: readonly JournalEvent[], begin: JournalEvent): JournalEvent | undefined => {
  const names = ends[begin.event];
  if (names === undefined) return undefined;
  const from = events.indexOf(begin);
  return events
    .slice(from + 1)
    .find(
      (event) =>
        names.includes(event.event) && event.model === begin.model && event.instance === begin.instance,
    );
};

/** Null = not worth a line. */
const toldOf = (
  history: History,
  chain: RequestChain,
  event: JournalEvent,
  end: JournalEvent | undefined,
): Told | null => {
  const told = (text: string): Told => ({ atUs: event.atUs, text });
  switch (event.event) {
    case "placed":
      return told(`placed${onInstance(event.instance)}: ${event.because}`);
    case "download":
      return told(downloadText(history, event, end));
    case "unpacked":
      return told(`its archive was unpacked: ${formatByteSize(event.bytes)}`);
    case "artifact-refused":
      return told(`its archive could not be used: ${quoted(event.text)}`);
    case "archive-deleted":
      return told(
        `the archive of ${event.model} was deleted from the disk (${formatByteSize(event.bytes)}): ${event.rule}`,
      );
    case "eviction":
      return { atUs: event.atUs, ...evictionLines(event) };
    case "load":
      return told(loadText(history, chain, event, end));
    case "load-answer":
      return told(`the load that had begun before ended: ${statusText(event.status)}`);
    case "refused":
      return {
        ...told(
          `${event.pool} had ${formatByteSize(Math.max(0, event.free))} free when ${event.model ?? "it"} asked for ${formatByteSize(event.asked)}: refused with ${quoted(event.text)}`,
        ),
        details: holderLines(history, event.pool, event),
      };
    case "killed":
      return { ...told(killText(history, event)), details: holderLines(history, "host", event) };
    case "step":
      return told(stepText(event));
    case "freeze-risk":
      return told(
        `only ${formatByteSize(event.free)} of the host were left: the real server may stand still for minutes here`,
      );
    case "fault":
      return told(`the fault ${event.fault} struck at ${event.operation}`);
    default: {
      const text = instanceText(event);
      return text === null ? null : told(text);
    }
  }
};

const downloadText = (
  history: History,
  event: EventOf<"download">,
  end: JournalEvent | undefined,
): string => {
  const archive = `its archive of ${formatByteSize(event.bytes)}${deletedText(history, event)}`;
  if (end?.event === "unpacked") {
    return `${archive} was downloaded and unpacked in ${durationText(end.durationUs)}: ${formatByteSize(end.bytes)} on disk`;
  }
  return end?.event === "artifact-refused"
    ? `${archive} could not be used: ${quoted(end.text)}`
    : `${archive} began to come, and was not there when the journal ended`;
};

/** Why an archive that was there has to come again. */
const deletedText = (history: History, { model, instance, atUs }: EventOf<"download">): string => {
  const deleted = history.events.findLast(
    (event) =>
      event.event === "archive-deleted" &&
      event.model === model &&
      event.instance === instance &&
      event.atUs <= atUs,
  );
  if (deleted === undefined) return "";
  const whose = deleted.request === undefined ? "" : `, for request ${deleted.request}`;
  return ` (deleted from the disk ${durationText(atUs - deleted.atUs)} before${whose})`;
};

const unloadEnd = (end: JournalEvent | undefined): string => {
  if (end?.event !== "unload-answer") return ": no answer so far";
  const took = durationText(end.durationUs);
  return end.status === 200 ? ` in ${took}` : `: ${statusText(end.status)} after ${took}`;
};

const loadText = (
  history: History,
  { resident, id, events }: RequestChain,
  event: EventOf<"load">,
  end: JournalEvent | undefined,
): string => {
  const attempt = events.filter((other) => other.event === "load").indexOf(event) + 1;
  const again = attempt > 1 ? ` again (attempt ${attempt})` : "";
  const whose = event.request === id || event.request === undefined ? "" : ` for request ${event.request}`;
  const what = `${event.model}${again}${whose}`;
  if (end?.event !== "load-answer") return `loading ${what} had no answer so far`;
  const took = durationText(end.durationUs);
  if (end.status === 200) {
    const bytes = bytesByPool(bytesTaken(history, resident, event.atUs, end.atUs));
    const from = fromDisk(history, resident, events, event)
      ? " from the archive that was still on the disk"
      : "";
    return `${event.model} was loaded${again}${whose}${from} in ${took}${bytes === "" ? "" : `, and took ${bytes}`}`;
  }
  const text = end.text === undefined ? "" : `: ${quoted(end.text)}`;
  return `loading ${what} got ${statusText(end.status)} after ${took}${text}`;
};

/** An archive stays when its model is unloaded. */
const fromDisk = (
  history: History,
  resident: Resident,
  events: readonly JournalEvent[],
  load: EventOf<"load">,
): boolean =>
  !events.some(({ event }) => event === "download" || event === "unpacked") &&
  history.events.some(
    (event) =>
      event.event === "unpacked" &&
      event.model === resident.model &&
      event.instance === resident.instance &&
      event.atUs < load.atUs,
  );

/** Who paid for the room that was made. */
const aftermath = (history: History, { events, resident }: RequestChain): readonly Told[] => {
  const evictedUs = new Map(
    events.flatMap((event) =>
      event.event === "eviction" ? event.victims.map(({ model }) => [model, event.atUs] as const) : [],
    ),
  );
  const returns = [...evictedUs]
    .flatMap(([model, sinceUs]) => {
      const next = history
        .requestsOf({ instance: resident.instance, model })
        .find(({ invocation }) => invocation.atUs > sinceUs && !invocation.cacheHit);
      return next === undefined ? [] : [{ model, id: next.id, atUs: next.invocation.atUs }];
    })
    .sort((a, b) => a.atUs - b.atUs);
  const [first] = returns;
  if (first === undefined) return [];
  if (returns.length > MOST_NAMES) {
    const { atUs, model, id } = first;
    const text = `${returns.length} of the ${evictedUs.size} that were unloaded for this were asked for again, first ${model} by request ${id}`;
    return [{ atUs, text }];
  }
  return returns.map(({ model, id, atUs }) => ({
    atUs,
    text: `${model}, unloaded for this, was asked for again by request ${id}`,
  }));
};

/** Where the time went, for what took long. */
const figuresOf = ({ request, events, resident, startUs, endUs }: RequestChain): readonly string[] => {
  const total = endUs - startUs;
  if (request === null || total < SLOW_US) return [];
  const spent = (isPart: (event: JournalEvent) => boolean): number =>
    covered(
      events.flatMap((event) =>
        isPart(event) && "durationUs" in event ? [[event.atUs - event.durationUs, event.atUs] as const] : [],
      ),
      startUs,
      endUs,
    );
  const refused = events.find(({ event }) => event === "artifact-refused");
  const begun = events.findLast(({ event }) => event === "download");
  const inVain = refused === undefined || begun === undefined ? 0 : Math.max(0, refused.atUs - begun.atUs);
  const download = spent(({ event }) => event === "unpacked") + inVain;
  const unload = spent(({ event }) => event === "unload-answer");
  const load = spent(({ event, model }) => event === "load-answer" && model === resident.model);
  const rest = Math.max(0, total - download - unload - load);
  const parts = [
    [download, "downloading and unpacking"],
    [unload, "unloading others"],
    [load, "loading"],
    [rest, request.invocation.cacheHit ? "waiting and the inference" : "the rest: waiting and the inference"],
  ] as const;
  const shown = parts.filter(([us]) => us > 0).map(([us, what]) => `${durationText(us)} ${what}`);
  if (rest === total) return [];
  return [`Of ${durationText(total)}: ${shown.join(", ")}.`];
};

/** What of a span is covered by others, which may overlap. */
const covered = (spans: readonly (readonly [number, number])[], fromUs: number, toUs: number): number => {
  let sum = 0;
  let doneUs = fromUs;
  for (const [from, to] of [...spans].sort(([a], [b]) => a - b)) {
    const start = Math.max(from, doneUs);
    const end = Math.min(to, toUs);
    if (end <= start) continue;
    sum += end - start;
    doneUs = end;
  }
  return sum;
};
