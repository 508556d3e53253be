import { type MetricQuery, type QueryInput, readQueries } from "../../cloudwatch/metric-query.ts";
import { isStandardUnit } from "../../cloudwatch/standard-unit.ts";
import { simpleStatistics } from "../../cloudwatch/statistic.ts";
import { type Operation, operation } from "../../wire/json-service.ts";
import { pageOf } from "../../wire/paging.ts";
import {
  boolean,
  double,
  enumeration,
  integer,
  list,
  type Read,
  required,
  string,
  structure,
} from "../../wire/shapes.ts";
import { Timestamp } from "../../wire/timestamp.ts";
import type { AutoScaling, StoredPolicy } from "../auto-scaling.ts";
import { invalidNextToken, limitExceeded, objectNotFound, validationException } from "../errors.ts";
import {
  readVariantName,
  refuseOtherServices,
  SCALABLE_DIMENSION,
  type ScalableTarget,
  SERVICE_NAMESPACE,
  subjectOf,
} from "../scalable-target.ts";
import {
  DEFAULT_COOLDOWN_S,
  isPredefinedMetric,
  type PredefinedMetric,
  predefinedQuery,
  type StepScaling,
  type TargetTracking,
} from "../scaling-policy.ts";
import {
  maxResults,
  nextToken,
  PAGE,
  resourceId,
  resourceIds,
  scalableDimension,
  serviceNamespace,
} from "../shapes.ts";
import { requireTarget } from "./scalable-targets.ts";

const dimensions = list(structure({ Name: required(string()), Value: required(string()) }));

const trackingShape = structure({
  TargetValue: required(double()),
  PredefinedMetricSpecification: structure({
    PredefinedMetricType: required(string()),
    ResourceLabel: string({ min: 1, max: 1023 }),
  }),
  CustomizedMetricSpecification: structure({
    MetricName: string(),
    Namespace: string(),
    Dimensions: dimensions,
    Statistic: enumeration(["Average", "Minimum", "Maximum", "SampleCount", "Sum"]),
    Unit: string(),
    Metrics: list(
      structure({
        Id: required(string({ min: 1, max: 255 })),
        Expression: string({ min: 1, max: 2048 }),
        Label: string(),
        MetricStat: structure({
          Metric: required(
            structure({
              Namespace: string({ min: 1, max: 255 }),
              MetricName: string({ min: 1, max: 255 }),
              Dimensions: dimensions,
            }),
          ),
          Stat: required(string()),
          Unit: string({ min: 1, max: 1023 }),
        }),
        ReturnData: boolean(),
      }),
    ),
  }),
  ScaleOutCooldown: integer(),
  ScaleInCooldown: integer(),
  DisableScaleIn: boolean(),
});

const stepShape = structure({
  AdjustmentType: enumeration(["ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity"]),
  StepAdjustments: list(
    structure({
      MetricIntervalLowerBound: double(),
      MetricIntervalUpperBound: double(),
      ScalingAdjustment: required(integer()),
    }),
  ),
  MinAdjustmentMagnitude: integer(),
  Cooldown: integer(),
  MetricAggregationType: enumeration(["Average", "Minimum", "Maximum"]),
});

/** AWS's default quota. */
const MAX_POLICIES = 50;

const putInput = structure({
  PolicyName: required(string({ min: 1, max: 256, pattern: "[^\\p{Cc}]+" })),
  ServiceNamespace: required(serviceNamespace),
  ResourceId: required(resourceId),
  ScalableDimension: required(scalableDimension),
  PolicyType: enumeration(["StepScaling", "TargetTrackingScaling", "PredictiveScaling"]),
  StepScalingPolicyConfiguration: stepShape,
  TargetTrackingScalingPolicyConfiguration: trackingShape,
});

const describeInput = structure({
  PolicyNames: resourceIds,
  ServiceNamespace: required(serviceNamespace),
  ResourceId: resourceId,
  ScalableDimension: scalableDimension,
  MaxResults: maxResults,
  NextToken: nextToken,
});

const deleteInput = structure({
  PolicyName: required(resourceId),
  ServiceNamespace: required(serviceNamespace),
  ResourceId: required(resourceId),
  ScalableDimension: required(scalableDimension),
});

