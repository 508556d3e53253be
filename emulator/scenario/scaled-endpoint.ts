import { AutoScaling } from "../aws/autoscaling/auto-scaling.ts";
import type { ScalableCapacity, ScalableVariants } from "../aws/autoscaling/scalable-variants.ts";
import {
  DEFAULT_COOLDOWN_S,
  type PredefinedMetric,
  predefinedQuery,
} from "../aws/autoscaling/scaling-policy.ts";
import { CloudWatch } from "../aws/cloudwatch/cloudwatch.ts";
import { EndpointMetrics, type InstanceGauges } from "../aws/cloudwatch/endpoint-metrics.ts";
import type { Invocation } from "../aws/placement/instance-agent.ts";
import type { PlatformAnswer } from "../aws/placement/platform-answer.ts";
import type { Router } from "../aws/placement/router.ts";
import { ACCOUNT_ID, DEFAULT_REGION } from "../aws/wire/aws-request.ts";
import type { Clock } from "../common/clock.ts";
import type { JournalWriter } from "../journal/event.ts";
import type { ScalingWords } from "./schema.ts";

export interface ScaledEndpointOptions {
  readonly clock: Clock;
  readonly journal: JournalWriter;
  readonly seed: number;
  readonly words: ScalingWords;
  readonly router: Pick<Router, "invoke">;
  /** Of those that serve. */
  readonly gauges: () => readonly InstanceGauges[];
  readonly scaleTo: (count: number) => void;
}

const NAME = { region: DEFAULT_REGION, endpoint: "scenario", variant: "AllTraffic" } as const;

const metrics: Readonly<Record<ScalingWords["metric"], PredefinedMetric>> = {
  "invocations-per-instance": "SageMakerVariantInvocationsPerInstance",
  "concurrent-requests": "SageMakerVariantConcurrentRequestsPerModelHighResolution",
};

/** An endpoint whose metrics go to CloudWatch, and whose instances follow them: Application Auto Scaling on the scenario's clock. */
export class ScaledEndpoint implements ScalableVariants {
  readonly #options: ScaledEndpointOptions;
  readonly #metrics: EndpointMetrics;
  readonly #scaling: AutoScaling;
  #desired: number;

  constructor(options: ScaledEndpointOptions) {
    const { clock, seed, words, gauges } = options;
    this.#options = options;
    this.#desired = gauges().length;
    const cloudWatch = new CloudWatch(clock);
    this.#metrics = new EndpointMetrics({
      sink: cloudWatch.metrics,
      clock,
      variants: () => [{ ...NAME, instances: gauges() }],
      instanceCount: () => gauges().length,
    });
    this.#metrics.start();
    this.#scaling = new AutoScaling({ clock, seed, alarms: cloudWatch.alarms, variants: this });
    this.#track(words);
  }

  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    const { clock, router } = this.#options;
    const startUs = clock.now();
    router.invoke(call, (answer) => {
      const durationUs = clock.now() - startUs;
      this.#metrics.invoked({ ...NAME, targetModel: call.targetModel, answer, durationUs });
      answered(answer);
    });
  }

  variantCapacity(): ScalableCapacity {
    const currentCount = this.#options.gauges().length;
    return { currentCount, desiredCount: this.#desired, canChange: currentCount === this.#desired };
  }

  scaleVariant(_region: string, _endpoint: string, _variant: string, count: number): boolean {
    const { clock, journal, words, scaleTo } = this.#options;
    const { currentCount, canChange } = this.variantCapacity();
    if (!canChange) return false;
    const [activity] = this.#scaling.activities.list();
    journal.write({
      event: "step",
      did: `desired instance count ${currentCount} -> ${count}: ${activity?.cause ?? ""}`,
    });
    this.#desired = count;
    if (count < currentCount) scaleTo(count);
    else clock.setTimer(words.instance_start ?? 0, () => scaleTo(count));
    return true;
  }

  #track({ metric, target, min, max, out_cooldown, in_cooldown }: ScalingWords): void {
    const resourceId = `endpoint/${NAME.endpoint}/variant/${NAME.variant}`;
    const scalable = {
      ...NAME,
      resourceId,
      arn: `arn:aws:application-autoscaling:${NAME.region}:${ACCOUNT_ID}:scalable-target/scenario`,
      roleArn: "",
      min,
      max,
      suspended: { scalingIn: false, scalingOut: false, scheduled: false },
      createdMs: this.#options.clock.epochMs(),
    };
    this.#scaling.register(scalable);
    const seconds = (us: number | undefined): number => (us === undefined ? DEFAULT_COOLDOWN_S : us / 1e6);
    this.#scaling.putPolicy(scalable, {
      name: "target-tracking",
      type: "TargetTrackingScaling",
      step: null,
      configuration: {},
      tracking: {
        targetValue: target,
        queries: [predefinedQuery(metrics[metric], NAME)],
        asQueries: false,
        highResolution: metric === "concurrent-requests",
        scaleOutCooldownS: seconds(out_cooldown),
        scaleInCooldownS: seconds(in_cooldown),
        scalesIn: true,
      },
    });
  }
}
