import { expect, test } from "vitest";
import { ModelSessions } from "../../../../emulator/backends/onnxruntime/model-sessions.ts";
import type { OpenRequest } from "../../../../emulator/backends/onnxruntime/session-protocol.ts";
import type {
  RunResult,
  WorkerPool,
  WorkerSession,
} from "../../../../emulator/backends/onnxruntime/worker-pool.ts";
import { type Result, TritonError } from "../../../../emulator/common/status.ts";
import { description } from "./describe-model.ts";

const model = description([], []);

/** A session whose runs end when the test says so. */
class FakeSession implements WorkerSession {
  readonly description = model;
  readonly worker: number;
  alive = true;
  closed = false;
  #done: ((result: Result<RunResult>) => void) | null = null;

  constructor(worker: number) {
    this.worker = worker;
  }

  get running(): boolean {
    return this.#done !== null;
  }

  run(_inputs: unknown, _outputs: unknown, done: (result: Result<RunResult>) => void): void {
    this.#done = done;
  }

  close(done: () => void): void {
    this.closed = true;
    done();
  }

  finish(result: Result<RunResult> = { ok: true, value: { outputs: [], runUs: this.worker } }): void {
    const done = this.#done;
    this.#done = null;
    done?.(result);
  }
}

class FakePool implements Pick<WorkerPool, "open"> {
  readonly asked: (readonly number[])[] = [];
  readonly #waiting: ((result: Result<WorkerSession>) => void)[] = [];

  open(_request: OpenRequest, avoid: readonly number[], done: (result: Result<WorkerSession>) => void): void {
    this.asked.push(avoid);
    this.#waiting.push(done);
  }

  answer(result: Result<WorkerSession>): void {
    this.#waiting.shift()?.(result);
  }
}

const request: OpenRequest = {
  path: "/m/1/model.onnx",
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
};

const setup = (instances: number) => {
  const pool = new FakePool();
  const first = new FakeSession(0);
  const sessions = new ModelSessions(pool, request, first);
  for (let i = 0; i < instances; i++) sessions.addInstance();
  const results: Result<RunResult>[] = [];
  const run = (): void => sessions.run([], [], (result) => results.push(result));
  return { pool, first, sessions, results, run };
};

test("model sessions: runs one after the other need one session, however many instances", () => {
  const { pool, first, results, run } = setup(2);
  for (let i = 0; i < 3; i++) {
    run();
    first.finish();
  }
  expect(results).toHaveLength(3);
  expect(pool.asked).toEqual([]);
});

test("model sessions: the second session is opened when two runs overlap, on another thread", () => {
  const { pool, results, run } = setup(2);
  run();
  run();
  expect(pool.asked).toEqual([[0]]);
  const second = new FakeSession(1);
  pool.answer({ ok: true, value: second });
  expect(second.running).toBe(true);
  second.finish();
  expect(results).toMatchObject([{ value: { runUs: 1 } }]);
});

test("model sessions: a waiting run takes the session that is free first", () => {
  const { pool, first, results, run } = setup(2);
  run();
  run();
  first.finish();
  expect(first.running).toBe(true);
  first.finish();
  expect(results).toHaveLength(2);
  const second = new FakeSession(1);
  pool.answer({ ok: true, value: second });
  expect(second.running).toBe(false);
});

test("model sessions: one instance never opens a second session", () => {
  const { pool, run } = setup(1);
  run();
  run();
  expect(pool.asked).toEqual([]);
});

test("model sessions: instances take turns where another session cannot be opened", () => {
  const { pool, first, results, run } = setup(2);
  run();
  run();
  pool.answer({ ok: false, error: new TritonError("INTERNAL", "model file changed") });
  run();
  expect(pool.asked).toHaveLength(1);
  for (let i = 0; i < 3; i++) first.finish();
  expect(results.every((result) => result.ok)).toBe(true);
  expect(results).toHaveLength(3);
});

test("model sessions: a session whose thread is gone is replaced", () => {
  const { pool, first, results, run } = setup(1);
  run();
  first.alive = false;
  first.finish({
    ok: false,
    error: new TritonError("INTERNAL", "thread of ONNX Runtime ended: exit code 1"),
  });
  run();
  expect(pool.asked).toEqual([[]]);
  const second = new FakeSession(0);
  pool.answer({ ok: true, value: second });
  second.finish();
  expect(results.map((result) => result.ok)).toEqual([false, true]);
});

test("model sessions: what waits fails where the session cannot be replaced", () => {
  const { pool, first, results, run } = setup(1);
  first.alive = false;
  run();
  pool.answer({ ok: false, error: new TritonError("INTERNAL", "no") });
  expect(results).toMatchObject([{ ok: false, error: { message: "no" } }]);
});

test("model sessions: instances close the sessions they no longer need", () => {
  const { pool, first, sessions, run } = setup(2);
  run();
  run();
  const second = new FakeSession(1);
  pool.answer({ ok: true, value: second });
  first.finish();
  second.finish();
  let closed = 0;
  sessions.removeInstance(() => closed++);
  expect([first.closed, second.closed]).toEqual([true, false]);
  sessions.removeInstance(() => closed++);
  expect(second.closed).toBe(true);
  expect(closed).toBe(2);
});

test("model sessions: a session that opens after the instances are gone is closed", () => {
  const { pool, first, sessions, run } = setup(2);
  run();
  run();
  first.finish();
  first.finish();
  sessions.removeInstance(() => {});
  sessions.removeInstance(() => {});
  const late = new FakeSession(1);
  pool.answer({ ok: true, value: late });
  expect([first.closed, late.closed]).toEqual([true, true]);
});
