import { describe, expect, test } from "vitest";
import { CloudWatch } from "../../../../emulator/aws/cloudwatch/cloudwatch.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { call, refusal } from "../../../support/aws-call.ts";

const START_MS = Date.parse("2026-11-25T12:00:00Z");
const START_S = START_MS / 1000;

const world = () => {
  const clock = new VirtualClock(START_MS);
  const { service } = new CloudWatch(clock);
  const put = (...MetricData: object[]) => call(service, "PutMetricData", { Namespace: "N", MetricData });
  return { clock, service, put };
};

interface Statistics {
  readonly Label: string;
  readonly Datapoints: readonly { readonly Timestamp: number }[];
}

interface MetricData {
  readonly MetricDataResults: readonly {
    readonly Id: string;
    readonly Label: string;
    readonly Timestamps: readonly number[];
    readonly Values: readonly number[];
    readonly StatusCode: string;
  }[];
  readonly NextToken?: string;
}

const statisticsInput = {
  Namespace: "N",
  MetricName: "m",
  StartTime: START_S,
  EndTime: START_S + 300,
  Period: 60,
  Statistics: ["Sum"],
};

const stat = (Id: string, Stat: string, change = {}) => ({
  Id,
  MetricStat: { Metric: { Namespace: "N", MetricName: "m" }, Period: 60, Stat },
  ...change,
});

