import { fail, ok, type Result } from "../../common/status.ts";
import { identifierText } from "../model-identifier.ts";
import { shapeText } from "../tensor/shape.ts";
import type { ConfigDataType, EnsembleStep, ModelConfig, ModelEnsembling } from "./model-config.ts";

/** A tensor of the ensemble with what the first model that has it says of it. */
interface Node {
  readonly model: string;
  readonly dataType: ConfigDataType;
  /** Without and with the batch dimension. */
  readonly dims: readonly number[];
  readonly fullDims: readonly number[];
  isDecoupled: boolean;
  readonly previous: Node[];
  readonly next: Node[];
  /** Shared by the outputs of a step. */
  step: { label: number | null } | null;
  /** Which decoupled step its values go back to; 0 = none. null = not reached yet. */
  label: number | null;
}

type Tensor = Pick<Node, "model" | "dataType" | "dims" | "fullDims">;

interface TensorConfig {
  readonly name: string;
  readonly data_type: ConfigDataType;
  readonly dims: readonly number[];
}

/**
 * Checks an ensemble against the completed configurations of its members, and says in its transaction policy whether it is
 * decoupled.
 * @param ensemble text of its identifier
 * @param memberOf the configuration of the member that a step names
 * Errors: INVALID_ARG, the texts of spec/triton-core.md 2.8 (seen on 2.51.0).
 */
export const fitEnsemble = (
  ensemble: string,
  config: ModelConfig,
  scheduling: ModelEnsembling,
  memberOf: (step: EnsembleStep) => Result<ModelConfig>,
): Result<ModelConfig> => {
  const tensors = new Map<string, Node>();
  const outputs: Node[] = [];
  const batching = config.max_batch_size > 0;
  for (const input of config.input) tensors.set(input.name, node(ownTensor(ensemble, batching, input)));
  for (const output of config.output) {
    let known = tensors.get(output.name);
    if (known === undefined) {
      known = node(ownTensor(ensemble, batching, output));
      tensors.set(output.name, known);
    }
    outputs.push(known);
  }
  for (const step of scheduling.step) {
    const found = memberOf(step);
    if (!found.ok) return found;
    const member = found.value;
    if (member.max_batch_size !== 0 && member.max_batch_size < config.max_batch_size) {
      return fail(
        "INVALID_ARG",
        `ensemble ${ensemble} allows maximum batch size ${config.max_batch_size}, but it contains model ${step.model_name} which only allows maximum batch size to be ${member.max_batch_size}`,
      );
    }
    for (const problem of mappingProblems(ensemble, step, member, tensors))
      return fail("INVALID_ARG", problem);
    linkStep(step, member, tensors);
  }
  const inputs = config.input.map(({ name }) => tensors.get(name)!);
  const decoupled = labelTensors(inputs, outputs, ensemble);
  if (!decoupled.ok) return decoupled;
  return ok({ ...config, model_transaction_policy: { decoupled: decoupled.value } });
};

const ownTensor = (
  ensemble: string,
  batching: boolean,
  tensor: TensorConfig & { readonly reshape?: { readonly shape: readonly number[] } },
): Tensor => describe(ensemble, batching, { ...tensor, dims: tensor.reshape?.shape ?? tensor.dims });

const describe = (model: string, batching: boolean, { data_type, dims }: TensorConfig): Tensor => ({
  model,
  dataType: data_type,
  dims,
  fullDims: batching ? [-1, ...dims] : dims,
});

const node = (tensor: Tensor): Node => ({
  ...tensor,
  isDecoupled: false,
  previous: [],
  next: [],
  step: null,
  label: null,
});

