import { operation } from "../../wire/json-service.ts";
import { pageOffset, pageToken } from "../../wire/paging.ts";
import { integer, required, string, structure, timestamp } from "../../wire/shapes.ts";
import { Timestamp } from "../../wire/timestamp.ts";
import { invalidNextToken, validationError } from "../errors.ts";
import { MathError, type Series } from "../metric-math.ts";
import { type MetricQuery, QueryRun, readQueries } from "../metric-query.ts";
import type { MetricStore } from "../metric-store.ts";
import { metricDataQueries, scanBy } from "../shapes.ts";

const input = structure({
  MetricDataQueries: required(metricDataQueries),
  StartTime: required(timestamp()),
  EndTime: required(timestamp()),
  NextToken: string(),
  ScanBy: scanBy,
  MaxDatapoints: integer({ min: 1 }),
  LabelOptions: structure({ Timezone: string() }),
});

const MAX_QUERIES = 500;
const MAX_DATAPOINTS = 100_800;
const LIST = "GetMetricData";

/** Periods begin at multiples of themselves, so that series of one expression meet. */
export const getMetricData = (store: MetricStore) =>
  operation(input, (query) => {
    const { MetricDataQueries, StartTime, EndTime, ScanBy, MaxDatapoints } = query;
    if (StartTime >= EndTime) throw validationError("The parameter EndTime must be greater than StartTime.");
    if (MetricDataQueries.length > MAX_QUERIES) {
      throw validationError(
        `The collection MetricDataQueries must not have a size greater than ${MAX_QUERIES}.`,
      );
    }
    const queries = readQueries(MetricDataQueries, { list: "MetricDataQueries", invalid: validationError });
    const run = new QueryRun(queries, store, {
      startS: StartTime / 1000,
      endS: EndTime / 1000,
    });
    const results = queries
      .filter(({ returned }) => returned)
      .flatMap((each) => seriesOf(run, each).map((series) => ({ id: each.id, ...inOrder(series, ScanBy) })));
    return page(results, query.NextToken, Math.min(MAX_DATAPOINTS, MaxDatapoints ?? MAX_DATAPOINTS));
  });

const seriesOf = (run: QueryRun, { id }: MetricQuery): readonly Series[] => {
  try {
    return run.series(id);
  } catch (error) {
    throw error instanceof MathError
      ? validationError(`Error in expression '${id}': ${error.message}`)
      : error;
  }
};

interface Result {
  readonly id: string;
  readonly label: string;
  readonly entries: readonly (readonly [number, number])[];
}

const inOrder = ({ label, values }: Series, order: string | undefined): Omit<Result, "id"> => {
  const direction = order === "TimestampAscending" ? 1 : -1;
  return { label, entries: [...values].sort(([a], [b]) => direction * (a - b)) };
};

const page = (results: readonly Result[], token: string | undefined, size: number) => {
  const offset = token === undefined ? 0 : pageOffset(token, LIST);
  const total = results.reduce((sum, { entries }) => sum + entries.length, 0);
  if (offset === null || offset > total) throw invalidNextToken();
  const end = offset + size;
  let before = 0;
  const shown = results.map(({ id, label, entries }) => {
    const from = before;
    before += entries.length;
    const part = entries.slice(Math.max(0, offset - from), Math.max(0, end - from));
    return {
      Id: id,
      Label: label,
      Timestamps: part.map(([start]) => new Timestamp(start * 1000)),
      Values: part.map(([, value]) => value),
      StatusCode: before <= end ? "Complete" : "PartialData",
    };
  });
  return {
    MetricDataResults: shown,
    ...(end < total ? { NextToken: pageToken(end, LIST) } : {}),
    Messages: [],
  };
};
