import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ServerLog } from "../emulator/common/server-log.ts";
import { loadConfig } from "../emulator/config/load.ts";
import { createEmulator, type Emulator } from "../emulator/emulator.ts";

let repository: string;

beforeEach(() => {
  repository = mkdtempSync(join(tmpdir(), "triton-local-shutdown-"));
  mkdirSync(join(repository, "m", "1"), { recursive: true });
  writeFileSync(
    join(repository, "m", "config.pbtxt"),
    `backend: "synthetic"
     input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
     output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }`,
  );
});

afterEach(() => rmSync(repository, { recursive: true, force: true }));

const silent = {
  log_info: false,
  log_warning: false,
  log_error: false,
  log_verbose_level: 0,
  log_format: "default",
} as const;

const start = (...flags: string[]): Promise<Emulator> => {
  const noPorts = ["http", "grpc", "metrics", "sagemaker"].map((service) => `--${service}-port=0`);
  const loaded = loadConfig({
    args: [...noPorts, `--model-repository=${repository}`, "--allow-sagemaker=true", ...flags],
    environment: { SAGEMAKER_TRITON_DEFAULT_MODEL_NAME: "m" },
    readFile: () => "",
    defaultModelRepository: "",
    cores: 1,
  });
  if (!loaded.ok) throw new Error(loaded.failure.message);
  const log = new ServerLog({ now: () => 0, pid: 1, write: () => {} }, silent);
  return createEmulator({ config: loaded.config, log });
};

const invoke = async ({ ports }: Emulator): Promise<number> => {
  const body = JSON.stringify({ inputs: [{ name: "IN", datatype: "INT32", shape: [1], data: [7] }] });
  const response = await fetch(`http://127.0.0.1:${ports.sagemaker}/invocations`, { method: "POST", body });
  await response.arrayBuffer();
  return response.status;
};

/** Until one request waits for the instance, and another one is with it. */
const oneWaits = async ({ ports }: Emulator): Promise<void> => {
  for (;;) {
    const metrics = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
    if (/^nv_inference_pending_request_count\{.*\} 1$/m.test(metrics)) return;
  }
};

test("shutdown: the container API answers until the server has ended", async () => {
  const emulator = await start("--fault=operation=infer,effect=hang", "--exit-timeout-secs=3");
  const hanging = [invoke(emulator), invoke(emulator)].map((answer) => answer.catch(() => "cut off"));
  await oneWaits(emulator);
  const ended = emulator.stop();
  await expect(fetch(`http://127.0.0.1:${emulator.ports.http}/v2/health/live`)).rejects.toThrow();
  expect(await invoke(emulator)).toBe(404);
  expect(await ended).toBe(1);
  expect(await Promise.all(hanging)).toEqual(["cut off", "cut off"]);
  await expect(fetch(`http://127.0.0.1:${emulator.ports.sagemaker}/ping`)).rejects.toThrow();
});