describe("PutMetricData and GetMetricStatistics", () => {
  test("values, values with counts and statistic sets come together in one data point", () => {
    const { service, put } = world();
    put(
      { MetricName: "m", Value: 1 },
      { MetricName: "m", Values: [2, 3], Counts: [2, 1], Timestamp: START_S + 59 },
      { MetricName: "m", Values: [10], Timestamp: START_S + 60 },
      {
        MetricName: "m",
        StatisticValues: { SampleCount: 4, Sum: 20, Minimum: 4, Maximum: 6 },
        Timestamp: START_S + 120,
      },
    );
    const all = { ...statisticsInput, Statistics: ["SampleCount", "Average", "Sum", "Minimum", "Maximum"] };
    expect(call<Statistics>(service, "GetMetricStatistics", { ...all, ExtendedStatistics: ["p50"] })).toEqual(
      {
        Label: "m",
        Datapoints: [
          {
            Timestamp: START_S,
            SampleCount: 4,
            Average: 2,
            Sum: 8,
            Minimum: 1,
            Maximum: 3,
            ExtendedStatistics: { p50: 2 },
            Unit: "None",
          },
          {
            Timestamp: START_S + 60,
            SampleCount: 1,
            Average: 10,
            Sum: 10,
            Minimum: 10,
            Maximum: 10,
            ExtendedStatistics: { p50: 10 },
            Unit: "None",
          },
          {
            Timestamp: START_S + 120,
            SampleCount: 4,
            Average: 5,
            Sum: 20,
            Minimum: 4,
            Maximum: 6,
            Unit: "None",
          },
        ],
      },
    );
  });

  test("the start is rounded down to a minute, and periods count from there", () => {
    const { service, put } = world();
    for (const minute of [0, 1, 2, 3, 4])
      put({ MetricName: "m", Value: 10 ** minute, Timestamp: START_S + minute * 60 });
    const { Datapoints } = call<Statistics>(service, "GetMetricStatistics", {
      ...statisticsInput,
      StartTime: START_S + 95,
      Period: 120,
    });
    expect(Datapoints).toEqual([
      { Timestamp: START_S + 60, Sum: 110, Unit: "None" },
      { Timestamp: START_S + 180, Sum: 11_000, Unit: "None" },
    ]);
  });

  test("other dimensions are another metric, other units another data point", () => {
    const { service, put } = world();
    put(
      { MetricName: "m", Value: 1, Unit: "Count", Dimensions: [{ Name: "A", Value: "1" }] },
      { MetricName: "m", Value: 2, Unit: "Bytes", Dimensions: [{ Name: "A", Value: "1" }] },
      { MetricName: "m", Value: 4 },
    );
    const Dimensions = [{ Name: "A", Value: "1" }];
    const sums = (input: object) =>
      call<Statistics>(service, "GetMetricStatistics", { ...statisticsInput, ...input }).Datapoints;
    expect(sums({ Dimensions })).toMatchObject([
      { Sum: 1, Unit: "Count" },
      { Sum: 2, Unit: "Bytes" },
    ]);
    expect(sums({ Dimensions, Unit: "Bytes" })).toMatchObject([{ Sum: 2 }]);
    expect(sums({})).toMatchObject([{ Sum: 4 }]);
  });

  test.each<[object, string]>([
    [
      { MetricName: "m" },
      "MissingRequiredParameterException: At least one of the parameters MetricData.member.1.Value, MetricData.member.1.Values and MetricData.member.1.StatisticValues must be specified.",
    ],
    [
      { MetricName: "m", Value: 1, Values: [1] },
      "InvalidParameterCombinationException: The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you have specified both.",
    ],
    [
      { MetricName: "m", Values: [1, 2], Counts: [1] },
      "InvalidParameterCombinationException: The parameters MetricData.member.1.Values and MetricData.member.1.Counts must have the same number of elements.",
    ],
    [
      { MetricName: "m", Values: Array.from({ length: 151 }, () => 1) },
      "InvalidParameterValueException: The parameter MetricData.member.1.Values must have between 1 and 150 values.",
    ],
    [
      { MetricName: "m", Value: "NaN" },
      "InvalidParameterValueException: The value NaN for parameter MetricData.member.1.Value is invalid.",
    ],
    [
      { MetricName: "m", Value: 1e300 },
      "InvalidParameterValueException: The value 1e+300 for parameter MetricData.member.1.Value must be in the range of -2^360 to 2^360.",
    ],
    [
      { MetricName: "m", Value: 1, StorageResolution: 5 },
      "InvalidParameterValueException: The parameter MetricData.member.1.StorageResolution must be 1 or 60.",
    ],
    [
      { MetricName: "m", Value: 1, Timestamp: START_S - 15 * 86_400 },
      "InvalidParameterValueException: The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks and the next two hours.",
    ],
    [
      { MetricName: "m", Value: 1, Timestamp: START_S + 7201 },
      "InvalidParameterValueException: The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks and the next two hours.",
    ],
    [
      { MetricName: "", Value: 1 },
      "ValidationError: 1 validation error detected: Value '' at 'metricData.1.member.metricName' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ],
    [
      { MetricName: "m", Value: 1, Unit: "Horses" },
      "ValidationError: 1 validation error detected: Value 'Horses' at 'metricData.1.member.unit' failed to satisfy constraint: Member must satisfy enum value set: [",
    ],
  ])("a datum %o is refused, and nothing of the call is kept", (datum, text) => {
    const { service } = world();
    const MetricData = [datum, { MetricName: "good", Value: 1 }];
    expect(refusal(service, "PutMetricData", { Namespace: "N", MetricData })).toContain(text);
    expect(call(service, "ListMetrics")).toEqual({ Metrics: [] });
  });

  test.each<[object, string]>([
    [
      { EndTime: START_S },
      "InvalidParameterValueException: The parameter StartTime must be less than the parameter EndTime.",
    ],
    [
      { Period: 45 },
      "InvalidParameterValueException: The parameter Period must be 1, 5, 10, 20, 30, or any multiple of 60.",
    ],
    [
      { Statistics: undefined },
      "InvalidParameterCombinationException: At least one of the parameters Statistics and ExtendedStatistics must be specified.",
    ],
    [
      { ExtendedStatistics: ["px"] },
      "InvalidParameterValueException: The value px for parameter ExtendedStatistics is not supported.",
    ],
    [
      { EndTime: START_S + 60 * 1441 },
      "InvalidParameterCombinationException: You have requested up to 1,441 datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
    ],
  ])("GetMetricStatistics with %o is refused", (change, text) => {
    expect(refusal(world().service, "GetMetricStatistics", { ...statisticsInput, ...change })).toBe(text);
  });
});

test("the namespaces of AWS take no data of users", () => {
  const { service } = world();
  const input = { Namespace: "AWS/SageMaker", MetricData: [{ MetricName: "Invocations", Value: 1 }] };
  expect(refusal(service, "PutMetricData", input)).toBe(
    "InvalidParameterValueException: The value AWS/SageMaker for parameter Namespace is invalid.",
  );
  expect(call(service, "ListMetrics")).toEqual({ Metrics: [] });
});

describe("GetMetricData", () => {
  const range = { StartTime: START_S, EndTime: START_S + 300 };

  test("newest first, or oldest first; periods begin at multiples of themselves", () => {
    const { service, put } = world();
    for (const minute of [0, 1, 2, 3, 4])
      put({ MetricName: "m", Value: minute, Timestamp: START_S + minute * 60 });
    const values = (input: object) =>
      call<MetricData>(service, "GetMetricData", {
        MetricDataQueries: [stat("a", "Sum")],
        ...range,
        ...input,
      }).MetricDataResults[0];
    expect(values({})).toEqual({
      Id: "a",
      Label: "m",
      Timestamps: [240, 180, 120, 60, 0].map((second) => START_S + second),
      Values: [4, 3, 2, 1, 0],
      StatusCode: "Complete",
    });
    expect(values({ ScanBy: "TimestampAscending" })?.Values).toEqual([0, 1, 2, 3, 4]);
    const five = {
      Id: "a",
      MetricStat: { Metric: { Namespace: "N", MetricName: "m" }, Period: 300, Stat: "Sum" },
    };
    const later = values({ MetricDataQueries: [five], StartTime: START_S + 120 });
    expect([later?.Timestamps, later?.Values]).toEqual([[START_S], [10]]);
  });

  test("a metric of seconds begins at its own period, and FILL fills each metric's periods", () => {
    const { service, put } = world();
    for (const second of [0, 20, 40, 60, 70])
      put({ MetricName: "m", Value: second, Timestamp: START_S + second, StorageResolution: 1 });
    const metric = (Id: string, Period: number) => ({
      Id,
      MetricStat: { Metric: { Namespace: "N", MetricName: "m" }, Period, Stat: "Sum" },
    });
    const { MetricDataResults } = call<MetricData>(service, "GetMetricData", {
      StartTime: START_S + 25,
      EndTime: START_S + 80,
      ScanBy: "TimestampAscending",
      MetricDataQueries: [
        metric("fine", 10),
        metric("coarse", 60),
        { Id: "filled", Expression: "FILL(fine, 0)" },
        { Id: "whole", Expression: "FILL(coarse, 0)" },
      ],
    });
    const seconds = (index: number) => MetricDataResults[index]?.Timestamps.map((time) => time - START_S);
    expect([seconds(0), MetricDataResults[0]?.Values]).toEqual([
      [20, 40, 60, 70],
      [20, 40, 60, 70],
    ]);
    expect([seconds(1), MetricDataResults[1]?.Values]).toEqual([
      [0, 60],
      [60, 130],
    ]);
    expect(seconds(2)).toEqual([20, 30, 40, 50, 60, 70]);
    expect(seconds(3)).toEqual([0, 60]);
  });

  test("FILL over all of time is refused", () => {
    const MetricDataQueries = [stat("a", "Sum"), { Id: "e", Expression: "FILL(a, 0)" }];
    expect(
      refusal(world().service, "GetMetricData", { StartTime: 0, EndTime: START_S, MetricDataQueries }),
    ).toContain("Error in expression 'e': FILL over more than 100800 periods");
  });

  test("expressions over metrics; what is not asked for is not returned", () => {
    const { service, put } = world();
    put(
      { MetricName: "m", Values: [1, 3], Timestamp: START_S },
      { MetricName: "m", Value: 8, Timestamp: START_S + 120 },
    );
    const { MetricDataResults } = call<MetricData>(service, "GetMetricData", {
      ...range,
      ScanBy: "TimestampAscending",
      MetricDataQueries: [
        stat("total", "Sum", { ReturnData: false }),
        stat("count", "SampleCount", { ReturnData: false }),
        { Id: "mean", Expression: "total / count", Label: "mean" },
        { Id: "filled", Expression: "FILL(total, 0)" },
        { Id: "none", Expression: "total / SUM(absent)" },
        stat("absent", "Sum", {
          ReturnData: false,
          MetricStat: { Metric: { Namespace: "N", MetricName: "absent" }, Period: 60, Stat: "Sum" },
        }),
      ],
    });
    expect(MetricDataResults.map(({ Id, Label, Values }) => [Id, Label, Values])).toEqual([
      ["mean", "mean", [2, 8]],
      ["filled", "filled", [4, 0, 8, 0, 0]],
      ["none", "none", []],
    ]);
  });

  test("pages: of data points, over all results", () => {
    const { service, put } = world();
    for (const minute of [0, 1, 2]) put({ MetricName: "m", Value: minute, Timestamp: START_S + minute * 60 });
    const query = { ...range, MetricDataQueries: [stat("a", "Sum"), stat("b", "Maximum")], MaxDatapoints: 4 };
    const first = call<MetricData>(service, "GetMetricData", query);
    expect(first.MetricDataResults.map(({ Values, StatusCode }) => [Values, StatusCode])).toEqual([
      [[2, 1, 0], "Complete"],
      [[2], "PartialData"],
    ]);
    const second = call<MetricData>(service, "GetMetricData", { ...query, NextToken: first.NextToken });
    expect(second.MetricDataResults.map(({ Values, StatusCode }) => [Values, StatusCode])).toEqual([
      [[], "Complete"],
      [[1, 0], "Complete"],
    ]);
    expect(second.NextToken).toBeUndefined();
  });

  test.each<[object[], string]>([
    [
      [stat("A", "Sum")],
      "The value A for parameter MetricDataQueries.member.1.Id is not matching pattern ^[a-z][a-zA-Z0-9_]*$.",
    ],
    [
      [stat("a", "Sum"), stat("a", "Sum")],
      "The values for parameter id in MetricDataQueries are not unique.",
    ],
    [
      [stat("a", "Sum", { Expression: "1" })],
      "The parameters MetricDataQueries.member.1.Expression and MetricDataQueries.member.1.MetricStat are mutually exclusive and you have specified both.",
    ],
    [
      [stat("a", "Mode")],
      "The value Mode for parameter MetricDataQueries.member.1.MetricStat.Stat is not supported.",
    ],
    [[{ Id: "e", Expression: "m1 +" }], "Error in expression 'e': The expression ends too early"],
    [[{ Id: "e", Expression: "nope * 2" }], "Error in expression 'e': Unknown identifier: nope"],
    [
      [
        { Id: "e", Expression: "f" },
        { Id: "f", Expression: "e" },
      ],
      "Error in expression 'e': Circular reference",
    ],
    [
      [stat("a", "Sum"), { Id: "e", Expression: "1 + 1" }],
      "Error in expression 'e': The expression gives a number, where a time series is needed",
    ],
  ])("%j is refused", (MetricDataQueries, text) => {
    expect(refusal(world().service, "GetMetricData", { ...range, MetricDataQueries })).toBe(
      `ValidationError: ${text}`,
    );
  });

  test("an end before the start, and a token of somebody else, are refused", () => {
    const MetricDataQueries = [stat("a", "Sum")];
    const { service } = world();
    expect(refusal(service, "GetMetricData", { StartTime: 9, EndTime: 9, MetricDataQueries })).toContain(
      "EndTime must be greater",
    );
    expect(refusal(service, "GetMetricData", { ...range, MetricDataQueries, NextToken: "eA==" })).toContain(
      "InvalidNextToken",
    );
  });
});

describe("ListMetrics", () => {
  test("filters: namespace, name, dimensions with or without a value, recently active", () => {
    const { clock, service, put } = world();
    put({ MetricName: "m", Value: 1, Dimensions: [{ Name: "A", Value: "1" }] });
    clock.advance(4 * 3600e6);
    put({
      MetricName: "m",
      Value: 1,
      Dimensions: [
        { Name: "A", Value: "2" },
        { Name: "B", Value: "x" },
      ],
    });
    call(service, "PutMetricData", { Namespace: "Other", MetricData: [{ MetricName: "n", Value: 1 }] });
    const list = (input: object) =>
      call<{ Metrics: { MetricName: string; Dimensions: { Value: string }[] }[] }>(
        service,
        "ListMetrics",
        input,
      ).Metrics.map(({ MetricName, Dimensions }) =>
        [MetricName, ...Dimensions.map(({ Value }) => Value)].join(" "),
      );
    expect(list({})).toEqual(["m 1", "m 2 x", "n"]);
    expect(list({ Namespace: "Other" })).toEqual(["n"]);
    expect(list({ MetricName: "m", Dimensions: [{ Name: "B" }] })).toEqual(["m 2 x"]);
    expect(list({ Dimensions: [{ Name: "A", Value: "1" }] })).toEqual(["m 1"]);
    expect(list({ RecentlyActive: "PT3H", Namespace: "N" })).toEqual(["m 2 x"]);
  });

  test("pages of 500", () => {
    const { service, put } = world();
    for (let index = 0; index < 1001; index++) put({ MetricName: `m${index}`, Value: 1 });
    let NextToken: string | undefined;
    const sizes: number[] = [];
    do {
      const page: { Metrics: unknown[]; NextToken?: string } = call(service, "ListMetrics", { NextToken });
      sizes.push(page.Metrics.length);
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    expect(sizes).toEqual([500, 500, 1]);
    expect(refusal(service, "ListMetrics", { NextToken: "x" })).toContain("InvalidParameterValueException");
  });
});
