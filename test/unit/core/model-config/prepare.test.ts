import { expect, test } from "vitest";
import type { Log } from "../../../../emulator/common/log.ts";
import { configToJson } from "../../../../emulator/core/model-config/config-json.ts";
import { parseConfigJson } from "../../../../emulator/core/model-config/config-override.ts";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import {
  batchInputTypeError,
  finishConfig,
  prepareConfig,
} from "../../../../emulator/core/model-config/prepare.ts";
import { modelFolder, type PreparedRecord, recordedModels } from "./recorded.ts";

const prepared = (text: string, files: readonly string[] = ["1/model.onnx"]): ModelConfig => {
  const result = prepareConfig({ text }, "m", modelFolder("m", files, text), { autoComplete: true });
  if (!result.ok) throw result.error;
  return result.value;
};

const served = (json: string | undefined): ModelConfig => {
  const config = parseConfigJson(json ?? "");
  if (!config.ok) throw config.error;
  return config.value;
};

const outcome = (record: PreparedRecord): Pick<PreparedRecord, "poll" | "load" | "config"> => {
  const { name, text, files, autoComplete } = record;
  const source = text === null ? null : { text };
  const config = prepareConfig(source, name, modelFolder(name, files, text), { autoComplete });
  if (!config.ok) return { poll: config.error.message };
  const unreadable = batchInputTypeError(config.value);
  if (unreadable !== null) return { load: unreadable.asString() };
  const completed = record.completed === true ? served(record.config) : null;
  const finished = finishConfig(config.value, completed, { gpuCount: 0 });
  return finished.ok ? { config: configToJson(finished.value) } : { load: finished.error.asString() };
};

test.each(recordedModels.map((record, row) => ({ row, ...record })))(
  "prepare: ends as 2.51.0 did, for record $row: $text",
  (record) => {
    const { poll, load, config } = record;
    const expected = poll !== undefined ? { poll } : load !== undefined ? { load } : { config };
    expect(outcome(record)).toEqual(expected);
  },
);

test("prepare: says the faults of a text to the log and gives the file, when it cannot be read", () => {
  const said: string[] = [];
  const log: Log = { info: () => {}, warning: () => {}, error: (line) => said.push(line), verbose: () => {} };
  const text = "max_batch_size: 4a";
  const result = prepareConfig({ text }, "m", modelFolder("m", [], text), { autoComplete: true, log });
  expect(result.ok ? null : result.error.message).toBe(
    "failed to read text proto from {repo}/m/config.pbtxt",
  );
  expect(said).toEqual([
    "Error parsing text-format inference.ModelConfig: 1:18: Need space between number and identifier.",
    'Error parsing text-format inference.ModelConfig: 1:19: Message type "inference.ModelConfig" has no field named "a".',
  ]);
});

test("prepare: the first repository agent that is missing is the cause, whatever else is wrong", () => {
  const agents = (names: string): string =>
    `name: "zzz" max_batch_size: -3 model_repository_agents { agents [ ${names} ] }`;
  const causeOf = (text: string, repoAgentDirectory?: string): string | null => {
    const options = { autoComplete: true, repoAgentDirectory };
    const result = prepareConfig({ text }, "m", modelFolder("m", ["1/model.onnx"], text), options);
    return result.ok ? null : result.error.message;
  };
  expect(causeOf(agents('{ name: "checksum" }, { name: "first" }, { name: "second" }'))).toBe(
    "unable to find 'libtritonrepoagent_first.so' for repo agent 'first', searched: /opt/tritonserver/repoagents",
  );
  expect(causeOf(agents("{ }"), "/agents")).toBe(
    "unable to find 'libtritonrepoagent_.so' for repo agent '', searched: /agents",
  );
  expect(causeOf(agents('{ name: "checksum" }'))).not.toContain("repo agent");
  expect(
    causeOf('backend: "onnxruntime" model_repository_agents { agents [ { name: "checksum" } ] }'),
  ).toBeNull();
});

test("prepare: puts the fault of an override behind its own text", () => {
  const result = prepareConfig({ json: '{"no_such":1}' }, "m", modelFolder("m", []), { autoComplete: true });
  expect(result.ok ? null : result.error.asString()).toBe(
    "Invalid argument: Invalid config override: no_such: Cannot find field.",
  );
});

test("finish: takes from the backend what it may complete and nothing else", () => {
  const before = prepared("max_batch_size: 8");
  const finished = finishConfig(
    before,
    {
      ...before,
      name: "other",
      default_model_filename: "other",
      max_batch_size: 16,
      input: served(recordedModels.find(({ completed }) => completed === true)?.config).input,
      dynamic_batching: {
        preferred_batch_size: [],
        max_queue_delay_microseconds: 0,
        preserve_ordering: false,
        priority_levels: 0,
        default_priority_level: 0,
        priority_queue_policy: new Map(),
      },
      model_transaction_policy: { decoupled: true },
    },
    { gpuCount: 0 },
  );
  if (!finished.ok) throw finished.error;
  expect(finished.value).toMatchObject({
    name: "m",
    default_model_filename: "model.onnx",
    max_batch_size: 16,
    dynamic_batching: { preferred_batch_size: [16] },
    model_transaction_policy: { decoupled: true },
  });
  expect(finished.value.input.length).toBeGreaterThan(0);
});

test("finish: refuses another scheduler than the one that was written", () => {
  const { dynamic_batching, ...without } = prepared("max_batch_size: 8 dynamic_batching {}");
  expect(dynamic_batching).toBeDefined();
  const finished = finishConfig(prepared("max_batch_size: 8 dynamic_batching {}"), without, { gpuCount: 0 });
  expect(finished.ok ? null : finished.error.asString()).toBe(
    "Internal: Cannot update scheduling choice from 11 to 11 when auto-completing.",
  );
});

test("finish: checks the schedule again, when the backend changed the batch size", () => {
  const before = prepared("max_batch_size: 8 dynamic_batching { preferred_batch_size: 8 }");
  const finished = finishConfig(before, { ...before, max_batch_size: 4 }, { gpuCount: 0 });
  expect(finished.ok ? null : finished.error.message).toBe(
    "dynamic batching preferred size must be <= max batch size for m",
  );
});
