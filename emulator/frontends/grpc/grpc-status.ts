import { upToNul } from "../../common/c-string.ts";
import type { StatusCode, TritonError } from "../../common/status.ts";
import { type GrpcCode, type GrpcStatus, grpcCode } from "./wire/status.ts";

/** Triton's codes on this wire, as 2.51.0 maps them. */
export const grpcCodeOf: Record<StatusCode, GrpcCode> = {
  UNKNOWN: grpcCode.UNKNOWN,
  INTERNAL: grpcCode.INTERNAL,
  NOT_FOUND: grpcCode.NOT_FOUND,
  INVALID_ARG: grpcCode.INVALID_ARGUMENT,
  UNAVAILABLE: grpcCode.UNAVAILABLE,
  UNSUPPORTED: grpcCode.UNIMPLEMENTED,
  ALREADY_EXISTS: grpcCode.ALREADY_EXISTS,
  CANCELLED: grpcCode.CANCELLED,
};

export const grpcStatusOf = (error: TritonError): GrpcStatus => ({
  code: grpcCodeOf[error.code],
  message: upToNul(error.message),
});

/** What the real server answers to bytes that are not the method's message (2.51.0). */
export const unparsable: GrpcStatus = { code: grpcCode.INTERNAL, message: "Unable to parse request" };
