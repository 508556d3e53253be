import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Session,
} from "node:http2";
import { fail, ok, type Result } from "../../../common/status.ts";
import type { CompressionLevel } from "./compression.ts";
import { ConnectionKeeper, type KeepaliveOptions } from "./keepalive.ts";
import { acceptCall, type Method } from "./server-call.ts";

/** Contents of PEM files. */
export interface TlsOptions {
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
  readonly rootCertificate: string | Buffer | null;
  /** The client has to show a certificate of `rootCertificate`. */
  readonly mutual: boolean;
}

export interface ListenerOptions {
  readonly address: string;
  /** 0 = one that is free. */
  readonly port: number;
  readonly reusePort: boolean;
  readonly keepalive: KeepaliveOptions;
  readonly compressionLevel: CompressionLevel;
  readonly tls: TlsOptions | null;
}

export interface Listener {
  readonly port: number;
  /** Takes no new connections and calls; answers when those that run have ended. */
  drain(): Promise<void>;
  /** Drops every connection. */
  stop(): Promise<void>;
}

/** Flow-control and frame sizes of the real server's SETTINGS (2.51.0). */
const settings = {
  initialWindowSize: 4 * 1024 * 1024,
  maxFrameSize: 4 * 1024 * 1024,
  maxHeaderListSize: 16_384,
};
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;

const http2Options = {
  settings,
  // Megabytes. Node counts what waits to be sent; large tensors on several streams are no attack.
  maxSessionMemory: 1024 * 1024,
};

/** Serves gRPC methods over HTTP/2. @param methods by path */
export const listen = (
  methods: ReadonlyMap<string, Method>,
  options: ListenerOptions,
): Promise<Result<Listener>> => {
  const { tls } = options;
  const server: Http2Server | Http2SecureServer =
    tls === null
      ? createServer(http2Options)
      : createSecureServer({
          ...http2Options,
          cert: tls.certificate,
          key: tls.key,
          ...(tls.rootCertificate === null ? {} : { ca: tls.rootCertificate }),
          requestCert: tls.mutual,
          rejectUnauthorized: tls.mutual,
        });
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    const keeper = new ConnectionKeeper(session, options.keepalive);
    session.on("stream", (stream, headers) => {
      keeper.callStarted();
      stream.on("close", () => keeper.callEnded());
      acceptCall(stream, headers, methods, options.compressionLevel, () => keeper.replied());
    });
  });
  const closed = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return new Promise((resolve) => {
    server.on("error", (error: NodeJS.ErrnoException) => {
      const where = `${options.address}:${options.port}`;
      const reason = error.code === "EADDRINUSE" ? "already in use" : `cannot be opened: ${error.message}`;
      resolve(fail("UNAVAILABLE", `Socket '${where}' ${reason}`));
    });
    server.listen({ host: options.address, port: options.port, reusePort: options.reusePort }, () => {
      const address = server.address();
      const port = address === null || typeof address === "string" ? options.port : address.port;
      resolve(
        ok({
          port,
          drain: () => {
            const done = closed();
            for (const session of sessions) session.close();
            return done;
          },
          stop: () => {
            const done = closed();
            for (const session of sessions) session.destroy();
            return done;
          },
        }),
      );
    });
  });
};
