import { connect } from "node:net";
import type { Log } from "../../emulator/common/log.ts";
import type { InferenceServer } from "../../emulator/core/inference-server.ts";
import { type HttpFrontendOptions, startHttpFrontend } from "../../emulator/frontends/http/server.ts";
import {
  type HttpAnswer,
  parseAnswer,
  requestBytes,
} from "../../emulator/parity/exchange/http-connection.ts";

export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A JSON value, or what is sent as it is. */
  readonly body?: object | string | Buffer;
}

export interface HttpFixture extends AsyncDisposable {
  /** POST where there is a body, else GET. */
  ask(path: string, request?: HttpRequest): Promise<HttpAnswer>;
  /** What the front end wrote at level error. */
  readonly errors: readonly string[];
}

/** The HTTP front end on a free port, before any inference server. */
export const startHttpFixture = async (
  server: InferenceServer,
  options: Partial<HttpFrontendOptions> = {},
): Promise<HttpFixture> => {
  const errors: string[] = [];
  const log: Log = {
    info: () => {},
    warning: () => {},
    error: (message) => void errors.push(message),
    verbose: () => {},
  };
  const frontend = await startHttpFrontend(
    server,
    {
      address: "127.0.0.1",
      port: 0,
      reusePort: false,
      restrictedApis: [],
      headerForwardPattern: null,
      ...options,
    },
    log,
  );
  return {
    errors,
    ask: async (path, { method, headers = {}, body } = {}) => {
      const bytes = body === undefined ? null : bytesOf(body);
      const request = { method: method ?? (bytes === null ? "GET" : "POST"), path, headers, body: bytes };
      const answer = parseAnswer(await sendAndClose(frontend.port, requestBytes(request)));
      if (answer === null) throw new Error(`no answer to ${request.method} ${path}`);
      return answer;
    },
    [Symbol.asyncDispose]: () => frontend.close(),
  };
};

const bytesOf = (body: object | string | Buffer): Buffer => {
  if (body instanceof Buffer) return body;
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
};

export const sendAndClose = (port: number, bytes: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(received)));
    socket.end(bytes);
  });

export const textOf = ({ body }: HttpAnswer): string => body.toString();

export const headerOf = ({ headers }: HttpAnswer, name: string): string | undefined =>
  headers.find(([key]) => key === name)?.[1];
