import { fail, ok, type Result } from "../../../common/status.ts";
import type { Parameter } from "../../../core/tensor/inference-request.ts";
import type { InferParameter, InferParameters } from "./infer-parameter.ts";

/** What the parameters of a ModelInferRequest say: Triton's own, and those that are for the backend. */
export interface RequestParameters {
  sequenceId: number | bigint | string;
  sequenceStart: boolean;
  sequenceEnd: boolean;
  priority: number;
  timeoutUs: number;
  enableEmptyFinalResponse: boolean;
  custom: Parameter[];
}

/** Checks and sorts the parameters of a request. Errors: INVALID_ARG, UNSUPPORTED (2.51.0). */
export const readRequestParameters = (parameters: InferParameters): Result<RequestParameters> => {
  const read: RequestParameters = {
    sequenceId: 0,
    sequenceStart: false,
    sequenceEnd: false,
    priority: 0,
    timeoutUs: 0,
    enableEmptyFinalResponse: false,
    custom: [],
  };
  for (const [name, parameter] of parameters) {
    const problem = readParameter(name, parameter, read);
    if (problem !== null) return problem;
  }
  return ok(read);
};

type Failure = ReturnType<typeof fail>;

const readParameter = (name: string, parameter: InferParameter, read: RequestParameters): Failure | null => {
  switch (name) {
    case "sequence_id":
      return readSequenceId(parameter, read);
    case "sequence_start":
      if (parameter.kind !== "bool") return wrongType(name, "bool_param");
      read.sequenceStart = parameter.value;
      return null;
    case "sequence_end":
      if (parameter.kind !== "bool") return wrongType(name, "bool_param");
      read.sequenceEnd = parameter.value;
      return null;
    case "priority":
      if (parameter.kind !== "int64" && parameter.kind !== "uint64") {
        return wrongType(name, "int64_param or uint64_param");
      }
      if (parameter.value < 0) {
        return fail("INVALID_ARG", "invalid value for 'priority', expected value >= 0.");
      }
      read.priority = Number(parameter.value);
      return null;
    case "timeout":
      if (parameter.kind !== "int64") return wrongType(name, "int64_param");
      read.timeoutUs = Number(unsigned(parameter.value));
      return null;
    case "triton_enable_empty_final_response":
      if (parameter.kind !== "bool") return wrongType(name, "bool_param");
      read.enableEmptyFinalResponse = parameter.value;
      return null;
    default:
      return readCustomParameter(name, parameter, read);
  }
};

const readSequenceId = (parameter: InferParameter, read: RequestParameters): Failure | null => {
  if (parameter.kind === "int64") {
    read.sequenceId = unsigned(parameter.value);
    return null;
  }
  if (parameter.kind !== "string") return wrongType("sequence_id", "int64_param or string_param");
  if (Buffer.byteLength(parameter.value) > MAX_CORRELATION_ID_BYTES) {
    return fail(
      "UNSUPPORTED",
      `string correlation ID cannot be longer than ${MAX_CORRELATION_ID_BYTES} characters`,
    );
  }
  read.sequenceId = parameter.value;
  return null;
};

const MAX_CORRELATION_ID_BYTES = 128;

const readCustomParameter = (
  name: string,
  parameter: InferParameter,
  read: RequestParameters,
): Failure | null => {
  if (name.startsWith("triton_")) {
    return fail(
      "INVALID_ARG",
      "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with 'triton_' are allowed: triton_enable_empty_final_response",
    );
  }
  switch (parameter.kind) {
    case "bool":
    case "string":
    case "double":
      read.custom.push({ name, value: parameter });
      return null;
    case "int64":
      read.custom.push({ name, value: { kind: "int", value: parameter.value } });
      return null;
    default:
      return wrongType(name, "int64_param, bool_param, or string_param");
  }
};

const wrongType = (name: string, expected: string): Failure =>
  fail("INVALID_ARG", `invalid value type for '${name}' parameter, expected ${expected}.`);

/** A negative number where the real server reads the same 64 bits as an unsigned one. */
const unsigned = (value: number | bigint): number | bigint =>
  value < 0 ? BigInt.asUintN(64, BigInt(value)) : value;
