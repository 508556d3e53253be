import { durationTextSyntax, parseDurationText } from "../../../common/duration-text.ts";
import { type ControlCall, jsonBody, refuse } from "../control-call.ts";
import { jsonReply } from "../control-reply.ts";

/** Timers come due on the way, pings among them: a year at once would keep the server busy for minutes. */
const LONGEST_US = 30 * 86_400e6;

/** Moves a virtual clock: `{ "advance": "2.5s" }`, or a number of microseconds. */
export const advanceClock = (call: ControlCall): void => {
  const { exchange, target } = call;
  if (target.clock === null) {
    refuse(exchange, {
      status: 409,
      code: "clock-not-virtual",
      message: "this server runs on the clock of the machine, which cannot be moved",
      howToFix: "run a scenario: its clock is virtual",
    });
    return;
  }
  const body = jsonBody(call);
  if (body === null) return;
  const byUs = advanceOf(body.value);
  if (byUs === null) {
    refuse(exchange, {
      status: 400,
      code: "no-advance",
      message: "the body does not say by how much the clock is to be moved",
      howToFix: `send {"advance": TIME}, TIME being ${durationTextSyntax} or a whole number of microseconds, at most 30 days`,
    });
    return;
  }
  target.journal.write({ event: "clock", byUs });
  target.clock.advance(byUs);
  exchange.reply(jsonReply({ nowUs: target.nowUs() }));
};

/** Null = not said, or not to be had. */
const advanceOf = (body: unknown): number | null => {
  if (typeof body !== "object" || body === null || !("advance" in body)) return null;
  const { advance } = body;
  const byUs = typeof advance === "string" ? parseDurationText(advance) : advance;
  return typeof byUs === "number" && Number.isInteger(byUs) && byUs >= 0 && byUs <= LONGEST_US ? byUs : null;
};
