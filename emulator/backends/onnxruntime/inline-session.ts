import type { Result } from "../../common/status.ts";
import { InlineLane } from "./inline-lane.ts";
import type { OrtSession } from "./ort-session.ts";
import { runAtOnce } from "./run-at-once.ts";
import type { SessionOptions } from "./session-options.ts";
import type { ModelDescription, OpenRequest, RunInput, RunOutput } from "./session-protocol.ts";
import { TurnBudget } from "./turn-budget.ts";
import { errorOf, type PartedInput, type RunResult } from "./worker-pool.ts";

/** Microseconds of runs in one turn of the event loop, of all models together; what comes after waits for the next turn. */
const turn = new TurnBudget(1000);

/**
 * A session of a small and fast model on the main thread, opened when the lane first admits a run: that saves the way to
 * a worker and back, which costs more than such a run.
 */
export class InlineSession {
  readonly #request: OpenRequest;
  readonly #lane = new InlineLane();
  #session: OrtSession | null = null;
  #opening = false;
  #closed = false;

  constructor(request: OpenRequest) {
    this.#request = request;
  }

  /** Which models are small and predictable enough for the main thread. */
  static mayServe(description: ModelDescription, options: SessionOptions): boolean {
    return (
      description.runTimeFollowsShapes &&
      description.overridable.length === 0 &&
      description.fingerprint.byteSize <= MAX_MODEL_BYTES &&
      options.intraOpThreads === 1 &&
      options.executionMode === "sequential"
    );
  }

  /** False once every run belongs to a worker. */
  get available(): boolean {
    return !this.#closed && this.#lane.open;
  }

  /** A worker ran these inputs in `runUs` microseconds. */
  learn(inputs: readonly PartedInput[], runUs: number): void {
    this.#lane.learn(shapesOf(inputs), runUs);
  }

  /** False where the run belongs to a worker; then `done` is not called. */
  tryRun(
    inputs: readonly PartedInput[],
    outputs: readonly string[],
    done: (result: Result<RunResult>) => void,
  ): boolean {
    let byteLength = 0;
    for (const input of inputs) byteLength += input.byteLength;
    if (this.#closed || !this.#lane.admits(shapesOf(inputs), byteLength)) return false;
    if (this.#session === null) {
      this.#open();
      return false;
    }
    const session = this.#session;
    const run = () => session.run(inputs.map(joined), outputs);
    if (turn.left) {
      const startMs = performance.now();
      const running = runAtOnce(run);
      const runUs = (performance.now() - startMs) * 1000;
      turn.spend(runUs);
      this.#report(running, () => runUs, done);
    } else {
      let startMs = 0;
      // ONNX Runtime's own run waits for a setImmediate; this one comes just before it, so the time is that of the run.
      setImmediate(() => {
        startMs = performance.now();
      });
      this.#report(run(), () => (performance.now() - startMs) * 1000, done);
    }
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#session?.close().catch(() => {});
    this.#session = null;
  }

  #report(
    running: Promise<RunOutput[]>,
    runUsOf: () => number,
    done: (result: Result<RunResult>) => void,
  ): void {
    running.then(
      (outputs) => {
        const runUs = runUsOf();
        this.#lane.observe(runUs);
        done({ ok: true, value: { outputs, runUs } });
      },
      (error: unknown) => this.#fail(error, done),
    );
  }

  #open(): void {
    if (this.#opening) return;
    this.#opening = true;
    import("./ort-session.ts")
      .then((module) => module.OrtSession.open(this.#request))
      .then(
        (session) => {
          if (this.#closed) session.close().catch(() => {});
          else this.#session = session;
        },
        // The file is no longer the one that was loaded: the workers still hold it.
        () => {
          this.#closed = true;
        },
      );
  }

  #fail(error: unknown, done: (result: Result<RunResult>) => void): void {
    void import("./ort-session.ts").then(({ failureOf }) =>
      done({ ok: false, error: errorOf(failureOf(error)) }),
    );
  }
}

const MAX_MODEL_BYTES = 262144;

const shapesOf = (inputs: readonly PartedInput[]): readonly (readonly number[])[] =>
  inputs.map(({ shape }) => shape);

const joined = ({ name, dataType, shape, parts }: PartedInput): RunInput => ({
  name,
  dataType,
  shape,
  data: parts.length === 1 ? parts[0]! : Buffer.concat(parts),
});
