import type { ScalableCapacity, ScalableVariants } from "../../emulator/aws/autoscaling/scalable-variants.ts";
import type { Clock } from "../../emulator/common/clock.ts";

/** One variant, `endpoint/e/variant/v` of us-east-1, whose instances take a while to come and to go. */
export class ScaledVariant implements ScalableVariants {
  current: number;
  desired: number;
  /** As while somebody else updates the endpoint. */
  busy = false;
  readonly #clock: Clock;
  readonly #delayUs: number;
  #changing = false;

  constructor(clock: Clock, count: number, delayUs: number) {
    this.#clock = clock;
    this.current = count;
    this.desired = count;
    this.#delayUs = delayUs;
  }

  variantCapacity(region: string, endpoint: string, variant: string): ScalableCapacity | null {
    if (region !== "us-east-1" || endpoint !== "e" || variant !== "v") return null;
    return {
      currentCount: this.current,
      desiredCount: this.desired,
      canChange: !this.busy && !this.#changing,
    };
  }

  scaleVariant(region: string, endpoint: string, variant: string, count: number): boolean {
    if (this.variantCapacity(region, endpoint, variant)?.canChange !== true) return false;
    this.#changing = true;
    this.desired = count;
    this.#clock.setTimer(this.#delayUs, () => {
      this.#changing = false;
      this.current = count;
    });
    return true;
  }
}
