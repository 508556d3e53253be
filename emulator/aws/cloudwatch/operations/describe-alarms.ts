import { operation } from "../../wire/json-service.ts";
import { pageOf } from "../../wire/paging.ts";
import { list, type Read, required, string, structure, timestamp } from "../../wire/shapes.ts";
import { Timestamp } from "../../wire/timestamp.ts";
import type { Alarm } from "../alarm.ts";
import type { HistoryItem } from "../alarm-history.ts";
import { alarmOutput } from "../alarm-output.ts";
import type { Alarms } from "../alarms.ts";
import { invalidNextToken, validationError } from "../errors.ts";
import { dimensionsOf, isMetricStat } from "../metric-query.ts";
import {
  alarmName,
  alarmNames,
  alarmType,
  dimensions,
  historyItemType,
  maxRecords,
  metricName,
  namespace,
  period,
  scanBy,
  standardUnit,
  stateValue,
  statistic,
} from "../shapes.ts";

const PAGE = 50;
const HISTORY_PAGE = 100;

const alarmsInput = structure({
  AlarmNames: alarmNames,
  AlarmNamePrefix: alarmName,
  AlarmTypes: list(alarmType),
  ChildrenOfAlarmName: alarmName,
  ParentsOfAlarmName: alarmName,
  StateValue: stateValue,
  ActionPrefix: string({ min: 1, max: 1024 }),
  MaxRecords: maxRecords,
  NextToken: string(),
});

/** Only metric alarms exist here: other kinds are lists without members. */
export const describeAlarms = (alarms: Alarms) =>
  operation(alarmsInput, (query) => {
    const { AlarmNames, AlarmNamePrefix, AlarmTypes, MaxRecords, NextToken } = query;
    if (AlarmNames !== undefined && AlarmNamePrefix !== undefined)
      throw validationError("AlarmNamePrefix and AlarmNames are mutually exclusive parameters.");
    const hasMetricAlarms = AlarmTypes === undefined || AlarmTypes.includes("MetricAlarm");
    const others = query.ChildrenOfAlarmName !== undefined || query.ParentsOfAlarmName !== undefined;
    const found = hasMetricAlarms && !others ? alarms.list().filter((alarm) => isWanted(alarm, query)) : [];
    const { page, next } = pageOf(found, {
      list: "DescribeAlarms",
      token: NextToken,
      size: MaxRecords ?? (AlarmNames === undefined ? PAGE : found.length),
      invalid: invalidNextToken,
    });
    return { CompositeAlarms: [], MetricAlarms: page.map(alarmOutput), NextToken: next };
  });

const isWanted = (
  { settings, state }: Alarm,
  { AlarmNames, AlarmNamePrefix = "", StateValue, ActionPrefix }: Read<typeof alarmsInput>,
): boolean =>
  (AlarmNames === undefined || AlarmNames.includes(settings.name)) &&
  settings.name.startsWith(AlarmNamePrefix) &&
  (StateValue === undefined || state === StateValue) &&
  (ActionPrefix === undefined ||
    Object.values(settings.actions).some((arns) => arns.some((arn) => arn.startsWith(ActionPrefix))));

const metricInput = structure({
  MetricName: required(metricName),
  Namespace: required(namespace),
  Statistic: statistic,
  ExtendedStatistic: string(),
  Dimensions: dimensions,
  Period: period,
  Unit: standardUnit,
});

/** Alarms on that very metric: all its dimensions have to be named. */
export const describeAlarmsForMetric = (alarms: Alarms) =>
  operation(metricInput, (query) => ({
    MetricAlarms: alarms
      .list()
      .filter((alarm) => isOn(alarm, query))
      .map(alarmOutput),
  }));

const isOn = ({ settings }: Alarm, query: Read<typeof metricInput>): boolean => {
  const dimensions = pairs(dimensionsOf(query.Dimensions));
  const stat = query.Statistic ?? query.ExtendedStatistic;
  return settings.queries.some(
    ({ source }) =>
      isMetricStat(source) &&
      source.metric.namespace === query.Namespace &&
      source.metric.name === query.MetricName &&
      pairs(source.metric.dimensions) === dimensions &&
      (stat === undefined || source.stat === stat) &&
      (query.Period === undefined || source.periodS === query.Period) &&
      (query.Unit === undefined || source.unit === query.Unit),
  );
};

const pairs = (dimensions: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1)));

const historyInput = structure({
  AlarmName: alarmName,
  AlarmTypes: list(alarmType),
  HistoryItemType: historyItemType,
  StartDate: timestamp(),
  EndDate: timestamp(),
  MaxRecords: maxRecords,
  NextToken: string(),
  ScanBy: scanBy,
});

export const describeAlarmHistory = ({ history }: Alarms) =>
  operation(historyInput, (query) => {
    const found = history.items.filter((item) => isAskedFor(item, query));
    if (query.ScanBy !== "TimestampAscending") found.reverse();
    const { page, next } = pageOf(found, {
      list: "DescribeAlarmHistory",
      token: query.NextToken,
      size: query.MaxRecords ?? HISTORY_PAGE,
      invalid: invalidNextToken,
    });
    return { AlarmHistoryItems: page.map(itemOutput), NextToken: next };
  });

const isAskedFor = (
  { alarmName, type, epochMs }: HistoryItem,
  { AlarmName, AlarmTypes, HistoryItemType, StartDate, EndDate }: Read<typeof historyInput>,
): boolean =>
  (AlarmName === undefined || alarmName === AlarmName) &&
  (AlarmTypes === undefined || AlarmTypes.includes("MetricAlarm")) &&
  (HistoryItemType === undefined || type === HistoryItemType) &&
  (StartDate === undefined || epochMs >= StartDate) &&
  (EndDate === undefined || epochMs <= EndDate);

const itemOutput = ({ alarmName, epochMs, type, summary, data }: HistoryItem) => ({
  AlarmName: alarmName,
  AlarmType: "MetricAlarm",
  Timestamp: new Timestamp(epochMs),
  HistoryItemType: type,
  HistorySummary: summary,
  HistoryData: data,
});
