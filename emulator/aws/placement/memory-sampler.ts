import type { Clock, Timer } from "../../common/clock.ts";
import type { MemoryReading } from "./eviction/resident-model.ts";

/** What an instance's platform can see of its memory. */
export interface MemoryGauge {
  /** Null = nothing can be read; then nothing is evicted because of a reading. `disk` of a reading is not looked at. */
  read(): MemoryReading | null;
}

export interface Sample {
  readonly reading: MemoryReading;
  readonly ageUs: number;
}

/** Reads memory every so often; who asks in between sees the last reading, however much has changed since. */
export class MemorySampler {
  readonly #gauge: MemoryGauge;
  readonly #clock: Clock;
  readonly #everyUs: number;
  #last: { readonly reading: MemoryReading | null; readonly atUs: number } | null = null;
  #timer: Timer | null = null;

  /** @param everyUs 0 = at each question */
  constructor(gauge: MemoryGauge, clock: Clock, everyUs: number) {
    this.#gauge = gauge;
    this.#clock = clock;
    this.#everyUs = everyUs;
  }

  /** Before it is started, each question is a reading. */
  start(): void {
    if (this.#everyUs === 0 || this.#timer !== null) return;
    this.#last = { reading: this.#gauge.read(), atUs: this.#clock.now() };
    this.#timer = this.#clock.setTimer(this.#everyUs, () => {
      this.#timer = null;
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#last = null;
  }

  sample(): Sample | null {
    const last = this.#last;
    const reading = last === null ? this.#gauge.read() : last.reading;
    return reading === null ? null : { reading, ageUs: last === null ? 0 : this.#clock.now() - last.atUs };
  }

  /** As it is at this moment, sampled or not. */
  readNow(): MemoryReading | null {
    return this.#gauge.read();
  }
}
