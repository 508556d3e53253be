import type { Clock } from "../../common/clock.ts";
import { ok, type Result, type TritonError } from "../../common/status.ts";
import type { BackendModel, ExecutionSink, InstanceSpec, ModelInstance } from "../backend.ts";
import { HEALTH_WAIT_US, stubIsDead } from "../dead-stub.ts";
import { type DeclaredMemory, growsAtRuns } from "../memory/declared-memory.ts";
import type { Reservation, StubProcess } from "../memory/memory-account.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import type { InferenceRequest, InferenceResponse } from "../tensor/inference-request.ts";
import { RunMemory } from "./run-memory.ts";

export interface InstanceProcessParts {
  readonly backendModel: BackendModel;
  readonly config: ModelConfig;
  readonly spec: InstanceSpec;
  readonly declared: DeclaredMemory;
  readonly reservation: Reservation;
  readonly clock: Clock;
}

/**
 * Makes an instance in the process that holds its bytes: one that takes more bytes at its runs, and dies with its process.
 * A stub that is killed while it loads fails the load after the wait for a sign of life; killed while it imports its module
 * it is waited for in vain, for ever (spec/triton-core.md 4.8, seen on 2.51.0).
 */
export const createInstanceProcess = (
  parts: InstanceProcessParts,
  done: (result: Result<ModelInstance>) => void,
): void => {
  const { backendModel, config, spec, declared, reservation, clock } = parts;
  const { stub } = reservation;
  // Forgotten when it was called: the stub keeps its listener, and must not keep the whole load with it.
  let waiting: typeof done | null = done;
  const settle = (result: Result<ModelInstance>): void => {
    const answer = waiting;
    waiting = null;
    answer?.(result);
  };
  const failLater = (): void => {
    if (declared.takenIn === "import") return;
    clock.setTimer(HEALTH_WAIT_US, () => settle({ ok: false, error: stubIsDead(spec.name) }));
  };
  // Who asked for too much at once dies at the end of its load, where it would have filled its memory.
  const bornDead = stub !== null && !stub.alive;
  if (!bornDead) {
    stub?.whenKilled(() => {
      if (waiting !== null) failLater();
    });
  }
  backendModel.createInstance(config, { ...spec, kill: killOf(reservation) }, (created) => {
    if (!created.ok) {
      settle(created);
    } else if (waiting === null || stub?.alive === false) {
      created.value.release(() => {});
      if (bornDead) failLater();
    } else if (stub === null && !growsAtRuns(declared)) {
      settle(created);
    } else {
      const memory = new RunMemory(declared, reservation, config, spec);
      settle(ok(new InstanceProcess(created.value, spec.name, memory, stub, clock)));
    }
  });
};

/** Of its own, so that who keeps it keeps nothing of a load. */
const killOf = (reservation: Reservation) => (): void => reservation.kill();

/** A batch that is under way. */
interface Run {
  readonly batch: readonly InferenceRequest[];
  readonly sink: ExecutionSink;
  readonly startUs: number;
  /** Requests that had their final response, by place. */
  readonly answered: Set<number>;
}

/**
 * An instance in its process. When that is killed nothing shows it: every batch, the one under way included, fails a
 * second later, for ever; after such a batch it never goes, nor does any instance beside it, whose process lives on
 * (spec/triton-core.md 4.8, seen on 2.51.0).
 */
class InstanceProcess implements ModelInstance {
  readonly executionProvider: string;
  readonly #inner: ModelInstance;
  readonly #name: string;
  readonly #memory: RunMemory;
  readonly #stub: StubProcess | null;
  readonly #clock: Clock;
  /** null: none, or one that was lost with the process. */
  #run: Run | null = null;
  #innerBusy = false;
  #whenInnerFree: (() => void) | null = null;
  #calledDead = false;

  constructor(inner: ModelInstance, name: string, memory: RunMemory, stub: StubProcess | null, clock: Clock) {
    this.executionProvider = inner.executionProvider;
    this.#inner = inner;
    this.#name = name;
    this.#memory = memory;
    this.#stub = stub;
    this.#clock = clock;
    stub?.whenKilled(() => {
      const run = this.#run;
      this.#run = null;
      if (run !== null) this.#fail(run);
    });
  }

  execute(batch: readonly InferenceRequest[], sink: ExecutionSink): void {
    const run: Run = { batch, sink, startUs: this.#clock.now(), answered: new Set() };
    const refused = this.#isDead ? null : this.#memory.begin(batch);
    if (this.#isDead) this.#fail(run);
    else if (refused !== null) this.#answerAll(run, refused);
    else this.#runInner(run);
  }

  get neverGoes(): boolean {
    return this.#calledDead;
  }

  release(done: () => void): void {
    const release = (): void => this.#inner.release(done);
    if (this.#innerBusy) this.#whenInnerFree = release;
    else release();
  }

  get #isDead(): boolean {
    return this.#stub?.alive === false;
  }

  #runInner(run: Run): void {
    this.#run = run;
    this.#innerBusy = true;
    this.#inner.execute(run.batch, {
      respond: (index, response) => {
        if (this.#run === run) this.#respond(run, index, this.#memory.answer(response));
      },
      done: (report) => {
        this.#innerBusy = false;
        this.#memory.end();
        if (this.#run === run) {
          this.#run = null;
          run.sink.done(report);
        }
        this.#whenInnerFree?.();
      },
    });
  }

  #respond(run: Run, index: number, response: InferenceResponse): void {
    if (run.answered.has(index)) return;
    if (response.final) run.answered.add(index);
    run.sink.respond(index, response);
  }

  #fail(run: Run): void {
    this.#calledDead = true;
    this.#clock.setTimer(HEALTH_WAIT_US, () => this.#answerAll(run, stubIsDead(this.#name)));
  }

  #answerAll(run: Run, error: TritonError): void {
    for (const index of run.batch.keys()) this.#respond(run, index, { final: true, error, outputs: [] });
    const endUs = this.#clock.now();
    run.sink.done({
      computeStartUs: run.startUs,
      computeInputEndUs: endUs,
      computeOutputStartUs: endUs,
      computeEndUs: endUs,
      success: false,
    });
  }
}
