import { operation } from "../../wire/json-service.ts";
import {
  boolean,
  enumeration,
  integer,
  list,
  type Read,
  required,
  string,
  structure,
} from "../../wire/shapes.ts";
import {
  type ComparisonOperator,
  comparisons,
  type MissingData,
  missingDataTreatments,
} from "../alarm-evaluation.ts";
import type { Alarms } from "../alarms.ts";
import { alarmQuota, validationError } from "../errors.ts";
import { dimensionsOf, isMetricStat, isPeriod, type MetricQuery, readQueries } from "../metric-query.ts";
import {
  alarmName,
  dimensions,
  metricDataQueries,
  metricName,
  namespace,
  period,
  resourceArn,
  standardUnit,
  statistic,
  tags,
  threshold,
} from "../shapes.ts";
import { isSimpleStatistic, readStatistic } from "../statistic.ts";

const actions = list(resourceArn, { max: 5 });

const input = structure({
  AlarmName: required(alarmName),
  AlarmDescription: string({ min: 0, max: 1024 }),
  ActionsEnabled: boolean(),
  OKActions: actions,
  AlarmActions: actions,
  InsufficientDataActions: actions,
  MetricName: metricName,
  Namespace: namespace,
  Statistic: statistic,
  ExtendedStatistic: string(),
  Dimensions: dimensions,
  Period: period,
  Unit: standardUnit,
  EvaluationPeriods: integer({ min: 1 }),
  DatapointsToAlarm: integer({ min: 1 }),
  Threshold: threshold,
  ComparisonOperator: enumeration([
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
    "LessThanLowerThreshold",
    "GreaterThanUpperThreshold",
  ]),
  TreatMissingData: string({ min: 1, max: 255 }),
  EvaluateLowSampleCountPercentile: string({ min: 1, max: 255 }),
  Metrics: metricDataQueries,
  Tags: tags,
  ThresholdMetricId: string({ min: 1, max: 255 }),
});

type Input = Read<typeof input>;

const DAY_S = 86_400;

/** AWS's default quota. */
const MAX_ALARMS = 5000;

export const putMetricAlarm = (alarms: Alarms) =>
  operation(input, (given, { region, accountId }) => {
    const queries = given.Metrics === undefined ? [queryOf(given)] : queriesOf(given);
    const rule = ruleOf(given);
    refusePeriods(queries, rule.evaluationPeriods);
    if (alarms.count >= MAX_ALARMS && alarms.get(given.AlarmName) === undefined) throw alarmQuota();
    alarms.put({
      ...rule,
      name: given.AlarmName,
      arn: `arn:aws:cloudwatch:${region}:${accountId}:alarm:${given.AlarmName}`,
      ...(given.AlarmDescription === undefined ? {} : { description: given.AlarmDescription }),
      actionsEnabled: given.ActionsEnabled ?? true,
      actions: {
        OK: given.OKActions ?? [],
        ALARM: given.AlarmActions ?? [],
        INSUFFICIENT_DATA: given.InsufficientDataActions ?? [],
      },
      queries,
      asQueries: given.Metrics !== undefined,
    });
    return {};
  });

const ruleOf = ({
  EvaluationPeriods,
  DatapointsToAlarm,
  Threshold,
  ComparisonOperator,
  TreatMissingData,
}: Input) => {
  if (EvaluationPeriods === undefined) throw validationError("The parameter EvaluationPeriods is required.");
  if (ComparisonOperator === undefined)
    throw validationError("The parameter ComparisonOperator is required.");
  if (!isComparison(ComparisonOperator))
    throw validationError(
      `The ComparisonOperator ${ComparisonOperator} needs anomaly detection, which is not emulated.`,
    );
  if (Threshold === undefined) throw validationError("The parameter Threshold is required.");
  if (DatapointsToAlarm !== undefined && DatapointsToAlarm > EvaluationPeriods)
    throw validationError(
      "The parameter DatapointsToAlarm must be less than or equal to the parameter EvaluationPeriods.",
    );
  if (TreatMissingData !== undefined && !isTreatment(TreatMissingData)) {
    throw validationError(
      `The value ${TreatMissingData} is not supported for TreatMissingData parameter. Supported values are [${missingDataTreatments.join(", ")}].`,
    );
  }
  return {
    threshold: Threshold,
    comparison: ComparisonOperator,
    evaluationPeriods: EvaluationPeriods,
    ...(DatapointsToAlarm === undefined ? {} : { datapointsToAlarm: DatapointsToAlarm }),
    ...(TreatMissingData === undefined ? {} : { missingData: TreatMissingData }),
  };
};

const isComparison = (name: string): name is ComparisonOperator => Object.hasOwn(comparisons, name);

const isTreatment = (name: string): name is MissingData => missingDataTreatments.some((one) => one === name);

const queryOf = (given: Input): MetricQuery => {
  const { MetricName, Namespace, Statistic, ExtendedStatistic, Period, Unit } = given;
  if (MetricName === undefined || Namespace === undefined)
    throw validationError(
      "Exactly one of the parameters Metrics and MetricName, with Namespace, must be specified.",
    );
  if (Period === undefined) throw validationError("The parameter Period is required.");
  const stat = Statistic ?? ExtendedStatistic;
  if (stat === undefined || (Statistic !== undefined && ExtendedStatistic !== undefined))
    throw validationError("Exactly one of the parameters Statistic and ExtendedStatistic must be specified.");
  if (Statistic === undefined && (isSimpleStatistic(stat) || readStatistic(stat) === null))
    throw validationError(`The value ${stat} for parameter ExtendedStatistic is not supported.`);
  return {
    id: "m1",
    returned: true,
    source: {
      metric: { namespace: Namespace, name: MetricName, dimensions: dimensionsOf(given.Dimensions) },
      periodS: Period,
      stat,
      ...(Unit === undefined ? {} : { unit: Unit }),
    },
  };
};

const queriesOf = (given: Input): MetricQuery[] => {
  const {
    Metrics = [],
    MetricName,
    Namespace,
    Period,
    Statistic,
    ExtendedStatistic,
    Dimensions,
    ThresholdMetricId,
  } = given;
  if (
    [MetricName, Namespace, Period, Statistic, ExtendedStatistic, Dimensions].some((one) => one !== undefined)
  )
    throw validationError(
      "The parameters MetricName, Namespace, Dimensions, Period, Statistic and ExtendedStatistic must not be specified with Metrics.",
    );
  if (ThresholdMetricId !== undefined)
    throw validationError("ThresholdMetricId needs anomaly detection, which is not emulated.");
  const queries = readQueries(Metrics, { list: "Metrics", invalid: validationError });
  if (queries.filter(({ returned }) => returned).length !== 1)
    throw validationError("Exactly one element of the metrics list should return data.");
  return queries;
};

const refusePeriods = (queries: readonly MetricQuery[], evaluationPeriods: number): void => {
  const periods = queries.flatMap(({ source }) => (isMetricStat(source) ? [source.periodS] : []));
  for (const seconds of periods) {
    if (seconds < 10 || !isPeriod(seconds))
      throw validationError("Period must be 10, 20, 30 or a multiple of 60");
  }
  if (Math.max(0, ...periods) * evaluationPeriods > 7 * DAY_S)
    throw validationError(
      "Metrics cannot be checked across more than seven days (EvaluationPeriods * Period must be <= 604800).",
    );
};
