import { Worker } from "node:worker_threads";
import type { Clock } from "../../common/clock.ts";
import { type Result, TritonError } from "../../common/status.ts";
import type { DataType } from "../../core/tensor/data-type.ts";
import { runtimeError } from "./runtime-error.ts";
import type {
  ModelDescription,
  OpenRequest,
  RunOutput,
  SessionFailure,
  SharedInput,
  WorkerReply,
  WorkerRequest,
} from "./session-protocol.ts";
import { switchOffTelemetry } from "./telemetry.ts";

/** One input of a run in the pieces it came in; each is copied once, into the memory that the worker reads. */
export interface PartedInput {
  readonly name: string;
  readonly dataType: DataType;
  readonly shape: readonly number[];
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
}

export interface RunResult {
  readonly outputs: readonly RunOutput[];
  /** Time in ONNX Runtime alone, in microseconds. */
  readonly runUs: number;
}

/** A session that lives in a worker thread. One request at a time. */
export interface WorkerSession {
  readonly description: ModelDescription;
  /** False once its thread is gone. */
  readonly alive: boolean;
  /** Number of the thread, to spread the sessions of one model. */
  readonly worker: number;
  run(
    inputs: readonly PartedInput[],
    outputs: readonly string[],
    done: (result: Result<RunResult>) => void,
  ): void;
  close(done: () => void): void;
}

/**
 * A fixed number of threads that all models share. Each starts when it is first needed and stays, so that loading and
 * unloading starts no thread; one that dies is replaced when the next session is opened.
 */
export class WorkerPool {
  readonly #size: number;
  readonly #entry: URL;
  readonly #workers: SessionWorker[] = [];
  readonly #clock: Pick<Clock, "hold">;
  #nextSession = 1;

  /**
   * @param clock held while a thread works
   * @param entry the threads' program; another one only in tests
   */
  constructor(size: number, clock: Pick<Clock, "hold">, entry: URL = sessionWorkerEntry()) {
    switchOffTelemetry();
    this.#clock = clock;
    this.#size = Math.max(1, size);
    this.#entry = entry;
  }

  /**
   * Opens a session on the thread that has fewest, those in `avoid` last.
   * @param avoid threads that already hold a session of the same model
   */
  open(request: OpenRequest, avoid: readonly number[], done: (result: Result<WorkerSession>) => void): void {
    const worker = this.#choose(avoid);
    const session = this.#nextSession++;
    worker.send(session, { kind: "open", session, request }, (result) => {
      if (!result.ok) done(result);
      else if (result.value.kind === "opened") {
        done({ ok: true, value: new PooledSession(worker, session, result.value.description) });
      }
    });
  }

  stop(): Promise<void> {
    return Promise.all(this.#workers.map((worker) => worker.stop())).then(() => undefined);
  }

  #choose(avoid: readonly number[]): SessionWorker {
    const living = this.#workers.filter((worker) => worker.alive);
    const free = living.filter((worker) => !avoid.includes(worker.number));
    const best = leastLoaded(free);
    if (best !== null && (best.sessions === 0 || living.length >= this.#size)) return best;
    if (living.length < this.#size) return this.#start();
    return leastLoaded(living) ?? this.#start();
  }

  #start(): SessionWorker {
    const vacant = this.#workers.findIndex((worker) => !worker.alive);
    const number = vacant === -1 ? this.#workers.length : vacant;
    const worker = new SessionWorker(number, this.#clock, this.#entry);
    this.#workers[number] = worker;
    return worker;
  }
}

/** The built package holds .js files, the sources .ts ones. */
const sessionWorkerEntry = (): URL =>
  new URL(import.meta.url.endsWith(".ts") ? "./session-worker.ts" : "./session-worker.js", import.meta.url);

const leastLoaded = (workers: readonly SessionWorker[]): SessionWorker | null => {
  let best: SessionWorker | null = null;
  for (const worker of workers) {
    if (best === null || worker.sessions < best.sessions) best = worker;
  }
  return best;
};

type ReplyHandler = (result: Result<Exclude<WorkerReply, { kind: "failed" }>>) => void;

/** The main thread's end of one thread. */
class SessionWorker {
  readonly number: number;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, ReplyHandler>();
  readonly #gone: Promise<void>;
  readonly #clock: Pick<Clock, "hold">;
  #stopping = false;
  alive = true;
  /** Open sessions and those being opened. */
  sessions = 0;

  constructor(number: number, clock: Pick<Clock, "hold">, entry: URL) {
    this.number = number;
    this.#clock = clock;
    this.#worker = new Worker(entry, { name: `onnxruntime-${number}` });
    this.#worker.unref();
    this.#worker.on("message", (reply: WorkerReply) => this.#onReply(reply));
    this.#worker.on("error", (error) =>
      this.#onDeath(error instanceof Error ? error.message : String(error)),
    );
    this.#gone = new Promise((resolve) => {
      this.#worker.once("exit", (code) => {
        this.#onDeath(`exit code ${code}`);
        resolve();
      });
    });
  }

  send(session: number, request: WorkerRequest, done: ReplyHandler): void {
    if (!this.alive) {
      done({ ok: false, error: threadGone("the thread is gone") });
      return;
    }
    if (request.kind === "open") this.sessions++;
    if (this.#waiting.size === 0) this.#worker.ref();
    const release = this.#clock.hold();
    this.#waiting.set(session, (result) => {
      release();
      done(result);
    });
    this.#worker.postMessage(request);
  }

  async stop(): Promise<void> {
    if (this.alive) {
      this.#stopping = true;
      this.#worker.ref();
      this.#worker.postMessage({ kind: "stop" } satisfies WorkerRequest);
    }
    await this.#gone;
  }

  #onReply(reply: WorkerReply): void {
    const done = this.#waiting.get(reply.session);
    this.#waiting.delete(reply.session);
    if (this.#waiting.size === 0 && !this.#stopping) this.#worker.unref();
    if (reply.kind === "closed") this.sessions--;
    if (reply.kind !== "failed") {
      done?.({ ok: true, value: reply });
      return;
    }
    done?.({ ok: false, error: errorOf(reply.failure) });
  }

  #onDeath(reason: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.sessions = 0;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const done of waiting) done({ ok: false, error: threadGone(reason) });
  }
}

