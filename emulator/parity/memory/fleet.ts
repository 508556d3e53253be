import { Random } from "../../common/random.ts";

/** Which API loads, invokes and unloads: KServe's, or the container API of SageMaker in multi-model mode. */
export type Surface = "kserve" | "container";

/** A Python model that holds so much beside what its processes cost. */
export interface FleetModel {
  readonly name: string;
  /** Filled in `initialize` by each instance, every page touched. */
  readonly holdsMib: number;
  /** More with every inference. */
  readonly growsMib: number;
  /** Processes. */
  readonly instances: number;
}

export interface Step {
  readonly call: "load" | "infer" | "unload" | "ready" | "index" | "ping" | "health" | "list" | "wait";
  readonly model?: string;
  /** A ping on a second connection so long into the call. */
  readonly pingAfterSeconds?: number;
  /** Of a wait. */
  readonly seconds?: number;
}

/** Models, the memory limit of the container that they are put into, and what is asked in which order. */
export interface Fleet {
  readonly seed: number;
  readonly limitMib: number;
  readonly surface: Surface;
  /** What its models have in common. */
  readonly kind: "equal" | "two sizes" | "mixed" | "growing" | "two instances";
  readonly models: readonly FleetModel[];
  readonly steps: readonly Step[];
}

/** The rule that predicted every kill of earlier measurements, in MiB: the server, and each process with what it holds. */
export const estimateMib = (models: readonly FleetModel[]): number =>
  SERVER_MIB + models.reduce((sum, { instances, holdsMib }) => sum + instances * (STUB_MIB + holdsMib), 0);

const SERVER_MIB = 6;
const STUB_MIB = 18.5;

/** Loads stay so far away from the limit: between "fits" and "killed" the server may stand still for minutes. */
const MARGIN_MIB = 8;

/** The server is given so long to let go of an unloaded model's memory. */
const UNLOAD_SECONDS = 3;

/**
 * Loads until past the limit and two further, with questions in between; then at random inferences, unloads and loads of
 * any of them, whoever may be dead by then; at the end every model is called. The same seed makes the same fleet.
 */
export const makeFleet = (seed: number): Fleet => new FleetMaker(seed).make();

/** Two of its models, one after the other, have two instances that are larger than all others and do not fit both. */
export const makeInstancesFleet = (seed: number): Fleet => {
  const limitMib = 388;
  const random = new Random(seed);
  const others = ["m01", "m02", "m03"].map((name) => ({ name, holdsMib: 30, growsMib: 0, instances: 1 }));
  const room = (limitMib - estimateMib(others)) / 2 - STUB_MIB;
  const holdsMib = Math.round(room) + MARGIN_MIB / 2 + 1 + (random.nextUint32() % 20);
  const large = ["m04", "m05"].map((name) => ({ name, holdsMib, growsMib: 0, instances: 2 }));
  const models = [...others, ...large];
  const steps = [
    ...others.map(({ name }): Step => ({ call: "load", model: name })),
    ...large.flatMap(({ name: model }): Step[] => [
      { call: "load", model },
      { call: "ping" },
      { call: "index" },
      ...Array.from({ length: 3 }, (): Step => ({ call: "infer", model })),
      { call: "unload", model },
      { call: "wait", seconds: UNLOAD_SECONDS },
      { call: "index" },
      { call: "ping" },
    ]),
    ...models.map(({ name }): Step => ({ call: "infer", model: name })),
  ];
  const surface = seed % 2 === 0 ? "kserve" : "container";
  return { seed, limitMib, surface, kind: "two instances", models, steps };
};

