import { expect, test } from "vitest";
import { Random } from "../../emulator/common/random.ts";
import type { ModelState } from "../../emulator/core/model-lifecycle/transitions.ts";
import { type Call, type ControlCall, CoreFixture, modelConfig } from "../support/core-fixture.ts";
import { LimitedAccount } from "../support/limited-account.ts";
import { backendError } from "../support/scripted-backend.ts";

/**
 * Runs a server through random loads, unloads, reloads, requests, cancels, failures and pauses. Whatever happens, every
 * accepted request gets exactly one final response (the fixture's Call throws on a second), every load and unload is
 * answered once, versions change state only as they may, and nothing stays reserved.
 */

/** `SIMULATION_SEED` replays one run; each run prints its seed when it fails. */
const given = process.env.SIMULATION_SEED;
const seeds = given === undefined ? Array.from({ length: 8 }, (_, index) => 1000 + index) : [Number(given)];
const STEPS = 400;

const models: Readonly<Record<string, string>> = {
  plain: "",
  batching:
    "max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 500 }",
  limited: `max_batch_size: 4 dynamic_batching { preserve_ordering: true
    default_queue_policy { max_queue_size: 5 default_timeout_microseconds: 3000 allow_timeout_override: true } }`,
  delaying: `max_batch_size: 2 dynamic_batching { priority_levels: 3 default_priority_level: 2
    default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 2000 } }`,
  sequences: "max_batch_size: 4 sequence_batching { direct { } max_sequence_idle_microseconds: 20000 }",
  candidates: `max_batch_size: 4 sequence_batching {
    oldest { max_candidate_sequences: 3 max_queue_delay_microseconds: 300 } max_sequence_idle_microseconds: 20000 }`,
};
const names = Object.keys(models);

/** The states a version may be seen in after another, whatever lies between two looks. */
const mayFollow: Readonly<Record<ModelState, readonly ModelState[]>> = {
  UNKNOWN: ["LOADING"],
  LOADING: ["READY", "UNAVAILABLE", "UNLOADING"],
  READY: ["UNLOADING"],
  UNLOADING: ["UNAVAILABLE", "LOADING"],
  UNAVAILABLE: ["LOADING"],
};

const isModelState = (text: string): text is ModelState => Object.hasOwn(mayFollow, text);

const reachable = (from: ModelState): Set<ModelState> => {
  const reached = new Set<ModelState>([from]);
  for (const state of reached) for (const next of mayFollow[state]) reached.add(next);
  return reached;
};

