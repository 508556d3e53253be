import type { AwsError } from "../wire/aws-error.ts";
import {
  EmptySeries,
  type Expression,
  evaluate,
  firstPeriod,
  isSeries,
  MathError,
  type MathScope,
  namesIn,
  parseExpression,
  type Series,
  type Value,
} from "./metric-math.ts";
import type { MetricIdentity } from "./metric-sink.ts";
import type { MetricStore } from "./metric-store.ts";
import type { StandardUnit } from "./standard-unit.ts";
import { readStatistic } from "./statistic.ts";

export interface MetricStat {
  readonly metric: MetricIdentity;
  readonly periodS: number;
  /** e.g. `Sum`, `p99`. */
  readonly stat: string;
  readonly unit?: StandardUnit;
}

/** A query of GetMetricData, of an alarm or of a scaling policy: a metric's statistic, or an expression over others. */
export interface MetricQuery {
  readonly id: string;
  readonly label?: string;
  readonly returned: boolean;
  readonly source: MetricStat | MathSource;
}

export interface MathSource {
  /** As it was given. */
  readonly text: string;
  readonly expression: Expression;
}

/** What came over the wire; the shapes of the services are alike. */
export interface QueryInput {
  readonly Id: string;
  readonly Label?: string | undefined;
  readonly ReturnData?: boolean | undefined;
  readonly Expression?: string | undefined;
  readonly MetricStat?:
    | {
        readonly Metric: {
          readonly Namespace?: string | undefined;
          readonly MetricName?: string | undefined;
          readonly Dimensions?: readonly DimensionInput[] | undefined;
        };
        readonly Period?: number | undefined;
        readonly Stat: string;
        readonly Unit?: StandardUnit | undefined;
      }
    | undefined;
}

export interface DimensionInput {
  readonly Name: string;
  readonly Value: string;
}

export const dimensionsOf = (dimensions: readonly DimensionInput[] = []): Record<string, string> =>
  Object.fromEntries(dimensions.map(({ Name, Value }) => [Name, Value]));

export const dimensionList = (dimensions: Readonly<Record<string, string>>): DimensionInput[] =>
  Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));

export interface QueryErrors {
  /** Name of the list in texts, e.g. `MetricDataQueries`. */
  readonly list: string;
  readonly invalid: (message: string) => AwsError;
  /** Of queries that do not say it. */
  readonly periodS?: number;
}

/**
 * Queries whose names and expressions are right.
 * @throws AwsError
 */
export const readQueries = (inputs: readonly QueryInput[], errors: QueryErrors): MetricQuery[] => {
  const { list, invalid } = errors;
  const ids = inputs.map(({ Id }) => Id);
  if (new Set(ids).size < ids.length) throw invalid(`The values for parameter id in ${list} are not unique.`);
  const queries = inputs.map((input, index) => readQuery(input, `${list}.member.${index + 1}`, errors));
  for (const { id, source } of queries) {
    if (isMetricStat(source)) continue;
    const unknown = namesIn(source.expression)?.find((name) => !ids.includes(name));
    if (unknown !== undefined) throw invalid(`Error in expression '${id}': Unknown identifier: ${unknown}`);
    if (reaches(id, id, queries, new Set())) throw invalid(`Error in expression '${id}': Circular reference`);
  }
  return queries;
};

const readQuery = (input: QueryInput, at: string, { invalid, periodS }: QueryErrors): MetricQuery => {
  const { Id: id, Label: label, ReturnData, Expression: text, MetricStat: stat } = input;
  if (!/^[a-z][a-zA-Z0-9_]*$/.test(id))
    throw invalid(`The value ${id} for parameter ${at}.Id is not matching pattern ^[a-z][a-zA-Z0-9_]*$.`);
  if (stat !== undefined && text !== undefined) {
    throw invalid(
      `The parameters ${at}.Expression and ${at}.MetricStat are mutually exclusive and you have specified both.`,
    );
  }
  const common = { id, ...(label === undefined ? {} : { label }), returned: ReturnData ?? true };
  if (text !== undefined) return { ...common, source: { text, expression: parsed(id, text, invalid) } };
  if (stat === undefined)
    throw invalid(`Exactly one of the parameters ${at}.Expression and ${at}.MetricStat must be specified.`);
  const { Metric, Period, Stat, Unit } = stat;
  const period = Period ?? periodS;
  if (period === undefined) throw invalid(`The parameter ${at}.MetricStat.Period is required.`);
  if (!isPeriod(period)) throw invalid(wrongPeriod(`${at}.MetricStat.Period`));
  if (Metric.Namespace === undefined)
    throw invalid(`The parameter ${at}.MetricStat.Metric.Namespace is required.`);
  if (Metric.MetricName === undefined)
    throw invalid(`The parameter ${at}.MetricStat.Metric.MetricName is required.`);
  if (readStatistic(Stat) === null)
    throw invalid(`The value ${Stat} for parameter ${at}.MetricStat.Stat is not supported.`);
  return {
    ...common,
    source: {
      metric: {
        namespace: Metric.Namespace,
        name: Metric.MetricName,
        dimensions: dimensionsOf(Metric.Dimensions),
      },
      periodS: period,
      stat: Stat,
      ...(Unit === undefined ? {} : { unit: Unit }),
    },
  };
};

