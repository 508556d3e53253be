import type { LedgerEvent } from "../core/memory/ledger.ts";
import type { PoolName } from "../core/memory/memory-account.ts";
import type { ModelStateChange } from "../core/model-lifecycle/model-lifecycle.ts";
import type { EventBody, EventSubject, JournalWriter } from "./event.ts";

/** Writes what happens inside one tritonserver, from its start to its end: its memory and the states of its models. */
export class ServerEvents {
  readonly #journal: JournalWriter;
  readonly #instance: string | undefined;
  /** Used bytes, as the events so far add up. */
  readonly #used = new Map<PoolName, number>();

  /** @param instance its name among several behind one endpoint */
  constructor(journal: JournalWriter, instance?: string) {
    this.#journal = journal;
    this.#instance = instance;
  }

  modelState({ identifier, version, state, reason }: ModelStateChange): void {
    this.#write(identifier.name, { event: "model-state", version, state, reason });
  }

  memory(event: LedgerEvent): void {
    switch (event.type) {
      case "taken":
        this.#bytes(event.allocation, event.allocation.bytes, event.allocation.cause);
        return;
      case "returned":
        this.#bytes(event.allocation, -event.allocation.bytes, event.reason);
        return;
      case "refused":
        this.#write(modelName(event.owner.model), {
          event: "refused",
          pool: event.pool,
          asked: event.askedBytes,
          free: event.freeBytes,
          text: event.error.message,
        });
        return;
      case "killed":
        this.#write(modelName(event.victim?.model), {
          event: "killed",
          process: event.process,
          residentBytes: event.residentBytes,
          rule: event.rule,
          tied: event.tied,
          newcomer: modelName(event.newcomer.model) ?? event.newcomer.backend ?? event.process,
          asked: event.askedBytes,
          free: event.freeBytes,
        });
        return;
      case "freeze-risk":
        this.#write(modelName(event.owner.model), { event: "freeze-risk", free: event.freeBytes });
    }
  }

  #bytes(
    { owner, process, pool, kind }: Extract<LedgerEvent, { type: "taken" }>["allocation"],
    change: number,
    cause: string,
  ): void {
    const before = this.#used.get(pool) ?? 0;
    const after = before + change;
    this.#used.set(pool, after);
    this.#write(modelName(owner.model), {
      event: "bytes",
      process,
      pool,
      kind,
      change,
      before,
      after,
      cause,
    });
  }

  #write(model: string | undefined, body: EventBody): void {
    if (!this.#journal.enabled) return;
    const subject: EventSubject = {
      ...(this.#instance === undefined ? {} : { instance: this.#instance }),
      ...(model === undefined ? {} : { model }),
    };
    this.#journal.write({ ...subject, ...body });
  }
}

/** Without its namespace: the name its users know it by. */
export const modelName = (identifier: string | undefined): string | undefined => {
  const end = identifier?.indexOf("::") ?? -1;
  return end < 0 ? identifier : identifier?.slice(end + 2);
};
