import { appendFileSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { OpenRequest } from "../../../../emulator/backends/onnxruntime/session-protocol.ts";
import {
  type PartedInput,
  type RunResult,
  WorkerPool,
  type WorkerSession,
} from "../../../../emulator/backends/onnxruntime/worker-pool.ts";
import type { Result } from "../../../../emulator/common/status.ts";
import { SystemClock } from "../../../../emulator/common/system-clock.ts";
import { graph } from "./load-model.ts";

const clock = new SystemClock();
const pool = new WorkerPool(2, clock);
const folder = mkdtempSync(join(tmpdir(), "onnx-pool-"));

afterAll(async () => {
  await pool.stop();
  rmSync(folder, { recursive: true, force: true });
});

const request = (path: string, fields: Partial<OpenRequest> = {}): OpenRequest => ({
  path,
  options: {
    intraOpThreads: 1,
    interOpThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    enableCpuMemArena: true,
    enableMemPattern: true,
  },
  provider: { name: "cpu" },
  promote: [],
  libraries: [],
  expect: null,
  ...fields,
});

const open = (
  of: WorkerPool,
  asked: OpenRequest,
  avoid: readonly number[] = [],
): Promise<Result<WorkerSession>> => new Promise((resolve) => of.open(asked, avoid, resolve));

const opened = async (
  of: WorkerPool,
  asked: OpenRequest,
  avoid: readonly number[] = [],
): Promise<WorkerSession> => {
  const result = await open(of, asked, avoid);
  if (!result.ok) throw result.error;
  return result.value;
};

const run = (
  session: WorkerSession,
  inputs: readonly PartedInput[],
  outputs: readonly string[],
): Promise<Result<RunResult>> => new Promise((resolve) => session.run(inputs, outputs, resolve));

const close = (session: WorkerSession): Promise<void> => new Promise((resolve) => session.close(resolve));

const floats = (
  name: string,
  shape: readonly number[],
  ...parts: readonly (readonly number[])[]
): PartedInput => {
  const bytes = parts.map((part) => new Uint8Array(Float32Array.from(part).buffer));
  return {
    name,
    dataType: "FP32",
    shape,
    parts: bytes,
    byteLength: bytes.reduce((sum, part) => sum + part.length, 0),
  };
};

test("worker pool: runs a session in a thread, joining the pieces of an input", async () => {
  const session = await opened(pool, request(graph("identity.onnx")));
  const small = await run(session, [floats("X", [2, 4], [1, 2, 3, 4], [5, 6, 7, 8])], ["Y"]);
  expect(small.ok && [...new Float32Array(new Uint8Array(small.value.outputs[0]!.data).buffer)]).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8,
  ]);
  const given = new Float32Array(new SharedArrayBuffer(20), 4);
  given.set([4, 3, 2, 1]);
  const part = new Uint8Array(given.buffer, 4, 16);
  const shared = await run(
    session,
    [{ name: "X", dataType: "FP32", shape: [1, 4], parts: [part], byteLength: 16 }],
    ["Y"],
  );
  expect(shared.ok && [...new Float32Array(new Uint8Array(shared.value.outputs[0]!.data).buffer)]).toEqual([
    4, 3, 2, 1,
  ]);
  const many = Array.from({ length: 40_000 }, (_, i) => i);
  const large = await run(session, [floats("X", [10_000, 4], many)], ["Y"]);
  expect(large.ok && [...new Float32Array(new Uint8Array(large.value.outputs[0]!.data).buffer)]).toEqual(
    many,
  );
  expect(large.ok && large.value.runUs).toBeGreaterThan(0);
  await close(session);
});

test("worker pool: spreads the sessions of one model over its threads", async () => {
  const first = await opened(pool, request(graph("identity.onnx")));
  const second = await opened(pool, request(graph("identity.onnx")), [first.worker]);
  const third = await opened(pool, request(graph("identity.onnx")), [first.worker, second.worker]);
  expect(new Set([first.worker, second.worker])).toEqual(new Set([0, 1]));
  expect([0, 1]).toContain(third.worker);
  await Promise.all([first, second, third].map(close));
});

test("worker pool: errors of ONNX Runtime carry its code, ours do not", async () => {
  expect(await open(pool, request(graph("text.onnx")))).toMatchObject({
    ok: false,
    error: {
      code: "INTERNAL",
      message: `onnx runtime error 7: Load model from ${graph("text.onnx")} failed:Protobuf parsing failed.`,
    },
  });
  expect(await open(pool, request("/no/such/model.onnx"))).toMatchObject({
    error: { code: "INTERNAL", message: "failed to stat file /no/such/model.onnx" },
  });
  expect(await open(pool, request(graph("identity.onnx"), { libraries: ["/no/such/lib.so"] }))).toMatchObject(
    {
      error: {
        message:
          "onnx runtime error 1: Failed to load library /no/such/lib.so with error: /no/such/lib.so: cannot open shared object file: No such file or directory",
      },
    },
  );
});

test("worker pool: does not open a file that is no longer the one that was loaded", async () => {
  const path = join(folder, "model.onnx");
  copyFileSync(graph("identity.onnx"), path);
  const session = await opened(pool, request(path));
  const expected = { expect: session.description.fingerprint };
  await close(await opened(pool, request(path, expected)));
  appendFileSync(path, Buffer.of(0));
  expect(await open(pool, request(path, expected))).toMatchObject({
    error: { message: `model file ${path} changed since it was loaded` },
  });
  await close(session);
});

test("worker pool: a thread that ends fails its runs, and another one takes its place", async () => {
  const failing = new WorkerPool(1, clock, new URL("./failing-session-worker.ts", import.meta.url));
  const session = await opened(failing, request("any"));
  expect(await run(session, [], ["Y"])).toMatchObject({
    ok: false,
    error: { code: "INTERNAL", message: "thread of ONNX Runtime ended: exit code 3" },
  });
  expect(session.alive).toBe(false);
  expect(await run(session, [], ["Y"])).toMatchObject({ ok: false });
  await close(session);
  expect((await opened(failing, request("any"))).alive).toBe(true);
  await failing.stop();
});
