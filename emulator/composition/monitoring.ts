import { AutoScaling } from "../aws/autoscaling/auto-scaling.ts";
import { autoScalingService } from "../aws/autoscaling/auto-scaling-service.ts";
import { CloudWatch } from "../aws/cloudwatch/cloudwatch.ts";
import { EndpointMetrics, type MeasuredVariant } from "../aws/cloudwatch/endpoint-metrics.ts";
import type { InvocationObserver } from "../aws/runtime/endpoints.ts";
import type { ControlPlane } from "../aws/sagemaker/control-plane.ts";
import type { OperationService } from "../aws/wire/json-service.ts";
import type { Clock } from "../common/clock.ts";
import type { Journal } from "../journal/journal.ts";

/** CloudWatch with the metrics of endpoints, and Application Auto Scaling, which looks at them. */
export interface Monitoring {
  readonly services: readonly OperationService[];
  readonly observer: InvocationObserver;
  /** What was measured is gone; alarms and policies stay. */
  reset(): void;
  stop(): void;
}

export const startMonitoring = ({
  clock,
  journal,
  controlPlane,
  seed,
}: {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly controlPlane: ControlPlane;
  readonly seed: number;
}): Monitoring => {
  const cloudWatch = new CloudWatch(clock);
  const autoScaling = new AutoScaling({
    clock,
    seed,
    alarms: cloudWatch.alarms,
    variants: controlPlane,
  });
  controlPlane.keepScaled((region, endpoint) => autoScaling.variantsOf(region, endpoint));
  controlPlane.onDeleted((region, endpoint) => autoScaling.endpointDeleted(region, endpoint));
  const metrics = new EndpointMetrics({
    sink: cloudWatch.metrics,
    clock,
    variants: () => measuredVariants(controlPlane),
    // What is served without an endpoint of the control plane has one instance.
    instanceCount: (region, endpoint, variant) =>
      controlPlane.variantCapacity(region, endpoint, variant)?.currentCount ?? 1,
  });
  metrics.start();
  const deafen = journal.listen((event) => {
    if (event.event !== "unload-answer" || event.instance === undefined) return;
    // `<endpoint>/<variant>/<instance>`; the instance of `--model-data` has no such name.
    const [endpoint = "", variant, instance] = event.instance.split("/");
    if (variant !== undefined && instance !== undefined)
      metrics.unloaded(endpoint, variant, event.durationUs);
  });
  return {
    services: [cloudWatch.service, autoScalingService(autoScaling)],
    observer: metrics,
    reset: () => cloudWatch.clear(),
    stop: () => {
      deafen();
      metrics.stop();
      autoScaling.stop();
      cloudWatch.stop();
    },
  };
};

const measuredVariants = (controlPlane: ControlPlane): readonly MeasuredVariant[] =>
  controlPlane.fleets().map(({ endpoint, variant, instances }) => ({
    endpoint,
    variant,
    instances: instances.map((instance) => instance.gauges()),
  }));
