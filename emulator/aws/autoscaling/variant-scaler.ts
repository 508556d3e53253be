import type { Clock, Timer } from "../../common/clock.ts";
import type { Alarm } from "../cloudwatch/alarm.ts";
import type { ScalableTarget } from "./scalable-target.ts";
import type { ScalableCapacity, ScalableVariants } from "./scalable-variants.ts";
import type { NotScaledReason, ScalingActivities, ScalingActivity } from "./scaling-activities.ts";
import { proportional, type StepScaling, stepped, type TargetTracking } from "./scaling-policy.ts";

/** A policy of the target, as scaling sees it. */
export interface ScalingPolicy {
  readonly name: string;
  readonly arn: string;
  readonly tracking: TargetTracking | null;
  readonly step: StepScaling | null;
  /** Names of the alarms that it made; null where they are their user's. */
  readonly alarms: { readonly high: string; readonly low: string | null } | null;
}

export interface VariantScalerOptions {
  readonly clock: Clock;
  readonly variants: ScalableVariants;
  readonly activities: ScalingActivities;
  readonly newId: () => string;
  readonly target: () => ScalableTarget;
  readonly policies: () => readonly ScalingPolicy[];
  readonly alarm: (name: string) => Alarm | undefined;
}

/** An alarm in ALARM, and the policy that it is for. */
interface Firing {
  readonly policy: ScalingPolicy;
  readonly alarm: Alarm;
}

interface Proposal {
  readonly count: number;
  readonly cause: string;
  readonly cooldownS: number;
}

/** How often it is looked whether a change has been made. */
const POLL_MS = 1000;

/** Scale-in is gradual: AWS gives no number. */
const SCALE_IN_STEP = 1;

/** Changes the desired instance count of one variant as its policies ask for it. */
export class VariantScaler {
  readonly #options: VariantScalerOptions;
  /** Of this moment: all alarms are judged before anything is decided. */
  readonly #firings = new Map<string, Firing>();
  #deciding: Timer | null = null;
  #polling: Timer | null = null;
  /** The last scale-out: what it started from, and when it was done; null = it is not done yet. */
  #lastOut: { readonly base: number; endMs: number | null } | null = null;
  #lastInMs = Number.NEGATIVE_INFINITY;
  #running: ScalingActivity | null = null;

  constructor(options: VariantScalerOptions) {
    this.#options = options;
  }

