import { describe, expect, test } from "vitest";
import type { AlarmAction } from "../../../../emulator/aws/cloudwatch/alarms.ts";
import { CloudWatch } from "../../../../emulator/aws/cloudwatch/cloudwatch.ts";
import { Random } from "../../../../emulator/common/random.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { call, refusal } from "../../../support/aws-call.ts";

const START_MS = Date.parse("2026-11-25T12:00:00Z");
const MINUTE_US = 60e6;

interface AlarmOutput {
  readonly AlarmName: string;
  readonly StateValue: string;
  readonly StateReason: string;
  readonly StateUpdatedTimestamp: number;
}

const alarmInput = {
  AlarmName: "busy",
  Namespace: "N",
  MetricName: "m",
  Statistic: "Sum",
  Period: 60,
  EvaluationPeriods: 3,
  Threshold: 10,
  ComparisonOperator: "GreaterThanThreshold",
};

/** @param pastS seconds past the whole minute: two let each minute's alarms be judged within the next advance */
const world = (pastS = 0) => {
  const clock = new VirtualClock(START_MS + pastS * 1000);
  const cloudWatch = new CloudWatch(clock);
  const actions: AlarmAction[] = [];
  cloudWatch.alarms.onAction((action) => actions.push(action));
  const put = (value: number) => cloudWatch.metrics.put("N", "m", {}, value, "None", clock.now());
  const minutes = (values: readonly (number | null)[]) => {
    for (const value of values) {
      if (value !== null) put(value);
      clock.advance(MINUTE_US);
    }
  };
  const describeAlarms = (input = {}) =>
    call<{ MetricAlarms: AlarmOutput[] }>(cloudWatch.service, "DescribeAlarms", input).MetricAlarms;
  const state = (name = "busy") => describeAlarms({ AlarmNames: [name] })[0]?.StateValue;
  return { clock, cloudWatch, service: cloudWatch.service, actions, put, minutes, state, describeAlarms };
};

