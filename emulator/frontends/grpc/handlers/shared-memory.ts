import { fail } from "../../../common/status.ts";
import { decodeRegionName, decodeSystemRegisterKey } from "../codec/shared-memory.ts";
import { emptyResponse, immediate } from "../handler.ts";

// No region can be registered yet: these answer as the real server does with none (2.51.0).

/** `SystemSharedMemoryStatus` */
export const systemSharedMemoryStatus = immediate((_server, request) => {
  const name = decodeRegionName(request);
  return name === ""
    ? emptyResponse
    : fail("NOT_FOUND", `Unable to find system shared memory region: '${name}'`);
});

/** `SystemSharedMemoryRegister` */
export const systemSharedMemoryRegister = immediate((_server, request) =>
  fail("INTERNAL", `Unable to open shared memory region: '${decodeSystemRegisterKey(request)}'`),
);

/** `CudaSharedMemoryStatus` */
export const cudaSharedMemoryStatus = immediate((_server, request) => {
  const name = decodeRegionName(request);
  return name === ""
    ? emptyResponse
    : fail("NOT_FOUND", `Unable to find cuda shared memory region: '${name}'`);
});

/** `CudaSharedMemoryRegister`, as a server without a GPU answers it. */
export const cudaSharedMemoryRegister = immediate((_server, request) => {
  decodeRegionName(request);
  return fail("INVALID_ARG", "failed to register shared memory region: invalid args");
});

/** `SystemSharedMemoryUnregister` and `CudaSharedMemoryUnregister`: a region that is not there is no error. */
export const sharedMemoryUnregister = immediate((_server, request) => {
  decodeRegionName(request);
  return emptyResponse;
});
