import { FAULT_HEADER, type Fault, type InferenceFaults } from "../../core/faults/fault-source.ts";
import type { HttpExchange } from "../http1/connection.ts";
import { inferPattern } from "./routes.ts";

/** Answers to inferences break off where a fault says so. Not part of the way of a request unless faults are on. */
export const withBrokenAnswers =
  (dispatch: (exchange: HttpExchange) => void, faults: InferenceFaults): ((exchange: HttpExchange) => void) =>
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
        const effect = faultOf(model, head.headers.get(FAULT_HEADER), faults)?.effect;
        exchange.reply(effect?.kind === "reset" ? { ...reply, breakAfterBytes: effect.afterBytes } : reply);
      },
    });
  };

/** A header that names nothing has been answered with an error by whoever runs the model. */
const faultOf = (model: string, header: string | undefined, faults: InferenceFaults): Fault | null => {
  const point = { operation: "respond", model } as const;
  if (header === undefined) return faults.at(point);
  const asked = faults.requestedAt(point, header);
  return asked.ok ? asked.value : null;
};
