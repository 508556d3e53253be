import type { StatusCode } from "../../common/status.ts";

/** Triton's codes on HTTP since release 24.01 (spec/triton-wire.md 1.2). */
export const httpStatus: Record<StatusCode, number> = {
  UNKNOWN: 400,
  INTERNAL: 500,
  NOT_FOUND: 404,
  INVALID_ARG: 400,
  UNAVAILABLE: 503,
  UNSUPPORTED: 501,
  ALREADY_EXISTS: 400,
  CANCELLED: 400,
};
