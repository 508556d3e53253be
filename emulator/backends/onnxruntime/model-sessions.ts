import type { Result, TritonError } from "../../common/status.ts";
import type { OpenRequest } from "./session-protocol.ts";
import type { PartedInput, RunResult, WorkerPool, WorkerSession } from "./worker-pool.ts";

interface Waiting {
  readonly inputs: readonly PartedInput[];
  readonly outputs: readonly string[];
  readonly done: (result: Result<RunResult>) => void;
}

/**
 * The sessions of one model on one device. There may be as many as instances; the second one is opened when two batches
 * first run at once, since a session costs the weights once more. Runs take any session that is idle.
 */
export class ModelSessions {
  readonly #pool: Pick<WorkerPool, "open">;
  readonly #request: OpenRequest;
  readonly #sessions: { readonly session: WorkerSession; busy: boolean }[] = [];
  readonly #waiting: Waiting[] = [];
  #opening = false;
  #instances = 0;
  /** False once another session could not be opened: the instances then take turns with what there is. */
  #mayGrow = true;

  /** @param first the session that is open already */
  constructor(pool: Pick<WorkerPool, "open">, request: OpenRequest, first: WorkerSession) {
    this.#pool = pool;
    this.#request = request;
    this.#sessions.push({ session: first, busy: false });
  }

  addInstance(): void {
    this.#instances++;
  }

  /** Gives back one instance's share; answers when the session is closed, or at once where there is none too many. */
  removeInstance(done: () => void): void {
    this.#instances--;
    const idle = this.#sessions.findIndex(({ busy }) => !busy);
    if (this.#sessions.length <= this.#instances || idle === -1) {
      done();
      return;
    }
    const [entry] = this.#sessions.splice(idle, 1);
    if (entry === undefined) done();
    else entry.session.close(done);
  }

  /** Closes what is left, such as the session of a version whose instances were refused. */
  closeAll(): void {
    this.#instances = 0;
    for (const { session } of this.#sessions.splice(0)) session.close(() => {});
  }

  run(
    inputs: readonly PartedInput[],
    outputs: readonly string[],
    done: (result: Result<RunResult>) => void,
  ): void {
    this.#waiting.push({ inputs, outputs, done });
    this.#dispatch();
    if (this.#waiting.length > 0) this.#openAnother();
  }

  #dispatch(): void {
    for (let at = this.#sessions.length - 1; at >= 0; at--) {
      if (!this.#sessions[at]!.session.alive) this.#sessions.splice(at, 1);
    }
    for (const entry of this.#sessions) {
      if (entry.busy) continue;
      const next = this.#waiting.shift();
      if (next === undefined) return;
      entry.busy = true;
      entry.session.run(next.inputs, next.outputs, (result) => {
        entry.busy = false;
        next.done(result);
        this.#dispatch();
      });
    }
  }

  #openAnother(): void {
    if (this.#opening) return;
    if (this.#sessions.length > 0 && (!this.#mayGrow || this.#sessions.length >= this.#instances)) return;
    this.#opening = true;
    const avoid = this.#sessions.map(({ session }) => session.worker);
    // The file may have been replaced since the load; the running version must not mix with another one.
    this.#pool.open(this.#request, avoid, (result) => {
      this.#opening = false;
      if (result.ok) this.#adopt(result.value);
      else if (this.#sessions.length === 0) this.#failWaiting(result.error);
      else this.#mayGrow = false;
    });
  }

  #adopt(session: WorkerSession): void {
    if (this.#sessions.length >= this.#instances) {
      session.close(() => {});
      return;
    }
    this.#sessions.push({ session, busy: false });
    this.#dispatch();
    if (this.#waiting.length > 0) this.#openAnother();
  }

  #failWaiting(error: TritonError): void {
    for (const { done } of this.#waiting.splice(0)) done({ ok: false, error });
  }
}
