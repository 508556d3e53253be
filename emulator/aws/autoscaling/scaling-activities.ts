import type { VariantName } from "./scalable-target.ts";
import { keyOf } from "./scalable-target.ts";

export type ActivityStatus = "InProgress" | "Successful" | "Failed" | "NotScaled";

export interface NotScaledReason {
  readonly code: "AlreadyAtMaxCapacity" | "AlreadyAtMinCapacity" | "AlreadyAtDesiredCapacity";
  readonly currentCapacity: number;
  readonly maxCapacity?: number;
  readonly minCapacity?: number;
}

/** Something that Application Auto Scaling did, or decided not to do. */
export interface ScalingActivity {
  readonly id: string;
  readonly of: VariantName;
  readonly description: string;
  readonly cause: string;
  readonly startMs: number;
  endMs: number | null;
  status: ActivityStatus;
  message: string;
  readonly notScaled: NotScaledReason | null;
}

/** Older ones go first. */
const MAX_ACTIVITIES = 10_000;

export class ScalingActivities {
  #activities: ScalingActivity[] = [];

  add(activity: ScalingActivity): void {
    this.#activities.push(activity);
    if (this.#activities.length > MAX_ACTIVITIES)
      this.#activities = this.#activities.slice(MAX_ACTIVITIES / 10);
  }

  /** Newest first. */
  list(): readonly ScalingActivity[] {
    return this.#activities.toReversed();
  }

  /** The last one of a variant that did not scale. */
  lastNotScaled(of: VariantName): ScalingActivity | undefined {
    const last = this.#activities.findLast((activity) => keyOf(activity.of) === keyOf(of));
    return last?.status === "NotScaled" ? last : undefined;
  }
}
