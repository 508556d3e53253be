import type { Log } from "../../common/log.ts";
import { type Listener, listen } from "../http1/listener.ts";
import { plainErrorReply } from "../kserve-json/reply.ts";
import type { ExchangeHandler } from "./container-exchange.ts";
import { binaryDataOffset } from "./invoke.ts";

export interface SageMakerOptions {
  readonly address: string;
  /** 0 = any free port. */
  readonly port: number;
}

export type SageMakerFrontend = Listener;

/** Serves the container API on a port. Rejects with the error of listening. */
export const startSageMakerFrontend = async (
  options: SageMakerOptions,
  container: ExchangeHandler,
  log: Log,
): Promise<SageMakerFrontend> => {
  const listener = await listen(
    {
      address: options.address,
      port: options.port,
      alignAt: binaryDataOffset,
      // Errors from before the pause come at once, and have no type.
      isPaused: ({ path }, { headers }, atOnce) =>
        /\/(?:invoke|invocations)$/.test(path) && (!atOnce || headers.includes("Content-Type")),
      onRequest: (exchange) => {
        try {
          container.handle(exchange);
        } catch (error) {
          const { method, path } = exchange.head;
          log.error(
            `unexpected failure of ${method} ${path}: ${error instanceof Error ? error.stack : error}`,
          );
          exchange.reply(plainErrorReply(500, "internal error of the emulator, see its log"));
        }
      },
    },
    log,
  );
  return {
    ...listener,
    close: () => {
      container.stop();
      return listener.close();
    },
  };
};
