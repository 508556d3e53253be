import type { JournalEvent } from "../../../journal/event.ts";
import { eventText } from "../../../journal/event-text.ts";
import { type Journal, type JournalQuery, matches } from "../../../journal/journal.ts";
import type { ReplyStream } from "../../http1/connection.ts";
import { type ControlCall, refuse } from "../control-call.ts";

const headers: readonly string[] = ["Content-Type", "application/x-ndjson"];

/** Characters that are written at once. */
const PIECE = 65_536;

/** The journal as JSON lines, whole or in part; with `follow` what comes as well, until the client goes. */
export const journal = (call: ControlCall): void => {
  const { exchange, target, query } = call;
  const asked = queryOf(query);
  if (asked === null) {
    refuse(exchange, {
      status: 400,
      code: "no-time",
      message: `since=${query.get("since")} is no time of the clock`,
      howToFix: "give the number of microseconds that atUs of an event has",
    });
    return;
  }
  if (!isFollowed(query)) {
    exchange.reply({ status: 200, headers, body: [Buffer.from(target.journal.text(asked))] });
    return;
  }
  const follower = new Follower(target.journal, asked);
  const stream = exchange.stream(
    { status: 200, headers },
    { drained: () => follower.go(), gone: () => follower.stop() },
  );
  if (stream !== null) follower.start(stream);
};

const isFollowed = (query: URLSearchParams): boolean =>
  query.has("follow") && query.get("follow") !== "false";

/** Null = `since` is no number. */
const queryOf = (query: URLSearchParams): JournalQuery | null => {
  const since = query.get("since");
  if (since !== null && !/^\d+(\.\d+)?$/.test(since)) return null;
  const model = query.get("model");
  const request = query.get("request");
  const instance = query.get("instance");
  return {
    ...(since === null ? {} : { sinceUs: Number(since) }),
    ...(model === null ? {} : { model }),
    ...(request === null ? {} : { request }),
    ...(instance === null ? {} : { instance }),
  };
};

/**
 * Writes a journal out at the client's pace. It keeps no line back for a client that is slow: what the journal has dropped
 * meanwhile is told as `dropped`.
 */
class Follower {
  readonly #journal: Journal;
  readonly #query: JournalQuery;
  #stream: ReplyStream | null = null;
  #unlisten: () => void = () => {};
  /** Number of the next event to look at. */
  #next: number;
  #blocked = false;

  constructor(journal: Journal, query: JournalQuery) {
    this.#journal = journal;
    this.#query = query;
    this.#next = journal.start;
  }

  start(stream: ReplyStream): void {
    this.#stream = stream;
    this.#unlisten = this.#journal.listen(() => {
      if (!this.#blocked) this.go();
    });
    this.#write(`${eventText(this.#journal.run)}\n`);
    if (this.#journal.dropped > 0) this.#write(this.#droppedLine(this.#journal.dropped));
    if (!this.#blocked) this.go();
  }

  /** Writes what there is, as long as the client keeps up. */
  go(): void {
    const journal = this.#journal;
    this.#blocked = false;
    while (this.#next < journal.end && !this.#blocked) this.#write(this.#piece());
  }

  stop(): void {
    this.#unlisten();
    this.#stream = null;
  }

  #piece(): string {
    const journal = this.#journal;
    let text = "";
    if (this.#next < journal.start) {
      text = this.#droppedLine(journal.start - this.#next);
      this.#next = journal.start;
    }
    while (this.#next < journal.end && text.length < PIECE) {
      const event = journal.at(this.#next++);
      if (event !== undefined && matches(event, this.#query)) text += `${eventText(event)}\n`;
    }
    return text;
  }

  #droppedLine(count: number): string {
    const { atUs } = this.#journal.at(this.#journal.start) ?? this.#journal.run;
    const dropped: JournalEvent = { atUs, event: "dropped", count };
    return `${eventText(dropped)}\n`;
  }

  #write(text: string): void {
    if (text === "" || this.#stream === null) return;
    if (!this.#stream.write(Buffer.from(text))) this.#blocked = true;
  }
}