export const scalingPolicyOperations = (scaling: AutoScaling): Readonly<Record<string, Operation>> => ({
  PutScalingPolicy: operation(putInput, (given, { region }) => {
    const name = readVariantName(region, given.ServiceNamespace, given.ResourceId, given.ScalableDimension);
    const target = requireTarget(scaling, name);
    const known = scaling.policy(name, given.PolicyName);
    const type = given.PolicyType ?? known?.type ?? "StepScaling";
    if (known !== undefined && known.type !== type)
      throw validationException(
        `The policy ${given.PolicyName} is of type ${known.type}; its type cannot be changed`,
      );
    if (known === undefined && scaling.policiesOf(target).length >= MAX_POLICIES)
      throw limitExceeded(`${MAX_POLICIES} scaling policies per scalable target`);
    const policy = scaling.putPolicy(target, { name: given.PolicyName, ...policyOf(type, given, target) });
    return { PolicyARN: policy.arn, Alarms: alarmsOutput(scaling, policy) };
  }),

  DescribeScalingPolicies: operation(describeInput, (query, { region }) => {
    refuseOtherServices(query.ServiceNamespace, query.ScalableDimension);
    const { PolicyNames, ResourceId, MaxResults, NextToken } = query;
    const found = scaling
      .policies()
      .filter(
        ({ of, name, arn }) =>
          of.region === region &&
          (ResourceId === undefined || resourceIdOf(of) === ResourceId) &&
          (PolicyNames === undefined || PolicyNames.includes(name) || PolicyNames.includes(arn)),
      );
    const { page, next } = pageOf(found, {
      list: "DescribeScalingPolicies",
      token: NextToken,
      size: MaxResults ?? PAGE,
      invalid: invalidNextToken,
    });
    return { ScalingPolicies: page.map((policy) => policyOutput(scaling, policy)), NextToken: next };
  }),

  DeleteScalingPolicy: operation(deleteInput, (given, { region }) => {
    const of = readVariantName(region, given.ServiceNamespace, given.ResourceId, given.ScalableDimension);
    const policy = scaling.policy(of, given.PolicyName);
    if (policy === undefined)
      throw objectNotFound(
        `No scaling policy found for ${subjectOf(given.ResourceId)}, policy name: ${given.PolicyName}`,
      );
    scaling.deletePolicy(policy);
    return {};
  }),
});

const policyOf = (
  type: "StepScaling" | "TargetTrackingScaling" | "PredictiveScaling",
  given: Read<typeof putInput>,
  target: ScalableTarget,
): Pick<StoredPolicy, "type" | "tracking" | "step" | "configuration"> => {
  const { TargetTrackingScalingPolicyConfiguration: tracking, StepScalingPolicyConfiguration: step } = given;
  if (type === "PredictiveScaling")
    throw validationException("Policy type PredictiveScaling is not emulated");
  if (tracking !== undefined && step !== undefined)
    throw validationException(
      "Only one of TargetTrackingScalingPolicyConfiguration and StepScalingPolicyConfiguration can be given",
    );
  if (type === "TargetTrackingScaling") {
    if (tracking === undefined)
      throw validationException(
        "TargetTrackingScalingPolicyConfiguration is required for policy type TargetTrackingScaling",
      );
    return { type, tracking: trackingOf(tracking, target), step: null, configuration: tracking };
  }
  if (step === undefined)
    throw validationException("StepScalingPolicyConfiguration is required for policy type StepScaling");
  return { type, tracking: null, step: stepOf(step), configuration: step };
};

type TrackingInput = Read<typeof trackingShape>;

const trackingOf = (given: TrackingInput, target: ScalableTarget): TargetTracking => {
  const {
    TargetValue,
    PredefinedMetricSpecification: predefined,
    CustomizedMetricSpecification: customized,
  } = given;
  if (!(TargetValue > 0)) throw validationException("TargetValue must be greater than 0");
  if ((predefined === undefined) === (customized === undefined))
    throw validationException(
      "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be given",
    );
  const cooldown = (seconds: number | undefined, name: string): number => {
    if (seconds !== undefined && seconds < 0) throw validationException(`${name} cannot be less than 0`);
    return seconds ?? DEFAULT_COOLDOWN_S;
  };
  return {
    targetValue: TargetValue,
    queries:
      predefined === undefined
        ? customizedQueries(customized!)
        : [predefinedQuery(predefinedMetric(predefined.PredefinedMetricType, target), target)],
    asQueries: customized?.Metrics !== undefined,
    highResolution:
      predefined?.PredefinedMetricType === "SageMakerVariantConcurrentRequestsPerModelHighResolution",
    scaleOutCooldownS: cooldown(given.ScaleOutCooldown, "ScaleOutCooldown"),
    scaleInCooldownS: cooldown(given.ScaleInCooldown, "ScaleInCooldown"),
    scalesIn: given.DisableScaleIn !== true,
  };
};

const predefinedMetric = (type: string, { resourceId: id }: ScalableTarget): PredefinedMetric => {
  if (isPredefinedMetric(type)) return type;
  throw validationException(`Unsupported predefined metric type ${type} for ${subjectOf(id)}`);
};

