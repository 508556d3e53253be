import { fail, ok, type Result } from "../../../common/status.ts";
import type { InferParameters } from "./infer-parameter.ts";

/** Where a tensor lies when it is not in the message. */
export interface SharedMemoryReference {
  readonly region: string;
  readonly offset: number;
  readonly byteSize: number;
}

/** What the parameters of a tensor say of shared memory; null = nothing. Errors: INVALID_ARG (2.51.0). */
export const readSharedMemory = (
  tensor: string,
  parameters: InferParameters,
): Result<SharedMemoryReference | null> => {
  if (parameters.size === 0) return nowhere;
  const region = parameters.get("shared_memory_region");
  const offset = parameters.get("shared_memory_offset");
  const byteSize = parameters.get("shared_memory_byte_size");
  if (region === undefined) {
    if (offset !== undefined) return withoutRegion("offset", tensor);
    if (byteSize !== undefined) return withoutRegion("byte_size", tensor);
    return nowhere;
  }
  if (region.kind !== "string") return wrongType("region", tensor, "string_param");
  if (offset !== undefined && offset.kind !== "int64") return wrongType("offset", tensor, "int64_param");
  if (byteSize !== undefined && byteSize.kind !== "int64")
    return wrongType("byte_size", tensor, "int64_param");
  if (byteSize === undefined) {
    return fail(
      "INVALID_ARG",
      `'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor '${tensor}'`,
    );
  }
  return ok({ region: region.value, offset: Number(offset?.value ?? 0), byteSize: Number(byteSize.value) });
};

const nowhere = ok(null);
const unclassified = ok(null);

const wrongType = (what: string, tensor: string, expected: string): ReturnType<typeof fail> =>
  fail(
    "INVALID_ARG",
    `invalid value type for 'shared_memory_${what}' parameter for tensor '${tensor}', expected ${expected}.`,
  );

const withoutRegion = (what: string, tensor: string): ReturnType<typeof fail> =>
  fail(
    "INVALID_ARG",
    `'shared_memory_${what}' can not be specified without 'shared_memory_region' parameter for tensor '${tensor}'`,
  );

/** How many classes an output is asked for; null = the tensor itself. Errors: INVALID_ARG (2.51.0). */
export const readClassification = (parameters: InferParameters): Result<number | null> => {
  const parameter = parameters.get("classification");
  if (parameter === undefined) return unclassified;
  if (parameter.kind !== "int64") {
    return fail("INVALID_ARG", "invalid value type for 'classification' parameter, expected int64_param");
  }
  if (parameter.value <= 0) {
    return fail("INVALID_ARG", "invalid value for 'classification' parameter, expected >= 0");
  }
  // The real server keeps 32 bits, so that 2^32 asks for a list of no class.
  return ok(Number(BigInt.asUintN(32, BigInt(parameter.value))));
};
