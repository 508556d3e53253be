import type { HttpReply } from "./reply.ts";

interface Worker {
  /** A load or an unload runs on it. */
  blocked: boolean;
  /** Answers that are ready and cannot leave. */
  readonly held: (() => void)[];
}

type Answer = (reply: HttpReply) => void;

/**
 * The threads of one of the real server's HTTP ports, as far as one of them holds up others: a load or an unload occupies its
 * thread until it ends. A thread that only waits for a model's answer counts as idle, so the load comes to that very thread,
 * and the answer cannot leave before the load has ended. Who comes while all are occupied waits for the first that ends
 * (2.51.0).
 */
export class Workers {
  readonly #workers: readonly Worker[];
  /** What came while every worker was blocked. */
  readonly #queue: ((worker: Worker) => void)[] = [];

  /** @param count `--http-thread-count`, `--sagemaker-thread-count` */
  constructor(count: number) {
    this.#workers = Array.from({ length: Math.max(1, count) }, () => ({ blocked: false, held: [] }));
  }

  /**
   * @param occupies it is a load or an unload
   * @param answer sends the answer
   * @param handle is called when a thread takes the request, with what it is to answer to
   */
  run(occupies: boolean, answer: Answer, handle: (answer: Answer) => void): void {
    const begin = (worker: Worker): void => {
      if (occupies) worker.blocked = true;
      handle((reply) => {
        if (worker.blocked && !occupies) {
          worker.held.push(() => answer(reply));
          return;
        }
        answer(reply);
        if (occupies) this.#release(worker);
      });
    };
    const free = this.#workers.find(({ blocked }) => !blocked);
    if (free === undefined) this.#queue.push(begin);
    else begin(free);
  }

  #release(worker: Worker): void {
    worker.blocked = false;
    for (const send of worker.held.splice(0)) send();
    while (!worker.blocked) {
      const begin = this.#queue.shift();
      if (begin === undefined) return;
      begin(worker);
    }
  }
}
