import { fail, ok, type Result } from "../../common/status.ts";
import type { RequestedVersion } from "../../core/inference-server.ts";

/**
 * A `version` field as a number; -1 for an empty one, which means the latest. Read as C's `strtol` does, so `3abc` is 3
 * and leading blanks do not matter (2.51.0). Errors: INVALID_ARG.
 */
export const parseModelVersion = (text: string): Result<RequestedVersion> => {
  if (text === "") return ok(-1);
  const digits = /^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text)?.[1];
  if (digits === undefined || BigInt.asIntN(64, BigInt(digits)) !== BigInt(digits)) {
    return fail(
      "INVALID_ARG",
      `failed to get model version from specified version string '${text}' (details: stol), version should be an integral value > 0`,
    );
  }
  const version = Number(digits);
  if (version < 0) {
    return fail(
      "INVALID_ARG",
      `invalid model version specified '${text}' , version should be an integral value > 0`,
    );
  }
  return ok(Number.isSafeInteger(version) ? version : BigInt(digits));
};
