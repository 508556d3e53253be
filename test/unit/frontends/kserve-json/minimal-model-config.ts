import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";

/** A configuration of which only the batch size matters. */
export const minimalModelConfig = (maxBatchSize: number): ModelConfig => ({
  name: "",
  platform: "",
  backend: "",
  runtime: "",
  max_batch_size: maxBatchSize,
  input: [],
  output: [],
  batch_input: [],
  batch_output: [],
  instance_group: [],
  default_model_filename: "",
  cc_model_filenames: new Map(),
  metric_tags: new Map(),
  parameters: new Map(),
  model_warmup: [],
});
