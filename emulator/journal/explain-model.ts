import type { JournalEvent } from "./event.ts";
import type { Explained, Told } from "./explanation.ts";
import type { History, Resident, Stay, StayEnd } from "./history.ts";
import { evictionHints, killHints } from "./prevention.ts";
import { chainOf } from "./request-chain.ts";
import {
  absenceText,
  bytesByPool,
  bytesTaken,
  evictionLines,
  killText,
  momentText,
  onInstance,
  quoted,
  statusText,
  stepText,
} from "./sentences.ts";
import { counted, durationText } from "./words.ts";

/** Lines of the story: the last ones. */
const MOST_LINES = 12;

/** Null = the journal has no such model. */
export const explainModel = (history: History, model: string): Explained | null => {
  const residents = history.instancesOf(model);
  if (residents.length === 0) return null;
  const lines = residents.flatMap((resident) => storyOf(history, resident)).sort((a, b) => a.atUs - b.atUs);
  return {
    answer: residents.map((resident) => stateText(history, resident)).join("\n"),
    story: lines.slice(-MOST_LINES).map(({ atUs, text, details = [] }) => ({
      when: momentText(history, atUs),
      text,
      details,
    })),
    figures: [
      ...(lines.length > MOST_LINES ? [`(${lines.length - MOST_LINES} earlier lines are left out.)`] : []),
      ...residents.map((resident) => figuresOf(history, resident)),
    ],
    prevention: [...new Set(residents.flatMap((resident) => preventionOf(history, resident)))],
  };
};

const stateText = (history: History, resident: Resident): string => {
  const { model } = resident;
  const stay = history.staysOf(resident).at(-1);
  const where = onInstance(resident.instance);
  if (stay !== undefined && stay.end === null && stay.killed === null) {
    const since = durationText(history.endUs - stay.begin.atUs);
    const why = stay.begin.request === undefined ? "" : `, loaded for request ${stay.begin.request}`;
    const held = bytesByPool(bytesTaken(history, resident, 0, history.endUs));
    const use = useText(history.idleUs(resident, history.endUs));
    return `${model} is in memory${where} since ${momentText(history, stay.begin.atUs)} (${since})${why}; ${use}${held === "" ? "" : `; it holds ${held}`}.`;
  }
  const lead =
    stay !== undefined && stay.end === null
      ? `${model} looks ready${where} and is not: it`
      : `${model} is not in memory${where}: it`;
  return `${lead} ${absenceText(history, resident, history.endUs + 1)}${sinceText(history, resident, stay)}.`;
};

const useText = (idleUs: number | "busy" | null): string => {
  if (idleUs === null) return "never used";
  if (idleUs === "busy") return "in use";
  return idleUs === 0 ? "just used" : `idle for ${durationText(idleUs)}`;
};

/** Whether anybody wanted it back. */
const sinceText = (history: History, resident: Resident, stay: Stay | undefined): string => {
  const goneUs = stay?.end?.atUs ?? stay?.killed?.atUs;
  if (goneUs === undefined) return "";
  const later = history.requestsOf(resident).filter(({ invocation }) => invocation.atUs > goneUs);
  if (later.length === 0) return ", and nobody has asked for it since";
  const failed = later.filter(({ answer }) => answer !== null && answer.status >= 400).length;
  return `; since then ${counted(later.length, "request")} asked for it${failed > 0 ? ` and ${failed} failed` : ""}`;
};

const storyOf = (history: History, resident: Resident): readonly Told[] => {
  const stays = history.staysOf(resident);
  const lastEviction = stays.findLast(({ end }) => end?.eviction)?.end?.eviction;
  return [
    ...stays.map(({ begin }) => ({ atUs: begin.atUs, text: arrivalText(history, resident, begin) })),
    ...history.failedLoadsOf(resident).map((load) => ({
      atUs: load.atUs,
      text: `a load${forRequest(load)} failed: ${statusText(load.status)}${load.text === undefined ? "" : `, ${quoted(load.text)}`}`,
    })),
    ...stays.flatMap(({ killed }) =>
      killed === null ? [] : [{ atUs: killed.atUs, text: killText(history, killed) }],
    ),
    ...stays.flatMap(({ end }) =>
      end === null ? [] : [departureLine(resident.model, end, end.eviction === lastEviction)],
    ),
    ...history.requestsOf(resident).flatMap(({ id, answer }) =>
      answer === null || answer.status < 400
        ? []
        : [
            {
              atUs: answer.atUs,
              text: `request ${id} failed: ${answer.status} from the ${answer.from}${answer.text === undefined ? "" : `, ${quoted(answer.text)}`}`,
            },
          ],
    ),
    ...history.events.flatMap((event) => otherLine(resident, event)),
  ].sort((a, b) => a.atUs - b.atUs);
};

