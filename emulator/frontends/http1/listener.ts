import { type AddressInfo, createServer, type Server } from "node:net";
import type { Log } from "../../common/log.ts";
import { SlabPool } from "./body-reader.ts";
import { Connection, type ConnectionOptions, type HttpExchange } from "./connection.ts";
import type { RequestHead } from "./request-head.ts";

export interface ListenerOptions {
  readonly address: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly reusePort?: boolean;
  /** Where in a body the part starts that is to be aligned; 0 where nothing is said. */
  readonly alignAt?: (head: RequestHead) => number;
  /** Microseconds, for the times of traces; always 0 where nothing is said. */
  readonly nowUs?: () => number;
  /** Whether a body is handed over as it comes (`HttpExchange.incoming`); none where nothing is said. */
  readonly isStreamed?: (head: RequestHead) => boolean;
  /** How requests are taken that come with the one before (`ConnectionOptions`); one after the other where nothing is said. */
  readonly isPaused?: ConnectionOptions["isPaused"];
  readonly onRequest: (exchange: HttpExchange) => void;
}

export interface Listener {
  readonly port: number;
  /**
   * Accepts nothing more and waits for the connections to end, saying once a second how many are open.
   * @returns the seconds left of the timeout
   */
  drain(timeoutSecs: number): Promise<number>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** Serves HTTP/1 on a port, framed as the real server frames it (docs/decisions/002-http-on-sockets.md). */
export const listen = async (options: ListenerOptions, log: Log): Promise<Listener> => {
  const connections = new Set<Connection>();
  const connectionOptions = {
    pool: new SlabPool(),
    alignAt: options.alignAt ?? (() => 0),
    nowUs: options.nowUs ?? (() => 0),
    isStreamed: options.isStreamed ?? (() => false),
    isPaused: options.isPaused ?? null,
    onRequest: options.onRequest,
  };
  const drained = Promise.withResolvers<void>();
  let draining = false;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    // A stopping server takes connections and drops them (seen on 2.51.0).
    if (draining) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, connectionOptions);
    connections.add(connection);
    socket.on("close", () => {
      connections.delete(connection);
      if (draining && connections.size === 0) drained.resolve();
    });
  });
  const port = await open(server, options);
  server.on("error", (error) => log.error(`failed to accept an HTTP connection: ${error.message}`));
  return {
    port,
    drain: async (timeoutSecs) => {
      draining = true;
      for (const connection of connections) connection.finish();
      for (let left = timeoutSecs; ; left--) {
        if (connections.size === 0 || left <= 0) return left;
        log.info(`Timeout ${left}: Found ${connections.size} HTTP service connections`);
        await settledWithin(drained.promise, 1000);
      }
    },
    close: () => {
      for (const connection of connections) connection.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
};

const open = (server: Server, { address, port, reusePort = false }: ListenerOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port, reusePort }, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });

/** Waits for `event`, at most so long. */
const settledWithin = async (event: Promise<void>, ms: number): Promise<void> => {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([event, over]);
  clearTimeout(timer);
};
