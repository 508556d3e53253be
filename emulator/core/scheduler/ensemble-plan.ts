import { libstdcxxMapOrder } from "../model-config/map-order.ts";
import type { EnsembleStep, ModelConfig, ModelEnsembling } from "../model-config/model-config.ts";

/** A step of an ensemble, its tensors by number. */
export interface PlannedStep {
  readonly index: number;
  readonly step: EnsembleStep;
  /** Input of the member -> tensor of the ensemble. */
  readonly inputs: readonly (readonly [input: string, tensor: number])[];
  /** Output of the member -> tensor of the ensemble. */
  readonly outputs: ReadonlyMap<string, number>;
  /** Outputs that the member is asked for. */
  readonly requestedOutputs: readonly string[];
}

export interface PlannedOutput {
  readonly name: string;
  readonly tensor: number;
  /** As the ensemble's configuration has them, without the batch dimension. */
  readonly dims: readonly number[];
}

/** Which steps wait for a tensor, by its number; ascending. */
export type Consumers = readonly (readonly number[])[];

/** The data flow of an ensemble, worked out once. */
export class EnsemblePlan {
  readonly ensemble: string;
  readonly steps: readonly PlannedStep[];
  readonly tensorCount: number;
  /** In the order in which they are answered: that of a hash map (2.51.0). */
  readonly outputs: readonly PlannedOutput[];
  /** Tensors of the ensemble's own inputs that a client may leave out. */
  readonly optionalInputs: readonly number[];
  readonly consumers: Consumers;
  readonly #tensors = new Map<string, number>();
  /** The step that makes a tensor; of the ensemble's own inputs, step 0: see `consumersFor`. */
  readonly #producers: readonly number[];

  constructor(config: ModelConfig, scheduling: ModelEnsembling) {
    this.ensemble = config.name;
    const number = (name: string): number => {
      const known = this.#tensors.get(name);
      if (known !== undefined) return known;
      this.#tensors.set(name, this.#tensors.size);
      return this.#tensors.size - 1;
    };
    for (const { name } of config.input) number(name);
    this.steps = scheduling.step.map((step, index) => ({
      index,
      step,
      inputs: [...step.input_map].map(([input, tensor]) => [input, number(tensor)] as const),
      outputs: new Map([...step.output_map].map(([output, tensor]) => [output, number(tensor)])),
      requestedOutputs: [...step.output_map.keys()],
    }));
    const dims = new Map(
      config.output.map((output) => [output.name, output.reshape?.shape ?? output.dims] as const),
    );
    this.outputs = libstdcxxMapOrder([...dims.keys()]).map((name) => ({
      name,
      tensor: number(name),
      dims: dims.get(name)!,
    }));
    this.optionalInputs = config.input.filter(({ optional }) => optional).map(({ name }) => number(name));
    this.tensorCount = this.#tensors.size;
    const consumers = Array.from({ length: this.tensorCount }, () => new Set<number>());
    const producers = new Array<number>(this.tensorCount).fill(0);
    for (const { index, inputs, outputs } of this.steps) {
      for (const [, tensor] of inputs) consumers[tensor]!.add(index);
      for (const tensor of outputs.values()) producers[tensor] = index;
    }
    this.consumers = consumers.map((steps) => [...steps]);
    this.#producers = producers;
  }

  /** Number of the tensor that has the name of an ensemble's input; undefined = no step uses it. */
  tensorOf(name: string): number | undefined {
    return this.#tensors.get(name);
  }

  /**
   * Which steps wait for which tensor when only some outputs are wanted: steps whose outputs nobody wants are left out.
   * It goes too far as the real server does (2.51.0): a tensor that no step waits for any more counts as unwanted even if
   * the client asked for it, and an input of the ensemble counts as made by step 0, so that a request may find no step left.
   * @param unwanted tensors of the outputs not asked for, in string order of their names
   */
  consumersFor(unwanted: readonly number[]): Consumers {
    const consumers = this.consumers.map((steps) => new Set(steps));
    const wantedOutputs = this.steps.map(({ outputs }) => outputs.size);
    let ignored = new Set(unwanted);
    while (ignored.size > 0) {
      const next = new Set<number>();
      for (const tensor of ignored) {
        const producer = this.#producers[tensor]!;
        wantedOutputs[producer]!--;
        if (wantedOutputs[producer] !== 0) continue;
        for (const [, input] of this.steps[producer]!.inputs) {
          consumers[input]!.delete(producer);
          if (consumers[input]!.size === 0) next.add(input);
        }
      }
      ignored = next;
    }
    return consumers.map((steps) => [...steps]);
  }
}
