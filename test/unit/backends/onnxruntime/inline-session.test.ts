import { appendFileSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { InlineSession } from "../../../../emulator/backends/onnxruntime/inline-session.ts";
import { fingerprintOf } from "../../../../emulator/backends/onnxruntime/ort-session.ts";
import type { OpenRequest } from "../../../../emulator/backends/onnxruntime/session-protocol.ts";
import type { PartedInput, RunResult } from "../../../../emulator/backends/onnxruntime/worker-pool.ts";
import type { Result } from "../../../../emulator/common/status.ts";
import { description } from "./describe-model.ts";
import { graph } from "./load-model.ts";

const folder = mkdtempSync(join(tmpdir(), "onnx-inline-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options: OpenRequest["options"] = {
  intraOpThreads: 1,
  interOpThreads: 1,
  executionMode: "sequential",
  graphOptimizationLevel: "all",
  enableCpuMemArena: true,
  enableMemPattern: true,
};

const request = (path: string): OpenRequest => ({
  path,
  options,
  provider: { name: "cpu" },
  promote: [],
  libraries: [],
  expect: fingerprintOf(path),
});

const floats = (name: string, shape: readonly number[], values: readonly number[]): PartedInput => {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { name, dataType: "FP32", shape, parts: [data], byteLength: data.length };
};

/** Two short runs in a worker, then asks until the session is open. */
const runInline = async (
  session: InlineSession,
  inputs: readonly PartedInput[],
  outputs: readonly string[],
): Promise<Result<RunResult>> => {
  session.learn(inputs, 10);
  session.learn(inputs, 10);
  for (;;) {
    const result = await new Promise<Result<RunResult> | null>((resolve) => {
      if (!session.tryRun(inputs, outputs, resolve)) resolve(null);
    });
    if (result !== null) return result;
    await nextTurn();
  }
};

test("inline session: runs on this thread what proved short, joining the pieces of a batch", async () => {
  const session = new InlineSession(request(graph("identity.onnx")));
  const one = floats("X", [2, 4], [1, 2, 3, 4]);
  const parts = [...one.parts, ...floats("X", [1, 4], [5, 6, 7, 8]).parts];
  const result = await runInline(session, [{ ...one, parts, byteLength: 32 }], ["Y"]);
  expect(result.ok && [...new Float32Array(new Uint8Array(result.value.outputs[0]!.data).buffer)]).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8,
  ]);
  session.close();
  expect(session.tryRun([one], ["Y"], () => {})).toBe(false);
});

test("inline session: a run that fails is worded as one in a worker", async () => {
  const session = new InlineSession(request(graph("add_dyn.onnx")));
  const result = await runInline(session, [floats("A", [2], [1, 2]), floats("B", [3], [1, 2, 3])], ["C"]);
  expect(result).toMatchObject({
    ok: false,
    error: {
      code: "INTERNAL",
      message: expect.stringMatching(
        /^onnx runtime error 1: Non-zero status code returned while running Add node/,
      ),
    },
  });
  session.close();
});

test("inline session: leaves everything to workers once the model file is another one", async () => {
  const path = join(folder, "model.onnx");
  copyFileSync(graph("identity.onnx"), path);
  const session = new InlineSession(request(path));
  appendFileSync(path, Buffer.of(0));
  const inputs = [floats("X", [1, 4], [1, 2, 3, 4])];
  session.learn(inputs, 10);
  session.learn(inputs, 10);
  expect(session.tryRun(inputs, ["Y"], () => {})).toBe(false);
  while (session.available) await nextTurn();
  expect(session.tryRun(inputs, ["Y"], () => {})).toBe(false);
});

test.each([
  ["a small model whose time follows its shapes", {}, {}, true],
  ["a model with loops", { runTimeFollowsShapes: false }, {}, false],
  ["a large model", { fingerprint: { byteSize: 262_145, mtimeMs: 0, ino: 0 } }, {}, false],
  ["a model with several threads", {}, { intraOpThreads: 2 }, false],
])("inline session: %s: %o %o %s", (_, model, own, expected) => {
  expect(InlineSession.mayServe({ ...description([], []), ...model }, { ...options, ...own })).toBe(expected);
});

test("inline session: answers a short run in the turn that asked for it", async () => {
  const session = new InlineSession(request(graph("identity.onnx")));
  const inputs = [floats("X", [1, 4], [1, 2, 3, 4])];
  await runInline(session, inputs, ["Y"]);
  const order: string[] = [];
  await nextTurn();
  setImmediate(() => order.push("next turn"));
  await new Promise<void>((resolve) => {
    session.tryRun(inputs, ["Y"], () => {
      order.push("answer");
      resolve();
    });
  });
  await nextTurn();
  expect(order).toEqual(["answer", "next turn"]);
  session.close();
});
