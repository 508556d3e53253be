import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { eventText } from "../../emulator/journal/event-text.ts";
import { checkExpectations, type Outcome } from "../../emulator/scenario/expectations.ts";
import { readScenarioFile, shippedScenarios } from "../../emulator/scenario/files.ts";
import { runScenario } from "../../emulator/scenario/run.ts";
import { readScenario, withoutMechanism } from "../../emulator/scenario/scenario.ts";
import { shippedProfiles } from "../support/scenarios.ts";

interface Played {
  readonly outcomes: readonly Outcome[];
  /** Of the journal as it would be written. */
  readonly digest: string;
}

const play = (document: unknown, name: string): Played => {
  const read = readScenario(document, name, shippedProfiles);
  if (!read.ok)
    throw new Error(read.problems.map(({ path, text }) => `${path.join(".")}: ${text}`).join("\n"));
  const hash = createHash("sha256");
  const run = runScenario({
    scenario: read.scenario,
    onEvent: (event) => hash.update(`${eventText(event)}\n`),
  });
  return { outcomes: checkExpectations(read.scenario, run), digest: hash.digest("hex") };
};

const failures = ({ outcomes }: Played): readonly string[] =>
  outcomes.filter(({ holds }) => !holds).map(({ expected, seen }) => `expected: ${expected}; seen: ${seen}`);

describe.each(shippedScenarios())("scenario %s", (name) => {
  const read = readScenarioFile(name);
  if (!read.ok) throw new Error(read.message);
  const { document } = read.file;

  test("its expectations hold, and a second run gives the same journal", () => {
    const played = play(document, name);
    expect(failures(played)).toEqual([]);
    expect(play(document, name).digest).toBe(played.digest);
  });

  test("an expectation fails when its mechanism is switched off", () => {
    const off = withoutMechanism(document);
    if (!off.ok) throw off.error;
    expect(failures(play(off.value, name))).not.toEqual([]);
  });
});
