/** Triton's own status codes; source: tritonserver.h of release 24.10. Each wire maps them once, in its own folder. */
export type StatusCode =
  | "UNKNOWN"
  | "INTERNAL"
  | "NOT_FOUND"
  | "INVALID_ARG"
  | "UNAVAILABLE"
  | "UNSUPPORTED"
  | "ALREADY_EXISTS"
  | "CANCELLED";

/** How a code is written where a status is turned into text: index reasons, load errors, logs. */
const prefixes: Record<StatusCode, string> = {
  UNKNOWN: "Unknown",
  INTERNAL: "Internal",
  NOT_FOUND: "Not found",
  INVALID_ARG: "Invalid argument",
  UNAVAILABLE: "Unavailable",
  UNSUPPORTED: "Unsupported",
  ALREADY_EXISTS: "Already exists",
  CANCELLED: "<invalid code>",
};

/** An expected failure that has a Triton code. Anything else that is thrown is a bug of ours. */
export class TritonError extends Error {
  readonly code: StatusCode;

  constructor(code: StatusCode, message: string) {
    super(message);
    this.name = "TritonError";
    this.code = code;
  }

  /** `<Code>: <message>`, as the real server prints a status. */
  asString(): string {
    return `${prefixes[this.code]}: ${this.message}`;
  }
}

/** A value or an expected failure; the core returns these and throws only for bugs. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: TritonError };

export const ok = <T>(value: T): Result<T> => ({ ok: true, value });

export const fail = (
  code: StatusCode,
  message: string,
): { readonly ok: false; readonly error: TritonError } => ({
  ok: false,
  error: new TritonError(code, message),
});
