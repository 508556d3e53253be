import { FAULT_HEADER, type FaultSource, faultOfAnswer } from "../../core/faults/fault-source.ts";
import type { HttpExchange } from "../http1/connection.ts";
import { inferPattern } from "./routes.ts";

/** Answers to inferences break off where a fault says so. Not part of the way of a request unless faults are on. */
export const withBrokenAnswers =
  (dispatch: (exchange: HttpExchange) => void, faults: FaultSource): ((exchange: HttpExchange) => void) =>
  (exchange) => {
    const { head } = exchange;
    const model = inferPattern.exec(head.path)?.groups?.model;
    if (model === undefined) {
      dispatch(exchange);
      return;
    }
    dispatch({
      ...exchange,
      reply: (reply) => {
        const effect = faultOfAnswer(faults, model, head.headers.get(FAULT_HEADER))?.effect;
        exchange.reply(effect?.kind === "reset" ? { ...reply, breakAfterBytes: effect.afterBytes } : reply);
      },
    });
  };
