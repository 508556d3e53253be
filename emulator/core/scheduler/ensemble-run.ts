import type { Clock } from "../../common/clock.ts";
import { fail, ok, type Result, TritonError } from "../../common/status.ts";
import type { VersionStatistics } from "../statistics/version-statistics.ts";
import { isDataType } from "../tensor/data-type.ts";
import {
  type ComputeTimes,
  InferenceRequest,
  type InferenceResponse,
  type InputTensor,
  type OutputTensor,
  type Parameter,
} from "../tensor/inference-request.ts";
import type { EnsembleMember, FindMember } from "./ensemble-member.ts";
import type { Consumers, EnsemblePlan, PlannedStep } from "./ensemble-plan.ts";

export interface EnsembleParts {
  readonly plan: EnsemblePlan;
  readonly decoupled: boolean;
  readonly findMember: FindMember;
  readonly statistics: VersionStatistics;
  readonly clock: Clock;
}

/** What a request says of the sequence it belongs to. */
interface SequencePlace {
  readonly id: number | bigint | string;
  readonly start: boolean;
  readonly end: boolean;
}

interface Value {
  /** null = whoever makes it left it out; a step gets it as an input that is not there. */
  readonly tensor: InputTensor | null;
  /** Of the step that made it; null for the ensemble's own inputs. */
  readonly sequence: SequencePlace | null;
  /** Steps, and the answer, that have not used it yet. */
  users: number;
}

/**
 * The values of one tensor of the ensemble in the order they came: one, or one for each response of a decoupled step.
 * What belongs together has the same place in each list.
 */
interface TensorState {
  readonly values: (Value | undefined)[];
  /** Rows of the request that made it; 0 where that has no batch dimension. */
  batchSize: number;
}

/** A value that came: number of its tensor and its place. */
interface Update {
  readonly tensor: number;
  readonly place: number;
}

interface ReadyStep {
  readonly planned: PlannedStep;
  readonly member: EnsembleMember;
  readonly request: InferenceRequest;
}

/**
 * One request to an ensemble on its way through the steps (spec/triton-core.md 4.3; what is said of order, counts and
 * faults was seen on 2.51.0). The members are looked up once, at the start, and stay loaded until the last step is done.
 * Tensors are handed on as they are.
 */
export class EnsembleRun {
  readonly #plan: EnsemblePlan;
  readonly #parts: EnsembleParts;
  readonly #request: InferenceRequest;
  readonly #ended: () => void;
  readonly #startUs: number;
  readonly #sequence: SequencePlace;
  /** By step. */
  readonly #members: EnsembleMember[] = [];
  readonly #tensors: TensorState[];
  readonly #wanted: ReadonlySet<number>;
  readonly #consumers: Consumers;
  /** Requests to members that are queued or run. */
  readonly #open = new Set<InferenceRequest>();
  /** Steps of which more responses may come. */
  #running = 0;
  #answered = false;
  /** The final response is out. */
  #finished = false;
  #failed = false;
  /** A failure is counted a second time when the last step ends, unless another step ran when it happened. */
  #failsTwice = false;
  #closed = false;
  #held: InferenceResponse | null = null;
  #inputUs = 0;
  #inferUs = 0;
  #outputUs = 0;

