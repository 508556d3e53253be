import type { Clock, Timer } from "../../common/clock.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { Container, ContainerAnswer } from "./container.ts";
import type { PlatformSettings } from "./platform-settings.ts";

export interface ContainerHealthOptions {
  readonly instance: string;
  readonly container: Pick<Container, "ping" | "list" | "restart">;
  readonly clock: Clock;
  readonly settings: PlatformSettings;
  readonly journal: JournalWriter;
  /** It is given up, with all that was loaded and all it was asked; it will be started anew. */
  readonly onDied: () => void;
  /** The list that follows each good ping. */
  readonly onListed: (list: ContainerAnswer) => void;
}

/** How a ping ended: its status, nobody there, or nothing within the limit. */
type PingEnd = number | "refused" | "silent";

/** Whose end it is: of the ping, or of the list that follows a good one. */
type Asked = "ping" | "list";

/**
 * Whether the container lives. It is dead when nobody is there for two calls in a row, the second of them a ping sent at
 * once to make sure; after `silentPings` without an answer; or after `failingPings` with a bad one.
 */
export class ContainerHealth {
  readonly #options: ContainerHealthOptions;
  #state: "running" | "starting" | "gone" = "running";
  /** Changes with every start, so that late answers are told apart. */
  #life = 0;
  #timer: Timer | null = null;
  #pinging = false;
  #good = true;
  #silent = 0;
  #failing = 0;
  #waiting: ((running: boolean) => void)[] = [];

  constructor(options: ContainerHealthOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#state === "running";
  }

  /** Pings at once, and from then on again and again. */
  start(): void {
    const { clock, settings } = this.#options;
    if (this.#timer !== null) return;
    this.#timer = clock.setTimer(settings.pingEveryUs, () => {
      this.#timer = null;
      this.start();
    });
    if (this.#state === "running" && !this.#pinging) this.#ping("regular");
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#life++;
    this.#waiting = [];
  }

  /** A call found nobody there. */
  suspect(): void {
    if (this.#state === "running" && !this.#pinging) this.#ping("to make sure");
  }

  /** Now, or when it has been started. @param run false = it does not come back */
  whenRunning(run: (running: boolean) => void): void {
    if (this.#state === "starting") this.#waiting.push(run);
    else run(this.#state === "running");
  }

  #ping(reason: "regular" | "to make sure"): void {
    const { container, clock, settings } = this.#options;
    const life = this.#life;
    let open = true;
    this.#pinging = true;
    const end = (how: PingEnd, asked: Asked): void => {
      if (!open) return;
      open = false;
      limit.cancel();
      if (life !== this.#life) return;
      this.#pinging = false;
      this.#judge(how, asked, reason);
    };
    const limit = clock.setTimer(settings.pingLimitUs, () => end("silent", "ping"));
    container.ping((answer) => {
      if (answer?.status !== 200) {
        end(answer === null ? "refused" : answer.status, "ping");
        return;
      }
      // A container without a list fails as if its ping did (pytorch/serve#397).
      container.list((list) => {
        const isOpen = open && life === this.#life;
        end(list === null ? "refused" : list.status, "list");
        if (isOpen && list?.status === 200 && life === this.#life) this.#options.onListed(list);
      });
    });
  }

  #judge(how: PingEnd, asked: Asked, reason: "regular" | "to make sure"): void {
    const { instance, journal, settings } = this.#options;
    const good = how === 200;
    if (good !== this.#good) {
      this.#good = good;
      const of = !good && asked === "list" ? { asked } : {};
      journal.write({ instance, event: "ping", status: typeof how === "number" ? how : null, ...of });
    }
    this.#silent = how === "silent" ? this.#silent + 1 : 0;
    this.#failing = typeof how === "number" && !good ? this.#failing + 1 : 0;
    if (how === "refused") {
      if (reason === "regular") this.#ping("to make sure");
      else this.#restart("nobody answers");
    } else if (this.#silent >= settings.silentPings) {
      this.#restart(`${this.#silent} pings in a row had no answer within ${settings.pingLimitUs / 1e6} s`);
    } else if (this.#failing >= settings.failingPings) {
      const last = asked === "list" ? `the list after the last one with ${how}` : `the last one with ${how}`;
      this.#restart(`${this.#failing} pings in a row failed, ${last}`);
    }
  }

  #restart(because: string): void {
    const { container, onDied } = this.#options;
    const life = ++this.#life;
    this.#state = "starting";
    this.#pinging = false;
    this.#good = true;
    this.#silent = 0;
    this.#failing = 0;
    onDied();
    container.restart((running) => {
      if (life !== this.#life) return;
      this.#state = running ? "running" : "gone";
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const run of waiting) run(running);
    }, because);
  }
}
