import type { Clock, Timer } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { Invocation } from "../placement/instance-agent.ts";
import { fromPlatform, type PlatformAnswer, platformErrors } from "../placement/platform-answer.ts";
import { Router } from "../placement/router.ts";
import type { EndpointInstance, Fleet, InstanceSpec } from "./fleet.ts";

export interface VariantFleetOptions {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly journal: JournalWriter;
  /** For the names of instances, and for `RANDOM`. */
  readonly random: Random;
  /** From the order of an instance to the start of its container, microseconds. */
  readonly provisionUs: number;
  readonly spec: Omit<InstanceSpec, "name">;
  readonly routing: "LEAST_OUTSTANDING_REQUESTS" | "RANDOM";
}

/** One that is ordered, and one that serves. */
interface Order {
  cancel(): void;
}

interface Serving {
  readonly instance: EndpointInstance;
  inFlight: number;
}

/** The instances of a variant, and which of them gets a request. */
export class VariantFleet {
  readonly #options: VariantFleetOptions;
  /** Of a variant that serves many models; the others go by how busy an instance is. */
  readonly #router: Router | null;
  readonly #serving: Serving[] = [];
  readonly #orders = new Set<Order>();
  /** Not serving any more, and answering what they have. */
  readonly #leaving = new Set<EndpointInstance>();
  #stopped = false;

  constructor(options: VariantFleetOptions) {
    this.#options = options;
    const multiModel = options.spec.container.Mode === "MultiModel";
    this.#router = multiModel ? new Router({ agents: [], journal: options.journal }) : null;
  }

  get count(): number {
    return this.#serving.length;
  }

  get instances(): readonly EndpointInstance[] {
    return this.#serving.map(({ instance }) => instance);
  }

  /**
   * New instances are empty; the newest go first, and answer what they have.
   * @param done called once: null = there are so many now, or as many as there can be; else why not, and then there are as many as before
   */
  scaleTo(desired: number, done: (failureReason: string | null) => void): void {
    const count = Math.min(desired, this.#options.fleet.mostOfVariant ?? desired);
    for (const { instance } of this.#serving.splice(count)) this.#remove(instance);
    const missing = count - this.#serving.length;
    if (missing <= 0) {
      done(null);
      return;
    }
    const orders = new Set<Order>();
    const started: EndpointInstance[] = [];
    const fail = (failureReason: string): void => {
      for (const order of orders) this.#cancel(order);
      for (const instance of started) instance.stop();
      done(failureReason);
    };
    for (let i = 0; i < missing; i++) {
      const order = this.#order((result, self) => {
        orders.delete(self);
        if (!result.ok) {
          fail(result.failureReason);
          return;
        }
        started.push(result.instance);
        if (started.length < missing) return;
        for (const instance of started) this.#add(instance);
        done(null);
      });
      orders.add(order);
    }
  }

  /** Answers each call once, in this turn or later. */
  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    if (this.#router !== null) {
      this.#router.invoke(call, answered);
      return;
    }
    const chosen = this.#choose();
    if (chosen === null) {
      answered(nobody());
      return;
    }
    chosen.inFlight++;
    chosen.instance.agent.invoke(call, (answer) => {
      chosen.inFlight--;
      answered(answer);
    });
  }

  /** No request comes any more. @param done when those that are there are answered, and everything is gone */
  drain(done: () => void): void {
    for (const order of [...this.#orders]) this.#cancel(order);
    const leaving = this.#serving.splice(0).map(({ instance }) => instance);
    let left = leaving.length;
    if (left === 0) done();
    for (const instance of leaving) {
      this.#remove(instance, () => {
        left--;
        if (left === 0) done();
      });
    }
  }

  /** At once. What waits is answered with 503. */
  stop(): void {
    this.#stopped = true;
    for (const order of [...this.#orders]) this.#cancel(order);
    for (const instance of [...this.#serving.splice(0).map((one) => one.instance), ...this.#leaving])
      instance.stop();
    this.#leaving.clear();
  }

  #order(started: (result: Parameters<Parameters<Fleet["start"]>[1]>[0], order: Order) => void): Order {
    const { fleet, clock, provisionUs, spec, random } = this.#options;
    const name = `${spec.endpoint.name}/${spec.variant}/${instanceId(random)}`;
    let starting: { cancel(): void } | Timer = clock.setTimer(provisionUs, () => {
      starting = fleet.start({ ...spec, name }, (result) => {
        this.#orders.delete(order);
        started(result, order);
      });
    });
    const order: Order = { cancel: () => starting.cancel() };
    this.#orders.add(order);
    return order;
  }

  #cancel(order: Order): void {
    this.#orders.delete(order);
    order.cancel();
  }

  #add(instance: EndpointInstance): void {
    this.#serving.push({ instance, inFlight: 0 });
    this.#router?.add(instance.agent);
  }

  #remove(instance: EndpointInstance, removed: () => void = () => {}): void {
    this.#leaving.add(instance);
    const left = (): void => {
      if (this.#stopped || !this.#leaving.delete(instance)) return;
      instance.stop();
      removed();
    };
    if (this.#router === null) instance.agent.drain(left);
    else this.#router.remove(instance.agent.instance, left);
  }

  #choose(): Serving | null {
    const healthy = this.#serving.filter(({ instance }) => instance.agent.healthy);
    if (this.#options.routing === "RANDOM" && healthy.length > 0) {
      return healthy[this.#options.random.nextUint32() % healthy.length] ?? null;
    }
    return healthy.reduce<Serving | null>(
      (least, one) => (least === null || one.inFlight < least.inFlight ? one : least),
      null,
    );
  }
}

/** As EC2 names them: 17 hexadecimal digits. */
const instanceId = (random: Random): string => {
  const digits = [0, 0, 0].map(() => random.nextUint32().toString(16).padStart(8, "0")).join("");
  return `i-0${digits.slice(0, 16)}`;
};

const nobody = (): PlatformAnswer => ({
  ...fromPlatform(platformErrors.unavailable("No instance is healthy at the moment. Try again.")),
  cacheHit: false,
  times: { waitUs: 0, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: 0 },
});
