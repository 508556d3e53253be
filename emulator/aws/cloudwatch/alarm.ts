import type { AlarmRule, StateValue } from "./alarm-evaluation.ts";
import type { MetricQuery } from "./metric-query.ts";

export interface AlarmSettings extends AlarmRule {
  readonly name: string;
  readonly arn: string;
  readonly description?: string;
  readonly actionsEnabled: boolean;
  /** ARNs, by the state that they belong to. */
  readonly actions: Readonly<Record<StateValue, readonly string[]>>;
  /** One of them is `returned`: what is judged. */
  readonly queries: readonly MetricQuery[];
  /** Whether `queries` came as such (`Metrics`), or as one metric and statistic. */
  readonly asQueries: boolean;
}

export interface Alarm {
  readonly settings: AlarmSettings;
  readonly configuredMs: number;
  readonly state: StateValue;
  readonly reason: string;
  /** JSON; absent = nothing has been looked at. */
  readonly reasonData?: string;
  /** When state or reason last changed. */
  readonly updatedMs: number;
  /** When the state last changed. */
  readonly transitionedMs: number;
  /** The newest data point that was judged; null = there is none. */
  readonly latest: number | null;
}
