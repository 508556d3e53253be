import { type AddressInfo, createServer, type Server } from "node:net";
import type { Log } from "../../common/log.ts";
import type { InferenceServer } from "../../core/inference-server.ts";
import type { HttpCall } from "./handler.ts";
import { binaryDataOffset, handleInfer, type InferContext } from "./handlers/infer.ts";
import { methodNotAllowed, notFound, plainErrorReply } from "./reply.ts";
import { type RestrictedApi, type RestrictedCategory, restrictionError } from "./restricted-api.ts";
import { type HttpRoute, inferPattern, routes } from "./routes.ts";
import { SlabPool } from "./wire/body-reader.ts";
import { Connection, type HttpExchange } from "./wire/connection.ts";

export interface HttpFrontendOptions {
  readonly address: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly reusePort: boolean;
  readonly restrictedApis: readonly RestrictedApi[];
  /** `--http-header-forward-pattern`; null = none. Matched against any part of a header's name. */
  readonly headerForwardPattern: RegExp | null;
}

export interface HttpFrontend {
  readonly port: number;
  /**
   * Accepts nothing more and waits for the connections to end, saying once a second how many are open.
   * @returns the seconds left of the timeout
   */
  drain(timeoutSecs: number): Promise<number>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** Triton's HTTP port (docs/decisions/002-http-on-sockets.md). */
export const startHttpFrontend = async (
  inferenceServer: InferenceServer,
  options: HttpFrontendOptions,
  log: Log,
): Promise<HttpFrontend> => {
  const connections = new Set<Connection>();
  const dispatch = createDispatch(inferenceServer, options, log);
  const connectionOptions = { pool: new SlabPool(), alignAt: binaryDataOffset, onRequest: dispatch };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection = new Connection(socket, connectionOptions);
    connections.add(connection);
    socket.on("close", () => connections.delete(connection));
  });
  const port = await listen(server, options);
  const closed = new Promise<void>((resolve) => server.on("close", resolve));
  return {
    port,
    drain: (timeoutSecs) => drain(server, closed, connections, timeoutSecs, log),
    close: async () => {
      server.close();
      for (const connection of connections) connection.destroy();
      await closed;
    },
  };
};

const createDispatch = (
  server: InferenceServer,
  options: HttpFrontendOptions,
  log: Log,
): ((exchange: HttpExchange) => void) => {
  const restricted = new Map(options.restrictedApis.map((rule) => [rule.category, rule]));
  const inferContext: InferContext = {
    server,
    restricted,
    headerForwardPattern: options.headerForwardPattern,
  };
  const dispatch = (exchange: HttpExchange): void => {
    const { path } = exchange.head;
    if (path.endsWith("/infer")) {
      const groups = inferPattern.exec(path)?.groups;
      if (groups !== undefined) {
        handleInfer(exchange, groups, inferContext);
        return;
      }
    }
    for (const route of routes) {
      const match = route.pattern.exec(path);
      if (match === null) continue;
      runRoute(route, match.groups ?? {}, exchange, server, restricted);
      return;
    }
    exchange.reply(notFound);
  };
  return (exchange) => {
    try {
      dispatch(exchange);
    } catch (error) {
      const { method, path } = exchange.head;
      log.error(`unexpected failure of ${method} ${path}: ${error instanceof Error ? error.stack : error}`);
      exchange.reply(plainErrorReply(500, "internal error of the emulator, see its log"));
    }
  };
};

const runRoute = (
  route: HttpRoute,
  groups: Readonly<Record<string, string | undefined>>,
  exchange: HttpExchange,
  server: InferenceServer,
  restricted: ReadonlyMap<RestrictedCategory, RestrictedApi>,
): void => {
  const { head, body } = exchange;
  const refusal = restrictionError(restricted, route.category, head.headers);
  if (refusal !== null) {
    exchange.reply(plainErrorReply(403, refusal));
    return;
  }
  const method = route.methods.find((allowed) => allowed === head.method);
  if (method === undefined) {
    exchange.reply(methodNotAllowed(route.typed));
    return;
  }
  const call: HttpCall = { server, method, groups, body };
  route.handler(call, (reply) => exchange.reply(reply));
};

const listen = (server: Server, options: HttpFrontendOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.address, port: options.port, reusePort: options.reusePort }, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });

const drain = async (
  server: Server,
  closed: Promise<void>,
  connections: ReadonlySet<Connection>,
  timeoutSecs: number,
  log: Log,
): Promise<number> => {
  server.close();
  for (const connection of connections) connection.finish();
  for (let left = timeoutSecs; ; left--) {
    if (connections.size === 0 || left <= 0) return left;
    log.info(`Timeout ${left}: Found ${connections.size} HTTP service connections`);
    const { promise: second, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, 1000);
    await Promise.race([closed, second]);
    clearTimeout(timer);
  }
};
