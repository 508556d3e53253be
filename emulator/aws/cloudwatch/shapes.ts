import { boolean, double, enumeration, integer, list, required, string, structure } from "../wire/shapes.ts";
import { standardUnits } from "./standard-unit.ts";
import { simpleStatistics } from "./statistic.ts";

/** Shapes that several operations of CloudWatch share, by the names of its service model. */
export const namespace = string({ min: 1, max: 255, pattern: "[^:].*" });
export const metricName = string({ min: 1, max: 255 });
export const standardUnit = enumeration(standardUnits);
export const statistic = enumeration(simpleStatistics);
export const period = integer({ min: 1 });

export const dimensions = list(
  structure({
    Name: required(string({ min: 1, max: 255 })),
    Value: required(string({ min: 1, max: 1024 })),
  }),
  { max: 30 },
);

export const metricDataQueries = list(
  structure({
    Id: required(string({ min: 1, max: 255 })),
    MetricStat: structure({
      Metric: required(structure({ Namespace: namespace, MetricName: metricName, Dimensions: dimensions })),
      Period: required(period),
      Stat: required(string()),
      Unit: standardUnit,
    }),
    Expression: string({ min: 1, max: 2048 }),
    Label: string(),
    ReturnData: boolean(),
    Period: period,
    AccountId: string({ min: 1, max: 255 }),
  }),
);

export const alarmName = string({ min: 1, max: 255 });
export const alarmNames = list(alarmName, { max: 100 });
export const stateValue = enumeration(["OK", "ALARM", "INSUFFICIENT_DATA"]);
export const alarmType = enumeration(["CompositeAlarm", "MetricAlarm", "LogAlarm"]);
export const maxRecords = integer({ min: 1, max: 100 });
export const scanBy = enumeration(["TimestampDescending", "TimestampAscending"]);
export const resourceArn = string({ min: 1, max: 1024 });
export const threshold = double();

export const tags = list(
  structure({
    Key: required(string({ min: 1, max: 128 })),
    Value: required(string({ min: 0, max: 256 })),
  }),
);

export const historyItemType = enumeration([
  "ConfigurationUpdate",
  "StateUpdate",
  "Action",
  "AlarmContributorStateUpdate",
  "AlarmContributorAction",
]);
