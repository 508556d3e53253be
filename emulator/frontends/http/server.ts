import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import express from "express";
import type { Log } from "../../common/log.ts";
import { ResponseWithBody } from "../../common/response-with-body.ts";
import type { InferenceServer } from "../../core/inference-server.ts";
import { nodeHttp } from "../node-http.ts";
import { readBody, SlabPool } from "./body.ts";
import type { HttpCall } from "./handler.ts";
import { handleInfer, type InferContext } from "./handlers/infer.ts";
import { type HttpReply, headText, methodNotAllowed, notFound, plainErrorReply, sendReply } from "./reply.ts";
import { type RestrictedApi, type RestrictedCategory, restrictionError } from "./restricted-api.ts";
import { type HttpRoute, inferPattern, routes } from "./routes.ts";

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

/** Request lines and headers beyond this end the connection without an answer, as the real server does. */
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Triton's HTTP port. `POST .../infer` is recognised before Express, which serves every other route: both end in the same
 * errors and the same replies.
 */
export const startHttpFrontend = async (
  inferenceServer: InferenceServer,
  options: HttpFrontendOptions,
  log: Log,
): Promise<HttpFrontend> => {
  const restricted = new Map(options.restrictedApis.map((rule) => [rule.category, rule]));
  const pool = new SlabPool();
  const app = createApp(inferenceServer, restricted, pool, log);
  const inferContext: InferContext = {
    server: inferenceServer,
    restricted,
    pool,
    headerForwardPattern: options.headerForwardPattern,
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const path = requestPath(request.url ?? "");
    if (path.endsWith("/infer")) {
      const groups = inferPattern.exec(path)?.groups;
      if (groups !== undefined) {
        handleInfer(request, response, groups, inferContext);
        return;
      }
    }
    if (path.includes("#")) {
      // For the real server a fragment is part of the path; Express would drop it.
      unusualPaths.set(request, path);
      request.url = path.replaceAll("#", "%23");
    } else request.url = path;
    app(request, response);
  };
  const server = nodeHttp.createServer(
    {
      ServerResponse: ResponseWithBody,
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false,
      keepAliveTimeout: 0,
      requestTimeout: 0,
      headersTimeout: 0,
      noDelay: true,
    },
    handle,
  );
  server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    response.writeContinue();
    handle(request, response);
  });
  server.on("connect", (_request, socket: Socket) => {
    writeRaw(socket, notFound);
    socket.end();
  });
  server.on("clientError", (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Socket) => {
    answerRefused(error, socket);
    socket.destroySoon();
  });
  const port = await listen(server, options);
  return {
    port,
    drain: (timeoutSecs) => drain(server, timeoutSecs, log),
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};

/** The path as sent: without the query and, in the absolute form, without scheme and authority; a fragment is part of it. */
const requestPath = (url: string): string => {
  let path = url;
  if (!path.startsWith("/")) {
    const authority = /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/?]*/.exec(path);
    if (authority !== null) path = path.slice(authority[0].length);
  }
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
};

const unusualPaths = new WeakMap<IncomingMessage, string>();

const createApp = (
  server: InferenceServer,
  restricted: ReadonlyMap<RestrictedCategory, RestrictedApi>,
  pool: SlabPool,
  log: Log,
): express.Express => {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  for (const route of routes) {
    // Express would percent-decode what a pattern captures; the real server does not decode paths at all.
    const pattern = new RegExp(route.pattern.source.replaceAll(/\(\?<\w+>/g, "(?:"));
    app.all(pattern, (request, response) => {
      const groups = route.pattern.exec(unusualPaths.get(request) ?? request.url)?.groups ?? {};
      runRoute(route, groups, request, response, server, restricted, pool);
    });
  }
  app.use((request, response) => {
    request.resume();
    sendReply(request, response, notFound);
  });
  app.use(
    (error: unknown, request: express.Request, response: express.Response, _next: express.NextFunction) => {
      log.error(
        `unexpected failure of ${request.method} ${request.url}: ${error instanceof Error ? error.stack : error}`,
      );
      sendReply(request, response, plainErrorReply(500, "internal error of the emulator, see its log"));
    },
  );
  return app;
};

const runRoute = (
  route: HttpRoute,
  groups: Readonly<Record<string, string | undefined>>,
  request: IncomingMessage,
  response: ServerResponse,
  server: InferenceServer,
  restricted: ReadonlyMap<RestrictedCategory, RestrictedApi>,
  pool: SlabPool,
): void => {
  readBody(request, pool, 0, (body) => {
    const refusal = restrictionError(restricted, route.category, request.headers);
    if (refusal !== null) {
      sendReply(request, response, plainErrorReply(403, refusal));
      body.release();
      return;
    }
    const method = route.methods.find((allowed) => allowed === request.method);
    if (method === undefined) {
      sendReply(request, response, methodNotAllowed(route.typed));
      body.release();
      return;
    }
    const call: HttpCall = { server, method, groups, headers: request.headers, body: body.bytes };
    route.handler(call, (reply) => {
      sendReply(request, response, reply);
      body.release();
    });
  });
};

/**
 * The runtime's parser refuses methods it does not know and bytes above 0x7f in a path; the real server takes any
 * upper-case word as a wrong method, and no route has such a path. Other broken requests end the connection without an
 * answer, as there.
 */
const answerRefused = (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Socket): void => {
  if (error.rawPacket === undefined || !socket.writable) return;
  const url = /^[A-Z]+ ([^ \r\n]+) HTTP\/1\.1\r\n/.exec(error.rawPacket.toString("latin1"))?.[1];
  if (url === undefined) return;
  if (error.code === "HPE_INVALID_URL") writeRaw(socket, notFound);
  if (error.code !== "HPE_INVALID_METHOD") return;
  const path = requestPath(url);
  const route = routes.find(({ pattern }) => pattern.test(path));
  if (inferPattern.test(path)) writeRaw(socket, methodNotAllowed("plain"));
  else writeRaw(socket, route === undefined ? notFound : methodNotAllowed(route.typed));
};

const writeRaw = (socket: Socket, reply: HttpReply): void => {
  const body = Buffer.concat(reply.body);
  const length = ["Content-Length", String(body.length)];
  const headers =
    reply.headers.length > 0 ? [...reply.headers, ...length] : [...length, "Content-Type", "text/plain"];
  socket.write(headText("HTTP/1.1", reply.status, headers), "latin1");
  socket.write(body);
};

const listen = (server: Server, options: HttpFrontendOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.address, port: options.port, reusePort: options.reusePort }, () => {
      server.off("error", reject);
      const address = server.address() as AddressInfo;
      resolve(address.port);
    });
  });

/** How often a draining server looks for connections that have become idle. */
const DRAIN_LOOK_MS = 50;

/** @returns the seconds left of the timeout; connections may be left when it is 0 */
const drain = async (server: Server, timeoutSecs: number, log: Log): Promise<number> => {
  let ended = false;
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      ended = true;
      resolve();
    });
  });
  const started = performance.now();
  let said = 0;
  for (;;) {
    server.closeIdleConnections();
    const open = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    const left = timeoutSecs - said;
    if (ended || open === 0) return left;
    if (performance.now() - started >= said * 1000) {
      if (left <= 0) return 0;
      log.info(`Timeout ${left}: Found ${open} HTTP service connections`);
      said++;
    }
    const look = new Promise<void>((resolve) => {
      setTimeout(resolve, DRAIN_LOOK_MS);
    });
    await Promise.race([closed, look]);
  }
};
