import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import type { EventBody, EventSubject, JournalEvent } from "../../emulator/journal/event.ts";
import { explain, explanationText, type Question } from "../../emulator/journal/explain.ts";
import { Journal } from "../../emulator/journal/journal.ts";

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

/** Builds a journal by hand, on instance `i-1`. Seconds are those since the start. */
export class Story {
  readonly #clock = new VirtualClock();
  readonly journal: Journal;
  readonly #scenario: string | null;

  constructor(scenario: string | null = "by hand", limit = 1000, policy: string | null = "sagemaker") {
    this.#scenario = scenario;
    this.journal = new Journal({
      clock: this.#clock,
      limit,
      run: {
        seed: 1,
        machine: "ml.g4dn.xlarge",
        profile: "builtin",
        policy,
        scenario: this.#scenario,
      },
    });
  }

  /** Goes to a time. */
  at(seconds: number): this {
    this.#clock.advance(Math.round(seconds * 1e6) - this.#clock.now());
    return this;
  }

  write(event: EventSubject & EventBody): this {
    this.journal.write({ instance: "i-1", ...event });
    return this;
  }

  bytes(model: string, change: number, after: number, process = `${model}_0`): this {
    return this.write({
      model,
      event: "bytes",
      process,
      pool: "host",
      kind: "weights",
      change,
      before: after - change,
      after,
      cause: change < 0 ? "released" : "load",
    });
  }

  /** A request that finds its model in memory and is answered 200. */
  hit(seconds: number, model: string, request: string, durationUs = 30_000): this {
    return this.at(seconds)
      .write({ model, request, event: "invocation", cacheHit: true })
      .at(seconds + durationUs / 1e6)
      .write({ model, request, event: "answer", status: 200, from: "container", durationUs });
  }

  /** A request that loads its model, with nothing in the way: 1 s to download, 2 s to load. */
  cold(seconds: number, model: string, request: string): this {
    return this.at(seconds)
      .write({ model, request, event: "invocation", cacheHit: false })
      .write({ model, request, event: "download", bytes: 292 * MIB })
      .at(seconds + 1)
      .write({ model, request, event: "unpacked", bytes: 400 * MIB, durationUs: 1e6 })
      .write({ model, request, event: "load" })
      .at(seconds + 3)
      .write({ model, request, event: "load-answer", status: 200, durationUs: 2e6 })
      .at(seconds + 3.03)
      .write({
        model,
        request,
        event: "answer",
        status: 200,
        from: "container",
        durationUs: 3_030_000,
      });
  }

  /** The unload that an eviction asked for, 0.5 s. */
  evicted(seconds: number, model: string, newcomer: string, request: string): this {
    return this.at(seconds)
      .write({ model, request, event: "unload", because: `to make room for ${newcomer}` })
      .at(seconds + 0.5)
      .write({ model, request, event: "unload-answer", status: 200, durationUs: 500_000 });
  }

  /** The status of an endpoint. @param text why */
  status(seconds: number, endpoint: string, status: string | null, config: string, text?: string): this {
    this.at(seconds).journal.write({
      event: "endpoint-status",
      endpoint,
      region: "us-east-1",
      status,
      config,
      ...(text === undefined ? {} : { text }),
    });
    return this;
  }

  /** A request that no instance got to see. */
  turnedAway(seconds: number, endpoint: string, request: string, text: string): this {
    const subject = { endpoint, model: "a.tar.gz", request };
    this.at(seconds).journal.write({ ...subject, event: "invocation", cacheHit: false });
    this.journal.write({ ...subject, event: "answer", status: 400, from: "platform", durationUs: 0, text });
    return this;
  }

  get events(): readonly JournalEvent[] {
    return this.journal.events();
  }

  explain(question: Question): string {
    return explanationText(explain(this.events, question));
  }
}

/** An eviction as the preset `sagemaker` decides it; host memory only. */
export const eviction = (
  model: string,
  request: string,
  change: Partial<Extract<EventBody, { event: "eviction" }>> = {},
): EventSubject & EventBody => ({
  model,
  request,
  event: "eviction",
  trigger: "high-utilisation",
  because: "host memory stood at 84.0 %, above 80.0 %",
  rule: "lru, until-estimate-fits",
  reading: [{ pool: "host", used: 12.6 * GIB, capacity: 15 * GIB }],
  readingAgeUs: 400_000,
  needHostBytes: 0.5 * GIB,
  needGpuBytes: 0,
  victims: [],
  enough: true,
  highWater: 0.8,
  measured: ["host"],
  ...change,
});
