import type { Clock, Timer } from "../../common/clock.ts";
import type { Alarm, AlarmSettings } from "./alarm.ts";
import {
  EXTRA_PERIODS,
  type Judgement,
  judge,
  type Observation,
  reasonOf,
  type StateValue,
} from "./alarm-evaluation.ts";
import { AlarmHistory } from "./alarm-history.ts";
import { MathError } from "./metric-math.ts";
import { isMetricStat, QueryRun } from "./metric-query.ts";
import type { MetricStore } from "./metric-store.ts";
import { nextTick } from "./next-tick.ts";

/** An alarm asks for an action. A scaling policy is asked again at every evaluation while the state lasts. */
export interface AlarmAction {
  readonly alarm: Alarm;
  readonly action: string;
}

/** What was measured in a period is looked at so long after its end. */
export const EVALUATION_DELAY_MS = 1000;

const SCALING_POLICY = /^arn:aws:autoscaling:[^:]*:[^:]*:scalingPolicy:/;

/** Metric alarms. They are judged once a minute, those with a period below one every ten seconds. */
export class Alarms {
  readonly history: AlarmHistory;
  readonly #clock: Clock;
  readonly #store: MetricStore;
  readonly #alarms = new Map<string, Alarm>();
  readonly #listeners: ((action: AlarmAction) => void)[] = [];
  #timer: Timer | null = null;
  #timerTickS = Number.POSITIVE_INFINITY;
  #evaluatedMs = Number.NaN;

  constructor(clock: Clock, store: MetricStore) {
    this.#clock = clock;
    this.#store = store;
    this.history = new AlarmHistory(clock);
  }

  /** Told of every action that an alarm asks for. */
  onAction(listener: (action: AlarmAction) => void): void {
    this.#listeners.push(listener);
  }

  get count(): number {
    return this.#alarms.size;
  }

  get(name: string): Alarm | undefined {
    return this.#alarms.get(name);
  }

