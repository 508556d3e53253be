import type { Clock } from "../../common/clock.ts";
import type { Alarm } from "./alarm.ts";

export interface HistoryItem {
  readonly alarmName: string;
  readonly epochMs: number;
  readonly type: "ConfigurationUpdate" | "StateUpdate" | "Action";
  readonly summary: string;
  /** JSON. */
  readonly data: string;
}

/** Older items go first. */
const MAX_ITEMS = 10_000;

/** What became of alarms, also of those that are deleted. */
export class AlarmHistory {
  readonly #clock: Clock;
  #items: HistoryItem[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Oldest first. */
  get items(): readonly HistoryItem[] {
    return this.#items;
  }

  configured(alarmName: string, what: "created" | "updated" | "deleted"): void {
    const type = `${what.charAt(0).toUpperCase()}${what.slice(1, -1)}`;
    this.#add(alarmName, "ConfigurationUpdate", `Alarm "${alarmName}" ${what}`, { version: "1.0", type });
  }

  changed(before: Alarm, after: Alarm): void {
    const summary = `Alarm updated from ${before.state} to ${after.state}`;
    this.#add(after.settings.name, "StateUpdate", summary, {
      version: "1.0",
      oldState: stateOf(before),
      newState: stateOf(after),
    });
  }

  acted(alarmName: string, action: string): void {
    this.#add(alarmName, "Action", `Successfully executed action ${action}`, {
      actionState: "Succeeded",
      resource: action,
    });
  }

  #add(alarmName: string, type: HistoryItem["type"], summary: string, data: object): void {
    this.#items.push({
      alarmName,
      epochMs: this.#clock.epochMs(),
      type,
      summary,
      data: JSON.stringify(data),
    });
    if (this.#items.length > MAX_ITEMS) this.#items = this.#items.slice(MAX_ITEMS / 10);
  }
}

const stateOf = ({ state, reason, reasonData }: Alarm) => {
  const data: unknown = reasonData === undefined ? undefined : JSON.parse(reasonData);
  return { stateValue: state, stateReason: reason, stateReasonData: data };
};