class Simulation {
  readonly #random: Random;
  readonly #fixture: CoreFixture;
  /** Room for most models, but not for all of them with a second copy. */
  readonly #account = new LimitedAccount(7_000);
  readonly #calls: Call[] = [];
  readonly #controls: ControlCall[] = [];
  readonly #states = new Map<string, ModelState>();
  /** Which sequence a request belongs to, by its id. */
  readonly #sequenceOf = new Map<string, string>();
  /** Accepted ends by model and sequence id. */
  readonly #ends = new Map<string, number>();
  #sent = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#fixture = new CoreFixture({
      models: Object.fromEntries(names.map((name) => [name, this.#model(name)])),
      account: this.#account,
      modelLoadThreadCount: 2,
    });
    const { backend } = this.#fixture;
    backend.failInitialize = () => (this.#oneIn(8) ? backendError("no weights") : null);
    backend.failCreate = () => (this.#oneIn(10) ? backendError("no room") : null);
    backend.outcomeOf = () => (this.#oneIn(12) ? { error: backendError("batch") } : {});
    backend.durationOf = () => this.#below(4) * 400;
    backend.responsesOf = () => [
      ...(this.#oneIn(5) ? [{ final: false, outputs: [] }] : []),
      this.#oneIn(15)
        ? { final: true, error: backendError("one"), outputs: [] }
        : { final: true, outputs: [] },
    ];
    this.#fixture.start();
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) {
      this.#act();
      this.#checkStates();
      this.#checkCounters();
    }
    this.#fixture.clock.advance(60_000_000);
    this.#checkAnswers();
    for (const name of names) this.#controls.push(this.#fixture.unload(name));
    this.#fixture.clock.advance(60_000_000);
    this.#checkAnswers();
    this.#checkBatches();
    this.#checkNothingLeft();
  }

  #act(): void {
    const fixture = this.#fixture;
    const name = names[this.#below(names.length)]!;
    switch (this.#below(16)) {
      case 0:
      case 1:
        this.#controls.push(fixture.load(name));
        return;
      case 2:
        this.#controls.push(fixture.unload(name));
        return;
      case 3:
        fixture.storage.touch(`repository/${name}/1/model.bin`);
        this.#controls.push(fixture.load(name));
        return;
      case 4:
        fixture.putModel(name, this.#model(name));
        this.#controls.push(fixture.load(name));
        return;
      case 5:
        fixture.backend.initializeUs = this.#below(3) * 1_500;
        fixture.backend.createUs = this.#below(3) * 300;
        fixture.backend.releaseUs = this.#below(3) * 700;
        return;
      case 6:
        this.#calls.at(-1 - this.#below(5))?.request.cancel();
        return;
      case 7:
      case 8:
      case 9:
        fixture.clock.advance(this.#below(5_000));
        return;
      default:
        for (let count = this.#below(6); count >= 0; count--) this.#calls.push(this.#send(name));
    }
  }

  #send(name: string): Call {
    const id = `${name}#${this.#sent++}`;
    const sequenceId = 1 + this.#below(6);
    const sequence = { sequenceId, sequenceStart: this.#oneIn(3), sequenceEnd: this.#oneIn(4) };
    const call = this.#fixture.infer(name, {
      id,
      ...(name === "sequences" || name === "candidates" ? sequence : {}),
      ...(name === "batching" || name === "limited" ? { rows: 1 + this.#below(3) } : {}),
      priority: this.#below(5),
      timeoutUs: this.#below(3) * 500,
    });
    if (call.refused === null) {
      const ends = this.#ends.get(`${name} ${sequenceId}`) ?? 0;
      this.#sequenceOf.set(id, `${sequenceId} after ${ends} ends`);
      if (sequence.sequenceEnd) this.#ends.set(`${name} ${sequenceId}`, ends + 1);
    }
    return call;
  }

  /** Instances and versions change from time to time, what the model does never. */
  #model(name: string) {
    const policy = ["latest { num_versions: 1 }", "all { }", "specific { versions: [ 1 ] }"][this.#below(3)]!;
    return {
      config: modelConfig(`${models[name]} version_policy { ${policy} }`, 1 + this.#below(3)),
      versions: [1, 2],
    };
  }

  #checkStates(): void {
    for (const row of this.#fixture.index()) {
      const [key = "", state] = row.split(" ");
      if (state === undefined) continue;
      if (!isModelState(state)) throw new Error(`unknown state ${state}`);
      const before = this.#states.get(key) ?? "UNKNOWN";
      expect([...reachable(before)], `${key} after ${before}`).toContain(state);
      this.#states.set(key, state);
    }
  }

  #checkCounters(): void {
    for (const { model, pending } of this.#fixture.metrics.models()) {
      expect(pending, `pending requests of ${model}`).toBeGreaterThanOrEqual(0);
    }
    expect(this.#account.used("host")).toBeLessThanOrEqual(this.#account.limit);
  }

  /** No batch is too large, and a sequence has one request in it at most; an id is free again after its END. */
  #checkBatches(): void {
    for (const { model, requests, ids } of this.#fixture.backend.runs) {
      const rows = requests.reduce((sum, { batchSize }) => sum + Math.max(1, batchSize), 0);
      const limit = Number(/max_batch_size: (\d+)/.exec(models[model] ?? "")?.[1] ?? 1);
      expect(rows, `rows of ${ids.join()}`).toBeLessThanOrEqual(limit);
      if (model !== "sequences" && model !== "candidates") continue;
      const sequences = ids.filter((id) => id !== "-").map((id) => this.#sequenceOf.get(id));
      expect(new Set(sequences).size, `sequences of ${ids.join()}`).toBe(sequences.length);
    }
  }

  #checkAnswers(): void {
    const open = this.#calls.filter((call) => call.open).map((call) => call.request.id);
    expect(open, "requests without a final response").toEqual([]);
    expect(
      this.#controls.filter(({ done }) => !done),
      "loads or unloads without an answer",
    ).toEqual([]);
    for (const metrics of this.#fixture.metrics.models()) {
      expect(metrics.pending, `pending requests of ${metrics.model}`).toBe(0);
    }
    const executed = this.#fixture.backend.runs.flatMap(({ ids }) => ids.filter((id) => id !== "-"));
    expect(executed.length, "a request ran twice").toBe(new Set(executed).size);
  }

  #checkNothingLeft(): void {
    const { account, backend, metrics, server } = this.#fixture;
    expect(backend.runs.length, "the run did next to nothing").toBeGreaterThan(50);
    expect(this.#account.refusals, "memory was never refused").toBeGreaterThan(0);
    expect(account.used("host")).toBe(0);
    expect(metrics.models()).toEqual([]);
    expect(this.#fixture.index(true)).toEqual([]);
    let clean: boolean | null = null;
    server.stop(30, (ended) => (clean = ended));
    this.#fixture.clock.runAll();
    expect(clean).toBe(true);
  }

  #below(limit: number): number {
    return this.#random.nextUint32() % limit;
  }

  #oneIn(chances: number): boolean {
    return this.#below(chances) === 0;
  }
}

test.each(seeds)("core: keeps its promises through a random run, seed %d", (seed) => {
  new Simulation(seed).run();
});

test("core: the same seed gives the same run", () => {
  const eventsOf = (seed: number): string[] => {
    const fixture = new CoreFixture({ models: { m: modelConfig(models.batching) } });
    fixture.start();
    fixture.load("m");
    const random = new Random(seed);
    fixture.backend.durationOf = () => random.nextUint32() % 1_000;
    for (let i = 0; i < 200; i++) {
      fixture.infer("m", { id: String(i) });
      fixture.clock.advance(random.nextUint32() % 300);
    }
    fixture.clock.runAll();
    return fixture.backend.runs.map(({ ids, atUs }) => `${atUs} ${ids.join()}`);
  };
  expect(eventsOf(1)).toEqual(eventsOf(1));
  expect(eventsOf(1)).not.toEqual(eventsOf(2));
});
