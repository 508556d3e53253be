import { ACCOUNT_ID } from "../../wire/aws-request.ts";
import { type Operation, operation } from "../../wire/json-service.ts";
import { pageOf } from "../../wire/paging.ts";
import { required, string, structure, timestamp } from "../../wire/shapes.ts";
import { Timestamp } from "../../wire/timestamp.ts";
import type { AutoScaling, ScheduledAction } from "../auto-scaling.ts";
import { invalidNextToken, limitExceeded, objectNotFound, validationException } from "../errors.ts";
import {
  readVariantName,
  refuseOtherServices,
  SCALABLE_DIMENSION,
  SERVICE_NAMESPACE,
  subjectOf,
} from "../scalable-target.ts";
import { isTimeZone, parseSchedule } from "../schedule.ts";
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
import { requireTarget } from "./scalable-targets.ts";

const actionName = string({
  min: 1,
  max: 256,
  pattern: "(?!((^[ ]+.*)|(.*([\\u0000-\\u001f]|[\\u007f-\\u009f]|[:/|])+.*)|(.*[ ]+$))).+",
});

const putInput = structure({
  ServiceNamespace: required(serviceNamespace),
  Schedule: resourceId,
  Timezone: resourceId,
  ScheduledActionName: required(actionName),
  ResourceId: required(resourceId),
  ScalableDimension: required(scalableDimension),
  StartTime: timestamp(),
  EndTime: timestamp(),
  ScalableTargetAction: structure({ MinCapacity: capacity, MaxCapacity: capacity }),
});

const describeInput = structure({
  ScheduledActionNames: resourceIds,
  ServiceNamespace: required(serviceNamespace),
  ResourceId: resourceId,
  ScalableDimension: scalableDimension,
  MaxResults: maxResults,
  NextToken: nextToken,
});

const deleteInput = structure({
  ServiceNamespace: required(serviceNamespace),
  ScheduledActionName: required(resourceId),
  ResourceId: required(resourceId),
  ScalableDimension: required(scalableDimension),
});

/** AWS's default quota. */
const MAX_ACTIONS = 200;

export const scheduledActionOperations = (scaling: AutoScaling): Readonly<Record<string, Operation>> => ({
  /** What is not given stays as it is. */
  PutScheduledAction: operation(putInput, (given, { region }) => {
    const of = readVariantName(region, given.ServiceNamespace, given.ResourceId, given.ScalableDimension);
    requireTarget(scaling, of);
    const name = given.ScheduledActionName;
    const known = scaling.scheduledAction(of, name);
    if (known === undefined && scaling.scheduledActionsOf(of).length >= MAX_ACTIONS)
      throw limitExceeded(`${MAX_ACTIONS} scheduled actions per scalable target`);
    const text = given.Schedule ?? known?.text;
    const timeZone = given.Timezone ?? known?.timeZone;
    if (text === undefined) throw validationException("Schedule is required to create a scheduled action");
    if (timeZone !== undefined && !isTimeZone(timeZone))
      throw validationException(`Invalid timezone: ${timeZone}`);
    const schedule = parseSchedule(text, timeZone);
    if (schedule === null)
      throw validationException(
        `Invalid schedule expression. Details: '${text}' is not at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields).`,
      );
    const startMs = given.StartTime ?? known?.startMs;
    const endMs = given.EndTime ?? known?.endMs;
    if (startMs !== undefined && endMs !== undefined && startMs >= endMs)
      throw validationException("The end time must be later than the start time");
    const min = given.ScalableTargetAction?.MinCapacity ?? known?.min;
    const max = given.ScalableTargetAction?.MaxCapacity ?? known?.max;
    if (min === undefined && max === undefined)
      throw validationException("ScalableTargetAction must have MinCapacity, MaxCapacity or both");
    if (min !== undefined && max !== undefined && min > max)
      throw validationException("Maximum capacity cannot be less than minimum capacity");
    scaling.putScheduledAction({
      name,
      arn:
        known?.arn ??
        `arn:aws:autoscaling:${region}:${ACCOUNT_ID}:scheduledAction:${scaling.newId()}:resource/sagemaker/${given.ResourceId}:scheduledActionName/${name}`,
      of,
      resourceId: given.ResourceId,
      text,
      schedule,
      ...(timeZone === undefined ? {} : { timeZone }),
      ...(startMs === undefined ? {} : { startMs }),
      ...(endMs === undefined ? {} : { endMs }),
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
      createdMs: known?.createdMs ?? scaling.clock.epochMs(),
    });
    return {};
  }),

  DescribeScheduledActions: operation(describeInput, (query, { region }) => {
    refuseOtherServices(query.ServiceNamespace, query.ScalableDimension);
    const { ScheduledActionNames, ResourceId, MaxResults, NextToken } = query;
    const found = scaling
      .scheduledActions()
      .filter(
        ({ of, name, resourceId: id }) =>
          of.region === region &&
          (ResourceId === undefined || id === ResourceId) &&
          (ScheduledActionNames?.includes(name) ?? true),
      );
    const { page, next } = pageOf(found, {
      list: "DescribeScheduledActions",
      token: NextToken,
      size: MaxResults ?? PAGE,
      invalid: invalidNextToken,
    });
    return { ScheduledActions: page.map(actionOutput), NextToken: next };
  }),

  DeleteScheduledAction: operation(deleteInput, (given, { region }) => {
    const of = readVariantName(region, given.ServiceNamespace, given.ResourceId, given.ScalableDimension);
    const action = scaling.scheduledAction(of, given.ScheduledActionName);
    if (action === undefined)
      throw objectNotFound(
        `No scheduled action found for ${subjectOf(given.ResourceId)}, scheduled action name: ${given.ScheduledActionName}`,
      );
    scaling.deleteScheduledAction(action);
    return {};
  }),
});

const actionOutput = (action: ScheduledAction) => {
  const { name, arn, resourceId: id, text, timeZone, startMs, endMs, min, max, createdMs } = action;
  return {
    ScheduledActionName: name,
    ScheduledActionARN: arn,
    ServiceNamespace: SERVICE_NAMESPACE,
    Schedule: text,
    Timezone: timeZone,
    ResourceId: id,
    ScalableDimension: SCALABLE_DIMENSION,
    StartTime: startMs === undefined ? undefined : new Timestamp(startMs),
    EndTime: endMs === undefined ? undefined : new Timestamp(endMs),
    ScalableTargetAction: { MinCapacity: min, MaxCapacity: max },
    CreationTime: new Timestamp(createdMs),
  };
};
