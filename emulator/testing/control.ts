import type { EffectName } from "../core/faults/effects.ts";
import type { FaultOperation } from "../core/faults/fault-source.ts";
import type { Imitation } from "../core/faults/imitations.ts";
import type { PoolName } from "../core/memory/memory-account.ts";
import type { JournalEvent } from "../journal/event.ts";
import { readJournal } from "../journal/event-text.ts";
import type { JournalQuery } from "../journal/journal.ts";

/** A rule in the words of docs/faults.md. One that could never strike is refused by the emulator. */
export type FaultInput =
  | {
      readonly operation: FaultOperation;
      readonly effect: EffectName;
      /** Exact, or with `*` and `?`; absent = every model. */
      readonly model?: string;
      readonly name?: string;
      readonly nth?: number;
      readonly first?: number;
      readonly every?: number;
      readonly probability?: number;
      readonly seed?: number;
      readonly times?: number;
      readonly message?: string;
      /** `500ms`, `20s`, `1min`. */
      readonly delay?: string;
      readonly after_bytes?: number;
    }
  | { readonly imitate: Imitation };

/** A pool of an instance's memory, in bytes. */
export interface PoolMemory {
  readonly pool: PoolName;
  readonly capacityBytes: number;
  /** Of it not for models. */
  readonly reserveBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** The most that was used since its tritonserver started. */
  readonly highWaterBytes: number;
}

export interface InstanceMemory {
  /** Null = the only one, without an endpoint in front. */
  readonly instance: string | null;
  readonly machine: string;
  readonly pools: readonly PoolMemory[];
  /** What each model holds, by pool, in bytes. */
  readonly models: readonly {
    readonly model: string;
    readonly byPool: Readonly<Partial<Record<PoolName, number>>>;
  }[];
}

/** Empty `instances` = no machine is emulated. */
export interface MemoryReport {
  readonly instances: readonly InstanceMemory[];
}

/** What a test asks of a running emulator and does to it, wherever that runs. Each rejects when the emulator refuses. */
export interface EmulatorControl {
  /**
   * As after the start: no model in memory but those loaded at the start, an empty journal, no metrics, no faults. What was
   * created in the services of AWS, such as endpoints and objects, stays.
   */
  reset(): Promise<void>;
  /** What has happened since the start or the last reset, oldest first (docs/journal.md). */
  journal(query?: JournalQuery): Promise<readonly JournalEvent[]>;
  /** Why a request failed or took so long, or why a model is in memory or not, or what became of an endpoint; says so where it is not known. */
  explain(requestModelOrEndpoint: string): Promise<string>;
  readonly faults: {
    /** All of them or, where one is refused, none. */
    add(...rules: readonly FaultInput[]): Promise<void>;
    clear(): Promise<void>;
  };
  memory(): Promise<MemoryReport>;
  /**
   * Moves the emulator's clock ahead, by `90s`, `15min` or `2h`, at most 30 days: alarms, cooldowns, idle timeouts and all
   * else that waits happens at its time on the way. Resolves to the new time when that has come, and what it set off has
   * settled: instances that were to start have done so, where they take no time of the clock.
   */
  advance(time: string): Promise<Date>;
}

/** Speaks with `/_emulator/`. */
export class ControlClient implements EmulatorControl {
  readonly faults = {
    add: async (...rules: readonly FaultInput[]): Promise<void> => {
      await this.#call("POST", "faults", rules);
    },
    clear: async (): Promise<void> => {
      await this.#call("DELETE", "faults");
    },
  };
  readonly #url: string;

  /** @param url of the port, without a path */
  constructor(url: string) {
    this.#url = url;
  }

  async reset(): Promise<void> {
    await this.#call("POST", "reset");
  }

  async journal({ model, request, instance, sinceUs }: JournalQuery = {}): Promise<readonly JournalEvent[]> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ model, request, instance, since: sinceUs })) {
      if (value !== undefined) query.set(name, String(value));
    }
    const events = readJournal(await (await this.#call("GET", `journal?${query}`)).text());
    if (!events.ok) throw new Error(`the journal of ${this.#url} is none: ${events.error.message}`);
    return events.value;
  }

  async explain(requestModelOrEndpoint: string): Promise<string> {
    const ask = (kind: string): Promise<Response> =>
      this.#fetch("GET", `explain?${kind}=${encodeURIComponent(requestModelOrEndpoint)}`);
    let answer = await ask("request");
    if (answer.status === 404) {
      const ofModel = await ask("model");
      const ofEndpoint = ofModel.status === 404 ? await ask("endpoint") : ofModel;
      answer = ofEndpoint.status === 404 ? ofModel : ofEndpoint;
    }
    if (answer.status !== 200 && answer.status !== 404) throw await refusal("explain", answer);
    return answer.text();
  }

  async memory(): Promise<MemoryReport> {
    return memoryReport(await (await this.#call("GET", "memory")).json());
  }

  async advance(time: string): Promise<Date> {
    const answer: unknown = await (await this.#call("POST", "clock", { advance: time })).json();
    if (isRecord(answer) && typeof answer.now === "string") return new Date(answer.now);
    throw new Error("what answers at /_emulator/clock is not triton-local");
  }

  async #call(method: string, path: string, body?: unknown): Promise<Response> {
    const answer = await this.#fetch(method, path, body);
    if (!answer.ok) throw await refusal(`${method} /_emulator/${path}`, answer);
    return answer;
  }

  async #fetch(method: string, path: string, body?: unknown): Promise<Response> {
    try {
      return await fetch(`${this.#url}/_emulator/${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw new Error(`the emulator at ${this.#url} does not answer: has it been stopped?`, { cause });
    }
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** In the emulator's own words where it has some. */
const refusal = async (what: string, answer: Response): Promise<Error> => {
  const text = await answer.text();
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    read = null;
  }
  const error = isRecord(read) && isRecord(read.error) ? read.error : null;
  const why = error === null ? `${answer.status} ${text.trim()}` : `${error.message} (${error.howToFix})`;
  return new Error(`${what}: ${why}`);
};

const memoryReport = (value: unknown): MemoryReport => {
  if (isMemoryReport(value)) return value;
  throw new Error("what answers at /_emulator/memory is not triton-local");
};

/** What this very emulator writes needs no closer look. */
const isMemoryReport = (value: unknown): value is MemoryReport =>
  isRecord(value) &&
  Array.isArray(value.instances) &&
  value.instances.every(
    (instance: unknown) =>
      isRecord(instance) && Array.isArray(instance.pools) && Array.isArray(instance.models),
  );
