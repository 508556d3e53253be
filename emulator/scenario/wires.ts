import type { InProcessContainer } from "../aws/containers/in-process-container.ts";
import { localEndpoint, type PlatformAnswer } from "../aws/placement/platform-answer.ts";
import type { Router } from "../aws/placement/router.ts";
import { invocationOf } from "../aws/runtime/invoke-endpoint.ts";
import { asTold, errorOf } from "../aws/runtime/runtime-errors.ts";
import type { Clock } from "../common/clock.ts";
import type { FaultSource } from "../core/faults/fault-source.ts";
import type { ServerStart } from "../core/memory/ledger.ts";
import type { TritonServer, TritonServerOptions } from "../core/triton-server.ts";
import { TARGET_MODEL_HEADER } from "../frontends/sagemaker/container-api.ts";
import type { SimulatedContainer } from "../simulation/simulated-container.ts";
import { type Answer, exchangeOf, HttpPort } from "./http-port.ts";
import type { Level, ScenarioWords } from "./schema.ts";

/** The model repository of scenarios that speak to Triton itself. */
export const TRITON_REPOSITORY = "/models";

const SECOND_US = 1_000_000;

/** The flags that a scenario sets, those of its level first: without a platform the server has a repository of its own. */
export const tritonFlags = (
  words: NonNullable<ScenarioWords["server"]>,
  level: Level,
): Partial<TritonServerOptions> => {
  const flags = {
    ...(level === "triton" ? { modelRepositories: [TRITON_REPOSITORY], modelNamespacing: false } : {}),
    modelControlMode: words.model_control_mode,
    repositoryPollSecs: words.repository_poll === undefined ? undefined : words.repository_poll / SECOND_US,
    startupModels: words.load_model,
    strictReadiness: words.strict_readiness,
    exitOnError: words.exit_on_error,
    autoCompleteConfig: words.auto_complete_config,
    modelLoadThreadCount: words.load_thread_count,
    modelLoadRetryCount: words.load_retry_count,
    modelLoadGpuLimit:
      words.load_gpu_limit === undefined ? undefined : new Map(words.load_gpu_limit.entries()),
    responseCacheByteSize: words.cache_size,
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
};

/** What the server takes at its start, where a scenario says so. */
export const serverStart = (words: NonNullable<ScenarioWords["server"]>): ServerStart => {
  const start = {
    pinnedPoolBytes: words.pinned_memory_pool_byte_size,
    stubRegionBytes: words.shm_default_byte_size,
    orphanedShmBytes: words.orphaned_shm,
  };
  return Object.fromEntries(Object.entries(start).filter(([, value]) => value !== undefined));
};

/** A request to Triton's HTTP port. Nobody answers where nothing listens, or where tritonserver dies over it. */
export const callTriton = (
  simulated: SimulatedContainer,
  method: string,
  path: string,
  body: string | Uint8Array,
  answered: (answer: Answer | null) => void,
): void => {
  const server = simulated.server();
  if (server === null) {
    answered(null);
    return;
  }
  HttpPort.of(server, simulated.faults).send(method, path, body, (answer) =>
    answered(simulated.server() === server ? answer : null),
  );
};

/** SIGTERM. @param ended false = the time passed first */
export const stopTriton = (
  server: TritonServer,
  faults: FaultSource,
  clock: Clock,
  timeoutSecs: number,
  ended: (clean: boolean) => void,
): void => {
  HttpPort.of(server, faults).drain(clock, timeoutSecs, (left) => server.stop(left, ended));
};

/** A request to the container API as it goes over the wire. */
export const callContainer = (
  container: InProcessContainer,
  method: string,
  path: string,
  body: string,
  targetModel: string | undefined,
  answered: (answer: Answer | null) => void,
): void => {
  const headers = new Map(targetModel === undefined ? [] : [[TARGET_MODEL_HEADER, targetModel]]);
  container.handle(exchangeOf(method, path, body, headers, answered));
};

/** A request to InvokeEndpoint as it goes over the wire, without a target model where that is undefined. */
export const callEndpoint = (
  endpoint: Pick<Router, "invoke">,
  requestId: string,
  body: string,
  targetModel: string | undefined,
  answered: (answer: PlatformAnswer) => void,
): void => {
  const headers = new Map([
    ["content-type", "application/json"],
    ...(targetModel === undefined ? [] : [["x-amzn-sagemaker-target-model", targetModel] as const]),
  ]);
  endpoint.invoke(invocationOf({ headers }, Buffer.from(body), requestId), answered);
};

/** The code that boto3 reads from an error: its type, or the status where the answer names none. Null = it is no error. */
export const errorCodeOf = (answer: PlatformAnswer, faults: FaultSource): string | null => {
  if (answer.error === null) return null;
  const { code, status } = asTold(errorOf(answer, answer.error, localEndpoint), faults);
  return code === "" ? String(status) : code;
};
