import type { HttpHandler } from "./handler.ts";
import { generate } from "./handlers/generate.ts";
import { health } from "./handlers/health.ts";
import { logging } from "./handlers/logging.ts";
import { modelConfig } from "./handlers/model-config.ts";
import { modelMetadata } from "./handlers/model-metadata.ts";
import { modelReady } from "./handlers/model-ready.ts";
import { repositoryIndex, repositoryModelLoad, repositoryModelUnload } from "./handlers/repository.ts";
import { serverMetadata } from "./handlers/server-metadata.ts";
import {
  sharedMemoryRegister,
  sharedMemoryStatus,
  sharedMemoryUnregister,
} from "./handlers/shared-memory.ts";
import { statistics } from "./handlers/statistics.ts";
import { traceSetting } from "./handlers/trace-setting.ts";
import type { RestrictedCategory } from "./restricted-api.ts";

/** One row of the route table. Named groups of the pattern reach the handler. */
export interface HttpRoute {
  /** Matches the whole path as it was sent, not percent-decoded, without the query. */
  readonly pattern: RegExp;
  readonly methods: readonly ("GET" | "POST")[];
  readonly handler: HttpHandler;
  /** For `--http-restricted-api`. */
  readonly category: RestrictedCategory;
  /** Whether the real handler sets its Content-Type before it looks at the method. */
  readonly typed: "json" | "plain";
}

/** Bytes that are not ASCII match no route of the real server. */
const NAME = "[^/\\x80-\\xff]+";
const MODEL = `/v2/models/(?<model>${NAME})(?:/versions/(?<version>[0-9]+))?`;
const REPOSITORY = `/v2/repository(?:/(?<repository>${NAME}))?`;
const MEMORY = `/v2/(?<kind>system|cuda)sharedmemory(?:/region/(?<region>${NAME}))?`;

const route = (
  pattern: string,
  methods: readonly ("GET" | "POST")[],
  category: RestrictedCategory,
  handler: HttpHandler,
  typed: "json" | "plain" = "json",
): HttpRoute => ({ pattern: new RegExp(`^${pattern}$`), methods, category, handler, typed });

/**
 * Every route but `infer`, in the order the real server tries them (spec/triton-wire.md 1.3); the first that matches
 * decides, so a model named `stats` has no metadata address. `infer` has a way of its own: see server.ts.
 */
export const routes: readonly HttpRoute[] = [
  route("/v2/models/stats", ["GET"], "statistics", statistics),
  route("/v2/logging", ["GET", "POST"], "logging", logging),
  route(MODEL, ["GET"], "metadata", modelMetadata),
  route(`${MODEL}/(?<verb>generate|generate_stream)`, ["POST"], "inference", generate),
  route(`${MODEL}/ready`, ["GET"], "health", modelReady, "plain"),
  route(`${MODEL}/config`, ["GET"], "model-config", modelConfig),
  route(`${MODEL}/stats`, ["GET"], "statistics", statistics),
  route(`/v2/models/(?<model>${NAME})/trace/setting`, ["GET", "POST"], "trace", traceSetting),
  route("/v2", ["GET"], "metadata", serverMetadata),
  route("/v2/health/(?<probe>live|ready)", ["GET"], "health", health, "plain"),
  route(`${MEMORY}/status`, ["GET"], "shared-memory", sharedMemoryStatus),
  route(`${MEMORY}/register`, ["POST"], "shared-memory", sharedMemoryRegister),
  route(`${MEMORY}/unregister`, ["POST"], "shared-memory", sharedMemoryUnregister),
  route(`${REPOSITORY}/index`, ["POST"], "model-repository", repositoryIndex),
  route(`${REPOSITORY}/models/(?<model>${NAME})/load`, ["POST"], "model-repository", repositoryModelLoad),
  route(`${REPOSITORY}/models/(?<model>${NAME})/unload`, ["POST"], "model-repository", repositoryModelUnload),
  route("/v2/trace/setting", ["GET", "POST"], "trace", traceSetting),
];

/** The path of `infer`, matched before everything else. */
export const inferPattern = new RegExp(`^${MODEL}/infer$`);
