import type { TritonError } from "../../common/status.ts";
import { fail, ok, type Result } from "../../common/status.ts";
import type { InferenceServer, RequestedVersion } from "../../core/inference-server.ts";
import type { HttpReply } from "../http1/reply.ts";
import { errorReply } from "../kserve-json/reply.ts";

/** A request as a handler sees it; its method is one that the route allows. */
export interface HttpCall {
  readonly server: InferenceServer;
  readonly method: "GET" | "POST";
  /** The named groups of the route's pattern; undefined where an optional part is not there. */
  readonly groups: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export type HttpHandler = (call: HttpCall, reply: (reply: HttpReply) => void) => void;

/** A handler that answers at once with a value or an error. */
export const immediate =
  (handle: (call: HttpCall) => Result<HttpReply>): HttpHandler =>
  (call, reply) => {
    const result = handle(call);
    reply(result.ok ? result.value : errorReply(result.error));
  };

/** Answers `success`, or the error where there is one. */
export const outcome = (error: TritonError | null, success: HttpReply): HttpReply =>
  error === null ? success : errorReply(error);

const INT64_MAX = 2n ** 63n - 1n;

/** The version of a path: -1 when there is none. Only digits get here; more than an int64 holds is refused as by `stol`. */
export const parseVersion = (text: string | undefined): Result<RequestedVersion> => {
  if (text === undefined) return ok(-1);
  const number = Number(text);
  if (Number.isSafeInteger(number)) return ok(number);
  const version = BigInt(text);
  if (version > INT64_MAX) {
    return fail(
      "INVALID_ARG",
      `failed to get model version from specified version string '${text}' (details: stol), version should be an integral value > 0`,
    );
  }
  return ok(version);
};
