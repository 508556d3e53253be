import { describe, expect, test } from "vitest";
import {
  type AlarmRule,
  judge,
  missingDataTreatments,
  reasonOf,
} from "../../../../emulator/aws/cloudwatch/alarm-evaluation.ts";

const START_S = Date.parse("2026-11-25T19:48:00Z") / 1000;

/** As AWS's guide draws it: oldest first, X breaches, 0 does not, - is missing. */
const observed = (picture: string) =>
  picture
    .split(" ")
    .map((mark, index) => ({
      startS: START_S + index * 60,
      value: mark === "-" ? null : mark === "X" ? 11 : 1,
    }))
    .reverse();

const rule = (datapointsToAlarm: number, evaluationPeriods = 3): AlarmRule => ({
  threshold: 10,
  comparison: "GreaterThanThreshold",
  evaluationPeriods,
  datapointsToAlarm,
});

describe("judge", () => {
  // "Configuring how CloudWatch alarms treat missing data", both tables; null = the state stays.
  test.each([
    [3, "0 - X - X", ["OK", "OK", "OK", "OK"]],
    [3, "0 - - - -", ["OK", "OK", "OK", "OK"]],
    [3, "- - - - -", ["INSUFFICIENT_DATA", null, "ALARM", "OK"]],
    [3, "0 X X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]],
    [3, "- - X - -", ["ALARM", null, "ALARM", "OK"]],
    [2, "0 - X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]],
    [2, "0 0 X 0 X", ["ALARM", "ALARM", "ALARM", "ALARM"]],
    [2, "0 - X - -", ["OK", "OK", "ALARM", "OK"]],
    [2, "- - - - 0", ["OK", "OK", "ALARM", "OK"]],
    [2, "- - - X -", ["ALARM", null, "ALARM", "OK"]],
    [3, "- - - - X", [null, null, "ALARM", "OK"]],
    [3, "X X X 0 X", ["OK", "OK", "OK", "OK"]],
  ])("%d of 3 with %s", (datapointsToAlarm, picture, states) => {
    const judged = missingDataTreatments.map(
      (missingData) => judge({ ...rule(datapointsToAlarm), missingData }, observed(picture)).state,
    );
    expect(judged).toEqual(states);
  });

  test.each([
    ["GreaterThanThreshold", "OK"],
    ["GreaterThanOrEqualToThreshold", "ALARM"],
    ["LessThanThreshold", "OK"],
    ["LessThanOrEqualToThreshold", "ALARM"],
  ] as const)("a value at the threshold: %s gives %s", (comparison, state) => {
    const observation = [{ startS: START_S, value: 10 }];
    expect(judge({ ...rule(1, 1), comparison }, observation).state).toBe(state);
  });
});

describe("reasonOf", () => {
  test.each([
    [
      "0 0 X X X",
      "OK",
      "ALARM",
      "Threshold Crossed: 3 out of the last 3 datapoints [11.0 (25/11/26 19:52:00), 11.0 (25/11/26 19:51:00), 11.0 (25/11/26 19:50:00)] were greater than the threshold (10.0) (minimum 3 datapoints for OK -> ALARM transition).",
    ],
    [
      "X X X X 0",
      "ALARM",
      "OK",
      "Threshold Crossed: 1 out of the last 3 datapoints [1.0 (25/11/26 19:52:00)] was not greater than the threshold (10.0) (minimum 1 datapoint for ALARM -> OK transition).",
    ],
    ["- - - - -", "OK", "INSUFFICIENT_DATA", "Insufficient Data: 3 datapoints were unknown."],
  ] as const)("%s", (picture, from, to, reason) => {
    const judgement = judge(rule(3), observed(picture));
    expect(reasonOf(rule(3), judgement, from, to)).toBe(reason);
  });

  test("missing data that is treated as something", () => {
    const breaching = { ...rule(1, 1), missingData: "breaching" } as const;
    const reason = reasonOf(breaching, judge(breaching, observed("- - -")), "OK", "ALARM");
    expect(reason).toBe(
      "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching].",
    );
  });
});
