import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scenario } from "../../../emulator/cli/scenario.ts";
import { readJournal } from "../../../emulator/journal/event-text.ts";
import { shippedScenarios } from "../../../emulator/scenario/files.ts";
import { plainScenario } from "../../support/scenarios.ts";

let folder = "";
let file = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "triton-local-scenario-"));
  file = join(folder, "plain.yaml");
  writeFileSync(
    file,
    plainScenario.replace(
      "without: {}",
      "without: { traffic.first.at: 0s, machine: 4MiB, models: [{ name: a }] }",
    ),
  );
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (args: readonly string[], coloured = false) => {
  const out: string[] = [];
  const error: string[] = [];
  const exitCode = scenario(
    args,
    {},
    {
      coloured,
      out: (line) => out.push(line),
      error: (line) => error.push(line),
    },
  );
  return { exitCode, out: out.join("\n"), error: error.join("\n") };
};

test("scenario list: every scenario that comes along, with its title", () => {
  const { exitCode, out } = run(["list"]);
  expect(exitCode).toBe(0);
  expect(out.split("\n").map((line) => line.split(" ")[0])).toEqual(shippedScenarios());
  expect(out).toContain("The disk of the instance is full");
});

test("scenario run: the story, the pools and what was expected; 0 when all of it holds", () => {
  const { exitCode, out } = run(["run", file]);
  expect(exitCode).toBe(0);
  expect(out).toContain("first asks for a, which is not loaded");
  expect(out).toContain("host  [");
  expect(out).toContain("ok   first is answered status 200");
  expect(out).not.toContain("\u001b");
});

test("scenario run: colours on a terminal only", () => {
  expect(run(["run", file], true).out).toContain("\u001b[32m");
});

test("scenario run: 1 and what was seen when an expectation fails", () => {
  const { exitCode, out } = run([
    "run",
    file,
    "--quiet",
    "--set",
    "expect=[{ answer: first, status: 507, because: a reason }]",
  ]);
  expect(exitCode).toBe(1);
  expect(out).toContain("FAIL first is answered status 507");
  expect(out).toContain("seen: status 200 from the container");
  expect(out).toContain("because: a reason");
  expect(out).toContain("1 of 1 expectations fail.");
});

test("scenario run --without: the mechanism is off, and the expectation fails", () => {
  expect(run(["run", file, "--quiet", "--without"]).exitCode).toBe(1);
});

test("scenario run --journal: the journal, as explain reads it", () => {
  const journal = join(folder, "journal.jsonl");
  expect(run(["run", file, `--journal=${journal}`, "--seed=7"]).exitCode).toBe(0);
  const read = readJournal(readFileSync(journal, "utf8"));
  if (!read.ok) throw read.error;
  expect(read.value[0]).toMatchObject({ event: "run", seed: 7, scenario: "plain" });
  expect(read.value.some(({ event }) => event === "answer")).toBe(true);
});

test("scenario check: says what is in the file, or every problem with its line", () => {
  expect(run(["check", file])).toMatchObject({
    exitCode: 0,
    out: `${file}: 2 models, 1 steps, 1 expectations`,
  });
  const bad = join(folder, "bad.yaml");
  writeFileSync(
    bad,
    plainScenario.replace("machine: 1GiB", "machine: 1GiB\npolcy: lru").replace("invoke: a", "invoke: aa"),
  );
  const { exitCode, error } = run(["check", bad]);
  expect(exitCode).toBe(1);
  expect(error).toContain(`${bad}:1: 'polcy' is not known here; did you mean 'policy'?`);
  writeFileSync(bad, plainScenario.replace("invoke: a", "invoke: aa"));
  expect(run(["check", bad]).error).toContain(
    `${bad}:7: traffic.0.invoke: 'aa' is not known here; did you mean 'a'?`,
  );
});

test.each([
  [["chekc"], "'chekc' is not known; did you mean 'check'?"],
  [["run"], "run needs the name of a scenario or a file"],
  [["run", "no-such-thing"], "there is no scenario 'no-such-thing'"],
  [["run", "/nowhere/x.yaml"], "cannot read /nowhere/x.yaml"],
  [["run", "disk-is-full-of-models-nobody-use"], "did you mean 'disk-is-full-of-models-nobody-uses'?"],
  [["run", "a.yaml", "b.yaml"], "run takes one scenario"],
  [["run", "a.yaml", "--withuot"], "--withuot is not known; did you mean --without?"],
  [["run", "a.yaml", "--set", "seed"], "--set takes <path>=<value>"],
])("scenario %j: an error that says what to do, and 1", (args, text) => {
  const { exitCode, error } = run(args);
  expect(exitCode).toBe(1);
  expect(error).toContain(text);
});

test("scenario run: a file that is no YAML is told with its line", () => {
  const bad = join(folder, "no-yaml.yaml");
  writeFileSync(bad, "title: a\nmodels: [");
  expect(run(["run", bad]).error).toMatch(/no-yaml\.yaml:\d+: /);
});
