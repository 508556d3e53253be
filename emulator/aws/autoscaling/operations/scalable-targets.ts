import { ACCOUNT_ID } from "../../wire/aws-request.ts";
import { type Operation, operation } from "../../wire/json-service.ts";
import { pageOf } from "../../wire/paging.ts";
import { boolean, map, required, string, structure } from "../../wire/shapes.ts";
import { Timestamp } from "../../wire/timestamp.ts";
import type { AutoScaling } from "../auto-scaling.ts";
import { invalidNextToken, limitExceeded, objectNotFound, validationException } from "../errors.ts";
import {
  readVariantName,
  refuseOtherServices,
  SCALABLE_DIMENSION,
  type ScalableTarget,
  SERVICE_NAMESPACE,
  type SuspendedState,
  subjectOf,
} from "../scalable-target.ts";
import {
  capacity,
  maxResults,
  nextToken,
  PAGE,
  resourceId,
  resourceIds,
  scalableDimension,
  serviceNamespace,
} from "../shapes.ts";

const registerInput = structure({
  ServiceNamespace: required(serviceNamespace),
  ResourceId: required(resourceId),
  ScalableDimension: required(scalableDimension),
  MinCapacity: capacity,
  MaxCapacity: capacity,
  RoleARN: resourceId,
  SuspendedState: structure({
    DynamicScalingInSuspended: boolean(),
    DynamicScalingOutSuspended: boolean(),
    ScheduledScalingSuspended: boolean(),
  }),
  Tags: map(string({ min: 0, max: 256 })),
});

const describeInput = structure({
  ServiceNamespace: required(serviceNamespace),
  ResourceIds: resourceIds,
  ScalableDimension: scalableDimension,
  MaxResults: maxResults,
  NextToken: nextToken,
});

const deregisterInput = structure({
  ServiceNamespace: required(serviceNamespace),
  ResourceId: required(resourceId),
  ScalableDimension: required(scalableDimension),
});

/** Its service-linked role, whatever role is given. */
const ROLE = `arn:aws:iam::${ACCOUNT_ID}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint`;

/** Of a region: AWS's default quota for SageMaker. */
const MAX_TARGETS = 500;

const awake: SuspendedState = { scalingIn: false, scalingOut: false, scheduled: false };

export const scalableTargetOperations = (scaling: AutoScaling): Readonly<Record<string, Operation>> => ({
  RegisterScalableTarget: operation(registerInput, (given, { region }) => {
    const name = readVariantName(region, given.ServiceNamespace, given.ResourceId, given.ScalableDimension);
    const known = scaling.target(name);
    const min = given.MinCapacity ?? known?.min;
    const max = given.MaxCapacity ?? known?.max;
    if (min === undefined || max === undefined)
      throw validationException("MinCapacity and MaxCapacity are required to register a scalable target");
    if (min > max) throw validationException("Maximum capacity cannot be less than minimum capacity");
    if (scaling.variants.variantCapacity(region, name.endpoint, name.variant) === null) {
      throw validationException(
        `SageMaker endpoint variant doesn't exist: endpoint/${name.endpoint}/variant/${name.variant}`,
      );
    }
    if (known === undefined && scaling.targets().filter((one) => one.region === region).length >= MAX_TARGETS)
      throw limitExceeded(`${MAX_TARGETS} scalable targets`);
    const target: ScalableTarget = {
      ...name,
      resourceId: given.ResourceId,
      arn:
        known?.arn ??
        `arn:aws:application-autoscaling:${region}:${ACCOUNT_ID}:scalable-target/${scaling.newId().replaceAll("-", "")}`,
      roleArn: ROLE,
      min,
      max,
      suspended: suspendedOf(given.SuspendedState, known?.suspended ?? awake),
      createdMs: known?.createdMs ?? scaling.clock.epochMs(),
    };
    scaling.register(target);
    return { ScalableTargetARN: target.arn };
  }),

  DescribeScalableTargets: operation(describeInput, (query, { region }) => {
    refuseOtherServices(query.ServiceNamespace, query.ScalableDimension);
    const { ResourceIds, MaxResults, NextToken } = query;
    const found = scaling
      .targets()
      .filter((target) => target.region === region && (ResourceIds?.includes(target.resourceId) ?? true));
    const { page, next } = pageOf(found, {
      list: "DescribeScalableTargets",
      token: NextToken,
      size: MaxResults ?? PAGE,
      invalid: invalidNextToken,
    });
    return { ScalableTargets: page.map(targetOutput), NextToken: next };
  }),

  DeregisterScalableTarget: operation(deregisterInput, (given, { region }) => {
    const name = readVariantName(region, given.ServiceNamespace, given.ResourceId, given.ScalableDimension);
    requireTarget(scaling, name);
    scaling.deregister(name);
    return {};
  }),
});

/** @throws AwsError */
export const requireTarget = (
  scaling: AutoScaling,
  name: Parameters<AutoScaling["target"]>[0],
): ScalableTarget => {
  const target = scaling.target(name);
  if (target === undefined)
    throw objectNotFound(
      `No scalable target found for ${subjectOf(`endpoint/${name.endpoint}/variant/${name.variant}`)}`,
    );
  return target;
};

const suspendedOf = (
  given:
    | {
        readonly DynamicScalingInSuspended: boolean | undefined;
        readonly DynamicScalingOutSuspended: boolean | undefined;
        readonly ScheduledScalingSuspended: boolean | undefined;
      }
    | undefined,
  known: SuspendedState,
): SuspendedState => ({
  scalingIn: given?.DynamicScalingInSuspended ?? known.scalingIn,
  scalingOut: given?.DynamicScalingOutSuspended ?? known.scalingOut,
  scheduled: given?.ScheduledScalingSuspended ?? known.scheduled,
});

const targetOutput = ({ resourceId, min, max, roleArn, createdMs, suspended, arn }: ScalableTarget) => ({
  ServiceNamespace: SERVICE_NAMESPACE,
  ResourceId: resourceId,
  ScalableDimension: SCALABLE_DIMENSION,
  MinCapacity: min,
  MaxCapacity: max,
  RoleARN: roleArn,
  CreationTime: new Timestamp(createdMs),
  SuspendedState: {
    DynamicScalingInSuspended: suspended.scalingIn,
    DynamicScalingOutSuspended: suspended.scalingOut,
    ScheduledScalingSuspended: suspended.scheduled,
  },
  ScalableTargetARN: arn,
});
