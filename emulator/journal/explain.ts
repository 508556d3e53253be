import type { JournalEvent } from "./event.ts";
import { explainModel } from "./explain-model.ts";
import { explainRequest } from "./explain-request.ts";
import type { Explained } from "./explanation.ts";
import { History } from "./history.ts";
import { closestNames, counted } from "./words.ts";

/** Why did this request fail or take so long; why is this model in memory or not. */
export type Question = { readonly request: string } | { readonly model: string };

export interface Explanation extends Explained {
  readonly question: Question;
  /** False = the journal knows no such request or model; `answer` says which it knows. */
  readonly known: boolean;
}

/**
 * Answers out of a journal's events alone.
 * @param nowUs of the clock, where the run goes on
 */
export const explain = (events: readonly JournalEvent[], question: Question, nowUs?: number): Explanation => {
  const history = new History(events, nowUs);
  const found =
    "request" in question ? explainRequest(history, question.request) : explainModel(history, question.model);
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

/** `id` taken for a request where there is one of that id, else for a model. */
export const questionOf = (events: readonly JournalEvent[], id: string): Question =>
  events.some(({ request }) => request === id) ? { request: id } : { model: id };

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
  const [what, name] = "request" in question ? ["request", question.request] : ["model", question.model];
  const requests = history.requestIds();
  const models = history.modelNames();
  const others = what === "request" ? models : requests;
  const namesake = others.includes(name)
    ? `, but a ${what === "request" ? "model" : "request"} of that name`
    : "";
  const close = closestNames(name, [...requests, ...models]);
  const last = [...models.slice(-5), ...requests.slice(-5)];
  const hint =
    close.length > 0
      ? ` Did you mean ${close.join(" or ")}?`
      : last.length > 0
        ? ` Among them are ${last.join(", ")}.`
        : "";
  const cut = history.isCut ? " Its oldest lines were dropped." : "";
  return `The journal knows no ${what} '${name}'${namesake}. It has ${counted(requests.length, "request")} and ${counted(models.length, "model")}.${hint}${cut}`;
};