  fire(policy: ScalingPolicy, alarm: Alarm): void {
    this.#firings.set(alarm.settings.name, { policy, alarm });
    this.#deciding ??= this.#options.clock.setTimer(0, () => {
      this.#deciding = null;
      const firings = [...this.#firings.values()].sort((a, b) =>
        a.alarm.settings.name < b.alarm.settings.name ? -1 : 1,
      );
      this.#firings.clear();
      this.#decide(firings);
    });
  }

  /** Pulls the count into the range of the target. */
  keepInRange(cause?: string): void {
    const { min, max } = this.#options.target();
    const capacity = this.#capacity();
    if (capacity === null || this.#running !== null) return;
    const { desiredCount } = capacity;
    if (desiredCount < min) this.#scale(min, cause ?? `minimum capacity was set to ${min}`, capacity);
    else if (desiredCount > max) this.#scale(max, cause ?? `maximum capacity was set to ${max}`, capacity);
  }

  stop(): void {
    this.#deciding?.cancel();
    this.#polling?.cancel();
    this.#deciding = null;
    this.#polling = null;
  }

  #capacity(): ScalableCapacity | null {
    const { region, endpoint, variant } = this.#options.target();
    return this.#options.variants.variantCapacity(region, endpoint, variant);
  }

  #decide(firings: readonly Firing[]): void {
    const capacity = this.#capacity();
    if (capacity === null || this.#running !== null) return;
    const out = largest(firings.map((firing) => this.#scaleOut(firing, capacity)));
    if (out !== null) {
      this.#changeTo(out, capacity, "out");
      return;
    }
    const inward = firings.map((firing) => this.#scaleIn(firing, capacity));
    const least = largest(inward);
    if (least !== null) this.#changeTo(least, capacity, "in");
  }

  /** Null = it asks for no more than there is. */
  #scaleOut({ policy, alarm }: Firing, { currentCount, desiredCount }: ScalableCapacity): Proposal | null {
    if (alarm.latest === null || this.#options.target().suspended.scalingOut) return null;
    const cooldownS = policy.tracking?.scaleOutCooldownS ?? policy.step?.cooldownS ?? 0;
    // What was added is part of what the next scale-out asks for, until the cooldown is over.
    const base = this.#coolingFrom(cooldownS) ?? currentCount;
    const count = this.#countFor(policy, alarm, base);
    return count !== null && count > desiredCount
      ? { count, cause: causeOf(policy, alarm), cooldownS }
      : null;
  }

  #scaleIn({ policy, alarm }: Firing, { currentCount, desiredCount }: ScalableCapacity): Proposal | null {
    if (alarm.latest === null || this.#options.target().suspended.scalingIn) return null;
    const cooldownS = policy.tracking?.scaleInCooldownS ?? policy.step?.cooldownS ?? 0;
    if (this.#options.clock.epochMs() < this.#lastInMs + cooldownS * 1000) return null;
    if (policy.tracking !== null && !this.#allAgree()) return null;
    const count = this.#countFor(policy, alarm, currentCount);
    if (count === null || count >= desiredCount) return null;
    const gradual = policy.tracking === null ? count : Math.max(count, desiredCount - SCALE_IN_STEP);
    return { count: gradual, cause: causeOf(policy, alarm), cooldownS };
  }

  #countFor(
    { tracking, step, alarms }: ScalingPolicy,
    { settings, latest }: Alarm,
    base: number,
  ): number | null {
    if (latest === null) return null;
    if (tracking !== null) {
      // Only one of the two alarms is in ALARM at a time, but each may only do its own.
      const count = proportional(base, latest, tracking.targetValue);
      return settings.name === alarms?.high ? Math.max(base, count) : Math.min(base, count);
    }
    return step === null ? null : stepped(step, base, latest - settings.threshold);
  }

  /** What the last scale-out started from; null = its cooldown is over. */
  #coolingFrom(cooldownS: number): number | null {
    const last = this.#lastOut;
    if (last === null) return null;
    const over = last.endMs !== null && this.#options.clock.epochMs() >= last.endMs + cooldownS * 1000;
    return over ? null : last.base;
  }

  /** Target tracking takes away only what none of its policies needs. */
  #allAgree(): boolean {
    return this.#options.policies().every(({ tracking, alarms }) => {
      if (tracking === null || !tracking.scalesIn) return true;
      const low = alarms?.low ?? null;
      return low !== null && this.#options.alarm(low)?.state === "ALARM";
    });
  }

  #changeTo({ count, cause }: Proposal, capacity: ScalableCapacity, direction: "out" | "in"): void {
    const { min, max } = this.#options.target();
    const { desiredCount } = capacity;
    const limited = Math.max(min, Math.min(max, count));
    if (limited === desiredCount) {
      this.#notScaled(
        cause,
        direction === "out"
          ? { code: "AlreadyAtMaxCapacity", maxCapacity: max, currentCapacity: desiredCount }
          : { code: "AlreadyAtMinCapacity", minCapacity: min, currentCapacity: desiredCount },
      );
      return;
    }
    this.#scale(limited, cause, capacity);
  }

  #scale(count: number, cause: string, { currentCount, desiredCount }: ScalableCapacity): void {
    const { clock, variants, activities, newId, target } = this.#options;
    const { region, endpoint, variant } = target();
    const activity: ScalingActivity = {
      id: newId(),
      of: { region, endpoint, variant },
      description: `Setting desired instance count to ${count}.`,
      cause,
      startMs: clock.epochMs(),
      endMs: null,
      status: "InProgress",
      message: `Successfully set desired instance count to ${count}. Waiting for change to be fulfilled by sagemaker.`,
      notScaled: null,
    };
    activities.add(activity);
    if (!variants.scaleVariant(region, endpoint, variant, count)) {
      this.#end(
        activity,
        "Failed",
        `Failed to set desired instance count to ${count}. Reason: Cannot update in-progress endpoint ${endpoint}.`,
      );
      return;
    }
    this.#running = activity;
    if (count > desiredCount) this.#lastOut = { base: currentCount, endMs: null };
    this.#poll(activity, count, count > desiredCount);
  }

  #poll(activity: ScalingActivity, count: number, isOut: boolean): void {
    this.#polling = this.#options.clock.setTimer(POLL_MS * 1000, () => {
      this.#polling = null;
      const capacity = this.#capacity();
      if (capacity !== null && !capacity.canChange) {
        this.#poll(activity, count, isOut);
        return;
      }
      this.#running = null;
      this.#settle(activity, count, isOut, capacity);
      this.keepInRange();
    });
  }

  #settle(activity: ScalingActivity, count: number, isOut: boolean, capacity: ScalableCapacity | null): void {
    if (capacity?.currentCount !== count) {
      this.#lastOut = null;
      this.#end(
        activity,
        "Failed",
        `Failed to set desired instance count to ${count}. Reason: the change was not fulfilled by sagemaker.`,
      );
      return;
    }
    this.#end(
      activity,
      "Successful",
      `Successfully set desired instance count to ${count}. Change successfully fulfilled by sagemaker.`,
    );
    const nowMs = this.#options.clock.epochMs();
    if (isOut) {
      if (this.#lastOut !== null) this.#lastOut.endMs = nowMs;
      // A scale-out ends the cooldown of a scale-in.
      this.#lastInMs = Number.NEGATIVE_INFINITY;
    } else this.#lastInMs = nowMs;
  }

  #end(activity: ScalingActivity, status: "Successful" | "Failed", message: string): void {
    activity.status = status;
    activity.message = message;
    activity.endMs = this.#options.clock.epochMs();
  }

  /** Told once, not at every evaluation that finds the same. */
  #notScaled(cause: string, reason: NotScaledReason): void {
    const { clock, activities, newId, target } = this.#options;
    const { region, endpoint, variant } = target();
    const of = { region, endpoint, variant };
    if (activities.lastNotScaled(of)?.cause === cause) return;
    const nowMs = clock.epochMs();
    activities.add({
      id: newId(),
      of,
      description: "Attempting to scale due to alarm triggered",
      cause,
      startMs: nowMs,
      endMs: nowMs,
      status: "NotScaled",
      message: "The capacity is not changed.",
      notScaled: reason,
    });
  }
}

const largest = (proposals: readonly (Proposal | null)[]): Proposal | null =>
  proposals.reduce(
    (best, one) => (one !== null && (best === null || one.count > best.count) ? one : best),
    null,
  );

const causeOf = ({ name }: ScalingPolicy, { settings }: Alarm): string =>
  `monitor alarm ${settings.name} in state ALARM triggered policy ${name}`;
