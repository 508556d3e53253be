import type { Headers } from "./http2/hpack.ts";
import { type GrpcStatus, grpcCode } from "./wire/status.ts";

/** The groups of RPCs that `--grpc-restricted-protocol` names (spec/triton-wire.md 1.14). */
export type RestrictedCategory =
  | "health"
  | "metadata"
  | "inference"
  | "shared-memory"
  | "model-config"
  | "model-repository"
  | "statistics"
  | "trace"
  | "logging";

/** A category that may be used only with the metadata `triton-grpc-protocol-<key>` of an exact value. */
export interface RestrictedProtocol {
  readonly key: string;
  readonly value: string;
}

/** Null when the call may go on. */
export const restrictionStatus = (
  rule: RestrictedProtocol | undefined,
  headers: Headers,
): GrpcStatus | null => {
  if (rule === undefined) return null;
  const header = `triton-grpc-protocol-${rule.key}`;
  if (headers[header.toLowerCase()] === rule.value) return null;
  return {
    code: grpcCode.UNAVAILABLE,
    message: `This protocol is restricted, expecting header '${header}'`,
  };
};
