import { durationTextSyntax, parseDurationText } from "../../../common/duration-text.ts";
import { type ControlCall, jsonBody, refuse } from "../control-call.ts";
import { jsonReply } from "../control-reply.ts";
import type { MovableClock } from "../target.ts";

/** Timers come due on the way, pings among them: a year at once would keep the server busy for minutes. */
const LONGEST_US = 30 * 86_400e6;

/** Moves the clock ahead: `{ "advance": "15min" }`, or a number of microseconds. Answers when that time has come. */
export const advanceClock = (call: ControlCall): void => {
  const { exchange, target } = call;
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
  Promise.resolve(target.clock.advance(byUs)).then(() => exchange.reply(jsonReply(timeOf(target.clock))));
};

/** What a clock shows: microseconds since the start of this server's clock, and the date. */
export const timeOf = (clock: MovableClock): { readonly nowUs: number; readonly now: string } => ({
  nowUs: clock.now(),
  now: new Date(clock.epochMs()).toISOString(),
});

/** Null = not said, or not to be had. */
const advanceOf = (body: unknown): number | null => {
  if (typeof body !== "object" || body === null || !("advance" in body)) return null;
  const { advance } = body;
  const byUs = typeof advance === "string" ? parseDurationText(advance) : advance;
  return typeof byUs === "number" && Number.isInteger(byUs) && byUs >= 0 && byUs <= LONGEST_US ? byUs : null;
};
