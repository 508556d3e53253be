import { readFile } from "node:fs/promises";
import type { Log } from "../../common/log.ts";
import type { FaultSource } from "../../core/faults/fault-source.ts";
import type { InferenceServer } from "../../core/inference-server.ts";
import { createHeaderForwarding } from "./header-forwarding.ts";
import type { RestrictedCategory, RestrictedProtocol } from "./restricted-protocol.ts";
import { createMethods } from "./service.ts";
import type { CompressionLevel } from "./wire/compression.ts";
import { defaultKeepalive, type KeepaliveOptions } from "./wire/keepalive.ts";
import { type Listener, listen, type TlsOptions } from "./wire/listener.ts";

export type { RestrictedCategory, RestrictedProtocol } from "./restricted-protocol.ts";
export type { CompressionLevel } from "./wire/compression.ts";
export { defaultKeepalive, type KeepaliveOptions } from "./wire/keepalive.ts";

/** Everything but the address has the real server's default. */
export interface GrpcFrontendOptions {
  /** `--grpc-address` */
  readonly address: string;
  /** `--grpc-port`; 0 = one that is free. */
  readonly port: number;
  /** `--reuse-grpc-port` */
  readonly reusePort?: boolean;
  readonly keepalive?: Partial<KeepaliveOptions>;
  /** `--grpc-infer-response-compression-level` */
  readonly inferResponseCompressionLevel?: CompressionLevel;
  /** `--grpc-restricted-protocol` */
  readonly restrictedProtocols?: ReadonlyMap<RestrictedCategory, RestrictedProtocol>;
  /** `--grpc-header-forward-pattern`: headers whose name it finds go on as request parameters. */
  readonly headerForwardPattern?: RegExp | null;
  /** `--grpc-use-ssl` and its files. */
  readonly ssl?: SslFiles | null;
  /** Where replies may break off; default: nowhere. */
  readonly faults?: FaultSource | null;
}

/** Paths of PEM files. */
export interface SslFiles {
  /** `--grpc-server-cert` */
  readonly serverCert: string;
  /** `--grpc-server-key` */
  readonly serverKey: string;
  /** `--grpc-root-cert`; null = the system's. */
  readonly rootCert: string | null;
  /** `--grpc-use-ssl-mutual` */
  readonly mutual: boolean;
}

/** A running gRPC front end. */
export type GrpcFrontend = Listener;

/**
 * Serves GRPCInferenceService and grpc.health.v1.
 * @throws what listening, or reading a file of `ssl`, failed with
 */
export const startGrpcFrontend = async (
  server: InferenceServer,
  options: GrpcFrontendOptions,
  log: Log,
): Promise<GrpcFrontend> => {
  const tls = await readTls(options.ssl ?? null);
  const methods = createMethods(
    server,
    options.restrictedProtocols ?? new Map(),
    createHeaderForwarding(options.headerForwardPattern ?? null),
    options.faults ?? null,
  );
  return listen(
    methods,
    {
      address: options.address,
      port: options.port,
      reusePort: options.reusePort ?? false,
      keepalive: { ...defaultKeepalive, ...options.keepalive },
      compressionLevel: options.inferResponseCompressionLevel ?? "none",
      tls,
    },
    log,
  );
};

const readTls = async (files: SslFiles | null): Promise<TlsOptions | null> => {
  if (files === null) return null;
  const [certificate, key, rootCertificate] = await Promise.all([
    readFile(files.serverCert),
    readFile(files.serverKey),
    files.rootCert === null ? null : readFile(files.rootCert),
  ]);
  return { certificate, key, rootCertificate, mutual: files.mutual };
};
