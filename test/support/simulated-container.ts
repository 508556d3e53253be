import { type Log, silentLog } from "../../emulator/common/log.ts";
import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import { type FaultSource, noFaults } from "../../emulator/core/faults/fault-source.ts";
import type { Machine } from "../../emulator/core/memory/machine.ts";
import type { MemoryProfiles } from "../../emulator/core/memory/profile.ts";
import { Journal } from "../../emulator/journal/journal.ts";
import { createSimulatedContainer } from "../../emulator/simulation/simulated-container.ts";
import { backendDocument, profilesOf, serverDocument, smallMachine } from "./ledger-fixture.ts";

/** An answer of a container as a test reads it; null = nobody answered. */
export interface SeenAnswer {
  readonly atUs: number;
  readonly status: number | null;
  readonly text: string;
  readonly headers: readonly string[];
}

export interface SimulationOptions {
  readonly machine?: Machine;
  readonly profiles?: MemoryProfiles;
  readonly faults?: FaultSource;
  readonly log?: Log;
  readonly instance?: string;
}

/** A started container on a virtual clock, and what came of the calls. On the small machine tritonserver takes 100 bytes. */
export class SimulatedContainerFixture {
  readonly clock = new VirtualClock();
  readonly journal: Journal;
  readonly #made;

  constructor({
    machine = smallMachine,
    profiles = profilesOf(
      serverDocument({ private_bytes: 100 }),
      backendDocument("synthetic", { failure: "CUDA out of memory. Tried to allocate {bytes} bytes" }),
      backendDocument("python", { stub: { private_bytes: 10, shm_bytes: 100 } }),
    ),
    faults = noFaults,
    log = silentLog,
    ...rest
  }: SimulationOptions = {}) {
    const run = { seed: 1, machine: machine.name, profile: "test", policy: null, scenario: null };
    this.journal = new Journal({ clock: this.clock, run });
    this.#made = createSimulatedContainer({
      clock: this.clock,
      machine,
      profiles,
      journal: this.journal,
      faults,
      seed: 1,
      log,
      ...rest,
    });
    this.container.start((error) => {
      if (error !== null) throw error;
    });
    this.clock.settle();
  }

  get container() {
    return this.#made.container;
  }

  get storage() {
    return this.#made.storage;
  }

  /** Writes the model `<name>.tar.gz` as it is unpacked below the hash `h-<name>`. */
  put(name: string, parameters: Readonly<Record<string, string | number>> = {}, kind = "KIND_CPU"): void {
    const declared = Object.entries(parameters).map(
      ([key, value]) => `parameters { key: "${key}" value { string_value: "${value}" } }`,
    );
    const folder = `/opt/ml/models/h${name}/model/${name}`;
    this.storage.write(`${folder}/1/`);
    this.storage.write(
      `${folder}/config.pbtxt`,
      `backend: "synthetic"
       input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
       output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
       instance_group { kind: ${kind} count: 1 }
       ${declared.join("\n")}`,
    );
  }

  load(name: string): SeenAnswer[] {
    return this.#answers((answered) =>
      this.container.load({ ...call(name), url: `/opt/ml/models/h${name}/model` }, answered),
    );
  }

  unload(name: string): SeenAnswer[] {
    return this.#answers((answered) => this.container.unload(call(name), answered));
  }

  invoke(name: string): SeenAnswer[] {
    const inputs = [{ name: "IN", datatype: "INT32", shape: [1], data: [7] }];
    const body = Buffer.from(JSON.stringify({ inputs }));
    const headers = ["Content-Type", "application/json"];
    return this.#answers((answered) => this.container.invoke({ ...call(name), headers, body }, answered));
  }

  ping(): SeenAnswer[] {
    return this.#answers((answered) => this.container.ping(answered));
  }

  list(): SeenAnswer[] {
    return this.#answers((answered) => this.container.list(answered));
  }

  /** A request of any form, as it comes over a wire. */
  call(
    method: string,
    path: string,
    body = "",
    headers: ReadonlyMap<string, string> = new Map(),
  ): SeenAnswer[] {
    return this.#answers((answered) =>
      this.container.handle({
        head: { method, path, headers },
        body: Buffer.from(body),
        reply: ({ status, headers: own, body: parts, breakAfterBytes }) =>
          answered(
            breakAfterBytes === undefined ? { status, headers: own, body: Buffer.concat(parts) } : null,
          ),
      }),
    );
  }

  post(path: string, body: string): SeenAnswer[] {
    return this.call("POST", path, body);
  }

  /** The journal from its second line on, one event with its model each. */
  events(): string[] {
    return this.journal
      .events()
      .flatMap(({ event, model }) =>
        event === "bytes" || event === "run" ? [] : [model === undefined ? event : `${event} ${model}`],
      );
  }

  /** What is answered at once is there when it returns. */
  #answers(begin: (answered: Parameters<typeof this.container.ping>[0]) => void): SeenAnswer[] {
    const answers: SeenAnswer[] = [];
    begin((answer) => {
      answers.push({
        atUs: this.clock.now(),
        status: answer?.status ?? null,
        text: Buffer.from(answer?.body ?? []).toString(),
        headers: answer?.headers ?? [],
      });
    });
    this.clock.settle();
    return answers;
  }
}

const call = (name: string) => ({ modelName: `h${name}`, targetModel: `${name}.tar.gz` });
