import type { LedgerEvent } from "../core/memory/ledger.ts";
import type { PoolName } from "../core/memory/memory-account.ts";
import type { ModelStateChange } from "../core/model-lifecycle/model-lifecycle.ts";
import type { ModelState } from "../core/model-lifecycle/transitions.ts";
import type { AgentAction, EventBody, EventSubject, JournalWriter } from "./event.ts";

export interface ServerEventsOptions {
  /** Its name among several behind one endpoint. */
  readonly instance?: string | undefined;
  /** Whether the real server's failing of that name is imitated (docs/faults.md); absent = none is. */
  readonly imitates?: ((name: string) => boolean) | undefined;
}

/** A version of a model with repository agents, as they have come to know it. */
interface AgentsView {
  state: ModelState;
  unloads: number;
}

/**
 * Writes what happens inside one tritonserver, from its start to its end: its memory, the states of its models and what
 * their repository agents are told.
 */
export class ServerEvents {
  readonly #journal: JournalWriter;
  readonly #instance: string | undefined;
  /** Used bytes, as the events so far add up. */
  readonly #used = new Map<PoolName, number>();
  readonly #imitates: (name: string) => boolean;
  /** By namespace, name and version. */
  readonly #agentsViews = new Map<string, AgentsView>();

  constructor(journal: JournalWriter, { instance, imitates = () => false }: ServerEventsOptions = {}) {
    this.#journal = journal;
    this.#instance = instance;
    this.#imitates = imitates;
  }

  modelState(change: ModelStateChange): void {
    const { identifier, version, state, reason, agents } = change;
    this.#write(identifier.name, { event: "model-state", version, state, reason });
    const action = agents.length === 0 ? null : this.#agentAction(change);
    if (action === null) return;
    for (const agent of agents) this.#write(identifier.name, { event: "agent-action", agent, action });
  }

  /** Null = the agents are told nothing. */
  #agentAction({ identifier, version, state }: ModelStateChange): AgentAction | null {
    const key = `${identifier.namespace}::${identifier.name}:${version}`;
    const view = this.#agentsViews.get(key) ?? { state: "UNKNOWN", unloads: 0 };
    this.#agentsViews.set(key, view);
    const action = actionOf(view.state, state);
    view.state = state;
    if (action === "UNLOAD") view.unloads++;
    const isOfUnload = action === "UNLOAD" || action === "UNLOAD_COMPLETE";
    return isOfUnload && view.unloads > 1 && this.#imitates("second-unload-not-signalled") ? null : action;
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

const actionOf = (before: ModelState, state: ModelState): AgentAction | null => {
  switch (state) {
    case "UNKNOWN":
      return null;
    case "LOADING":
      return "LOAD";
    case "READY":
      return "LOAD_COMPLETE";
    case "UNLOADING":
      return "UNLOAD";
    case "UNAVAILABLE":
      return before === "UNLOADING" ? "UNLOAD_COMPLETE" : "LOAD_FAIL";
  }
};

/** Without its namespace: the name its users know it by. */
export const modelName = (identifier: string | undefined): string | undefined => {
  const end = identifier?.indexOf("::") ?? -1;
  return end < 0 ? identifier : identifier?.slice(end + 2);
};
