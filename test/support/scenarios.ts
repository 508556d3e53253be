import { parse } from "yaml";
import type { JournalEvent } from "../../emulator/journal/event.ts";
import { checkExpectations } from "../../emulator/scenario/expectations.ts";
import type { Run } from "../../emulator/scenario/observed.ts";
import { runScenario } from "../../emulator/scenario/run.ts";
import { readScenario, type Scenario } from "../../emulator/scenario/scenario.ts";
import { readMemoryProfiles } from "../../emulator/storage/memory-profiles.ts";

const profiles = readMemoryProfiles([]);
if (!profiles.ok) throw profiles.error;
export const shippedProfiles = profiles.value;

/** What every scenario has to say, for those who test something else. */
export const plainScenario = `
title: a test
mechanism: none
without: {}
machine: 1GiB
models: [{ name: a, backend: python, host: 100MiB }, { name: b, backend: python, host: 100MiB }]
traffic: [{ at: 0s, invoke: a, as: first }]
expect: [{ answer: first, status: 200 }]
`;

/** The plain scenario with other words at its top. */
export const scenarioDocument = (yaml: string): unknown => ({ ...parse(plainScenario), ...parse(yaml) });

export const scenarioOf = (yaml: string): Scenario => {
  const read = readScenario(scenarioDocument(yaml), "test", shippedProfiles);
  if (!read.ok)
    throw new Error(read.problems.map(({ path, text }) => `${path.join(".")}: ${text}`).join("\n"));
  return read.scenario;
};

export interface Played {
  readonly run: Run;
  readonly events: readonly JournalEvent[];
  /** In words, with what was seen. */
  readonly failed: readonly string[];
}

export const playScenario = (yaml: string): Played => {
  const scenario = scenarioOf(yaml);
  const events: JournalEvent[] = [];
  const run = runScenario({ scenario, onEvent: (event) => events.push(event) });
  const failed = checkExpectations(scenario, run)
    .filter(({ holds }) => !holds)
    .map(({ expected, seen }) => `${expected} | ${seen}`);
  return { run, events, failed };
};
