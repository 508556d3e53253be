import { expect, test } from "vitest";
import type { JournalEvent } from "../../../emulator/journal/event.ts";
import { eventText, readJournal } from "../../../emulator/journal/event-text.ts";
import { explain, explanationText } from "../../../emulator/journal/explain.ts";
import { readScenarioFile, shippedScenarios } from "../../../emulator/scenario/files.ts";
import { runScenario } from "../../../emulator/scenario/run.ts";
import { readScenario } from "../../../emulator/scenario/scenario.ts";
import { shippedProfiles } from "../../support/scenarios.ts";

const MOST_REQUESTS = 20;
const MOST_EVENTS = 5000;

/** A screen, at most: what is longer than it is wide is broken by the terminal. */
const MOST_LINES = 50;

const eventsOf = (name: string): readonly JournalEvent[] => {
  const file = readScenarioFile(name);
  if (!file.ok) throw new Error(JSON.stringify(file));
  const read = readScenario(file.file.document, name, shippedProfiles);
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const events: JournalEvent[] = [];
  runScenario({ scenario: read.scenario, onEvent: (event) => events.push(event) });
  // The beginning of a journal is a journal.
  return events.slice(0, MOST_EVENTS);
};

const askedFor = (events: readonly JournalEvent[]) => {
  const failed = events.flatMap((event) =>
    event.event === "answer" && event.status >= 400 && event.request !== undefined ? [event.request] : [],
  );
  const requests = events.flatMap(({ request }) => (request === undefined ? [] : [request]));
  const models = events.flatMap(({ model }) => (model === undefined ? [] : [model]));
  return [
    ...[...new Set([...failed, ...requests])].slice(0, MOST_REQUESTS).map((request) => ({ request })),
    ...[...new Set(models)].map((model) => ({ model })),
  ];
};

test.each(shippedScenarios())(
  "%s: its journal comes back from its text, and explains every request and model on one screen",
  (name) => {
    const events = eventsOf(name);
    const read = readJournal(events.map((event) => `${eventText(event)}\n`).join(""));
    expect(read.ok ? null : read.error.message).toBeNull();
    const questions = askedFor(events);
    expect(questions.length).toBeGreaterThan(0);
    for (const question of questions) {
      const explanation = explain(events, question);
      expect(explanation.known, JSON.stringify(question)).toBe(true);
      const text = explanationText(explanation);
      expect(text).not.toMatch(/undefined|NaN|\[object|Infinity|null/);
      expect(text.split("\n").length, text).toBeLessThanOrEqual(MOST_LINES);
    }
  },
);
