import { explain, explanationText } from "../../../journal/explain.ts";
import { type ControlCall, refuse, wantsJson } from "../control-call.ts";
import { jsonReply, textReply } from "../control-reply.ts";

/** What became of a request or a model, and why: text, or JSON for who accepts it. 404 where the journal knows neither. */
export const explainFromJournal = (call: ControlCall): void => {
  const { exchange, target, query } = call;
  const request = query.get("request");
  const model = query.get("model");
  if ((request === null) === (model === null)) {
    refuse(exchange, {
      status: 400,
      code: "no-question",
      message: "one thing is to be explained: a request or a model",
      howToFix: "ask with ?request=ID or ?model=NAME",
    });
    return;
  }
  const question = request === null ? { model: model ?? "" } : { request };
  const explanation = explain(target.journal.events(), question, target.clock.now());
  const status = explanation.known ? 200 : 404;
  exchange.reply(
    wantsJson(call) ? jsonReply(explanation, status) : textReply(explanationText(explanation), status),
  );
};