describe("metric alarms", () => {
  test("a new alarm has no data, and is judged one second after each whole minute", () => {
    const { clock, service, put, state, describeAlarms } = world();
    clock.advance(30e6);
    call(service, "PutMetricAlarm", { ...alarmInput, EvaluationPeriods: 1 });
    expect(describeAlarms()[0]).toMatchObject({
      StateValue: "INSUFFICIENT_DATA",
      StateReason: "Unchecked: Initial alarm creation",
      StateUpdatedTimestamp: START_MS / 1000 + 30,
    });
    put(11);
    clock.advance(30.9e6);
    expect(state()).toBe("INSUFFICIENT_DATA");
    clock.advance(0.1e6);
    expect(describeAlarms()[0]).toMatchObject({
      StateValue: "ALARM",
      StateReason:
        "Threshold Crossed: 1 out of the last 1 datapoints [11.0 (25/11/26 12:00:00)] was greater than the threshold (10.0) (minimum 1 datapoint for OK -> ALARM transition).",
      StateUpdatedTimestamp: START_MS / 1000 + 61,
    });
  });

  test("3 of 3: the third minute above the threshold raises it, the first below ends it", () => {
    const { clock, service, put, state } = world(2);
    call(service, "PutMetricAlarm", alarmInput);
    const states = [5, 11, 11, 11, 11, 5].map((value) => {
      put(value);
      clock.advance(MINUTE_US);
      return state();
    });
    expect(states).toEqual(["OK", "OK", "OK", "ALARM", "ALARM", "OK"]);
  });

  test("a period below a minute: every ten seconds", () => {
    const { clock, service, cloudWatch, state } = world();
    call(service, "PutMetricAlarm", { ...alarmInput, Period: 10, Statistic: "Average" });
    const series = cloudWatch.metrics.series(
      { namespace: "N", name: "m", dimensions: {} },
      { resolution: 1 },
    );
    for (let second = 0; second < 30; second++) {
      series.add(20, clock.epochMs());
      clock.advance(1e6);
    }
    expect(state()).not.toBe("ALARM");
    clock.advance(1e6);
    expect(state()).toBe("ALARM");
  });

  test("actions: of the new state, when it changes; a scaling policy is asked at every evaluation", () => {
    const { service, minutes, actions } = world(2);
    const policy =
      "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:1:resource/sagemaker/r:policyName/p";
    const topic = "arn:aws:sns:us-east-1:000000000000:topic";
    call(service, "PutMetricAlarm", {
      ...alarmInput,
      EvaluationPeriods: 1,
      AlarmActions: [topic, policy],
      OKActions: [topic],
    });
    minutes([11, 11, 11, 5, 5]);
    expect(actions.map(({ action, alarm }) => [alarm.state, action === policy ? "policy" : "topic"])).toEqual(
      [
        ["ALARM", "topic"],
        ["ALARM", "policy"],
        ["ALARM", "policy"],
        ["ALARM", "policy"],
        ["OK", "topic"],
      ],
    );
    call(service, "DisableAlarmActions", { AlarmNames: ["busy", "unknown"] });
    minutes([11, 11]);
    expect(actions).toHaveLength(5);
    call(service, "EnableAlarmActions", { AlarmNames: ["busy"] });
    minutes([11]);
    expect(actions).toHaveLength(6);
  });

  test("an expression is judged over its metrics", () => {
    const { clock, service, cloudWatch, state } = world(2);
    const metric = (Id: string, MetricName: string) => ({
      Id,
      ReturnData: false,
      MetricStat: { Metric: { Namespace: "N", MetricName }, Period: 60, Stat: "Sum" },
    });
    call(service, "PutMetricAlarm", {
      AlarmName: "busy",
      EvaluationPeriods: 1,
      Threshold: 50,
      ComparisonOperator: "GreaterThanOrEqualToThreshold",
      Metrics: [
        metric("errors", "e"),
        metric("calls", "c"),
        { Id: "share", Expression: "100 * FILL(errors, 0) / calls" },
      ],
    });
    const minute = (errors: number, calls: number) => {
      if (errors > 0) cloudWatch.metrics.put("N", "e", {}, errors, "None", clock.now());
      cloudWatch.metrics.put("N", "c", {}, calls, "None", clock.now());
      clock.advance(MINUTE_US);
      return state();
    };
    expect([minute(1, 4), minute(2, 4), minute(1, 1), minute(1, 4)]).toEqual(["OK", "ALARM", "ALARM", "OK"]);
  });

  test("SetAlarmState: until the next evaluation", () => {
    const { clock, service, state, put } = world();
    call(service, "PutMetricAlarm", { ...alarmInput, EvaluationPeriods: 1 });
    put(5);
    call(service, "SetAlarmState", { AlarmName: "busy", StateValue: "ALARM", StateReason: "a test" });
    expect(state()).toBe("ALARM");
    clock.advance(61e6);
    expect(state()).toBe("OK");
  });

  test("history: what was configured, and every transition with both states", () => {
    const { service, minutes } = world(2);
    call(service, "PutMetricAlarm", { ...alarmInput, EvaluationPeriods: 1 });
    minutes([11, 5, null]);
    call(service, "DeleteAlarms", { AlarmNames: ["busy"] });
    const history = (input = {}) =>
      call<{ AlarmHistoryItems: { HistorySummary: string; HistoryData: string }[]; NextToken?: string }>(
        service,
        "DescribeAlarmHistory",
        { AlarmName: "busy", ...input },
      );
    expect(
      history({ ScanBy: "TimestampAscending" }).AlarmHistoryItems.map((item) => item.HistorySummary),
    ).toEqual([
      'Alarm "busy" created',
      "Alarm updated from INSUFFICIENT_DATA to ALARM",
      "Alarm updated from ALARM to OK",
      'Alarm "busy" deleted',
    ]);
    const first = history({ MaxRecords: 1, HistoryItemType: "StateUpdate" });
    expect(JSON.parse(first.AlarmHistoryItems[0]?.HistoryData ?? "")).toMatchObject({
      oldState: {
        stateValue: "ALARM",
        stateReasonData: { recentDatapoints: [11], threshold: 10, period: 60 },
      },
      newState: { stateValue: "OK", stateReasonData: { recentDatapoints: [5] } },
    });
    const second = history({ MaxRecords: 1, HistoryItemType: "StateUpdate", NextToken: first.NextToken });
    expect(second.AlarmHistoryItems[0]?.HistorySummary).toContain("INSUFFICIENT_DATA to ALARM");
    expect(second.NextToken).toBeUndefined();
  });

  test("DescribeAlarms: by prefix, state and action, in pages; DescribeAlarmsForMetric: all dimensions count", () => {
    const { service, describeAlarms } = world();
    for (const AlarmName of ["b2", "a1", "b1"]) {
      const Dimensions = AlarmName === "a1" ? [{ Name: "D", Value: "1" }] : [];
      call(service, "PutMetricAlarm", {
        ...alarmInput,
        AlarmName,
        Dimensions,
        AlarmActions: [`arn:${AlarmName}`],
      });
    }
    const names = (input: object) => describeAlarms(input).map(({ AlarmName }) => AlarmName);
    expect(names({})).toEqual(["a1", "b1", "b2"]);
    expect(names({ AlarmNamePrefix: "b" })).toEqual(["b1", "b2"]);
    expect(names({ StateValue: "ALARM" })).toEqual([]);
    expect(names({ ActionPrefix: "arn:b2" })).toEqual(["b2"]);
    expect(names({ AlarmTypes: ["CompositeAlarm"] })).toEqual([]);
    const page = call<{ NextToken: string }>(service, "DescribeAlarms", { MaxRecords: 2 });
    expect(names({ MaxRecords: 2, NextToken: page.NextToken })).toEqual(["b2"]);
    const forMetric = (Dimensions: object[]) =>
      call<{ MetricAlarms: AlarmOutput[] }>(service, "DescribeAlarmsForMetric", {
        Namespace: "N",
        MetricName: "m",
        Dimensions,
      }).MetricAlarms.map(({ AlarmName }) => AlarmName);
    expect(forMetric([])).toEqual(["b1", "b2"]);
    expect(forMetric([{ Name: "D", Value: "1" }])).toEqual(["a1"]);
  });

  test("put again: new settings, the old state", () => {
    const { service, minutes, describeAlarms } = world(2);
    call(service, "PutMetricAlarm", { ...alarmInput, EvaluationPeriods: 1 });
    minutes([11, 11]);
    call(service, "PutMetricAlarm", { ...alarmInput, EvaluationPeriods: 1, Threshold: 99 });
    expect(describeAlarms()[0]).toMatchObject({ StateValue: "ALARM", Threshold: 99 });
  });

  test.each([
    [
      { EvaluationPeriods: 0 },
      "ValidationError: 1 validation error detected: Value '0' at 'evaluationPeriods' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ],
    [
      { AlarmName: "" },
      "ValidationError: 1 validation error detected: Value '' at 'alarmName' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ],
    [{ Period: 45 }, "ValidationError: Period must be 10, 20, 30 or a multiple of 60"],
    [
      { Period: 3600, EvaluationPeriods: 200 },
      "ValidationError: Metrics cannot be checked across more than seven days (EvaluationPeriods * Period must be <= 604800).",
    ],
    [
      { TreatMissingData: "what" },
      "ValidationError: The value what is not supported for TreatMissingData parameter. Supported values are [missing, ignore, breaching, notBreaching].",
    ],
    [
      { DatapointsToAlarm: 4 },
      "ValidationError: The parameter DatapointsToAlarm must be less than or equal to the parameter EvaluationPeriods.",
    ],
    [{ Threshold: undefined }, "ValidationError: The parameter Threshold is required."],
    [
      { ExtendedStatistic: "p90" },
      "ValidationError: Exactly one of the parameters Statistic and ExtendedStatistic must be specified.",
    ],
    [
      { Statistic: undefined, ExtendedStatistic: "p101" },
      "ValidationError: The value p101 for parameter ExtendedStatistic is not supported.",
    ],
  ])("PutMetricAlarm with %o is refused, and nothing is changed", (change, text) => {
    const { service, describeAlarms } = world();
    expect(refusal(service, "PutMetricAlarm", { ...alarmInput, ...change })).toBe(text);
    expect(describeAlarms()).toEqual([]);
  });

  test("what is not there: deletion of one unknown alarm deletes none", () => {
    const { service, describeAlarms } = world();
    call(service, "PutMetricAlarm", alarmInput);
    expect(refusal(service, "DeleteAlarms", { AlarmNames: ["busy", "nope"] })).toBe(
      "ResourceNotFound: Alarms not found: [nope]",
    );
    expect(describeAlarms()).toHaveLength(1);
    expect(refusal(service, "SetAlarmState", { AlarmName: "nope", StateValue: "OK", StateReason: "" })).toBe(
      "ResourceNotFound: Alarm not found: nope",
    );
    expect(refusal(service, "DescribeAlarms", { NextToken: "x" })).toBe(
      "InvalidNextToken: The next token specified is invalid.",
    );
  });

  test("quota: 5000 alarms, and no more; one that is there can be changed", () => {
    const { service, cloudWatch } = world();
    for (let i = 0; i < 5000; i++)
      call(service, "PutMetricAlarm", { ...alarmInput, AlarmName: `alarm-${i}` });
    expect(refusal(service, "PutMetricAlarm", { ...alarmInput, AlarmName: "one more" })).toBe(
      "LimitExceededFault: The quota for alarms for this customer has already been reached.",
    );
    call(service, "PutMetricAlarm", { ...alarmInput, AlarmName: "alarm-7", Threshold: 9 });
    cloudWatch.stop();
  });

  test("stopped, no timer is left: the clock runs out", () => {
    const { clock, service, cloudWatch } = world();
    call(service, "PutMetricAlarm", alarmInput);
    cloudWatch.stop();
    clock.runAll();
    call(service, "PutMetricAlarm", { ...alarmInput, AlarmName: "other" });
    call(service, "DeleteAlarms", { AlarmNames: ["busy", "other"] });
    clock.runAll();
    expect(clock.epochMs() - START_MS).toBeLessThan(180_000);
  });

  test("no evaluation depends on the order in which data came", () => {
    for (let seed = 0; seed < 15; seed++) {
      const random = new Random(seed);
      const below = (limit: number) => random.nextUint32() % limit;
      const data = Array.from({ length: 60 }, () => ({
        Timestamp: START_MS / 1000 + below(600),
        Value: below(100) / 7,
        Unit: ["None", "Count"][below(2)],
      }));
      const order = data.map((datum) => [random.nextUint32(), datum] as const).sort(([a], [b]) => a - b);
      const histories = [data, order.map(([, datum]) => datum)].map((puts) => {
        const { clock, service } = world();
        for (const [index, Statistic] of ["Sum", "Average", "Maximum"].entries()) {
          call(service, "PutMetricAlarm", {
            ...alarmInput,
            AlarmName: `by ${Statistic}`,
            Statistic,
            Threshold: [40, 7, 13][index],
            DatapointsToAlarm: 2,
          });
        }
        // Each minute's data comes within the minute, in either order.
        for (let minute = 0; minute < 10; minute++) {
          const within = puts.filter(
            ({ Timestamp }) => Math.floor((Timestamp - START_MS / 1000) / 60) === minute,
          );
          for (const datum of within) {
            call(service, "PutMetricData", { Namespace: "N", MetricData: [{ MetricName: "m", ...datum }] });
          }
          clock.advance(MINUTE_US);
        }
        clock.advance(5 * MINUTE_US);
        return call(service, "DescribeAlarmHistory", {});
      });
      expect(histories[1]).toEqual(histories[0]);
    }
  });
});
