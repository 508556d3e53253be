import { fail, ok, type Result } from "../../common/status.ts";
import type { ModelConfig, SequenceState } from "../model-config/model-config.ts";
import type { ModelFolder, Storage } from "../storage.ts";
import { dataTypeOfConfig, elementByteSize, isDataType } from "../tensor/data-type.ts";
import type { InputTensor } from "../tensor/inference-request.ts";

/** Initial value of each state of a model, by the state's input name. */
export type InitialStates = ReadonlyMap<string, InputTensor>;

/**
 * The first values of implicit states. Where none is given the real server hands over memory that was never written;
 * here it is zero, which it may be there too. A state of growable memory is for GPUs: without one no input is made (2.51.0).
 */
export const readInitialStates = (
  config: ModelConfig,
  folder: ModelFolder,
  storage: Storage,
  done: (result: Result<InitialStates>) => void,
): void => {
  const states = config.sequence_batching?.state ?? [];
  const made = new Map<string, InputTensor>();
  const next = (index: number): void => {
    const state = states[index];
    if (state === undefined) {
      for (const { input_name, use_growable_memory } of states)
        if (use_growable_memory) made.delete(input_name);
      done(ok(made));
      return;
    }
    const error = check(state, made);
    if (error !== null) {
      done(fail("INVALID_ARG", error));
      return;
    }
    const initial = state.initial_state[0];
    const datatype = dataTypeOfConfig(state.data_type);
    const dims = initial?.dims ?? state.dims.map((dim) => (dim < 0 ? 1 : dim));
    const elements = dims.reduce((product, dim) => product * dim, 1);
    const byteSize =
      elements * (datatype === "BYTES" ? 4 : isDataType(datatype) ? elementByteSize[datatype] : 0);
    const shape = config.max_batch_size > 0 ? [1, ...dims] : dims;
    const add = (data: Uint8Array): void => {
      made.set(state.input_name, { name: state.input_name, datatype, shape, data });
      next(index + 1);
    };
    if (initial?.data_file === undefined) {
      if (initial !== undefined && initial.zero_data === undefined) {
        done(
          fail(
            "INVALID_ARG",
            `initial_state setting expects state'${state.input_name}' to have state_data set`,
          ),
        );
      } else add(new Uint8Array(byteSize));
      return;
    }
    const file = initial.data_file;
    storage.readFile(`${folder.path}/initial_state/${file}`, (read) => {
      if (!read.ok) done(read);
      else if (read.value.length < byteSize) {
        done(
          fail(
            "INVALID_ARG",
            `initial_state setting expects ${byteSize} bytes, but the data provided from ${file}only has ${read.value.length} bytes.`,
          ),
        );
      } else add(read.value.subarray(0, byteSize));
    });
  };
  next(0);
};

/** Texts of spec/triton-core.md 4.2. */
const check = (state: SequenceState, made: ReadonlyMap<string, InputTensor>): string | null => {
  const name = state.input_name;
  const { initial_state: initials, dims } = state;
  if (made.has(name)) return `State input name '${name}' specified more than once.`;
  if (initials.length > 1) {
    return `initial_state field for state input '${name}' must contain exactly one or zero element. Found '${initials.length}' elements.`;
  }
  const initial = initials[0];
  if (initial === undefined) return null;
  if (initial.name === "") {
    return `Field 'name' must be set when using initial_state for state input '${name}'.`;
  }
  if (initial.data_type !== state.data_type) {
    return `The data type used for 'initial_state' field of state '${name}' does not match the state data type.`;
  }
  if (initial.dims.length !== dims.length) {
    return `Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions for state input '${name}'. ${initial.dims.length} != ${dims.length}`;
  }
  for (const [i, dim] of initial.dims.entries()) {
    if (dim === -1)
      return `'initial_state' field for state input name '${name}' contains variable dimensions.`;
    if (dims[i] !== -1 && dims[i] !== dim) {
      return `'initial_state' dim for input name '${name}' doesn't match 'state' dim description. ${dim} != ${dims[i]}`;
    }
  }
  return null;
};
