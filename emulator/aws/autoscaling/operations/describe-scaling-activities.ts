import { operation } from "../../wire/json-service.ts";
import { pageOf } from "../../wire/paging.ts";
import { boolean, required, structure } from "../../wire/shapes.ts";
import { Timestamp } from "../../wire/timestamp.ts";
import type { AutoScaling } from "../auto-scaling.ts";
import { invalidNextToken } from "../errors.ts";
import { refuseOtherServices, SCALABLE_DIMENSION, SERVICE_NAMESPACE } from "../scalable-target.ts";
import type { ScalingActivity } from "../scaling-activities.ts";
import { maxResults, nextToken, PAGE, resourceId, scalableDimension, serviceNamespace } from "../shapes.ts";

const input = structure({
  ServiceNamespace: required(serviceNamespace),
  ResourceId: resourceId,
  ScalableDimension: scalableDimension,
  MaxResults: maxResults,
  NextToken: nextToken,
  IncludeNotScaledActivities: boolean(),
});

/** Newest first. */
export const describeScalingActivities = (scaling: AutoScaling) =>
  operation(input, (query, { region }) => {
    refuseOtherServices(query.ServiceNamespace, query.ScalableDimension);
    const { ResourceId, MaxResults, NextToken, IncludeNotScaledActivities = false } = query;
    const found = scaling.activities
      .list()
      .filter(
        (activity) =>
          activity.of.region === region &&
          (ResourceId === undefined || resourceIdOf(activity) === ResourceId) &&
          (IncludeNotScaledActivities || activity.status !== "NotScaled"),
      );
    const { page, next } = pageOf(found, {
      list: "DescribeScalingActivities",
      token: NextToken,
      size: MaxResults ?? PAGE,
      invalid: invalidNextToken,
    });
    return { ScalingActivities: page.map(activityOutput), NextToken: next };
  });

const resourceIdOf = ({ of }: ScalingActivity): string => `endpoint/${of.endpoint}/variant/${of.variant}`;

const activityOutput = (activity: ScalingActivity) => {
  const { id, description, cause, startMs, endMs, status, message, notScaled } = activity;
  return {
    ActivityId: id,
    ServiceNamespace: SERVICE_NAMESPACE,
    ResourceId: resourceIdOf(activity),
    ScalableDimension: SCALABLE_DIMENSION,
    Description: description,
    Cause: cause,
    StartTime: new Timestamp(startMs),
    EndTime: endMs === null ? undefined : new Timestamp(endMs),
    StatusCode: status,
    StatusMessage: message,
    NotScaledReasons:
      notScaled === null
        ? undefined
        : [
            {
              Code: notScaled.code,
              MaxCapacity: notScaled.maxCapacity,
              MinCapacity: notScaled.minCapacity,
              CurrentCapacity: notScaled.currentCapacity,
            },
          ],
  };
};
