import { operation } from "../../wire/json-service.ts";
import { required, string, structure } from "../../wire/shapes.ts";
import type { Alarms } from "../alarms.ts";
import { alarmNotFound, invalidFormat } from "../errors.ts";
import { alarmName, alarmNames, stateValue } from "../shapes.ts";

const namesInput = structure({ AlarmNames: required(alarmNames) });

/** All or none. */
export const deleteAlarms = (alarms: Alarms) =>
  operation(namesInput, ({ AlarmNames }) => {
    const unknown = AlarmNames.filter((name) => alarms.get(name) === undefined);
    if (unknown.length > 0) throw alarmNotFound(`Alarms not found: [${unknown.join(", ")}]`);
    for (const name of AlarmNames) alarms.delete(name);
    return {};
  });

/** Alarms that do not exist are passed over, as on AWS. */
export const setAlarmActions = (alarms: Alarms, enabled: boolean) =>
  operation(namesInput, ({ AlarmNames }) => {
    for (const name of AlarmNames) alarms.setActionsEnabled(name, enabled);
    return {};
  });

const stateInput = structure({
  AlarmName: required(alarmName),
  StateValue: required(stateValue),
  StateReason: required(string({ min: 0, max: 1023 })),
  StateReasonData: string({ min: 0, max: 4000 }),
});

export const setAlarmState = (alarms: Alarms) =>
  operation(stateInput, ({ AlarmName, StateValue, StateReason, StateReasonData }) => {
    if (alarms.get(AlarmName) === undefined) throw alarmNotFound(`Alarm not found: ${AlarmName}`);
    if (StateReasonData !== undefined && !isJson(StateReasonData))
      throw invalidFormat("StateReasonData is not valid JSON.");
    alarms.setState(AlarmName, StateValue, StateReason, StateReasonData);
    return {};
  });

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
