import type { JournalEvent } from "./event.ts";
import { explainEndpoint } from "./explain-endpoint.ts";
import { explainModel } from "./explain-model.ts";
import { explainRequest } from "./explain-request.ts";
import type { Explained } from "./explanation.ts";
import { History } from "./history.ts";
import { closestNames, counted, listed } from "./words.ts";

/** Why did this request fail or take so long; why is this model in memory or not; what is this endpoint, and since when. */
export type Question =
  | { readonly request: string }
  | { readonly model: string }
  | { readonly endpoint: string };

export interface Explanation extends Explained {
  readonly question: Question;
  /** False = the journal knows nothing of that name; `answer` says which it knows. */
  readonly known: boolean;
}

/**
 * Answers out of a journal's events alone.
 * @param nowUs of the clock, where the run goes on
 */
export const explain = (events: readonly JournalEvent[], question: Question, nowUs?: number): Explanation => {
  const history = new History(events, nowUs);
  const found = answerTo(history, question);
  return found === null
    ? {
        question,
        known: false,
        answer: unknownText(history, question),
        story: [],
        figures: [],
        prevention: [],
      }
    : { question, known: true, ...found };
};

const answerTo = (history: History, question: Question): Explained | null => {
  if ("request" in question) return explainRequest(history, question.request);
  return "model" in question
    ? explainModel(history, question.model)
    : explainEndpoint(history, question.endpoint);
};

/** `id` taken for a request where there is one of that id, else for a model, else for an endpoint. */
export const questionOf = (events: readonly JournalEvent[], id: string): Question => {
  if (events.some(({ request }) => request === id)) return { request: id };
  const isEndpoint =
    events.some(({ event, endpoint }) => event === "endpoint-status" && endpoint === id) &&
    !events.some(({ model }) => model === id);
  return isEndpoint ? { endpoint: id } : { model: id };
};

/** For a terminal. */
export const explanationText = ({ answer, story, figures, prevention }: Explanation): string => {
  const width = Math.max(0, ...story.map(({ when }) => when.length));
  const lines = story.flatMap(({ when, text, details }) => [
    `  ${when.padStart(width)}  ${text}`,
    ...details.map((detail) => `  ${" ".repeat(width)}    ${detail}`),
  ]);
  const parts = [
    answer,
    ...(lines.length > 0 ? ["", ...lines] : []),
    ...(figures.length > 0 ? ["", ...figures] : []),
    ...(prevention.length > 0
      ? ["", "What would have prevented it:", ...prevention.map((hint) => `  - ${hint}`)]
      : []),
  ];
  // Names and texts are other people's: a terminal is not to act on them.
  return `${parts.join("\n").replace(/(?!\n)\p{Cc}/gu, "?")}\n`;
};

const unknownText = (history: History, question: Question): string => {
  const [what = "", name = ""] = Object.entries(question)[0] ?? [];
  const known: Readonly<Record<string, readonly string[]>> = {
    request: history.requestIds(),
    model: history.modelNames(),
    endpoint: history.endpointNames(),
  };
  const namesake = Object.keys(known).find((kind) => kind !== what && known[kind]?.includes(name));
  const but = namesake === undefined ? "" : `, but ${aOrAn(namesake)} of that name`;
  const close = closestNames(name, Object.values(known).flat());
  const last = ["endpoint", "model", "request"].flatMap((kind) => known[kind]?.slice(-5) ?? []);
  const hint =
    close.length > 0
      ? ` Did you mean ${close.join(" or ")}?`
      : last.length > 0
        ? ` Among them are ${last.join(", ")}.`
        : "";
  const cut = history.isCut ? " Its oldest lines were dropped." : "";
  const counts = Object.entries(known)
    .filter(([kind, names]) => kind !== "endpoint" || names.length > 0)
    .map(([kind, names]) => counted(names.length, kind));
  return `The journal knows no ${what} '${name}'${but}. It has ${listed(counts)}.${hint}${cut}`;
};

const aOrAn = (what: string): string => `${/^[aeiou]/.test(what) ? "an" : "a"} ${what}`;
