import { readdirSync } from "node:fs";
import { conformanceFolder } from "../shipped-files.ts";
import type { ConformanceCase, Request, Step } from "./conformance-case.ts";
import { twinOf } from "./grpc-twin.ts";

/** How a case is played: as it stands, or with each HTTP request that has a gRPC equivalent sent as that. */
export type Way = "http" | "grpc";

/** The areas whose cases lie in fixtures/conformance, one file each. */
export const areas: readonly string[] = readdirSync(conformanceFolder)
  .filter((file) => file.endsWith(".json") && file !== "differences.json")
  .map((file) => file.slice(0, -".json".length))
  .sort();

/** Areas of which another way makes another case. */
const onlyAsTheyStand: ReadonlySet<string> = new Set([
  // How HTTP carries things; the area grpc asks the same of gRPC.
  "compression",
  "http-framing",
  "http-routes",
  "infer-request",
  "numbers",
  "shared-memory",
  // The container API speaks HTTP.
  "sagemaker",
  "sagemaker-container",
  // The drain counts HTTP connections.
  "shutdown",
]);

export const waysOf = (area: string, testCase: ConformanceCase): readonly Way[] =>
  !onlyAsTheyStand.has(area) && hasTwin(testCase) ? ["http", "grpc"] : ["http"];

/** A trace file tells over which protocol a request came, so such a case is played as it was recorded. */
const hasTwin = ({ steps }: ConformanceCase): boolean =>
  !steps.some((step) => "seen" in step && "trace" in step.seen) &&
  steps.some((step) => "request" in step && sentAs(step.request, "grpc") !== step.request);

/** The request that goes out. */
export const sentAs = (request: Request, way: Way): Request => {
  const twin = way === "grpc" && "path" in request ? twinOf(request) : null;
  return twin === null ? request : { grpc: twin.rpc, message: twin.message };
};

/** Whether requests are to be there within moments of each other, which a busy machine may not manage the first time. */
const hasSideBySide = ({ steps }: ConformanceCase): boolean => steps.some((step: Step) => "start" in step);

/** How often a case that disagreed beside others is played again alone, against a real server, before that counts. */
export const TRIES_ALONE = 3;

/** How often a case may be played again before its disagreement counts. */
export const retriesOf = (testCase: ConformanceCase, real: boolean): number => {
  if (real && testCase.unsteady === true) return 20;
  return hasSideBySide(testCase) ? 2 : 0;
};
