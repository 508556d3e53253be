import type { Log } from "../../common/log.ts";
import type { FaultSource } from "../../core/faults/fault-source.ts";
import type { InferenceServer } from "../../core/inference-server.ts";
import type { HttpExchange } from "../http1/connection.ts";
import { type Listener, listen } from "../http1/listener.ts";
import { Workers } from "../http1/workers.ts";
import { methodNotAllowed, notFound, plainErrorReply } from "../kserve-json/reply.ts";
import { withBrokenAnswers } from "./broken-answers.ts";
import type { HttpCall } from "./handler.ts";
import { binaryDataOffset, handleInfer, type InferContext } from "./handlers/infer.ts";
import { type RestrictedApi, type RestrictedCategory, restrictionError } from "./restricted-api.ts";
import { type HttpRoute, inferPattern, routes } from "./routes.ts";

export interface HttpFrontendOptions extends DispatchOptions {
  readonly address: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly reusePort: boolean;
}

export interface DispatchOptions {
  readonly restrictedApis: readonly RestrictedApi[];
  /** `--http-header-forward-pattern`; null = none. Matched against any part of a header's name. */
  readonly headerForwardPattern: RegExp | null;
  /** Where answers may break off, and loads hold up others; default: nowhere. */
  readonly faults?: FaultSource | null;
  /** `--http-thread-count`. Default 8. Only means something to the imitation `load-blocks-worker`. */
  readonly threads?: number;
}

export type HttpFrontend = Listener;

/** Triton's HTTP port. Rejects with the error of listening. */
export const startHttpFrontend = (
  inferenceServer: InferenceServer,
  options: HttpFrontendOptions,
  log: Log,
): Promise<HttpFrontend> =>
  listen(
    {
      address: options.address,
      port: options.port,
      reusePort: options.reusePort,
      alignAt: binaryDataOffset,
      nowUs: () => inferenceServer.tracer.now(),
      // Errors from before the pause come at once, and have no type.
      isPaused: ({ path }, { headers }, atOnce) =>
        path.endsWith("/infer") && (!atOnce || headers.includes("Content-Type")),
      onRequest: createDispatch(inferenceServer, options, log),
    },
    log,
  );

/** The port without the sockets: answers whatever carries its exchanges. */
export const createDispatch = (
  server: InferenceServer,
  options: DispatchOptions,
  log: Log,
): ((exchange: HttpExchange) => void) => {
  const restricted = new Map(options.restrictedApis.map((rule) => [rule.category, rule]));
  const inferContext: InferContext = {
    server,
    restricted,
    headerForwardPattern: options.headerForwardPattern,
  };
  /** What the paths of inferences name, as they were read before: clients send the same ones again and again. */
  const inferences = new Map<string, Readonly<Record<string, string | undefined>>>();
  const readInference = (path: string): Readonly<Record<string, string | undefined>> | undefined => {
    const groups = inferPattern.exec(path)?.groups;
    if (groups === undefined) return undefined;
    if (inferences.size >= MOST_INFERENCES) inferences.clear();
    inferences.set(path, groups);
    return groups;
  };
  const dispatch = (exchange: HttpExchange): void => {
    const { path } = exchange.head;
    if (path.endsWith("/infer")) {
      const groups = inferences.get(path) ?? readInference(path);
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
  const faults = options.faults ?? null;
  const handle =
    faults === null ? dispatch : withFaults(dispatch, faults, options.threads ?? DEFAULT_THREADS);
  return (exchange) => {
    try {
      handle(exchange);
    } catch (error) {
      const { method, path } = exchange.head;
      log.error(`unexpected failure of ${method} ${path}: ${error instanceof Error ? error.stack : error}`);
      exchange.reply(plainErrorReply(500, "internal error of the emulator, see its log"));
    }
  };
};

/** Paths remembered, of up to 8 kB each. */
const MOST_INFERENCES = 1000;

const DEFAULT_THREADS = 8;

const withFaults = (
  dispatch: (exchange: HttpExchange) => void,
  faults: FaultSource,
  threads: number,
): ((exchange: HttpExchange) => void) => {
  const handle = withBrokenAnswers(dispatch, faults);
  const workers = new Workers(threads);
  return (exchange) => {
    if (!faults.imitates("load-blocks-worker")) {
      handle(exchange);
      return;
    }
    workers.run(
      loadOrUnload.test(exchange.head.path),
      (reply) => exchange.reply(reply),
      (reply) => handle({ ...exchange, reply }),
    );
  };
};

const loadOrUnload = /^\/v2\/repository\/models\/[^/]+\/(?:un)?load$/;

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