const forRequest = ({ request }: JournalEvent): string =>
  request === undefined ? "" : ` for request ${request}`;

const arrivalText = (history: History, resident: Resident, begin: Stay["begin"]): string => {
  if (begin.event === "model-state") return `version ${begin.version} became ready`;
  const fromUs = begin.atUs - begin.durationUs;
  const bytes = bytesByPool(bytesTaken(history, resident, fromUs, begin.atUs));
  return `loaded${forRequest(begin)} in ${durationText(begin.durationUs)}${bytes === "" ? "" : `; took ${bytes}`}`;
};

/** @param inFull with the reading, the rule and all that went with it */
const departureLine = (model: string, { atUs, event, eviction }: StayEnd, inFull: boolean): Told => {
  switch (event.event) {
    case "load":
      return { atUs, text: "gone without a word: the container no longer knew it" };
    case "container-died":
      return { atUs, text: `gone with its container, which died: ${event.because}` };
    case "reset":
      return { atUs, text: "gone with a reset" };
    case "model-state":
      return {
        atUs,
        text: `version ${event.version} became ${event.state}${event.reason === "" ? "" : `: ${event.reason}`}`,
      };
    case "unload":
      break;
  }
  if (eviction === null) return { atUs, text: `unloaded: ${event.because}` };
  const others = eviction.victims.filter((victim) => victim.model !== model).length;
  const whose = eviction.request === undefined ? "" : `, which request ${eviction.request} asked for`;
  const company = others === 0 ? "" : ` (with ${counted(others, "other")})`;
  const { text, details } = evictionLines(eviction);
  return {
    atUs,
    text: `unloaded to make room for ${eviction.model}${whose}${company}`,
    details: inFull ? [text, ...details] : [],
  };
};

const otherLine = ({ instance, model }: Resident, event: JournalEvent): readonly Told[] => {
  const isHere = event.instance === instance || (event.event === "fault" && event.instance === undefined);
  if (event.model !== model || !isHere) return [];
  const { atUs } = event;
  switch (event.event) {
    case "artifact-refused":
      return [{ atUs, text: `its archive could not be used: ${quoted(event.text)}` }];
    case "archive-deleted":
      return [{ atUs, text: `its archive was deleted from the disk: ${event.rule}` }];
    case "fault":
      return [{ atUs, text: `the fault ${event.fault} struck at ${event.operation}` }];
    case "step":
      return [{ atUs, text: stepText(event) }];
    case "placed":
      return [{ atUs, text: `placed${onInstance(instance)}: ${event.because}` }];
    default:
      return [];
  }
};

const figuresOf = (history: History, resident: Resident): string => {
  const stays = history.staysOf(resident);
  const requests = history.requestsOf(resident);
  const evictions = stays.filter(({ end }) => end?.eviction).length;
  const failedLoads = history.failedLoadsOf(resident).length;
  const hits = requests.filter(({ invocation }) => invocation.cacheHit).length;
  const failed = requests.filter(({ answer }) => answer !== null && answer.status >= 400).length;
  const parts = [
    counted(stays.length, "load"),
    ...(failedLoads > 0 ? [counted(failedLoads, "failed load")] : []),
    counted(evictions, "eviction"),
    `${counted(requests.length, "request")}, of which ${hits} found it in memory${failed > 0 ? ` and ${failed} failed` : ""}`,
  ];
  const back = soonestReturn(stays);
  const churn =
    back === null ? "" : ` After an eviction it was back within ${durationText(back)} at the soonest.`;
  return `In all${onInstance(resident.instance)}: ${parts.join(", ")}.${churn}`;
};

/** Between an eviction and the next load; null = it never came back from one. */
const soonestReturn = (stays: readonly Stay[]): number | null => {
  const spans = stays.slice(1).flatMap(({ begin }, index) => {
    const end = stays[index]?.end;
    return end?.eviction ? [begin.atUs - end.atUs] : [];
  });
  return spans.length === 0 ? null : Math.min(...spans);
};

/** About its last departure only. */
const preventionOf = (history: History, resident: Resident): readonly string[] => {
  const stay = history.staysOf(resident).at(-1);
  if (stay === undefined) return [];
  if (stay.end === null) return stay.killed === null ? [] : killHints(stay.killed);
  const { eviction } = stay.end;
  if (eviction === null || eviction.request === undefined) return [];
  const chain = chainOf(history, eviction.request);
  return chain === null ? [] : evictionHints(history, chain, eviction);
};
