import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { fail, ok, type Result, TritonError } from "../../common/status.ts";
import { RequestValidator } from "../inference/request-validation.ts";
import type { ModelConfig, ModelWarmup, WarmupInput } from "../model-config/model-config.ts";
import type { InstanceSlot } from "../scheduler/instance-slot.ts";
import type { ModelFolder, Storage } from "../storage.ts";
import { dataTypeOfConfig, elementByteSize, isDataType } from "../tensor/data-type.ts";
import { InferenceRequest, type InputTensor } from "../tensor/inference-request.ts";

/** A sample with its inputs ready: what each of its `rows` requests carries. */
interface WarmupSample {
  readonly name: string;
  readonly rows: number;
  readonly batching: boolean;
  readonly runs: number;
  readonly inputs: readonly InputTensor[];
}

/** The samples of a loaded version, which are made when its first instance is there. */
export class Warmup {
  #make: ((done: (result: Result<readonly WarmupSample[]>) => void) => void) | null;
  #samples: readonly WarmupSample[] = [];

  constructor(
    config: ModelConfig,
    folder: ModelFolder,
    dependencies: { readonly storage: Storage; readonly random: Random },
  ) {
    this.#make = (done) => readWarmupSamples(config, folder, dependencies, done);
  }

  /** Runs all samples on one instance before it serves. They count in the statistics like requests. */
  run(slot: InstanceSlot, clock: Clock, done: (error: TritonError | null) => void): void {
    if (this.#make === null) {
      runSamples(slot, this.#samples, clock, done);
      return;
    }
    this.#make((samples) => {
      if (!samples.ok) {
        done(samples.error);
        return;
      }
      this.#samples = samples.value;
      this.#make = null;
      runSamples(slot, samples.value, clock, done);
    });
  }
}

/**
 * Makes the samples of a configuration and checks them as requests are checked; a sample with batch_size 0 is left out,
 * as in the real server. Inputs that the configuration does not name, such as controls of sequences, go past the check.
 */
const readWarmupSamples = (
  config: ModelConfig,
  folder: ModelFolder,
  dependencies: { readonly storage: Storage; readonly random: Random },
  done: (result: Result<readonly WarmupSample[]>) => void,
): void => {
  const samples: WarmupSample[] = [];
  const validator = new RequestValidator(config);
  const wanted = config.model_warmup.filter((sample) => sample.batch_size > 0);
  const next = (): void => {
    const sample = wanted[samples.length];
    if (sample === undefined) {
      done(ok(samples));
      return;
    }
    readInputs(sample, config, folder, dependencies, (inputs) => {
      if (!inputs.ok) {
        done(inputs);
        return;
      }
      const isNamed = ({ name }: InputTensor): boolean => config.input.some((input) => input.name === name);
      const request = new InferenceRequest({ inputs: inputs.value.filter(isNamed), respond: () => {} });
      const error = validator.validate(request);
      if (error !== null) {
        done({ ok: false, error });
        return;
      }
      samples.push({
        name: sample.name,
        rows: sample.batch_size,
        batching: config.max_batch_size > 0,
        runs: Math.max(1, sample.count),
        inputs: [...request.inputs, ...inputs.value.filter((input) => !isNamed(input))],
      });
      next();
    });
  };
  next();
};

const readInputs = (
  sample: ModelWarmup,
  config: ModelConfig,
  folder: ModelFolder,
  { storage, random }: { readonly storage: Storage; readonly random: Random },
  done: (result: Result<readonly InputTensor[]>) => void,
): void => {
  const inputs: InputTensor[] = [];
  const wanted = [...sample.inputs];
  const next = (): void => {
    const entry = wanted[inputs.length];
    if (entry === undefined) {
      done(ok(inputs));
      return;
    }
    const [name, input] = entry;
    const datatype = dataTypeOfConfig(input.data_type);
    if (input.dims.includes(-1)) {
      done(
        fail(
          "INVALID_ARG",
          `warmup setting expects all variable-size dimensions are specified for input '${name}'`,
        ),
      );
      return;
    }
    const shape = config.max_batch_size > 0 ? [1, ...input.dims] : input.dims;
    const elements = input.dims.reduce((product, dim) => product * dim, 1);
    const size = isDataType(datatype) ? elementByteSize[datatype] : 0;
    const byteSize = elements * (datatype === "BYTES" ? 4 : size);
    const add = (data: Uint8Array): void => {
      inputs.push({ name, datatype, shape, data });
      next();
    };
    if (input.input_data_file !== undefined) {
      storage.readFile(`${folder.path}/warmup/${input.input_data_file}`, (read) => {
        if (!read.ok) done(read);
        else if (datatype !== "BYTES" && read.value.length < byteSize) {
          done(
            fail(
              "INVALID_ARG",
              `[request id: <id_unknown>] warmup setting expects ${byteSize} bytes, but the data provided from ${input.input_data_file}only has ${read.value.length} bytes`,
            ),
          );
        } else add(datatype === "BYTES" ? read.value : read.value.subarray(0, byteSize));
      });
      return;
    }
    const generated = generate(input, byteSize, datatype === "BYTES", random);
    if (generated === null) {
      done(
        fail(
          "INVALID_ARG",
          `[request id: <id_unknown>] warmup setting expects input '${name}' to have input_data_type set`,
        ),
      );
    } else add(generated);
  };
  next();
};

/** Zero or random bytes, whatever either is set to; strings are empty. Null when the input says neither. */
const generate = (
  input: WarmupInput,
  byteSize: number,
  strings: boolean,
  random: Random,
): Uint8Array | null => {
  if (input.zero_data === undefined && input.random_data === undefined) return null;
  const data = new Uint8Array(Math.max(0, byteSize));
  if (input.random_data !== undefined && !strings) {
    for (let i = 0; i < byteSize; i++) data[i] = random.nextUint32() & 0xff;
  }
  return data;
};

const runSamples = (
  slot: InstanceSlot,
  samples: readonly WarmupSample[],
  clock: Clock,
  done: (error: TritonError | null) => void,
): void => {
  const runs = samples.flatMap((sample) => Array.from({ length: sample.runs }, () => sample));
  const next = (index: number): void => {
    const sample = runs[index];
    if (sample === undefined) {
      done(null);
      return;
    }
    runSample(slot, sample, clock, (error) => {
      if (error === null) next(index + 1);
      else done(error);
    });
  };
  next(0);
};

/** A batching model gets one request a row, in one batch; else the sample is one request. */
const runSample = (
  slot: InstanceSlot,
  sample: WarmupSample,
  clock: Clock,
  done: (error: TritonError | null) => void,
): void => {
  let message = "";
  const requests = Array.from({ length: sample.batching ? sample.rows : 1 }, () => {
    const request = new InferenceRequest({
      inputs: sample.inputs,
      respond: ({ error }) => {
        if (error !== undefined) message += `${error.message}; `;
      },
    });
    request.batchSize = sample.batching ? 1 : 0;
    request.arrivedUs = clock.now();
    request.queuedUs = request.arrivedUs;
    return request;
  });
  slot.run(requests, null, () => {
    done(
      message === ""
        ? null
        : new TritonError("INVALID_ARG", `failed to run warmup sample '${sample.name}': ${message}`),
    );
  });
};
