import type { Clock } from "../../../common/clock.ts";
import { operation } from "../../wire/json-service.ts";
import { pageOf } from "../../wire/paging.ts";
import { boolean, enumeration, list, type Read, required, string, structure } from "../../wire/shapes.ts";
import { invalidValue } from "../errors.ts";
import { dimensionList } from "../metric-query.ts";
import type { ListedMetric, MetricStore } from "../metric-store.ts";
import { metricName, namespace } from "../shapes.ts";

const input = structure({
  Namespace: namespace,
  MetricName: metricName,
  Dimensions: list(
    structure({ Name: required(string({ min: 1, max: 255 })), Value: string({ min: 1, max: 1024 }) }),
    { max: 10 },
  ),
  NextToken: string(),
  RecentlyActive: enumeration(["PT3H"]),
  IncludeLinkedAccounts: boolean(),
  OwningAccount: string({ min: 1, max: 255 }),
});

const PAGE = 500;
const RECENT_MS = 3 * 3_600_000;

export const listMetrics = (store: MetricStore, clock: Clock) =>
  operation(input, (filter) => {
    const since = filter.RecentlyActive === undefined ? 0 : clock.epochMs() - RECENT_MS;
    const found = store.list().filter((metric) => metric.lastPutMs >= since && matches(metric, filter));
    const { page, next } = pageOf(found, {
      list: "ListMetrics",
      token: filter.NextToken,
      size: PAGE,
      invalid: () => invalidValue("The value for parameter NextToken is invalid."),
    });
    return {
      Metrics: page.map(({ namespace: Namespace, name: MetricName, dimensions }) => ({
        Namespace,
        MetricName,
        Dimensions: dimensionList(dimensions),
      })),
      NextToken: next,
    };
  });

const matches = (metric: ListedMetric, { Namespace, MetricName, Dimensions }: Read<typeof input>): boolean =>
  (Namespace === undefined || metric.namespace === Namespace) &&
  (MetricName === undefined || metric.name === MetricName) &&
  (Dimensions ?? []).every(
    ({ Name, Value }) =>
      Object.hasOwn(metric.dimensions, Name) && (Value === undefined || metric.dimensions[Name] === Value),
  );
