export type StateValue = "OK" | "ALARM" | "INSUFFICIENT_DATA";

export const comparisons = {
  GreaterThanOrEqualToThreshold: {
    breaches: (value: number, threshold: number) => value >= threshold,
    text: "greater than or equal to",
  },
  GreaterThanThreshold: {
    breaches: (value: number, threshold: number) => value > threshold,
    text: "greater than",
  },
  LessThanThreshold: {
    breaches: (value: number, threshold: number) => value < threshold,
    text: "less than",
  },
  LessThanOrEqualToThreshold: {
    breaches: (value: number, threshold: number) => value <= threshold,
    text: "less than or equal to",
  },
} as const;

export type ComparisonOperator = keyof typeof comparisons;

export const missingDataTreatments = ["missing", "ignore", "breaching", "notBreaching"] as const;

export type MissingData = (typeof missingDataTreatments)[number];

/** How many data points more than the alarm needs are looked at: where one is missing, an older one stands in for it. */
export const EXTRA_PERIODS = 2;

export interface AlarmRule {
  readonly threshold: number;
  readonly comparison: ComparisonOperator;
  readonly evaluationPeriods: number;
  /** Absent = as many as `evaluationPeriods`. */
  readonly datapointsToAlarm?: number;
  /** Absent = `missing`. */
  readonly missingData?: MissingData;
}

/** A period that was looked at; null = it has no data. */
export interface Observation {
  readonly startS: number;
  readonly value: number | null;
}

export interface Judgement {
  /** Null = it stays as it is. */
  readonly state: StateValue | null;
  /** Data points that were judged, newest first. */
  readonly judged: readonly { readonly startS: number; readonly value: number }[];
  /** Periods without data, as far as they counted. */
  readonly missing: number;
}

/**
 * The state that M of N data points give, by the rules of CloudWatch's "Configuring how alarms treat missing data".
 * @param observed newest first, `evaluationPeriods + EXTRA_PERIODS` of them
 */
export const judge = (rule: AlarmRule, observed: readonly Observation[]): Judgement => {
  const { evaluationPeriods, datapointsToAlarm = evaluationPeriods, missingData = "missing" } = rule;
  const real = observed.flatMap(({ startS, value }) => (value === null ? [] : [{ startS, value }]));
  const judged = real.slice(0, evaluationPeriods);
  const missing = evaluationPeriods - judged.length;
  const breaching = judged.filter(({ value }) => isBreach(rule, value)).length;
  const answer = (state: StateValue | null): Judgement => ({ state, judged, missing });
  if (judged.length === 0) return answer(whenNothingIsKnown[missingData]);
  if (breaching + (missingData === "breaching" ? missing : 0) >= datapointsToAlarm) return answer("ALARM");
  if (missing === 0 || missingData === "breaching" || missingData === "notBreaching") return answer("OK");
  if (breaching < judged.length) return answer("OK");
  // All that is known breaches, and it is too little.
  const oldest = observed.findLastIndex(({ value }) => value !== null);
  return answer(missingData === "missing" && oldest + 1 >= datapointsToAlarm ? "ALARM" : null);
};

export const isBreach = ({ comparison, threshold }: AlarmRule, value: number): boolean =>
  comparisons[comparison].breaches(value, threshold);

const whenNothingIsKnown: Readonly<Record<MissingData, StateValue | null>> = {
  missing: "INSUFFICIENT_DATA",
  ignore: null,
  breaching: "ALARM",
  notBreaching: "OK",
};

/** Why a state is what it is, in CloudWatch's words. */
export const reasonOf = (
  rule: AlarmRule,
  { judged, missing }: Judgement,
  from: StateValue,
  to: StateValue,
): string => {
  const { evaluationPeriods, datapointsToAlarm = evaluationPeriods, comparison, threshold } = rule;
  if (to === "INSUFFICIENT_DATA")
    return `Insufficient Data: ${counted(missing, "datapoint was", "datapoints were")} unknown.`;
  if (judged.length === 0) {
    const treated = rule.missingData === "breaching" ? "Breaching" : "NonBreaching";
    return `Threshold Crossed: no datapoints were received for ${counted(missing, "period", "periods")} and ${counted(missing, "missing datapoint was", "missing datapoints were")} treated as [${treated}].`;
  }
  const telling = judged.filter(({ value }) => isBreach(rule, value) === (to === "ALARM"));
  const values = telling.map(({ startS, value }) => `${doubleText(value)} (${shortDate(startS)})`).join(", ");
  const crossed = `${to === "OK" ? "not " : ""}${comparisons[comparison].text} the threshold (${doubleText(threshold)})`;
  const verb = telling.length === 1 ? "was" : "were";
  const needed = to === "ALARM" ? datapointsToAlarm : evaluationPeriods - datapointsToAlarm + 1;
  const transition =
    from === to
      ? ""
      : ` (minimum ${counted(needed, "datapoint", "datapoints")} for ${to === "ALARM" ? "OK -> ALARM" : "ALARM -> OK"} transition)`;
  return `Threshold Crossed: ${telling.length} out of the last ${judged.length} datapoints [${values}] ${verb} ${crossed}${transition}.`;
};

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

/** As Java writes a double: a whole number has its `.0`. */
export const doubleText = (value: number): string =>
  Number.isInteger(value) ? value.toFixed(1) : String(value);

/** e.g. `25/11/26 19:48:00`. */
const shortDate = (seconds: number): string => {
  const [date, time] = new Date(seconds * 1000).toISOString().split("T");
  const [year, month, day] = date!.split("-");
  return `${day}/${month}/${year!.slice(2)} ${time!.slice(0, 8)}`;
};
