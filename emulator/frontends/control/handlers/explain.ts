import { explain, explanationText, type Question } from "../../../journal/explain.ts";
import { type ControlCall, refuse, wantsJson } from "../control-call.ts";
import { jsonReply, textReply } from "../control-reply.ts";

/** What became of a request, a model or an endpoint, and why: text, or JSON for who accepts it. 404 where the journal has none. */
export const explainFromJournal = (call: ControlCall): void => {
  const { exchange, target, query } = call;
  const questions = questionsOf(query);
  const [question] = questions;
  if (question === undefined || questions.length > 1) {
    refuse(exchange, {
      status: 400,
      code: "no-question",
      message: "one thing is to be explained: a request, a model or an endpoint",
      howToFix: "ask with ?request=ID, ?model=NAME or ?endpoint=NAME",
    });
    return;
  }
  const explanation = explain(target.journal.events(), question, target.clock.now());
  const status = explanation.known ? 200 : 404;
  exchange.reply(
    wantsJson(call) ? jsonReply(explanation, status) : textReply(explanationText(explanation), status),
  );
};

const questionsOf = (query: URLSearchParams): readonly Question[] => {
  const [request, model, endpoint] = [query.get("request"), query.get("model"), query.get("endpoint")];
  return [
    ...(request === null ? [] : [{ request }]),
    ...(model === null ? [] : [{ model }]),
    ...(endpoint === null ? [] : [{ endpoint }]),
  ];
};