export const isPeriod = (seconds: number): boolean =>
  [1, 5, 10, 20, 30].includes(seconds) || (seconds > 0 && seconds % 60 === 0);

export const wrongPeriod = (parameter: string): string =>
  `The parameter ${parameter} must be 1, 5, 10, 20, 30, or any multiple of 60.`;

const parsed = (id: string, text: string, invalid: QueryErrors["invalid"]): Expression => {
  try {
    return parseExpression(text);
  } catch (error) {
    throw error instanceof MathError ? invalid(`Error in expression '${id}': ${error.message}`) : error;
  }
};

/** Whether an expression needs itself. */
const reaches = (from: string, to: string, queries: readonly MetricQuery[], seen: Set<string>): boolean => {
  if (seen.has(from)) return false;
  seen.add(from);
  const source = queries.find(({ id }) => id === from)?.source;
  if (source === undefined || isMetricStat(source)) return false;
  return (namesIn(source.expression) ?? []).some((name) => name === to || reaches(name, to, queries, seen));
};

export const isMetricStat = (source: MetricQuery["source"]): source is MetricStat => "metric" in source;

/** Seconds since 1970, end not included. */
export interface Span {
  readonly startS: number;
  readonly endS: number;
}

/** Looks metrics up and calculates expressions, each once. */
export class QueryRun {
  readonly #queries: readonly MetricQuery[];
  readonly #store: MetricStore;
  readonly #values = new Map<string, Value>();
  readonly #scope: MathScope;

  /** @param aligned periods begin at multiples of themselves since 1970; else at the span's start */
  constructor(queries: readonly MetricQuery[], store: MetricStore, span: Span, aligned = true) {
    this.#queries = queries;
    this.#store = store;
    this.#scope = {
      startS: span.startS,
      originS: aligned ? 0 : span.startS,
      endS: span.endS,
      value: (id) => this.#value(id),
      metrics: () => this.#metrics(),
    };
  }

  /**
   * What a query gives: one series, or those of an array.
   * @throws MathError
   */
  series(id: string): readonly Series[] {
    const query = this.#queries.find((each) => each.id === id);
    const value = this.#value(id);
    if (typeof value === "number")
      throw new MathError("The expression gives a number, where a time series is needed");
    const list = isSeries(value) ? [value] : value;
    if (query === undefined) return list;
    return list.map((series) => ({ ...series, label: this.#label(query, series, list.length) }));
  }

  #label({ id, label, source }: MetricQuery, series: Series, count: number): string {
    if (label !== undefined) return count > 1 ? `${label} ${series.label}` : label;
    return isMetricStat(source) || count > 1 ? series.label : id;
  }

  #value(id: string): Value {
    const known = this.#values.get(id);
    if (known !== undefined) return known;
    const query = this.#queries.find((each) => each.id === id);
    if (query === undefined) throw new MathError(`Unknown identifier: ${id}`);
    const value = this.#calculate(query.source);
    this.#values.set(id, value);
    return value;
  }

  #calculate(source: MetricQuery["source"]): Value {
    if (isMetricStat(source)) return this.#read(source);
    try {
      return evaluate(source.expression, this.#scope);
    } catch (error) {
      if (error instanceof EmptySeries) return { label: "", periodS: 60, values: new Map() };
      throw error;
    }
  }

  #read({ metric, periodS, stat, unit }: MetricStat): Series {
    const { endS } = this.#scope;
    const startS = firstPeriod(this.#scope, periodS);
    const points = this.#store.readMerged(metric, { startS, endS, periodS }, unit);
    const statistic = readStatistic(stat) ?? (() => null);
    const values = new Map<number, number>();
    for (const [start, point] of points) {
      const value = statistic(point);
      if (value !== null) values.set(start, value);
    }
    return { label: metric.name, periodS, values };
  }

  #metrics(): ReadonlyMap<string, Series> {
    const metrics = new Map<string, Series>();
    for (const { id, source } of this.#queries) {
      if (!isMetricStat(source)) continue;
      const value = this.#value(id);
      if (isSeries(value)) metrics.set(id, value);
    }
    return metrics;
  }
}
