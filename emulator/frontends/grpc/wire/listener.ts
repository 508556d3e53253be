import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Session,
} from "node:http2";
import type { Log } from "../../../common/log.ts";
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
  close(): Promise<void>;
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

/** Serves gRPC methods over HTTP/2. @param methods by path @throws what listening failed with */
export const listen = async (
  methods: ReadonlyMap<string, Method>,
  options: ListenerOptions,
  log: Log,
): Promise<Listener> => {
  const server = createHttp2Server(options.tls);
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    const keeper = new ConnectionKeeper(session, options.keepalive);
    session.on("stream", (stream, headers) => {
      keeper.callStarted();
      stream.on("close", () => keeper.callEnded());
      acceptCall(stream, headers, {
        methods,
        compressionLevel: options.compressionLevel,
        beforeReply: () => keeper.replied(),
        log,
      });
    });
  });
  const { address: host, port, reusePort } = options;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, reusePort }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", (error: Error) => log.error(`gRPC listener: ${error.message}`));
  const closed = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  const address = server.address();
  return {
    port: address === null || typeof address === "string" ? port : address.port,
    drain: () => {
      const done = closed();
      for (const session of sessions) session.close();
      return done;
    },
    close: () => {
      const done = closed();
      for (const session of sessions) session.destroy();
      return done;
    },
  };
};

const createHttp2Server = (tls: TlsOptions | null): Http2Server | Http2SecureServer => {
  if (tls === null) return createServer(http2Options);
  return createSecureServer({
    ...http2Options,
    cert: tls.certificate,
    key: tls.key,
    ...(tls.rootCertificate === null ? {} : { ca: tls.rootCertificate }),
    requestCert: tls.mutual,
    rejectUnauthorized: tls.mutual,
  });
};
