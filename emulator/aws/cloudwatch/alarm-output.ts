import { Timestamp } from "../wire/timestamp.ts";
import type { Alarm } from "./alarm.ts";
import { dimensionList, isMetricStat, type MetricQuery } from "./metric-query.ts";
import { isSimpleStatistic } from "./statistic.ts";

/** An alarm as DescribeAlarms shows it. */
export const alarmOutput = (alarm: Alarm) => {
  const { settings, state, reason, reasonData, configuredMs, updatedMs, transitionedMs } = alarm;
  const { queries, asQueries } = settings;
  return {
    AlarmName: settings.name,
    AlarmArn: settings.arn,
    AlarmDescription: settings.description,
    AlarmConfigurationUpdatedTimestamp: new Timestamp(configuredMs),
    ActionsEnabled: settings.actionsEnabled,
    OKActions: settings.actions.OK,
    AlarmActions: settings.actions.ALARM,
    InsufficientDataActions: settings.actions.INSUFFICIENT_DATA,
    StateValue: state,
    StateReason: reason,
    StateReasonData: reasonData,
    StateUpdatedTimestamp: new Timestamp(updatedMs),
    ...(asQueries ? { Metrics: queries.map(queryOutput) } : metricOf(queries[0])),
    EvaluationPeriods: settings.evaluationPeriods,
    DatapointsToAlarm: settings.datapointsToAlarm,
    Threshold: settings.threshold,
    ComparisonOperator: settings.comparison,
    TreatMissingData: settings.missingData,
    StateTransitionedTimestamp: new Timestamp(transitionedMs),
  };
};

const metricOf = (query: MetricQuery | undefined) => {
  if (query === undefined || !isMetricStat(query.source)) return {};
  const { metric, stat, periodS, unit } = query.source;
  return {
    MetricName: metric.name,
    Namespace: metric.namespace,
    ...(isSimpleStatistic(stat) ? { Statistic: stat } : { ExtendedStatistic: stat }),
    Dimensions: dimensionList(metric.dimensions),
    Period: periodS,
    Unit: unit,
  };
};

const queryOutput = ({ id, label, returned, source }: MetricQuery) => {
  const common = { Id: id, Label: label, ReturnData: returned };
  if (!isMetricStat(source)) return { ...common, Expression: source.text };
  const { metric, periodS, stat, unit } = source;
  return {
    ...common,
    MetricStat: {
      Metric: {
        Namespace: metric.namespace,
        MetricName: metric.name,
        Dimensions: dimensionList(metric.dimensions),
      },
      Period: periodS,
      Stat: stat,
      Unit: unit,
    },
  };
};