  /** @param ended called once, after the final response and the end of every step */
  constructor(parts: EnsembleParts, request: InferenceRequest, ended: () => void) {
    const { plan } = parts;
    this.#plan = plan;
    this.#parts = parts;
    this.#request = request;
    this.#ended = ended;
    this.#startUs = parts.clock.now();
    this.#sequence = { id: request.sequenceId, start: request.sequenceStart, end: request.sequenceEnd };
    this.#tensors = Array.from({ length: plan.tensorCount }, () => ({ values: [], batchSize: 0 }));
    const asked = request.requestedOutputs;
    const wanted =
      asked.length === 0 ? plan.outputs : plan.outputs.filter(({ name }) => asked.includes(name));
    this.#wanted = new Set(wanted.map(({ tensor }) => tensor));
    this.#consumers =
      wanted.length === plan.outputs.length
        ? plan.consumers
        : plan.consumersFor(
            plan.outputs
              .filter(({ tensor }) => !this.#wanted.has(tensor))
              .sort((a, b) => (a.name < b.name ? -1 : 1))
              .map(({ tensor }) => tensor),
          );
  }

  start(): void {
    const error = this.#pinMembers();
    if (error !== null) {
      this.#fail(error);
      return;
    }
    const updates: Update[] = [];
    const { batchSize } = this.#request;
    for (const input of this.#request.inputs) {
      const tensor = this.#plan.tensorOf(input.name);
      if (tensor === undefined) continue;
      this.#tensors[tensor]!.batchSize = batchSize;
      updates.push(this.#add(tensor, input, null));
    }
    for (const tensor of this.#plan.optionalInputs) {
      if (this.#tensors[tensor]!.values.length > 0) continue;
      this.#tensors[tensor]!.batchSize = batchSize;
      updates.push(this.#add(tensor, null, null));
    }
    this.#proceed(updates);
  }

  #pinMembers(): TritonError | null {
    for (const { step } of this.#plan.steps) {
      const found = this.#parts.findMember(step);
      if (!found.ok) return found.error;
      found.value.pin();
      this.#members.push(found.value);
    }
    return null;
  }

  #add(tensor: number, value: InputTensor | null, sequence: SequencePlace | null): Update {
    const { values } = this.#tensors[tensor]!;
    const users = this.#consumers[tensor]!.length + (this.#wanted.has(tensor) ? 1 : 0);
    values.push({ tensor: value, sequence, users });
    return { tensor, place: values.length - 1 };
  }

  /** Answers what can be answered now and runs the steps that have all their inputs. */
  #proceed(updates: readonly Update[]): void {
    const steps = this.#nextSteps(updates);
    if (!steps.ok) {
      this.#fail(steps.error);
      return;
    }
    this.#running += steps.value.length;
    this.#answer(this.#outputs(updates));
    for (const step of steps.value) this.#run(step);
  }

  #nextSteps(updates: readonly Update[]): Result<readonly ReadyStep[]> {
    const chosen: { readonly step: number; readonly place: number }[] = [];
    for (const { tensor, place } of updates) {
      for (const step of this.#consumers[tensor]!) {
        const isReady = this.#plan.steps[step]!.inputs.every(
          ([, input]) => this.#tensors[input]!.values[place] !== undefined,
        );
        if (isReady && !chosen.some((other) => other.step === step && other.place === place)) {
          chosen.push({ step, place });
        }
      }
    }
    chosen.sort((a, b) => a.step - b.step || a.place - b.place);
    const ready: ReadyStep[] = [];
    for (const { step, place } of chosen) {
      const made = this.#makeStep(this.#plan.steps[step]!, place);
      if (!made.ok) return made;
      ready.push(made.value);
    }
    return ok(ready);
  }

  #makeStep(planned: PlannedStep, place: number): Result<ReadyStep> {
    const member = this.#members[planned.index]!;
    const { max_batch_size, input: configured } = member.config;
    const inputs: InputTensor[] = [];
    const used = new Set<number>();
    let sequence = this.#sequence;
    for (const [name, tensor] of planned.inputs) {
      const { values, batchSize } = this.#tensors[tensor]!;
      const value = values[place]!;
      used.add(tensor);
      if (value.sequence !== null) sequence = value.sequence;
      if (value.tensor === null) continue;
      const { datatype, data } = value.tensor;
      const batching = max_batch_size > 0;
      const shape =
        batching === batchSize > 0
          ? value.tensor.shape
          : adaptShape(
              value.tensor.shape,
              configured.find((input) => input.name === name)?.dims ?? [],
              batching,
              batchSize,
            );
      inputs.push({ name, datatype, shape, data });
    }
    for (const tensor of used) this.#use(tensor, place);
    const { id, parameters, priority, timeoutUs } = this.#request;
    const request = new InferenceRequest({
      id,
      inputs,
      requestedOutputs: planned.requestedOutputs,
      parameters,
      sequenceId: sequence.id,
      sequenceStart: sequence.start,
      sequenceEnd: sequence.end,
      priority,
      timeoutUs,
      respond: (response) => this.#responded(planned, member, sequence, response),
    });
    const invalid = member.check(request);
    if (invalid !== null) return { ok: false, error: invalid };
    request.trace = this.#request.trace?.child() ?? null;
    for (const tensor of planned.outputs.values()) this.#tensors[tensor]!.batchSize = request.batchSize;
    return ok({ planned, member, request });
  }

  /** A value that nobody waits for any more is let go: a decoupled member may answer without end. */
  #use(tensor: number, place: number): void {
    const { values } = this.#tensors[tensor]!;
    if (--values[place]!.users === 0) values[place] = undefined;
  }

  /** A cancel reaches a step when it begins. */
  #run({ member, request }: ReadyStep): void {
    if (this.#finished) {
      request.trace?.release();
      return;
    }
    if (this.#request.cancelled) request.cancel();
    this.#open.add(request);
    request.onEnd = (times) => this.#stepEnded(request, times);
    const refused = member.enqueue(request);
    if (refused === null) return;
    this.#open.delete(request);
    this.#running--;
    this.#fail(refused);
  }

  #responded(
    planned: PlannedStep,
    member: EnsembleMember,
    sequence: SequencePlace,
    response: InferenceResponse,
  ): void {
    if (response.final) this.#running--;
    if (this.#finished) return;
    if (response.error !== undefined) {
      this.#fail(response.error);
      return;
    }
    // The end of a stream that says nothing else makes no values.
    const flagOnly = member.decoupled && response.final && response.outputs.length === 0;
    const updates = flagOnly ? ok([]) : this.#take(planned, sequence, response);
    if (updates.ok) this.#proceed(updates.value);
    else this.#fail(updates.error);
  }

  /** The values that a response makes; an output that it lacks is one that is not there. */
  #take(
    planned: PlannedStep,
    sequence: SequencePlace,
    response: InferenceResponse,
  ): Result<readonly Update[]> {
    const said = sequenceOf(response.parameters ?? [], sequence);
    if (!said.ok) return said;
    const updates: Update[] = [];
    const missing = new Map(planned.outputs);
    for (const output of response.outputs) {
      const tensor = missing.get(output.name);
      if (tensor === undefined) continue;
      missing.delete(output.name);
      updates.push(this.#add(tensor, output, said.value));
    }
    for (const tensor of missing.values()) updates.push(this.#add(tensor, null, said.value));
    return ok(updates);
  }

  /** The outputs that are complete by these values; null = not yet. */
  #outputs(updates: readonly Update[]): InferenceResponse | null {
    const complete = updates.findLast(({ tensor }) => this.#wanted.has(tensor));
    if (complete === undefined) return null;
    const { place } = complete;
    for (const tensor of this.#wanted) {
      if (this.#tensors[tensor]!.values[place] === undefined) return null;
    }
    const outputs: OutputTensor[] = [];
    const parameters: Parameter[] = [];
    for (const { name, tensor, dims } of this.#plan.outputs) {
      if (!this.#wanted.has(tensor)) continue;
      const { values, batchSize } = this.#tensors[tensor]!;
      const value = values[place]!;
      this.#use(tensor, place);
      if (value.tensor === null || !isTyped(value.tensor)) continue;
      const batching = this.#request.batchSize > 0;
      const shape =
        batching === batchSize > 0
          ? value.tensor.shape
          : adaptShape(value.tensor.shape, dims, batching, batchSize);
      outputs.push({ name, datatype: value.tensor.datatype, shape, data: value.tensor.data });
      if (value.sequence !== null) parameters.push(...sequenceParameters(value.sequence));
    }
    return { final: false, outputs, parameters };
  }

  #answer(response: InferenceResponse | null): void {
    const final = this.#running === 0;
    // Only a decoupled ensemble may answer before its last step is done.
    if (!this.#parts.decoupled && response !== null && !final) {
      this.#held = response;
      return;
    }
    const due = response ?? this.#held;
    if (due !== null) {
      this.#request.trace?.backendOutputs(due.outputs);
      this.#answered = true;
      this.#finished = final;
      this.#request.onExecuted?.(due);
      this.#request.respond({ ...due, final });
    } else if (final && !this.#parts.decoupled && !this.#answered) {
      this.#fail(
        fail(
          "INVALID_ARG",
          `${this.#request.logPrefix}unexpected deadlock, at least one output is not set while no more ensemble steps can be made`,
        ).error,
      );
    } else if (final) {
      this.#finished = true;
      this.#request.respond({ final: true, outputs: [] });
    }
    this.#closeIfDone();
  }

  /** Answers at once, whatever else still runs. */
  #fail(error: TritonError): void {
    if (this.#finished) return;
    const { clock, plan, statistics } = this.#parts;
    this.#finished = true;
    this.#failed = true;
    this.#failsTwice = this.#running === 0;
    // The client's bytes are only good until its answer; steps that go on need their own.
    if (this.#running > 0) for (const request of this.#open) keepInputs(request);
    const message = `in ensemble '${plan.ensemble}', ${error.message}`;
    this.#request.respond({ final: true, error: new TritonError(error.code, message), outputs: [] });
    statistics.recordFailure("OTHER", this.#request.arrivedUs, clock.now());
    this.#closeIfDone();
  }

  #stepEnded(request: InferenceRequest, times: ComputeTimes | null): void {
    this.#open.delete(request);
    if (times !== null) {
      this.#inputUs += times.computeInputEndUs - times.computeStartUs;
      this.#inferUs += times.computeOutputStartUs - times.computeInputEndUs;
      this.#outputUs += times.computeEndUs - times.computeOutputStartUs;
    }
    this.#closeIfDone();
  }

  /** Statistics are written after the answer, when the last step has written its own. */
  #closeIfDone(): void {
    if (!this.#finished || this.#open.size > 0 || this.#closed) return;
    this.#closed = true;
    const times = this.#count();
    for (const member of this.#members) member.unpin();
    this.#request.end(times);
    this.#ended();
  }

  /** Answers the times of the steps together; null where it failed. */
  #count(): ComputeTimes | null {
    const { clock, statistics } = this.#parts;
    const { arrivedUs, queuedUs, batchSize } = this.#request;
    const now = clock.now();
    if (this.#failed) {
      if (this.#failsTwice) statistics.recordFailure("OTHER", arrivedUs, now);
      return null;
    }
    const computeInputEndUs = this.#startUs + this.#inputUs;
    const computeOutputStartUs = computeInputEndUs + this.#inferUs;
    const report = {
      computeStartUs: this.#startUs,
      computeInputEndUs,
      computeOutputStartUs,
      computeEndUs: computeOutputStartUs + this.#outputUs,
      success: true,
    };
    statistics.recordSuccess(batchSize, arrivedUs, queuedUs, now, report);
    statistics.metrics.recordExecution();
    statistics.recordExecution(Math.max(1, batchSize), report, clock.epochMs());
    return report;
  }
}

/**
 * The shape of a tensor where it leaves a model that batches for one that does not, or the other way: as it is if that
 * fits, else with a batch dimension of 1 added or taken away.
 * @param dims what is expected, without the batch dimension
 * @param batching whether a batch dimension is expected
 * @param batchSize rows that the tensor has; 0 = no batch dimension
 */
const adaptShape = (
  shape: readonly number[],
  dims: readonly number[],
  batching: boolean,
  batchSize: number,
): readonly number[] => {
  const fits =
    shape.length === dims.length && dims.every((dim, i) => dim === -1 || shape[i] === -1 || dim === shape[i]);
  if (batching) return fits ? [1, ...shape] : shape;
  return !fits && batchSize === 1 ? shape.slice(1) : shape;
};

/** What a member's answer says of the sequence, else what its request said. */
const sequenceOf = (parameters: readonly Parameter[], asked: SequencePlace): Result<SequencePlace> => {
  let id = asked.id;
  let start = false;
  let end = false;
  let said = false;
  for (const { name, value } of parameters) {
    if (name === "sequence_id") {
      if (value.kind !== "int" && value.kind !== "string") {
        return fail(
          "INVALID_ARG",
          "expected parameter 'sequence_id' to be TRITONSERVER_PARAMETER_INT or TRITONSERVER_PARAMETER_STRING",
        );
      }
      id = value.value;
    } else if (name === "sequence_start" || name === "sequence_end") {
      if (value.kind !== "bool") {
        return fail("INVALID_ARG", `expect parameter '${name}' to be TRITONSERVER_PARAMETER_BOOL`);
      }
      if (name === "sequence_start") start = value.value;
      else end = value.value;
    } else continue;
    said = true;
  }
  return ok(said ? { id, start, end } : asked);
};

/** Every output brings its own, so that they stand there several times. */
const sequenceParameters = ({ id, start, end }: SequencePlace): readonly Parameter[] => [
  {
    name: "sequence_id",
    value:
      typeof id === "string"
        ? { kind: "string", value: id }
        : { kind: "int", value: typeof id === "bigint" ? BigInt.asIntN(64, id) : id },
  },
  { name: "sequence_start", value: { kind: "bool", value: start } },
  { name: "sequence_end", value: { kind: "bool", value: end } },
];

/** A member's output is, and an input of the ensemble that was checked. */
const isTyped = (tensor: InputTensor): tensor is OutputTensor => isDataType(tensor.datatype);

const keepInputs = (request: InferenceRequest): void => {
  request.inputs = request.inputs.map((input) => ({ ...input, data: input.data.slice() }));
};
