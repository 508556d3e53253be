import { fail, ok, type Result } from "../../common/status.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { InstanceAgent, Invocation } from "./instance-agent.ts";
import { fromPlatform, type PlatformAnswer, platformErrors } from "./platform-answer.ts";

export interface RouterSettings {
  /**
   * A request gets the model a home on one more instance when every copy is loaded and has so many requests at it or waiting.
   * One copy is made at a time.
   */
  readonly copyAtInFlight: number;
}

/** 8 is the number of threads with which Triton serves the container API; AWS publishes no number. */
export const sagemakerRouter: RouterSettings = { copyAtInFlight: 8 };

/** What the router has to know of an instance. */
export type RoutedAgent = Pick<
  InstanceAgent,
  "instance" | "healthy" | "modelCount" | "freeShare" | "holds" | "invoke" | "drain"
>;

export interface RouterOptions {
  /** Instances of one variant; their names differ. */
  readonly agents: readonly RoutedAgent[];
  readonly journal: JournalWriter;
  /** Default: `sagemakerRouter`. */
  readonly settings?: RouterSettings;
}

/** An instance that a model's requests go to. */
interface Home {
  readonly agent: RoutedAgent;
  inFlight: number;
}

/**
 * Chooses the instance that gets a request: the one that has the model. A model without a home goes where the fewest are. An
 * instance that is not healthy, or was removed, is no home any more; what it held is placed anew when it is asked for.
 */
export class Router {
  readonly #journal: JournalWriter;
  readonly #settings: RouterSettings;
  /** In the order they were added. */
  readonly #agents: RoutedAgent[] = [];
  readonly #homes = new Map<string, Home[]>();

  constructor({ agents, journal, settings = sagemakerRouter }: RouterOptions) {
    this.#journal = journal;
    this.#settings = settings;
    for (const agent of agents) {
      const added = this.add(agent);
      if (!added.ok) throw added.error;
    }
  }

  /** A new instance, empty. */
  add(agent: RoutedAgent): Result<null> {
    const { instance } = agent;
    if (this.#agents.some((other) => other.instance === instance)) {
      return fail(
        "ALREADY_EXISTS",
        `there is an instance '${instance}' already; give the new one another name`,
      );
    }
    this.#agents.push(agent);
    return ok(null);
  }

  /** Scale in. @param removed called when the requests it has are answered and it has stopped */
  remove(instance: string, removed: () => void): Result<null> {
    const index = this.#agents.findIndex((agent) => agent.instance === instance);
    const agent = this.#agents[index];
    if (agent === undefined) {
      const known = this.#agents.map((other) => `'${other.instance}'`).join(", ");
      return fail("NOT_FOUND", `there is no instance '${instance}'; there are: ${known || "none"}`);
    }
    this.#agents.splice(index, 1);
    agent.drain(removed);
    return ok(null);
  }

  /** Answers each call once, in this turn or later. */
  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    const home = this.#homeFor(call);
    if (home === null) {
      this.#refuse(call, answered);
      return;
    }
    home.inFlight++;
    home.agent.invoke(call, (answer) => {
      home.inFlight--;
      // What could not even be found leaves no trace.
      if (answer.error?.type === "ValidationError" && home.inFlight === 0)
        this.#forget(call.targetModel, home);
      answered(answer);
    });
  }

  #refuse({ requestId, targetModel }: Invocation, answered: (answer: PlatformAnswer) => void): void {
    const error = platformErrors.unavailable("No instance is healthy at the moment. Try again.");
    const content = fromPlatform(error);
    const { status, from } = content;
    const subject = { model: targetModel, request: requestId };
    this.#journal.write({ ...subject, event: "invocation", cacheHit: false });
    this.#journal.write({ ...subject, event: "answer", status, from, durationUs: 0, text: error.message });
    answered({
      ...content,
      cacheHit: false,
      times: { waitUs: 0, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: 0 },
    });
  }

  #homeFor(call: Invocation): Home | null {
    const { targetModel } = call;
    const homes = this.#livingHomes(targetModel);
    const best = leastBusy(homes, targetModel);
    if (best === null) return this.#place(call, homes, fewest);
    if (
      best.inFlight < this.#settings.copyAtInFlight ||
      homes.some(({ agent }) => agent.holds(targetModel) !== "loaded")
    ) {
      return best;
    }
    const because = `hot: ${best.inFlight} requests at ${best.agent.instance}, the least busy of ${homes.length} with the model`;
    return this.#place(call, homes, () => because) ?? best;
  }

  /** Without those that are gone; of several, without those that have unloaded the model while another has it. */
  #livingHomes(targetModel: string): Home[] {
    const homes = this.#homes.get(targetModel);
    if (homes === undefined) return [];
    const [only] = homes;
    if (homes.length === 1 && only !== undefined && only.agent.healthy) return homes;
    const healthy = homes.filter(({ agent }) => agent.healthy);
    const holding = healthy.filter(({ agent }) => agent.holds(targetModel) !== "absent");
    const living = holding.length > 0 ? holding : healthy.slice(0, 1);
    if (living.length === 0) this.#homes.delete(targetModel);
    else this.#homes.set(targetModel, living);
    return living;
  }

  /** Null = there is no other healthy instance. */
  #place(
    { targetModel, requestId }: Invocation,
    homes: readonly Home[],
    because: (agent: RoutedAgent) => string,
  ): Home | null {
    const agent = emptiest(
      this.#agents.filter((other) => other.healthy && !homes.some((home) => home.agent === other)),
    );
    if (agent === null) return null;
    const home: Home = { agent, inFlight: 0 };
    this.#homes.set(targetModel, [...homes, home]);
    this.#journal.write({
      instance: agent.instance,
      model: targetModel,
      request: requestId,
      event: "placed",
      because: because(agent),
    });
    return home;
  }

  #forget(targetModel: string, home: Home): void {
    const others = (this.#homes.get(targetModel) ?? []).filter((other) => other !== home);
    if (others.length === 0) this.#homes.delete(targetModel);
    else this.#homes.set(targetModel, others);
  }
}

const fewest = ({ modelCount }: RoutedAgent): string =>
  `${modelCount} ${modelCount === 1 ? "model" : "models"}, the fewest`;

/** Those that have the model loaded come first, then the fewest requests, then who had it first. */
const leastBusy = (homes: readonly Home[], targetModel: string): Home | null => {
  const rank = ({ agent, inFlight }: Home): number =>
    (agent.holds(targetModel) === "loaded" ? 0 : 1e9) + inFlight;
  return homes.reduce<Home | null>(
    (least, home) => (least === null || rank(home) < rank(least) ? home : least),
    null,
  );
};

/** The fewest models, then the most free memory, then who was there first. */
const emptiest = (agents: readonly RoutedAgent[]): RoutedAgent | null =>
  agents.reduce<RoutedAgent | null>((least, agent) => {
    if (least === null || agent.modelCount < least.modelCount) return agent;
    if (agent.modelCount > least.modelCount) return least;
    return (agent.freeShare ?? 0) > (least.freeShare ?? 0) ? agent : least;
  }, null);
