import type { ContainerExchange } from "./container-exchange.ts";

interface Worker {
  /** A load or an unload runs on it. */
  blocked: boolean;
  /** Exchanges that came while every worker was blocked. */
  readonly queue: (() => void)[];
  /** Answers that are ready and cannot leave. */
  readonly held: (() => void)[];
}

/**
 * The threads of the real server's container API, as far as one of them holds up others: a load or an unload occupies its
 * thread until it ends. A thread that only waits for a model's answer counts as idle, so the load comes to that very thread,
 * and the answer cannot leave before the load has ended (2.51.0).
 */
export class Workers {
  readonly #workers: readonly Worker[];

  /** @param count `--sagemaker-thread-count` */
  constructor(count: number) {
    this.#workers = Array.from({ length: Math.max(1, count) }, () => ({
      blocked: false,
      queue: [],
      held: [],
    }));
  }

  /** @param occupies it is a load or an unload */
  run(exchange: ContainerExchange, occupies: boolean, handle: (exchange: ContainerExchange) => void): void {
    const worker = this.#workers.find(({ blocked }) => !blocked) ?? this.#shortest();
    const begin = (): void => {
      if (occupies) worker.blocked = true;
      handle({
        head: exchange.head,
        body: exchange.body,
        reply: (reply) => {
          if (worker.blocked && !occupies) {
            worker.held.push(() => exchange.reply(reply));
            return;
          }
          exchange.reply(reply);
          if (occupies) release(worker);
        },
      });
    };
    if (worker.blocked) worker.queue.push(begin);
    else begin();
  }

  #shortest(): Worker {
    return this.#workers.reduce((best, worker) => (worker.queue.length < best.queue.length ? worker : best));
  }
}

const release = (worker: Worker): void => {
  worker.blocked = false;
  for (const send of worker.held.splice(0)) send();
  while (!worker.blocked) {
    const begin = worker.queue.shift();
    if (begin === undefined) return;
    begin();
  }
};
