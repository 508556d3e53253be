import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Log } from "../../../common/log.ts";
import { Http2Connection } from "../http2/connection.ts";
import type { CompressionLevel } from "./compression.ts";
import { ConnectionKeeper, type KeepaliveOptions } from "./keepalive.ts";
import { isReadable } from "./request-headers.ts";
import { acceptCall, type CallContext, endBroken, type Method } from "./server-call.ts";

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

/** Serves gRPC methods over HTTP/2. @param methods by path @throws what listening failed with */
export const listen = async (
  methods: ReadonlyMap<string, Method>,
  options: ListenerOptions,
  log: Log,
): Promise<Listener> => {
  const connections = new Set<Http2Connection>();
  const accept = (socket: Socket): void => {
    const connection: Http2Connection = new Http2Connection(socket, {
      isReadable,
      stream: (stream, headers) => acceptCall(stream, headers, context),
      broken: endBroken,
      ping: () => keeper.pinged(),
      failed: (error) =>
        log.error(`unexpected failure of a gRPC connection: ${error instanceof Error ? error.stack : error}`),
      closed: () => {
        connections.delete(connection);
        keeper.closed();
      },
    });
    connections.add(connection);
    const keeper = new ConnectionKeeper(connection, options.keepalive);
    const context: CallContext = {
      methods,
      compressionLevel: options.compressionLevel,
      callStarted: () => keeper.callStarted(),
      callEnded: () => keeper.callEnded(),
      beforeReply: () => keeper.replied(),
      log,
    };
  };
  const server = createServer(options.tls, accept);
  const { address: host, port, reusePort } = options;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, reusePort }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", (error: Error) => log.error(`gRPC listener: ${error.message}`));
  const stopListening = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  const address = server.address();
  return {
    port: address === null || typeof address === "string" ? port : address.port,
    drain: () => {
      const stopped = stopListening();
      for (const connection of connections) connection.drain();
      return stopped;
    },
    close: () => {
      const stopped = stopListening();
      for (const connection of connections) connection.destroy();
      return stopped;
    },
  };
};

const createServer = (tls: TlsOptions | null, accept: (socket: Socket) => void): Server => {
  if (tls === null) return createTcpServer({ noDelay: true }, accept);
  return createTlsServer(
    {
      noDelay: true,
      ALPNProtocols: ["h2"],
      cert: tls.certificate,
      key: tls.key,
      ...(tls.rootCertificate === null ? {} : { ca: tls.rootCertificate }),
      requestCert: tls.mutual,
      rejectUnauthorized: tls.mutual,
    },
    accept,
  );
};
