import { expect, test } from "vitest";
import { FakeInferenceServer } from "../../../../support/fake-inference-server.ts";
import { startHttpFixture, textOf } from "../../../../support/http-frontend.ts";

const handle = Buffer.alloc(64).toString("base64");

test.each([
  ["system", "/status", undefined, 200, "[]"],
  ["system", "/region/r/status", undefined, 404, "Unable to find system shared memory region: 'r'"],
  ["cuda", "/region/r/status", undefined, 404, "Unable to find cuda shared memory region: 'r'"],
  ["system", "/register", "{}", 400, "'region name' is necessary to register system shared memory region"],
  ["system", "/region/r/register", "{", 500, "failed to parse the request JSON buffer"],
  ["system", "/region/r/register", "{}", 400, "Shared memory register request has no 'key' field"],
  [
    "system",
    "/region/r/register",
    '{"key":1,"byte_size":1}',
    500,
    "attempt to access JSON non-string as string",
  ],
  [
    "system",
    "/region/r/register",
    '{"key":"k"}',
    400,
    "Shared memory register request has no 'byte_size' field",
  ],
  [
    "system",
    "/region/r/register",
    '{"key":"k","byte_size":1}',
    500,
    "Unable to open shared memory region: 'k'",
  ],
  ["cuda", "/region/r/register", "{}", 400, "Shared memory register request has no 'raw_handle' field"],
  ["cuda", "/region/r/register", '{"raw_handle":{}}', 500, "'b64'"],
  [
    "cuda",
    "/region/r/register",
    '{"raw_handle":{"b64":"AAAA"},"byte_size":1,"device_id":0}',
    400,
    "'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t",
  ],
  [
    "cuda",
    "/region/r/register",
    `{"raw_handle":{"b64":"${handle}"},"byte_size":1,"device_id":0}`,
    400,
    "failed to register CUDA shared memory region: 'r', GPUs not supported",
  ],
  ["system", "/unregister", "{}", 200, ""],
  ["system", "/region/r/unregister", "{}", 200, ""],
  ["cuda", "/unregister", "", 200, ""],
])("%s%s with %j: answers %i %s", async (kind, path, body, status, text) => {
  await using fixture = await startHttpFixture(new FakeInferenceServer());
  const answer = await fixture.ask(`/v2/${kind}sharedmemory${path}`, body === undefined ? {} : { body });
  expect(answer.status).toBe(status);
  if (status === 200) expect(textOf(answer)).toBe(text);
  else expect(JSON.parse(textOf(answer)).error).toContain(text);
});