const customizedQueries = (
  given: NonNullable<TrackingInput["CustomizedMetricSpecification"]>,
): MetricQuery[] => {
  const { MetricName, Namespace, Dimensions, Statistic, Unit, Metrics } = given;
  const invalid = validationException;
  const single: QueryInput = {
    Id: "m1",
    MetricStat: {
      Metric: { Namespace, MetricName, Dimensions },
      Stat: Statistic ?? "",
      Unit: unitOf(Unit),
    },
  };
  if (Metrics === undefined) {
    if (MetricName === undefined || Namespace === undefined || Statistic === undefined)
      throw invalid("CustomizedMetricSpecification needs MetricName, Namespace and Statistic, or Metrics");
    if (!simpleStatistics.includes(Statistic)) throw invalid(`Statistic ${Statistic} is not known`);
    return readQueries([single], { list: "Metrics", invalid, periodS: 60 });
  }
  if (
    MetricName !== undefined ||
    Namespace !== undefined ||
    Statistic !== undefined ||
    Dimensions !== undefined
  )
    throw invalid(
      "CustomizedMetricSpecification takes Metrics, or MetricName, Namespace, Dimensions and Statistic, not both",
    );
  const inputs = Metrics.map(
    ({ MetricStat, ...query }): QueryInput =>
      MetricStat === undefined
        ? query
        : { ...query, MetricStat: { ...MetricStat, Unit: unitOf(MetricStat.Unit) } },
  );
  const queries = readQueries(inputs, { list: "Metrics", invalid, periodS: 60 });
  if (queries.filter(({ returned }) => returned).length !== 1)
    throw invalid("Exactly one of the Metrics must return data");
  return queries;
};

const unitOf = (unit: string | undefined) => {
  if (unit === undefined || isStandardUnit(unit)) return unit;
  throw validationException(`Unit ${unit} is not known`);
};

const stepOf = (given: Read<typeof stepShape>): StepScaling => {
  const { AdjustmentType, StepAdjustments, MinAdjustmentMagnitude, Cooldown } = given;
  if (AdjustmentType === undefined) throw validationException("AdjustmentType is required");
  if (StepAdjustments === undefined || StepAdjustments.length === 0)
    throw validationException("At least one step adjustment is required");
  const steps = StepAdjustments.map(
    ({ MetricIntervalLowerBound, MetricIntervalUpperBound, ScalingAdjustment }) => ({
      ...(MetricIntervalLowerBound === undefined ? {} : { lower: MetricIntervalLowerBound }),
      ...(MetricIntervalUpperBound === undefined ? {} : { upper: MetricIntervalUpperBound }),
      adjustment: ScalingAdjustment,
    }),
  );
  refuseGaps(steps);
  return {
    adjustmentType: AdjustmentType,
    steps,
    minAdjustmentMagnitude: MinAdjustmentMagnitude ?? 0,
    cooldownS: Cooldown ?? DEFAULT_COOLDOWN_S,
  };
};

const refuseGaps = (steps: StepScaling["steps"]): void => {
  const inOrder = [...steps].sort(
    (a, b) => (a.lower ?? Number.NEGATIVE_INFINITY) - (b.lower ?? Number.NEGATIVE_INFINITY),
  );
  for (const [index, { lower, upper }] of inOrder.entries()) {
    if (lower !== undefined && upper !== undefined && lower >= upper)
      throw validationException("The lower bound of a step adjustment must be less than its upper bound");
    const next = inOrder[index + 1];
    if (next !== undefined && (upper === undefined || next.lower !== upper))
      throw validationException("Step adjustment intervals can't overlap or have gaps between them");
  }
};

const resourceIdOf = ({ endpoint, variant }: StoredPolicy["of"]): string =>
  `endpoint/${endpoint}/variant/${variant}`;

const alarmsOutput = (scaling: AutoScaling, policy: StoredPolicy) =>
  scaling.alarmsOf(policy).map(({ name, arn }) => ({ AlarmName: name, AlarmARN: arn }));

const policyOutput = (scaling: AutoScaling, policy: StoredPolicy) => ({
  PolicyARN: policy.arn,
  PolicyName: policy.name,
  ServiceNamespace: SERVICE_NAMESPACE,
  ResourceId: resourceIdOf(policy.of),
  ScalableDimension: SCALABLE_DIMENSION,
  PolicyType: policy.type,
  ...(policy.type === "StepScaling"
    ? { StepScalingPolicyConfiguration: policy.configuration }
    : { TargetTrackingScalingPolicyConfiguration: policy.configuration }),
  Alarms: alarmsOutput(scaling, policy),
  CreationTime: new Timestamp(policy.createdMs),
});
