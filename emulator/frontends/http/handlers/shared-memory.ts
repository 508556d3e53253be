import { upToNul } from "../../../common/c-string.ts";
import { fail, ok } from "../../../common/status.ts";
import {
  asString,
  asUnsignedInteger,
  memberOf,
  optionalMember,
  parseJson,
} from "../../kserve-json/json-reader.ts";
import { emptyJsonReply, jsonReply } from "../../kserve-json/reply.ts";
import { immediate } from "../handler.ts";

/**
 * `GET /v2/{system,cuda}sharedmemory[/region/{r}]/status`. No region can be registered yet: these answer as the real server
 * does with nothing registered.
 */
export const sharedMemoryStatus = immediate(({ groups }) => {
  const region = groups.region;
  if (region === undefined) return ok(jsonReply("[]"));
  return fail("NOT_FOUND", `Unable to find ${groups.kind} shared memory region: '${region}'`);
});

/** `POST .../register` */
export const sharedMemoryRegister = immediate(({ groups, body }) => {
  const { kind, region } = groups;
  if (region === undefined) {
    return fail("INVALID_ARG", `'region name' is necessary to register ${kind} shared memory region`);
  }
  const parsed = parseJson(body);
  if (!parsed.ok) return parsed;
  const document = parsed.value;
  if (kind === "cuda") {
    if (optionalMember(document, "raw_handle") === undefined) {
      return fail("INVALID_ARG", "Shared memory register request has no 'raw_handle' field");
    }
    const handle = memberOf(document, "raw_handle");
    if (!handle.ok) return handle;
    const encoded = memberOf(handle.value, "b64");
    if (!encoded.ok) return encoded;
    const text = asString(encoded.value);
    if (!text.ok) return text;
    const byteSize = memberOf(document, "byte_size");
    if (!byteSize.ok) return byteSize;
    const wholeSize = asUnsignedInteger(byteSize.value);
    if (!wholeSize.ok) return wholeSize;
    const device = memberOf(document, "device_id");
    if (!device.ok) return device;
    const wholeDevice = asUnsignedInteger(device.value);
    if (!wholeDevice.ok) return wholeDevice;
    if (Buffer.from(text.value, "base64").length !== CUDA_IPC_HANDLE_BYTES) {
      return fail("INVALID_ARG", "'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t");
    }
    return fail(
      "INVALID_ARG",
      `failed to register CUDA shared memory region: '${region}', GPUs not supported`,
    );
  }
  const key = optionalMember(document, "key");
  if (key === undefined) return fail("INVALID_ARG", "Shared memory register request has no 'key' field");
  const keyText = asString(key);
  if (!keyText.ok) return keyText;
  const offset = optionalMember(document, "offset");
  const wholeOffset = offset === undefined ? ok(0) : asUnsignedInteger(offset);
  if (!wholeOffset.ok) return wholeOffset;
  const byteSize = optionalMember(document, "byte_size");
  if (byteSize === undefined) {
    return fail("INVALID_ARG", "Shared memory register request has no 'byte_size' field");
  }
  const wholeSize = asUnsignedInteger(byteSize);
  if (!wholeSize.ok) return wholeSize;
  return fail("INTERNAL", `Unable to open shared memory region: '${upToNul(keyText.value)}'`);
});

/** sizeof(cudaIpcMemHandle_t) */
const CUDA_IPC_HANDLE_BYTES = 64;

/** `POST .../unregister`: unknown regions are fine. */
export const sharedMemoryUnregister = immediate(() => ok(emptyJsonReply));
