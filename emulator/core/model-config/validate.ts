import { fail, type TritonError } from "../../common/status.ts";
import { isBackendWithPlatform, knownBackendOfPlatform } from "./backend-fill.ts";
import type { ModelConfig, ModelDynamicBatching, ModelQueuePolicy } from "./model-config.ts";
import { ensembleProblems } from "./validate-ensemble.ts";
import { ioProblems } from "./validate-io.ts";
import { sequenceProblems } from "./validate-sequence.ts";

/** Checks a normalised configuration but for inputs and outputs. Errors: INVALID_ARG, the texts of spec/triton-core.md 2.7. */
export const validateConfig = (config: ModelConfig): TritonError | null => first(problems(config));

/** Checks inputs, outputs, batch inputs and batch outputs. Errors as in `validateConfig`. */
export const validateInputsOutputs = (config: ModelConfig): TritonError | null => first(ioProblems(config));

/** Only the first problem is ever looked for. */
const first = (found: Generator<string>): TritonError | null => {
  for (const message of found) return fail("INVALID_ARG", message).error;
  return null;
};

function* problems(config: ModelConfig): Generator<string> {
  const { name, platform, backend } = config;
  if (name === "") yield "model configuration must specify 'name'";
  if (backend === "") {
    if (platform !== "ensemble") yield `unexpected platform type '${platform}' for ${name}`;
  } else if (platform === "ensemble") {
    yield `Ensemble model '${name}' must have platform type 'ensemble' and empty backend type`;
  }
  if (isBackendWithPlatform(backend) && knownBackendOfPlatform(platform) !== backend) {
    yield `unexpected 'platform' and 'backend' pair, got:${platform}, ${backend}`;
  }
  if (config.max_batch_size < 0) yield `'max_batch_size' must be non-negative value for ${name}`;
  if (config.version_policy === undefined) yield `must specify 'version policy' for ${name}`;
  if (config.dynamic_batching !== undefined) yield* dynamicBatchingProblems(config, config.dynamic_batching);
  if (config.sequence_batching !== undefined) yield* sequenceProblems(config, config.sequence_batching);
  if (config.ensemble_scheduling !== undefined) yield* ensembleProblems(config, config.ensemble_scheduling);
  else if (platform === "ensemble") {
    yield `ensemble scheduling must be set for ensemble ${name} whose platform is ensemble`;
  }
  if (config.response_cache?.enable === true) yield* responseCacheProblems(config);
}

function* dynamicBatchingProblems(config: ModelConfig, batching: ModelDynamicBatching): Generator<string> {
  const name = config.name;
  for (const size of batching.preferred_batch_size) {
    if (size <= 0) yield `dynamic batching preferred size must be positive for ${name}`;
    if (size > config.max_batch_size)
      yield `dynamic batching preferred size must be <= max batch size for ${name}`;
  }
  const levels = batching.priority_levels;
  const isLevel = (level: number): boolean => level >= 1 && level <= levels;
  if (levels > 0) {
    if (!isLevel(batching.default_priority_level)) {
      yield `default priority level must be in range [1, ${levels}] for ${name}`;
    }
    for (const level of batching.priority_queue_policy.keys()) {
      if (!isLevel(Number(level))) {
        yield `priority queue policy must have priority level in range [1, ${levels}] for ${name}`;
      }
    }
  }
  if (!batching.preserve_ordering) return;
  if (levels > 1) yield `Only one priority level is allowed when 'preserve_ordering' is true for ${name}`;
  const policies = [batching.default_queue_policy, ...batching.priority_queue_policy.values()];
  if (policies.some(delays)) {
    yield `Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for ${name}`;
  }
}

const delays = (policy: ModelQueuePolicy | undefined): boolean =>
  policy !== undefined && policy.default_timeout_microseconds !== 0 && policy.timeout_action === "DELAY";

function* responseCacheProblems(config: ModelConfig): Generator<string> {
  const unsupported = (what: string): string =>
    `Response Cache does not currently support model ${config.name} with ${what}. Please disable the response cache.`;
  if (config.sequence_batching !== undefined) yield unsupported("sequence batching scheduler");
  if (config.model_transaction_policy?.decoupled === true)
    yield unsupported("'decoupled' transaction policy");
}