class FleetMaker {
  readonly #seed: number;
  readonly #random: Random;
  readonly #steps: Step[] = [];

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
  }

  make(): Fleet {
    const surface = this.#pick(["kserve", "container"] as const);
    const kind = this.#pick(["equal", "two sizes", "mixed", "growing"] as const);
    const limitMib = 300 + 4 * this.#below(182);
    const models = this.#models(kind, limitMib);
    this.#loadAll(models, limitMib, surface);
    this.#goOn(models, surface);
    this.#askAll(models, surface);
    return { seed: this.#seed, limitMib, surface, kind, models, steps: this.#steps };
  }

  #models(kind: Fleet["kind"], limitMib: number): FleetModel[] {
    const fit = 3 + this.#below(5);
    const share = (limitMib - SERVER_MIB) / fit - STUB_MIB;
    const holds = (): number => {
      if (kind === "two sizes") return Math.round(share * this.#pick([0.6, 1.7]));
      if (kind === "mixed") return 10 * Math.max(1, Math.round((share * (40 + this.#below(160))) / 1000));
      return Math.max(10, Math.round(share * 0.93));
    };
    const models: FleetModel[] = [];
    let beyond = 0;
    while (beyond < 3) {
      const index = models.length;
      const instances = this.#below(8) === 0 ? 2 : 1;
      const grows = kind === "growing" && index < 2;
      const model: FleetModel = {
        name: `m${String(index + 1).padStart(2, "0")}`,
        holdsMib: Math.max(10, Math.round(holds() / instances)),
        growsMib: grows ? 10 * (2 + this.#below(8)) : 0,
        instances,
      };
      const room = limitMib - estimateMib([...models, model]);
      const near = Math.abs(room) < MARGIN_MIB;
      models.push(near ? { ...model, holdsMib: model.holdsMib + Math.ceil(2 * MARGIN_MIB) } : model);
      if (estimateMib(models) > limitMib) beyond++;
    }
    if (this.#below(4) === 0)
      models.push({ name: "huge", holdsMib: limitMib + 50, growsMib: 0, instances: 1 });
    return models;
  }

  #loadAll(models: readonly FleetModel[], limitMib: number, surface: Surface): void {
    this.#steps.push({ call: "ping" }, { call: "index" });
    for (const [index, { name }] of models.entries()) {
      const loaded = models.slice(0, index + 1);
      this.#steps.push({
        call: "load",
        model: name,
        ...(this.#below(3) === 0 ? { pingAfterSeconds: 0.6 } : {}),
      });
      const fits = estimateMib(loaded) <= limitMib;
      if (this.#below(3) === 0 || !fits) this.#steps.push({ call: "ping" });
      if (!fits && this.#below(2) === 0) this.#steps.push({ call: "index" });
      if (this.#below(3) === 0) this.#steps.push({ call: "infer", model: this.#pick(loaded).name });
      if (surface === "kserve" && this.#below(4) === 0)
        this.#steps.push({ call: "ready", model: this.#pick(loaded).name });
    }
  }

  #goOn(models: readonly FleetModel[], surface: Surface): void {
    for (let left = 6 + this.#below(5); left > 0; left--) {
      const { name: model } = this.#pick(models);
      switch (this.#pick(["infer", "infer", "unload", "load", "load", "index", "health"] as const)) {
        case "infer":
          this.#steps.push({ call: "infer", model });
          break;
        case "unload":
          this.#steps.push(
            { call: "unload", model },
            { call: "wait", seconds: UNLOAD_SECONDS },
            { call: "index" },
          );
          break;
        case "load":
          this.#steps.push({ call: "load", model }, { call: "ping" });
          break;
        case "index":
          this.#steps.push(surface === "container" ? { call: "list" } : { call: "index" });
          break;
        case "health":
          this.#steps.push({ call: "health" }, { call: "ping" });
          break;
      }
    }
  }

  #askAll(models: readonly FleetModel[], surface: Surface): void {
    for (const { name: model } of models) this.#steps.push({ call: "infer", model });
    this.#steps.push({ call: "index" }, { call: "ping" }, { call: "health" });
    if (surface === "container") this.#steps.push({ call: "list" });
  }

  #below(limit: number): number {
    return this.#random.nextUint32() % limit;
  }

  #pick<const Item>(items: readonly Item[]): Item {
    const item = items[this.#below(items.length)];
    if (item === undefined) throw new Error("nothing to choose from");
    return item;
  }
}
