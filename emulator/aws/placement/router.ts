import type { Clock } from "../../common/clock.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { InstanceAgent, Invocation } from "./instance-agent.ts";
import type { PlatformAnswer } from "./platform-answer.ts";

export interface RouterOptions {
  readonly agents: readonly InstanceAgent[];
  readonly clock: Clock;
  readonly journal: JournalWriter;
}

/** Chooses the instance that gets a request. */
export class Router {
  readonly #agents: InstanceAgent[];

  constructor(options: RouterOptions) {
    this.#agents = [...options.agents];
  }

  /** Answers each call once, in this turn or later. */
  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    this.#agents[0]!.invoke(call, answered);
  }

  /** A new instance, empty. */
  add(agent: InstanceAgent): void {
    this.#agents.push(agent);
  }

  /** Scale in: gets no more requests; those it has are answered. */
  remove(instance: string): void {
    this.#agents.splice(this.#agents.findIndex((agent) => agent.instance === instance) >>> 0, 1);
  }
}
