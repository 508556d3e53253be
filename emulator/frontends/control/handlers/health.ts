import type { ControlCall } from "../control-call.ts";
import { jsonReply } from "../control-reply.ts";
import { timeOf } from "./clock.ts";

/** 200 when ready, else 503. */
export const health = ({ exchange, target }: ControlCall): void => {
  const ready = target.isReady();
  const { journal } = target;
  exchange.reply(
    jsonReply(
      {
        ready,
        clock: timeOf(target.clock),
        journal: { written: journal.end, dropped: journal.dropped },
      },
      ready ? 200 : 503,
    ),
  );
};
