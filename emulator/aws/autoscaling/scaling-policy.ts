import { SAGEMAKER } from "../cloudwatch/endpoint-metrics.ts";
import type { MetricQuery } from "../cloudwatch/metric-query.ts";
import type { VariantName } from "./scalable-target.ts";

/** Seconds; what SageMaker variants get where a policy does not say it. */
export const DEFAULT_COOLDOWN_S = 300;

export interface TargetTracking {
  readonly targetValue: number;
  /** One of them is `returned`. */
  readonly queries: readonly MetricQuery[];
  readonly asQueries: boolean;
  /** Three data points are over in half a minute instead of three. */
  readonly highResolution: boolean;
  readonly scaleOutCooldownS: number;
  readonly scaleInCooldownS: number;
  readonly scalesIn: boolean;
}

/** What AWS measures a predefined type by: metric, statistic, seconds of a period. */
const predefined = {
  SageMakerVariantInvocationsPerInstance: ["InvocationsPerInstance", "Sum", 60],
  SageMakerVariantConcurrentRequestsPerModelHighResolution: ["ConcurrentRequestsPerModel", "Average", 10],
} as const;

export type PredefinedMetric = keyof typeof predefined;

export const isPredefinedMetric = (type: string): type is PredefinedMetric => Object.hasOwn(predefined, type);

export const predefinedQuery = (type: PredefinedMetric, { endpoint, variant }: VariantName): MetricQuery => {
  const [name, stat, periodS] = predefined[type];
  const dimensions = { EndpointName: endpoint, VariantName: variant };
  return {
    id: "m1",
    returned: true,
    source: { metric: { namespace: SAGEMAKER, name, dimensions }, stat, periodS },
  };
};

export interface StepAdjustment {
  /** Distance from the alarm's threshold; absent = without end. */
  readonly lower?: number;
  readonly upper?: number;
  readonly adjustment: number;
}

export interface StepScaling {
  readonly adjustmentType: "ChangeInCapacity" | "PercentChangeInCapacity" | "ExactCapacity";
  readonly steps: readonly StepAdjustment[];
  readonly minAdjustmentMagnitude: number;
  readonly cooldownS: number;
}

/** AlarmLow asks for less at nine tenths of the target. */
const SCALE_IN_SHARE = 0.9;

/** How an alarm of a target tracking policy is judged: out fast, in slowly. */
export const trackingRule = (
  which: "AlarmHigh" | "AlarmLow",
  { targetValue, highResolution }: TargetTracking,
) =>
  which === "AlarmHigh"
    ? ({
        threshold: targetValue,
        comparison: "GreaterThanThreshold",
        evaluationPeriods: 3,
      } as const)
    : ({
        threshold: rounded(SCALE_IN_SHARE * targetValue),
        comparison: "LessThanThreshold",
        evaluationPeriods: highResolution ? 90 : 15,
      } as const);

/** Digits beyond what the value was given with come from the multiplication alone. */
const rounded = (value: number): number => Number(value.toPrecision(12));

/**
 * Capacity at which the metric would be at its target, when it falls as instances are added.
 * @param base instances that carry the load
 */
export const proportional = (base: number, metric: number, targetValue: number): number =>
  Math.ceil(rounded((base * metric) / targetValue));

/**
 * What a step policy makes of a capacity; null = the metric lies in none of its steps.
 * @param breach metric minus threshold
 */
export const stepped = (policy: StepScaling, base: number, breach: number): number | null => {
  const step = policy.steps.find(({ lower = Number.NEGATIVE_INFINITY, upper = Number.POSITIVE_INFINITY }) =>
    // Intervals that lie above the threshold include their lower bound, those below it their upper one.
    lower >= 0 ? breach >= lower && breach < upper : breach > lower && breach <= upper,
  );
  if (step === undefined) return null;
  const { adjustment } = step;
  if (policy.adjustmentType === "ExactCapacity") return adjustment;
  if (policy.adjustmentType === "ChangeInCapacity") return base + adjustment;
  const change = wholeChange((base * adjustment) / 100);
  const magnitude = Math.max(Math.abs(change), policy.minAdjustmentMagnitude);
  return base + Math.sign(adjustment) * magnitude;
};

/** Towards 0, but not to 0. */
const wholeChange = (change: number): number =>
  Math.abs(change) < 1 ? Math.sign(change) : Math.trunc(change);