/** Notes the tensors of a step as it checks them. */
function* mappingProblems(
  ensemble: string,
  step: EnsembleStep,
  member: ModelConfig,
  tensors: Map<string, Node>,
): Generator<string> {
  const model = identifierText({ namespace: step.model_namespace, name: step.model_name });
  const batching = member.max_batch_size > 0;
  const inputs = new Map(member.input.map((input) => [input.name, input]));
  for (const [input, tensor] of step.input_map) {
    if (!inputs.has(input)) {
      yield `in ensemble ${ensemble}, ensemble tensor ${tensor} is mapping to non-existing input ${input} in model ${model}`;
    }
  }
  for (const input of member.input) {
    const tensor = step.input_map.get(input.name);
    if (tensor !== undefined) {
      yield* noteTensor(ensemble, tensor, describe(model, batching, input), tensors);
    } else if (!input.optional) {
      yield `in ensemble ${ensemble}, input ${input.name} in model ${model} is not mapped to any ensemble tensors`;
    }
  }
  const outputs = new Map(member.output.map((output) => [output.name, output]));
  for (const [output, tensor] of step.output_map) {
    if (!outputs.has(output)) {
      yield `in ensemble ${ensemble}, ensemble tensor ${tensor} is mapped from non-existing output ${output} in model ${step.model_name}`;
    }
  }
  for (const [output, tensor] of step.output_map) {
    yield* noteTensor(ensemble, tensor, describe(model, batching, outputs.get(output)!), tensors);
  }
}

function* noteTensor(
  ensemble: string,
  name: string,
  tensor: Tensor,
  tensors: Map<string, Node>,
): Generator<string> {
  const known = tensors.get(name);
  if (known === undefined) {
    tensors.set(name, node(tensor));
    return;
  }
  const inferred = (a: string, b: string): string =>
    `${a} is inferred from model ${known.model} while ${b} is inferred from model ${tensor.model}`;
  const where = `in ensemble ${ensemble}, ensemble tensor ${name}: inconsistent`;
  if (known.dataType !== tensor.dataType) {
    yield `${where} data type: ${inferred(known.dataType, tensor.dataType)}`;
  }
  // A batching model and one that counts the rows itself may share a tensor.
  if (!agree(known.dims, tensor.dims) && !agree(known.fullDims, tensor.fullDims)) {
    yield `${where} shape: ${inferred(shapeText(known.fullDims), shapeText(tensor.fullDims))}`;
  }
}

const agree = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dim, i) => dim === -1 || b[i] === -1 || dim === b[i]);

const linkStep = (step: EnsembleStep, member: ModelConfig, tensors: ReadonlyMap<string, Node>): void => {
  const shared = { label: null };
  for (const output of step.output_map.values()) {
    const made = tensors.get(output)!;
    made.step = shared;
    made.isDecoupled = member.model_transaction_policy?.decoupled ?? false;
    for (const input of step.input_map.values()) {
      const used = tensors.get(input);
      if (used === undefined) continue;
      made.previous.push(used);
      used.next.push(made);
    }
  }
};

/** Follows the data from the inputs to the answer. Answers whether any value on the way comes from a decoupled step. */
const labelTensors = (
  inputs: readonly Node[],
  outputs: readonly Node[],
  ensemble: string,
): Result<boolean> => {
  const answer = node({ model: ensemble, dataType: "TYPE_INVALID", dims: [], fullDims: [] });
  for (const output of outputs) {
    answer.previous.push(output);
    output.next.push(answer);
  }
  let labels = 0;
  for (const input of inputs) input.label = 0;
  const queue = [...inputs];
  for (let current = queue.shift(); current !== undefined; current = queue.shift()) {
    for (const next of current.next) {
      if (next.label !== null || !next.previous.every(({ label }) => label !== null)) continue;
      const origin = next.previous[0]!.label;
      if (next.previous.some(({ label }) => label !== origin)) {
        return fail(
          "INVALID_ARG",
          `in ensemble ${ensemble}, step of model '${next.model}' receives inputs originated from different decoupled models`,
        );
      }
      next.label = next.step?.label ?? (next.isDecoupled ? ++labels : origin);
      if (next.step !== null) next.step.label = next.label;
      queue.push(next);
    }
  }
  return ok(labels > 0);
};