const threadGone = (reason: string): TritonError =>
  new TritonError("INTERNAL", `thread of ONNX Runtime ended: ${reason}`);

export const errorOf = (failure: SessionFailure): TritonError =>
  failure.kind === "ort" ? runtimeError(failure.text) : new TritonError("INTERNAL", failure.text);

class PooledSession implements WorkerSession {
  readonly description: ModelDescription;
  readonly #worker: SessionWorker;
  readonly #session: number;
  #memory: SharedArrayBuffer | null = null;

  constructor(worker: SessionWorker, session: number, description: ModelDescription) {
    this.#worker = worker;
    this.#session = session;
    this.description = description;
  }

  get alive(): boolean {
    return this.#worker.alive;
  }

  get worker(): number {
    return this.#worker.number;
  }

  run(
    inputs: readonly PartedInput[],
    outputs: readonly string[],
    done: (result: Result<RunResult>) => void,
  ): void {
    const grown = this.#reserve(inputs);
    const shared = shareInputs(inputs, this.#memory);
    this.#worker.send(
      this.#session,
      { kind: "run", session: this.#session, inputs: shared, outputs, memory: grown ? this.#memory : null },
      (result) => {
        if (!result.ok) done(result);
        else if (result.value.kind === "ran") done({ ok: true, value: result.value });
      },
    );
  }

  close(done: () => void): void {
    this.#worker.send(this.#session, { kind: "close", session: this.#session }, () => done());
  }

  /** Input memory stays at its high-water mark: pages already touched are what makes the copy cheap. */
  #reserve(inputs: readonly PartedInput[]): boolean {
    let needed = 0;
    for (const input of inputs) needed += sharedPart(input) === null ? aligned(input.byteLength) : 0;
    if (needed <= (this.#memory?.byteLength ?? 0)) return false;
    this.#memory = new SharedArrayBuffer(Math.max(SMALLEST_MEMORY, 2 ** Math.ceil(Math.log2(needed))));
    return true;
  }
}

const SMALLEST_MEMORY = 4096;
const ALIGNMENT = 64;

const aligned = (byteLength: number): number => Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;

/** The one piece of an input that lies in shared memory already, such as a front end's slab; null where it has to be copied. */
const sharedPart = ({
  parts,
}: PartedInput): { readonly memory: SharedArrayBuffer; readonly offset: number } | null => {
  const [part] = parts;
  if (parts.length !== 1 || part === undefined) return null;
  return part.buffer instanceof SharedArrayBuffer ? { memory: part.buffer, offset: part.byteOffset } : null;
};

const shareInputs = (inputs: readonly PartedInput[], own: SharedArrayBuffer | null): SharedInput[] => {
  const bytes = own === null ? null : new Uint8Array(own);
  let offset = 0;
  return inputs.map((input) => {
    const { name, dataType, shape, parts, byteLength } = input;
    const shared = sharedPart(input);
    if (shared !== null) return { name, dataType, shape, byteLength, ...shared };
    let at = offset;
    for (const part of parts) {
      bytes?.set(part, at);
      at += part.length;
    }
    const copied = { name, dataType, shape, memory: null, offset, byteLength };
    offset += aligned(byteLength);
    return copied;
  });
};
