import type { HttpReply } from "../http1/reply.ts";
import type { RequestHead } from "../http1/request-head.ts";

/** A request of the container API and the one way to answer it, whatever carries them. */
export interface ContainerExchange {
  readonly head: Pick<RequestHead, "method" | "path" | "headers" | "statedLength">;
  readonly body: Buffer;
  /** To be called once, in this turn or later. */
  reply(reply: HttpReply): void;
}

/** Who answers: a `ContainerApi`, or a container that has one while it is alive. */
export interface ExchangeHandler {
  handle(exchange: ContainerExchange): void;
  /** Ends what waits on the clock. */
  stop(): void;
}
