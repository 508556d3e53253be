import type { JournalEvent } from "./event.ts";
import type { Explained, Told } from "./explanation.ts";
import type { EventOf, History } from "./history.ts";
import { momentText, quoted } from "./sentences.ts";
import { counted, durationText, listed } from "./words.ts";

/** Lines of the story: the last ones. */
const MOST_LINES = 20;

type Status = EventOf<"endpoint-status">;

/** Null = the journal has no such endpoint. */
export const explainEndpoint = (history: History, endpoint: string): Explained | null => {
  const statuses = history.endpointStatuses(endpoint);
  const regions = [...new Set(statuses.map(({ region }) => region))];
  if (regions.length === 0) return null;
  const whereOf = (region: string): string => (regions.length > 1 ? ` in ${region}` : "");
  const lines = history.events.flatMap((event): Told[] => {
    const text =
      event.event === "endpoint-status" && event.endpoint === endpoint
        ? `${statusLine(event, statuses)}${whereOf(event.region)}`
        : instanceLine(event, endpoint);
    return text === null ? [] : [{ atUs: event.atUs, text }];
  });
  return {
    answer: regions
      .map((region) => {
        const of = statuses.filter((status) => status.region === region);
        return stateText(history, endpoint, of, whereOf(region));
      })
      .join("\n"),
    story: lines.slice(-MOST_LINES).map(({ atUs, text }) => ({
      when: momentText(history, atUs),
      text,
      details: [],
    })),
    figures: [
      ...(lines.length > MOST_LINES ? [`(${lines.length - MOST_LINES} earlier lines are left out.)`] : []),
      ...refusedText(history, endpoint),
    ],
    prevention: [],
  };
};

/** What it is in a sentence: `Endpoint e is InService ...`. */
const stateText = (
  history: History,
  endpoint: string,
  statuses: readonly Status[],
  where: string,
): string => {
  const last = statuses.at(-1);
  if (last === undefined) return "";
  const since = `since ${momentText(history, last.atUs)} (${durationText(history.endUs - last.atUs)})`;
  const is = last.status === null ? "is gone" : `is ${last.status}`;
  const text = last.text === undefined ? "" : `: ${quoted(last.text)}`;
  return `Endpoint ${endpoint}${where} ${is} ${since}, with configuration ${last.config}${text}${last.text === undefined ? "." : ""}`;
};

/** Where none of it is in progress any more. */
const settled: ReadonlySet<string | null> = new Set(["InService", "Failed", null]);

/** A status, and how long it took where a change has come to its end. */
const statusLine = (event: Status, statuses: readonly Status[]): string => {
  const { status, config, text } = event;
  const reason = text === undefined ? "" : `: ${quoted(text)}`;
  const begin = statuses
    .slice(0, statuses.indexOf(event))
    .findLast((other) => other.region === event.region && other.status !== "RollingBack");
  const took =
    settled.has(status) && begin !== undefined && !settled.has(begin.status)
      ? ` after ${durationText(event.atUs - begin.atUs)}`
      : "";
  return `${status ?? "gone"}${took}, configuration ${config}${reason}`;
};

/** Of an instance of the endpoint, which has the endpoint's name in its own; null = it is not. */
const instanceLine = (event: JournalEvent, endpoint: string): string | null => {
  if (event.instance?.startsWith(`${endpoint}/`) !== true) return null;
  if (event.event === "container-started") return `the container of ${event.instance} is up`;
  if (event.event === "container-died") return `the container of ${event.instance} ended: ${event.because}`;
  return null;
};

/** Callers that came when it did not serve. */
const refusedText = (history: History, endpoint: string): readonly string[] => {
  const when = new Map<string, number>();
  for (const event of history.events) {
    if (event.event !== "invocation" || event.endpoint !== endpoint) continue;
    const status = history.endpointStatusAt(endpoint, event.atUs);
    if (status === undefined || isServing(status)) continue;
    const word = status.status ?? "gone";
    when.set(word, (when.get(word) ?? 0) + 1);
  }
  if (when.size === 0) return [];
  const parts = [...when].map(([word, count]) => `${counted(count, "request")} while it was ${word}`);
  return [`Refused: ${listed(parts)}.`];
};

/** Whether requests are taken. */
export const isServing = ({ status }: EventOf<"endpoint-status">): boolean =>
  status === "InService" || status === "Updating" || status === "RollingBack";
