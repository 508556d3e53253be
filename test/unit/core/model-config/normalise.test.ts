import { expect, test } from "vitest";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import { normaliseConfig } from "../../../../emulator/core/model-config/normalise.ts";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";

const normalised = (text: string): ModelConfig => {
  const config = parseConfigText(text);
  if (!config.ok) throw config.error;
  return normaliseConfig(config.value);
};

test("normalise: serves the latest version with pinned memory, when nothing is said", () => {
  const config = normalised("");
  expect(config.version_policy).toEqual({ latest: { num_versions: 1 } });
  expect(config.optimization).toMatchObject({
    input_pinned_memory: { enable: true },
    output_pinned_memory: { enable: true },
  });
});

test("normalise: keeps what is written", () => {
  const config = normalised(
    "version_policy { all {} } optimization { input_pinned_memory {} } max_batch_size: 8 dynamic_batching { preferred_batch_size: 2 }",
  );
  expect(config.version_policy).toEqual({ all: {} });
  expect(config.optimization?.input_pinned_memory).toEqual({ enable: false });
  expect(config.dynamic_batching?.preferred_batch_size).toEqual([2]);
});

test("normalise: prefers the largest batch, when the model batches and no size is preferred", () => {
  expect(normalised("max_batch_size: 8 dynamic_batching {}").dynamic_batching?.preferred_batch_size).toEqual([
    8,
  ]);
  expect(normalised("dynamic_batching {}").dynamic_batching?.preferred_batch_size).toEqual([]);
  expect(
    normalised("max_batch_size: 8 sequence_batching { oldest {} }").sequence_batching?.oldest
      ?.preferred_batch_size,
  ).toEqual([8]);
});

test("normalise: lets sequences idle for a second, when no time is given", () => {
  const idle = (text: string): number | undefined =>
    normalised(text).sequence_batching?.max_sequence_idle_microseconds;
  expect(idle("sequence_batching {}")).toBe(1_000_000);
  expect(idle("sequence_batching { max_sequence_idle_microseconds: 5 }")).toBe(5);
});

test("normalise: gives an ensemble a version policy and nothing else", () => {
  const config = normalised('platform: "ensemble" ensemble_scheduling {}');
  expect(config.optimization).toBeUndefined();
  expect(config.version_policy).toEqual({ latest: { num_versions: 1 } });
});
