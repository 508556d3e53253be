import { libstdcxxMapOrder } from "./map-order.ts";
import type { ModelConfig, ModelEnsembling } from "./model-config.ts";

/** A tensor of the ensemble's data flow. */
interface Tensor {
  readonly name: string;
  isStepOutput: boolean;
  ready: boolean;
  /** What it is computed from, and what is computed from it. */
  readonly previous: Tensor[];
  readonly next: Tensor[];
}

/** What is wrong with an ensemble as far as its own configuration tells, in the order in which the server finds it. */
export function* ensembleProblems(config: ModelConfig, scheduling: ModelEnsembling): Generator<string> {
  const name = config.name;
  if (config.platform !== "ensemble") {
    yield `ensemble scheduling cannot be set for model '${name}' whose platform is not ensemble`;
  }
  if (config.instance_group.length > 0) yield `instance group should not be specified for ensemble '${name}'`;
  if (config.optimization !== undefined) yield `optimization should not be specified for ensemble '${name}'`;
  if (config.model_warmup.length > 0) yield `model_warmup can not be specified for ensemble '${name}'`;
  if (scheduling.step.length === 0) yield `must specify 'step' for ensemble '${name}'`;
  const tensors = new Map<string, Tensor>();
  yield* linkSteps(name, scheduling, tensors);
  // The unbalanced quotes are the real server's.
  for (const input of config.input) {
    const tensor = tensors.get(input.name);
    if (tensor === undefined) yield `ensemble input '${input.name}' for ensemble ${name}' is not used`;
    else tensor.ready = true;
  }
  spreadReadiness([...tensors.values()]);
  const outputs = new Set<string>();
  for (const output of config.output) {
    const tensor = tensors.get(output.name);
    if (tensor === undefined) yield `ensemble output '${output.name}' for ensemble ${name}' is not used`;
    else if (!tensor.ready) yield notWritten(name, tensor);
    outputs.add(output.name);
  }
  for (const tensorName of libstdcxxMapOrder([...tensors.keys()])) {
    const tensor = tensors.get(tensorName);
    if (tensor === undefined || outputs.has(tensorName)) continue;
    if (!tensor.ready || tensor.next.length === 0) {
      yield `ensemble tensor '${tensorName}' is unused in ensemble '${name}'`;
    }
  }
}

function* linkSteps(
  ensemble: string,
  scheduling: ModelEnsembling,
  tensors: Map<string, Tensor>,
): Generator<string> {
  const tensorOf = (name: string): Tensor => {
    let tensor = tensors.get(name);
    if (tensor === undefined) {
      tensor = { name, isStepOutput: false, ready: false, previous: [], next: [] };
      tensors.set(name, tensor);
    }
    return tensor;
  };
  for (const [index, step] of scheduling.step.entries()) {
    const where = `in step ${index} of ensemble '${ensemble}'`;
    if (step.model_name === "") yield `must specify 'model_name' ${where}`;
    if (step.input_map.size === 0) yield `must specify 'input_map' ${where}`;
    if (step.output_map.size === 0) yield `must specify 'output_map' ${where}`;
    const produced: Tensor[] = [];
    for (const name of step.output_map.values()) {
      const tensor = tensorOf(name);
      if (tensor.isStepOutput) {
        yield `ensemble tensor '${name}' can appear in an output map only once for ensemble '${ensemble}' step ${index}`;
      }
      tensor.isStepOutput = true;
      produced.push(tensor);
    }
    const consumed = [...new Set([...step.input_map.values()].map(tensorOf))];
    for (const output of produced) {
      for (const input of consumed) {
        output.previous.push(input);
        input.next.push(output);
      }
    }
  }
}

/** A tensor is ready when all it is computed from is. */
const spreadReadiness = (tensors: readonly Tensor[]): void => {
  const queue = tensors.filter((tensor) => tensor.ready);
  for (let tensor = queue.shift(); tensor !== undefined; tensor = queue.shift()) {
    for (const next of tensor.next) {
      if (next.ready || !next.previous.every((previous) => previous.ready)) continue;
      next.ready = true;
      queue.push(next);
    }
  }
};

const notWritten = (ensemble: string, tensor: Tensor): string => {
  const text = `output '${tensor.name}' for ensemble '${ensemble}' is not written`;
  const missing = unconnected(tensor);
  return missing === null
    ? text
    : `${text}: at least one of its depending tensors, '${missing}', is not connected`;
};

/** Of what the tensor depends on: a tensor that nothing writes. Null where all wait for one another. */
const unconnected = (tensor: Tensor): string | null => {
  const seen = new Set<Tensor>([tensor]);
  for (const { previous } of seen) {
    for (const one of previous) {
      if (!one.ready && one.previous.length === 0) return one.name;
      if (!one.ready) seen.add(one);
    }
  }
  return null;
};
