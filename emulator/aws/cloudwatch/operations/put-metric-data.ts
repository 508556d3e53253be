import type { Clock } from "../../../common/clock.ts";
import { operation } from "../../wire/json-service.ts";
import { double, integer, list, type Read, required, structure, timestamp } from "../../wire/shapes.ts";
import { invalidCombination, invalidValue, missingParameter } from "../errors.ts";
import { dimensionsOf } from "../metric-query.ts";
import type { MetricStore } from "../metric-store.ts";
import { dimensions, metricName, namespace, standardUnit } from "../shapes.ts";

const datum = structure({
  MetricName: required(metricName),
  Dimensions: dimensions,
  Timestamp: timestamp(),
  Value: double(),
  StatisticValues: structure({
    SampleCount: required(double()),
    Sum: required(double()),
    Minimum: required(double()),
    Maximum: required(double()),
  }),
  Values: list(double()),
  Counts: list(double()),
  Unit: standardUnit,
  StorageResolution: integer({ min: 1 }),
});

type Datum = Read<typeof datum>;

const input = structure({
  Namespace: required(namespace),
  MetricData: list(datum, { max: 1000 }),
  EntityMetricData: list(structure({ MetricData: list(datum, { max: 1000 }) }), { max: 2 }),
});

const MAX_VALUES = 150;
const OLDEST_MS = 14 * 86_400_000;
const NEWEST_MS = 2 * 3_600_000;

/** CloudWatch's range of numbers. */
const LARGEST = 2 ** 360;

/** All data or none: what is wrong with one refuses the call. Namespaces that begin with `AWS/` are AWS's. */
export const putMetricData = (store: MetricStore, clock: Clock) =>
  operation(input, ({ Namespace, MetricData, EntityMetricData }) => {
    const data = [
      ...(MetricData ?? []),
      ...(EntityMetricData ?? []).flatMap((entity) => entity.MetricData ?? []),
    ];
    if (data.length === 0) throw missingParameter("The parameter MetricData is required.");
    if (Namespace.startsWith("AWS/"))
      throw invalidValue(`The value ${Namespace} for parameter Namespace is invalid.`);
    const nowMs = clock.epochMs();
    for (const [index, each] of data.entries()) refuse(each, `MetricData.member.${index + 1}`, nowMs);
    for (const each of data) keep(store, Namespace, each, nowMs);
    return {};
  });

const refuse = (datum: Datum, at: string, nowMs: number): void => {
  const { Value, Values, Counts, StatisticValues, Timestamp, StorageResolution } = datum;
  const given = [
    ...(Value === undefined ? [] : ["Value"]),
    ...(Values === undefined ? [] : ["Values"]),
    ...(StatisticValues === undefined ? [] : ["StatisticValues"]),
  ];
  if (given.length === 0)
    throw missingParameter(
      `At least one of the parameters ${at}.Value, ${at}.Values and ${at}.StatisticValues must be specified.`,
    );
  if (given.length > 1) {
    throw invalidCombination(
      `The parameters ${at}.${given[0]} and ${at}.${given[1]} are mutually exclusive and you have specified both.`,
    );
  }
  if (Values !== undefined && (Values.length === 0 || Values.length > MAX_VALUES))
    throw invalidValue(`The parameter ${at}.Values must have between 1 and ${MAX_VALUES} values.`);
  if (Counts !== undefined && Counts.length !== Values?.length)
    throw invalidCombination(
      `The parameters ${at}.Values and ${at}.Counts must have the same number of elements.`,
    );
  if (Counts?.some((count) => count <= 0))
    throw invalidValue(`The values of the parameter ${at}.Counts must be greater than 0.`);
  for (const [name, value] of numbersOf(datum)) refuseNumber(value, `${at}.${name}`);
  if (StatisticValues !== undefined) refuseStatistics(StatisticValues, `${at}.StatisticValues`);
  if (StorageResolution !== undefined && StorageResolution !== 1 && StorageResolution !== 60)
    throw invalidValue(`The parameter ${at}.StorageResolution must be 1 or 60.`);
  if (Timestamp !== undefined && (Timestamp < nowMs - OLDEST_MS || Timestamp > nowMs + NEWEST_MS)) {
    throw invalidValue(
      `The parameter ${at}.Timestamp must specify a time within the past two weeks and the next two hours.`,
    );
  }
};

const numbersOf = ({ Value, Values, StatisticValues }: Datum): (readonly [string, number])[] => [
  ...(Value === undefined ? [] : [["Value", Value] as const]),
  ...(Values ?? []).map((value, index) => [`Values.member.${index + 1}`, value] as const),
  ...(StatisticValues === undefined
    ? []
    : Object.entries(StatisticValues).map(([name, value]) => [`StatisticValues.${name}`, value] as const)),
];

const refuseNumber = (value: number, at: string): void => {
  if (!Number.isFinite(value)) throw invalidValue(`The value ${value} for parameter ${at} is invalid.`);
  if (Math.abs(value) > LARGEST)
    throw invalidValue(`The value ${value} for parameter ${at} must be in the range of -2^360 to 2^360.`);
};

const refuseStatistics = (
  { SampleCount, Minimum, Maximum }: NonNullable<Datum["StatisticValues"]>,
  at: string,
): void => {
  if (SampleCount <= 0) throw invalidValue(`The parameter ${at}.SampleCount must be greater than 0.`);
  if (Minimum > Maximum)
    throw invalidValue(`The parameter ${at}.Maximum must be greater than or equal to ${at}.Minimum.`);
};

const keep = (store: MetricStore, namespaceName: string, datum: Datum, nowMs: number): void => {
  const {
    MetricName,
    Dimensions,
    Timestamp,
    Value,
    Values,
    Counts,
    StatisticValues,
    Unit,
    StorageResolution,
  } = datum;
  const metric = { namespace: namespaceName, name: MetricName, dimensions: dimensionsOf(Dimensions) };
  const options = { unit: Unit ?? "None", resolution: StorageResolution === 1 ? 1 : 60 } as const;
  const point = store.pointAt(metric, options, Timestamp ?? nowMs);
  if (Value !== undefined) point.add(Value);
  for (const [index, value] of (Values ?? []).entries()) point.add(value, Counts?.[index] ?? 1);
  if (StatisticValues !== undefined) {
    const { SampleCount, Sum, Minimum, Maximum } = StatisticValues;
    point.addStatistics(SampleCount, Sum, Minimum, Maximum);
  }
};
