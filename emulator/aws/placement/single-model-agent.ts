import type { Clock, Timer } from "../../common/clock.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { ContainerAnswer, SingleModelContainer } from "./container.ts";
import { ContainerHealth } from "./container-health.ts";
import type { Invocation } from "./instance-agent.ts";
import {
  type AnswerContent,
  type EndpointIdentity,
  fromContainer,
  fromPlatform,
  type PlatformAnswer,
  type PlatformError,
  platformErrors,
} from "./platform-answer.ts";
import { type PlatformSettings, sagemakerPlatform } from "./platform-settings.ts";
import type { RoutedAgent } from "./router.ts";

export interface SingleModelAgentOptions {
  /** Its name in the journal. */
  readonly instance: string;
  /** Running, with its model. */
  readonly container: SingleModelContainer;
  readonly clock: Clock;
  readonly journal: JournalWriter;
  readonly endpoint: EndpointIdentity;
  /** Default: SageMaker's, as docs/placement.md has it. */
  readonly platform?: Partial<PlatformSettings>;
}

interface Pending {
  readonly call: Invocation;
  readonly answered: (answer: PlatformAnswer) => void;
  readonly arrivedUs: number;
  readonly limit: Timer;
}

const noList: ContainerAnswer = { status: 200, headers: [], body: new Uint8Array(0) };

/** The platform on an instance whose container serves one model: the model is there as long as the container is. */
export class SingleModelAgent implements RoutedAgent {
  readonly instance: string;
  readonly modelCount = 1;
  readonly freeShare = null;
  readonly #options: SingleModelAgentOptions;
  readonly #platform: PlatformSettings;
  readonly #health: ContainerHealth;
  readonly #pending = new Set<Pending>();
  #state: "open" | "draining" | "stopped" = "open";
  #drained: (() => void)[] = [];

  constructor(options: SingleModelAgentOptions) {
    const { instance, container, clock, journal } = options;
    this.instance = instance;
    this.#options = options;
    this.#platform = { ...sagemakerPlatform, ...options.platform };
    this.#health = new ContainerHealth({
      instance,
      container: {
        ping: (answered) => container.ping(answered),
        restart: (started, because) => container.restart(started, because),
        list: (answered) => answered(noList),
      },
      clock,
      settings: this.#platform,
      journal,
      onDied: () => {},
      onListed: () => {},
    });
  }

  /** Begins to ping the container. */
  start(): void {
    this.#health.start();
  }

  get healthy(): boolean {
    return this.#health.running && this.#state === "open";
  }

  /** Invocations that are not answered yet. */
  get requestCount(): number {
    return this.#pending.size;
  }

  holds(): "loaded" {
    return "loaded";
  }

  /** Answers each call once, in this turn or later. The TargetModel is not looked at. */
  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    const { clock, container, endpoint } = this.#options;
    const pending: Pending = {
      call,
      answered,
      arrivedUs: clock.now(),
      limit: clock.setTimer(call.limitUs ?? this.#platform.invocationLimitUs, () =>
        this.#answer(pending, fromPlatform(platformErrors.timedOut(endpoint))),
      ),
    };
    this.#pending.add(pending);
    this.#options.journal.write({ ...this.#subject(call), event: "invocation", cacheHit: true });
    if (this.#state !== "open") {
      this.#answer(pending, fromPlatform(leaving()));
      return;
    }
    this.#health.whenRunning((running) => {
      if (!running) {
        this.#answer(pending, fromPlatform(leaving()));
        return;
      }
      container.invocations(call, (answer) => {
        if (answer === null) this.#health.suspect();
        this.#answer(
          pending,
          answer === null
            ? fromPlatform(platformErrors.noResponse(endpoint))
            : fromContainer(answer, endpoint),
        );
      });
    });
  }

  /** New calls get 503; it stops when those it has are answered. */
  drain(done: () => void): void {
    this.#drained.push(done);
    if (this.#state === "open") this.#state = "draining";
    this.#stopIfDrained();
  }

  /** Ends all timers, for good; what waits is answered with 503. */
  stop(): void {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#health.stop();
    for (const pending of this.#pending) this.#answer(pending, fromPlatform(leaving()));
    for (const done of this.#drained.splice(0)) done();
  }

  #answer(pending: Pending, content: AnswerContent): void {
    const { call, answered, arrivedUs, limit } = pending;
    if (!this.#pending.delete(pending)) return;
    limit.cancel();
    const { journal, clock } = this.#options;
    const durationUs = clock.now() - arrivedUs;
    const { status, from, error } = content;
    journal.write({
      ...this.#subject(call),
      event: "answer",
      status,
      from,
      durationUs,
      ...(error === null ? {} : { text: error.message }),
    });
    answered({
      ...content,
      cacheHit: true,
      times: { waitUs: 0, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: durationUs },
    });
    this.#stopIfDrained();
  }

  #stopIfDrained(): void {
    if (this.#state === "draining" && this.#pending.size === 0) this.stop();
    else if (this.#state === "stopped") for (const done of this.#drained.splice(0)) done();
  }

  #subject({ requestId }: Invocation): { readonly instance: string; readonly request: string } {
    return { instance: this.instance, request: requestId };
  }
}

const leaving = (): PlatformError =>
  platformErrors.unavailable("The instance is being removed, or its container does not run. Try again.");
