import type { EndpointStatus } from "../aws/runtime/endpoints.ts";
import type { JournalEvent } from "../journal/event.ts";

/** A call of the scenario's traffic and what came of it. */
export interface Call {
  /** How the journal names it. */
  readonly request: string;
  /** Number of the step in `traffic`, from 0. */
  readonly step: number;
  readonly kind: "invoke" | "load" | "unload" | "ask" | "kill" | "restart" | "stop" | "manage";
  readonly model: string | null;
  readonly atUs: number;
  answer: CallAnswer | null;
}

export interface CallAnswer {
  /** Null = nobody answered: the connection broke. */
  readonly status: number | null;
  readonly from: "container" | "platform";
  /** The body; empty where the platform passes on a good answer. */
  readonly text: string;
  /** As boto3 reads it: `ModelError` and the like, else the status; null where no platform was asked, or it passes on a good answer. */
  readonly error: string | null;
  readonly tookUs: number;
  /** Null where no platform was asked. */
  readonly cacheHit: boolean | null;
}

/** What the endpoint of `create_endpoint` became, and when. */
export interface EndpointChange {
  readonly atUs: number;
  readonly status: EndpointStatus | "Deleted";
  readonly failureReason: string | null;
}

/** What a run leaves behind. */
export interface Run {
  /** Without invocations and their good answers, unless an expectation looks for lines of the journal. */
  readonly events: readonly JournalEvent[];
  readonly calls: readonly Call[];
  /** In order; empty where none was created. */
  readonly endpoint: readonly EndpointChange[];
  readonly endUs: number;
  /** Names of the instances, in order. */
  readonly instances: readonly string[];
}

const separator = "\u0000";

/**
 * How things stood, read from the journal up to a moment. What stands at one instance is found by its name; a journal of
 * one instance may leave the name out.
 */
export class Standing {
  /** instance, model -> state and reason. */
  readonly #states = new Map<string, { readonly state: string; readonly reason: string }>();
  /** instance, model, pool -> bytes. */
  readonly #held = new Map<string, number>();
  /** instance, pool -> bytes. */
  readonly #used = new Map<string, number>();
  readonly #highest = new Map<string, number>();

  apply(event: JournalEvent): void {
    const instance = event.instance ?? "";
    switch (event.event) {
      case "model-state":
        this.#states.set(key(instance, event.model ?? ""), event);
        return;
      case "bytes": {
        const held = key(instance, event.model ?? "", event.pool);
        this.#held.set(held, (this.#held.get(held) ?? 0) + event.change);
        this.#setUsed(key(instance, event.pool), event.after);
        return;
      }
      case "unpacked":
        this.#changeUsed(key(instance, "disk"), event.bytes);
        return;
      case "archive-deleted":
        this.#changeUsed(key(instance, "disk"), -event.bytes);
        return;
      case "container-died":
        for (const map of [this.#states, this.#held]) {
          for (const known of map.keys()) if (known.startsWith(`${instance}${separator}`)) map.delete(known);
        }
        for (const known of this.#used.keys()) {
          const [at, pool] = known.split(separator);
          if (at === instance && pool !== "disk") this.#used.set(known, 0);
        }
    }
  }

  /** Models that are READY, each once however many instances have it. @param instance undefined = on any */
  ready(instance?: string): ReadonlySet<string> {
    const found = new Set<string>();
    for (const [known, { state }] of this.#states) {
      const [at, model = ""] = known.split(separator);
      if (state === "READY" && (instance === undefined || at === instance)) found.add(model);
    }
    return found;
  }

  /** Null = never seen. @param instance undefined = the first one that has it */
  state(model: string, instance?: string): { readonly state: string; readonly reason: string } | null {
    for (const [known, state] of this.#states) {
      const [at, name] = known.split(separator);
      if (name === model && (instance === undefined || at === instance)) return state;
    }
    return null;
  }

  /** @param pool undefined = all pools but shm, whose bytes are in host too */
  held(model: string, pool?: string, instance?: string): number {
    let bytes = 0;
    for (const [known, held] of this.#held) {
      const [at, name, where] = known.split(separator);
      if (name !== model || (instance !== undefined && at !== instance)) continue;
      if (pool === undefined ? where !== "shm" : where === pool) bytes += held;
    }
    return bytes;
  }

  /** Of the fullest instance. */
  used(pool: string, instance?: string): number {
    return largest(this.#used, pool, instance);
  }

  highWater(pool: string, instance?: string): number {
    return largest(this.#highest, pool, instance);
  }

  #changeUsed(where: string, change: number): void {
    this.#setUsed(where, Math.max(0, (this.#used.get(where) ?? 0) + change));
  }

  #setUsed(where: string, bytes: number): void {
    this.#used.set(where, bytes);
    if (bytes > (this.#highest.get(where) ?? 0)) this.#highest.set(where, bytes);
  }
}

const key = (...parts: readonly string[]): string => parts.join(separator);

const largest = (bytes: ReadonlyMap<string, number>, pool: string, instance: string | undefined): number => {
  let most = 0;
  for (const [known, value] of bytes) {
    const [at, where] = known.split(separator);
    if (where === pool && (instance === undefined || at === instance)) most = Math.max(most, value);
  }
  return most;
};

/** How things stood at a moment: after all that happened then. */
export const standingAt = ({ events }: Run, atUs: number): Standing => {
  const standing = new Standing();
  for (const event of events) {
    if (event.atUs > atUs) break;
    standing.apply(event);
  }
  return standing;
};
