import type { OperationService } from "../wire/json-service.ts";
import type { AutoScaling } from "./auto-scaling.ts";
import { describeScalingActivities } from "./operations/describe-scaling-activities.ts";
import { scalableTargetOperations } from "./operations/scalable-targets.ts";
import { scalingPolicyOperations } from "./operations/scaling-policies.ts";
import { scheduledActionOperations } from "./operations/scheduled-actions.ts";

/** Application Auto Scaling as clients ask for it. */
export const autoScalingService = (autoScaling: AutoScaling): OperationService => ({
  service: "application-autoscaling",
  operations: {
    ...scalableTargetOperations(autoScaling),
    ...scalingPolicyOperations(autoScaling),
    ...scheduledActionOperations(autoScaling),
    DescribeScalingActivities: describeScalingActivities(autoScaling),
  },
});