  /** By name. */
  list(): Alarm[] {
    return [...this.#alarms.values()].sort((a, b) => (a.settings.name < b.settings.name ? -1 : 1));
  }

  /** A new alarm has no data yet; one that is known keeps its state. */
  put(settings: AlarmSettings): void {
    const nowMs = this.#clock.epochMs();
    const known = this.#alarms.get(settings.name);
    this.#alarms.set(settings.name, {
      state: "INSUFFICIENT_DATA",
      reason: "Unchecked: Initial alarm creation",
      updatedMs: nowMs,
      transitionedMs: nowMs,
      latest: null,
      ...known,
      settings,
      configuredMs: nowMs,
    });
    this.history.configured(settings.name, known === undefined ? "created" : "updated");
    this.#schedule();
  }

  delete(name: string): void {
    if (!this.#alarms.delete(name)) return;
    this.history.configured(name, "deleted");
    if (this.#alarms.size === 0) this.stop();
  }

  setActionsEnabled(name: string, actionsEnabled: boolean): void {
    const alarm = this.#alarms.get(name);
    if (alarm === undefined || alarm.settings.actionsEnabled === actionsEnabled) return;
    this.#alarms.set(name, { ...alarm, settings: { ...alarm.settings, actionsEnabled } });
    this.history.configured(name, "updated");
  }

  /** Until the next evaluation says otherwise. */
  setState(name: string, state: StateValue, reason: string, reasonData?: string): void {
    const alarm = this.#alarms.get(name);
    if (alarm === undefined) return;
    this.#change(alarm, state, reason, reasonData);
  }

  /** No alarm is judged any more, until the next one is put. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerTickS = Number.POSITIVE_INFINITY;
  }

  #schedule(): void {
    const tickS = Math.min(...[...this.#alarms.values()].map(({ settings }) => tickOf(settings)));
    if (this.#timer !== null && this.#timerTickS <= tickS) return;
    this.#timer?.cancel();
    this.#timerTickS = tickS;
    const nowMs = this.#clock.epochMs() - EVALUATION_DELAY_MS;
    const nextMs = nextTick(nowMs, tickS * 1000, this.#evaluatedMs);
    this.#timer = this.#clock.setTimer((nextMs - nowMs) * 1000, () => {
      this.#timer = null;
      this.#evaluatedMs = nextMs;
      this.#evaluateAll(nextMs / 1000);
      if (this.#alarms.size > 0) this.#schedule();
    });
  }

  /** @param nowS a multiple of the shortest tick */
  #evaluateAll(nowS: number): void {
    for (const alarm of this.list()) if (nowS % tickOf(alarm.settings) === 0) this.#evaluate(alarm, nowS);
  }

  #evaluate(alarm: Alarm, nowS: number): void {
    const { settings } = alarm;
    const observed = this.#observe(settings, nowS);
    const judgement = judge(settings, observed);
    const latest = judgement.judged[0]?.value ?? null;
    const state = judgement.state ?? alarm.state;
    const judged = { ...alarm, latest };
    this.#alarms.set(settings.name, judged);
    if (state === alarm.state) {
      if (settings.actionsEnabled) this.#ask(judged, (action) => SCALING_POLICY.test(action));
      return;
    }
    const reason = reasonOf(settings, judgement, alarm.state, state);
    this.#change(judged, state, reason, reasonDataOf(settings, judgement, observed, nowS));
  }

  #observe(settings: AlarmSettings, nowS: number): Observation[] {
    const periodS = periodOf(settings);
    const count = settings.evaluationPeriods + EXTRA_PERIODS;
    const startS = nowS - count * periodS;
    const values = this.#values(settings, { startS, endS: nowS });
    return Array.from({ length: count }, (_, index) => {
      const start = nowS - (index + 1) * periodS;
      return { startS: start, value: values.get(start) ?? null };
    });
  }

  #values(settings: AlarmSettings, span: { startS: number; endS: number }): ReadonlyMap<number, number> {
    const judged = settings.queries.find(({ returned }) => returned);
    if (judged === undefined) return new Map();
    try {
      return (
        new QueryRun(settings.queries, this.#store, span, false).series(judged.id)[0]?.values ?? new Map()
      );
    } catch (error) {
      // An expression that gives no series, as CloudWatch finds out only now too.
      if (error instanceof MathError) return new Map();
      throw error;
    }
  }

  #change(alarm: Alarm, state: StateValue, reason: string, reasonData?: string): void {
    const nowMs = this.#clock.epochMs();
    const { reasonData: _, ...rest } = alarm;
    const changed: Alarm = {
      ...rest,
      state,
      reason,
      ...(reasonData === undefined ? {} : { reasonData }),
      updatedMs: nowMs,
      transitionedMs: state === alarm.state ? alarm.transitionedMs : nowMs,
    };
    this.#alarms.set(alarm.settings.name, changed);
    if (state === alarm.state) return;
    this.history.changed(alarm, changed);
    if (changed.settings.actionsEnabled) this.#ask(changed, () => true);
  }

  #ask(alarm: Alarm, which: (action: string) => boolean): void {
    for (const action of alarm.settings.actions[alarm.state].filter(which))
      for (const listener of this.#listeners) listener({ alarm, action });
  }
}

/** Of the metrics that an alarm looks at; the longest where they differ. */
export const periodOf = ({ queries }: AlarmSettings): number =>
  Math.max(1, ...queries.map(({ source }) => (isMetricStat(source) ? source.periodS : 1)));

const tickOf = (settings: AlarmSettings): number => (periodOf(settings) < 60 ? 10 : 60);

const reasonDataOf = (
  settings: AlarmSettings,
  { judged }: Judgement,
  observed: readonly Observation[],
  nowS: number,
): string => {
  const [first] = settings.queries;
  const stat =
    first !== undefined && isMetricStat(first.source) && !settings.asQueries ? first.source : undefined;
  return JSON.stringify({
    version: "1.0",
    queryDate: isoDate(nowS),
    ...(judged.length === 0 ? {} : { startDate: isoDate(judged.at(-1)!.startS) }),
    unit: stat?.unit,
    statistic: stat?.stat,
    period: periodOf(settings),
    recentDatapoints: judged.map(({ value }) => value).reverse(),
    threshold: settings.threshold,
    evaluatedDatapoints: observed
      .slice(0, settings.evaluationPeriods)
      .map(({ startS, value }) => ({ timestamp: isoDate(startS), ...(value === null ? {} : { value }) })),
  });
};

/** e.g. `2026-11-25T19:48:00.000+0000`. */
export const isoDate = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().replace("Z", "+0000");
