import { ok, type Result } from "../../common/status.ts";
import type { InferenceServer } from "../../core/inference-server.ts";

/** An RPC that is no inference: a request message in, a response message or an expected failure out. */
export type UnaryHandler = (
  server: InferenceServer,
  request: Uint8Array,
  done: (result: Result<Uint8Array>) => void,
) => void;

/** For handlers that need not wait. */
export const immediate =
  (answer: (server: InferenceServer, request: Uint8Array) => Result<Uint8Array>): UnaryHandler =>
  (server, request, done) =>
    done(answer(server, request));

/** The response of RPCs that only say that they are done. */
export const emptyResponse = ok(new Uint8Array(0));
