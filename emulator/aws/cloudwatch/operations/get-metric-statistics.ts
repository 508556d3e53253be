import { operation } from "../../wire/json-service.ts";
import { OutputMap } from "../../wire/output-map.ts";
import { list, required, string, structure, timestamp } from "../../wire/shapes.ts";
import { Timestamp } from "../../wire/timestamp.ts";
import type { DataPoint } from "../data-point.ts";
import { invalidCombination, invalidValue } from "../errors.ts";
import { dimensionsOf, isPeriod, wrongPeriod } from "../metric-query.ts";
import type { MetricStore } from "../metric-store.ts";
import { dimensions, metricName, namespace, period, standardUnit, statistic } from "../shapes.ts";
import { isSimpleStatistic, readStatistic } from "../statistic.ts";

const input = structure({
  Namespace: required(namespace),
  MetricName: required(metricName),
  Dimensions: dimensions,
  StartTime: required(timestamp()),
  EndTime: required(timestamp()),
  Period: required(period),
  Statistics: list(statistic, { min: 1, max: 5 }),
  ExtendedStatistics: list(string(), { min: 1, max: 10 }),
  Unit: standardUnit,
});

const MAX_DATAPOINTS = 1440;

/** Data points of each unit by itself; periods begin at the start, which is rounded down to a whole minute. */
export const getMetricStatistics = (store: MetricStore) =>
  operation(input, (query) => {
    const { Namespace, MetricName, Dimensions, StartTime, EndTime, Period, Statistics, ExtendedStatistics } =
      query;
    if (StartTime >= EndTime)
      throw invalidValue("The parameter StartTime must be less than the parameter EndTime.");
    if (!isPeriod(Period)) throw invalidValue(wrongPeriod("Period"));
    if (Statistics === undefined && ExtendedStatistics === undefined)
      throw invalidCombination(
        "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
      );
    const names = [...new Set([...(Statistics ?? []), ...(ExtendedStatistics ?? [])])];
    for (const name of ExtendedStatistics ?? []) {
      if (isSimpleStatistic(name) || readStatistic(name) === null)
        throw invalidValue(`The value ${name} for parameter ExtendedStatistics is not supported.`);
    }
    const whole = Math.min(Period, 60);
    const startS = Math.floor(StartTime / 1000 / whole) * whole;
    const endS = EndTime / 1000;
    refuseTooMany(Math.ceil((endS - startS) / Period));
    const metric = { namespace: Namespace, name: MetricName, dimensions: dimensionsOf(Dimensions) };
    const units = store.read(metric, { startS, endS, periodS: Period }, query.Unit);
    return {
      Label: MetricName,
      Datapoints: [...units].flatMap(([unit, points]) =>
        [...points]
          .sort(([a], [b]) => a - b)
          .map(([start, point]) => ({
            Timestamp: new Timestamp(start * 1000),
            ...valuesOf(point, names),
            Unit: unit,
          })),
      ),
    };
  });

const refuseTooMany = (count: number): void => {
  if (count <= MAX_DATAPOINTS) return;
  const number = (value: number) => value.toLocaleString("en-US");
  throw invalidCombination(
    `You have requested up to ${number(count)} datapoints, which exceeds the limit of ${number(MAX_DATAPOINTS)}. You may reduce the datapoints requested by increasing Period, or decreasing the time range.`,
  );
};

const valuesOf = (point: DataPoint, names: readonly string[]) => {
  const simple: Record<string, number> = {};
  const extended: Record<string, number> = {};
  for (const name of names) {
    const value = readStatistic(name)?.(point) ?? null;
    if (value !== null) (isSimpleStatistic(name) ? simple : extended)[name] = value;
  }
  return Object.keys(extended).length === 0
    ? simple
    : { ...simple, ExtendedStatistics: new OutputMap(extended) };
};
