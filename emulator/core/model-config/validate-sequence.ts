import type { ConfigDataType, ModelConfig, ModelSequenceBatching, SequenceControl } from "./model-config.ts";

const booleanKinds = ["CONTROL_SEQUENCE_START", "CONTROL_SEQUENCE_READY", "CONTROL_SEQUENCE_END"] as const;
const correlationIdTypes: readonly ConfigDataType[] = [
  "TYPE_UINT64",
  "TYPE_INT64",
  "TYPE_UINT32",
  "TYPE_INT32",
  "TYPE_STRING",
];

/** What is wrong with `sequence_batching`, in the order in which the server finds it. */
export function* sequenceProblems(config: ModelConfig, batching: ModelSequenceBatching): Generator<string> {
  const model = config.name;
  for (const kind of booleanKinds) {
    for (const control of controlsOf(batching, kind)) {
      if (typeof control === "string") yield `${control} for ${model}`;
      else yield* booleanControlProblems(control, model);
    }
  }
  for (const control of controlsOf(batching, "CONTROL_SEQUENCE_CORRID")) {
    if (typeof control === "string") yield `${control} for ${model}`;
    else yield* correlationIdProblems(control, model);
  }
  for (const size of batching.oldest?.preferred_batch_size ?? []) {
    if (size <= 0) yield `sequence batching preferred batch size must be positive for ${model}`;
    if (size > config.max_batch_size) {
      yield `sequence batching preferred batch size must be <= max batch size for ${model}`;
    }
  }
  const utilization = batching.direct?.minimum_slot_utilization ?? 0;
  if (utilization < 0 || utilization > 1) {
    yield `sequence batching minimum slot utilization must be in range (0.0, 1.0] for ${model}`;
  }
}

/** The controls of one kind; a text is a problem with the tensors on the way to them. */
function* controlsOf(
  batching: ModelSequenceBatching,
  kind: SequenceControl["kind"],
): Generator<SequenceControl | string> {
  const tensors = new Set<string>();
  let seen = false;
  for (const input of batching.control_input) {
    if (input.name === "") yield "sequence batching control tensor must have a name";
    if (tensors.has(input.name)) {
      yield `sequence batching control tensor '${input.name}' is specified for multiple control kinds`;
    }
    tensors.add(input.name);
    for (const control of input.control) {
      if (control.kind !== kind) continue;
      if (seen) yield `sequence batching specifies multiple ${kind} tensors`;
      seen = true;
      yield control;
    }
  }
}

const falseTrueFields = ["int32_false_true", "fp32_false_true", "bool_false_true"] as const;
const anyFalseTrue = "'int32_false_true', 'fp32_false_true' or 'bool_false_true'";
const falseTrueText = "'int32_false_true', 'fp32_false_true' and 'bool_false_true'";

function* booleanControlProblems(control: SequenceControl, model: string): Generator<string> {
  const written = falseTrueFields.filter((field) => control[field].length > 0);
  if (written.length === 0) {
    yield `sequence batching must specify either ${anyFalseTrue} for ${control.kind} for ${model}`;
  }
  if (written.length > 1) {
    yield `sequence batching specifies more than one from ${falseTrueText} for ${control.kind} for ${model}`;
  }
  for (const field of written) {
    if (control[field].length !== 2) {
      yield `sequence batching control '${field}' must have exactly 2 entries for ${control.kind} for ${model}`;
    }
  }
}

function* correlationIdProblems(control: SequenceControl, model: string): Generator<string> {
  if (falseTrueFields.some((field) => control[field].length > 0)) {
    yield `sequence batching must not specify either ${anyFalseTrue} for ${control.kind} for ${model}`;
  }
  if (!correlationIdTypes.includes(control.data_type)) {
    yield `unexpected data type for control CONTROL_SEQUENCE_CORRID for ${model}. Allowed data types are TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING`;
  }
}
