import { type Log, silentLog } from "../../common/log.ts";
import { fail, ok, type Result, type TritonError } from "../../common/status.ts";
import type { ModelFolder } from "../storage.ts";
import { fillBackend } from "./backend-fill.ts";
import { parseConfigJson } from "./config-override.ts";
import { modelConfigSchema } from "./config-schema.ts";
import { type InstanceGroupOptions, normaliseInstanceGroups } from "./instance-groups.ts";
import { emptyModelConfig } from "./message.ts";
import type { ModelConfig } from "./model-config.ts";
import { normaliseConfig } from "./normalise.ts";
import { parseConfigText } from "./text-format.ts";
import { validateConfig, validateInputsOutputs } from "./validate.ts";

/** A configuration as it arrived: the text of `config.pbtxt`, or the `config` parameter of a load. */
export type ConfigSource = { readonly text: string } | { readonly json: string };

export interface PrepareOptions {
  /** False with `--disable-auto-complete-config`: inputs and outputs are then checked here. */
  readonly autoComplete: boolean;
  /** The model is served by a name of another's choice: the one in its configuration then counts for nothing. */
  readonly renamed?: boolean;
  /** `--repoagent-directory`: where an agent that is missing was looked for. */
  readonly repoAgentDirectory?: string | undefined;
  /** Where the faults of a text are said, as protobuf says them on stderr. */
  readonly log?: Log;
}

/**
 * The poll stage: reads, fills, normalises and checks a configuration (spec/triton-core.md 2.3, steps 1 to 4).
 * The error is the cause as it is logged; clients only ever see that polling failed.
 * @param source null where the folder has no configuration file
 */
export const prepareConfig = (
  source: ConfigSource | null,
  modelName: string,
  folder: ModelFolder,
  options: PrepareOptions,
): Result<ModelConfig> => {
  const read = readSource(source, folder, options);
  if (!read.ok) return read;
  const missing = missingAgent(read.value, options);
  if (missing !== null) return { ok: false, error: missing };
  const named = options.renamed === true ? { ...read.value, name: modelName } : read.value;
  const filled = fillBackend(named, modelName, folder);
  if (!filled.ok) return filled;
  const config = normaliseConfig(filled.value);
  const error = validateConfig(config) ?? (options.autoComplete ? null : validateInputsOutputs(config));
  if (error !== null) return { ok: false, error };
  if (config.name !== modelName) {
    return fail(
      "INVALID_ARG",
      `unexpected directory name '${modelName}' for model '${config.name}', directory name must equal model name`,
    );
  }
  return ok(config);
};

/** Those that come with the release. What they would refuse is not looked at here. */
const shippedAgents: ReadonlySet<string> = new Set(["checksum"]);

/** An agent without its library is found out before the rest of the configuration is looked at (2.51.0). */
const missingAgent = (
  { model_repository_agents: listed }: ModelConfig,
  { repoAgentDirectory = "/opt/tritonserver/repoagents" }: PrepareOptions,
): TritonError | null => {
  const missing = listed?.agents.find(({ name }) => !shippedAgents.has(name));
  if (missing === undefined) return null;
  const { name } = missing;
  return fail(
    "INTERNAL",
    `unable to find 'libtritonrepoagent_${name}.so' for repo agent '${name}', searched: ${repoAgentDirectory}`,
  ).error;
};

const readSource = (
  source: ConfigSource | null,
  folder: ModelFolder,
  { autoComplete, log = silentLog }: PrepareOptions,
): Result<ModelConfig> => {
  if (source === null) {
    if (autoComplete) return ok(emptyModelConfig());
    return fail(
      "INTERNAL",
      `failed to open text file for read ${folder.path}/config.pbtxt: No such file or directory`,
    );
  }
  if ("json" in source) {
    const read = parseConfigJson(source.json);
    return read.ok ? read : fail("INVALID_ARG", `Invalid config override: ${read.error.message}`);
  }
  const read = parseConfigText(source.text);
  if (read.ok) return read;
  for (const line of read.error.message.split("\n")) log.error(line);
  return fail(
    "INTERNAL",
    `failed to read text proto from ${folder.path}/${folder.config?.path ?? "config.pbtxt"}`,
  );
};

/**
 * What follows the backend's look at the model: takes over what it completed, settles the instance groups and checks
 * everything again, inputs and outputs included (steps 5 to 7).
 * @param completed null where the backend completed nothing
 * Errors: INVALID_ARG, the texts of spec/triton-core.md 2.7; INTERNAL where the backend chose another scheduler.
 */
export const finishConfig = (
  prepared: ModelConfig,
  completed: ModelConfig | null,
  options: InstanceGroupOptions,
): Result<ModelConfig> => {
  const updated = completed === null ? ok(prepared) : takeOver(prepared, completed);
  if (!updated.ok) return updated;
  const grouped = normaliseInstanceGroups(updated.value, options);
  if (!grouped.ok) return grouped;
  const error = validateConfig(grouped.value) ?? validateInputsOutputs(grouped.value);
  return error === null ? grouped : { ok: false, error };
};

/** What the library that all backends share finds, before the backend or the server looks at the model (2.51.0). */
export const batchInputTypeError = ({ batch_input: inputs }: ModelConfig): TritonError | null =>
  inputs.some(({ data_type }) => data_type === "TYPE_INVALID")
    ? fail("INVALID_ARG", "unexpected batch input data type 'TYPE_INVALID'").error
    : null;

const takeOver = (prepared: ModelConfig, completed: ModelConfig): Result<ModelConfig> => {
  const before = schedulingChoice(prepared);
  if (before !== null && schedulingChoice(completed) !== before) {
    const number = modelConfigSchema.fields.get(before)?.number;
    // Both numbers are the one from before, as on the real server.
    return fail(
      "INTERNAL",
      `Cannot update scheduling choice from ${number} to ${number} when auto-completing.`,
    );
  }
  const { dynamic_batching, sequence_batching, model_transaction_policy } = completed;
  return ok(
    normaliseConfig({
      ...prepared,
      max_batch_size: completed.max_batch_size,
      input: completed.input,
      output: completed.output,
      ...(before === null && dynamic_batching !== undefined && { dynamic_batching }),
      ...(before === null && sequence_batching !== undefined && { sequence_batching }),
      ...(model_transaction_policy !== undefined && { model_transaction_policy }),
    }),
  );
};

const schedulers = ["dynamic_batching", "sequence_batching", "ensemble_scheduling"] as const;

const schedulingChoice = (config: ModelConfig): (typeof schedulers)[number] | null =>
  schedulers.find((scheduler) => config[scheduler] !== undefined) ?? null;
