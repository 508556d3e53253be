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

/** Reason phrases as the real server writes them: 405 is "Not Allowed". */
export const reasonPhrase: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Not Allowed",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};
