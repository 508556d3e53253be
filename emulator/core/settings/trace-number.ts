import { fail, ok, type Result } from "../../common/status.ts";

const UINT32 = 2 ** 32;
const INT32_MAX = 2 ** 31 - 1;

/**
 * A trace setting that arrives as text, read as C reads numbers: what follows the digits is ignored, and a negative rate
 * or frequency wraps to 32 bits; the range that the text of an error tells is not the one that is checked. Errors: INVALID_ARG (spec/triton-wire.md 1.12).
 * @param gap what stands after `got:` in one of the texts: nothing over HTTP, a space over gRPC
 */
export const parseTraceNumber = (
  name: "trace_rate" | "trace_count" | "log_frequency",
  text: string,
  gap: "" | " ",
): Result<number> => {
  const digits = /^\s*[+-]?\d+/.exec(text)?.[0];
  if (digits === undefined) return fail("INVALID_ARG", `Unable to parse '${name}', got: ${text}`);
  const value = Number(digits);
  if (name === "trace_count") {
    if (value > INT32_MAX || value < -INT32_MAX - 1) {
      return fail(
        "INVALID_ARG",
        `Unable to parse '${name}', value is out of range [ -1, ${INT32_MAX} ], got: ${text}`,
      );
    }
    if (value < -1) {
      return fail("INVALID_ARG", `Unable to parse '${name}'. Expecting value >= -1, got:${gap}${text}`);
    }
    return ok(value);
  }
  if (value > INT32_MAX || value < -INT32_MAX - 1) {
    return fail(
      "INVALID_ARG",
      `Unable to parse '${name}', value is out of range [ 0, ${UINT32 - 1} ], got: ${text}`,
    );
  }
  return ok(value < 0 ? value + UINT32 : value);
};
