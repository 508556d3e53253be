import { writeFileSync } from "node:fs";
import { parse } from "yaml";
import type { MemoryProfiles } from "../core/memory/profile.ts";
import { eventText } from "../journal/event-text.ts";
import { checkExpectations, type Outcome } from "../scenario/expectations.ts";
import { readScenarioFile, type ScenarioFile, shippedScenarios } from "../scenario/files.ts";
import { setAt } from "../scenario/paths.ts";
import { runScenario } from "../scenario/run.ts";
import { readScenario, type Scenario, withoutMechanism } from "../scenario/scenario.ts";
import { Story, type Tone } from "../scenario/story.ts";
import { nearestWord } from "../scenario/words.ts";
import { readMemoryProfiles } from "../storage/memory-profiles.ts";
import type { Environment } from "./environment.ts";

const usage = `Usage: triton-local scenario list
       triton-local scenario run <name or file.yaml> [options]
       triton-local scenario check <file.yaml>

Options of run:
  --seed=<number>        in the place of the scenario's
  --set <path>=<value>   says something else: --set policy.victims=lfu, --set models.a.host=1GiB; may be repeated
  --without              switches the scenario's mechanism off: an expectation has to fail then
  --journal=<file>       writes the journal as JSON lines
  --quiet                only whether the expectations hold

Exit code: 0 when all expectations hold, 1 when one fails or the scenario cannot be run.
`;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const complain = (text: string): number => {
  process.stderr.write(`${text}\n`);
  return 1;
};

/** `triton-local scenario`. @returns the exit code */
export const scenario = (args: readonly string[], environment: Environment): number => {
  const [verb, ...rest] = args;
  switch (verb) {
    case "list":
      return list();
    case "check":
      return check(rest);
    case "run":
      return run(rest, environment);
    case undefined:
    case "help":
    case "--help":
      say(usage);
      return verb === undefined ? 1 : 0;
    default: {
      const nearest = nearestWord(verb, ["list", "run", "check"]);
      return complain(
        `error: '${verb}' is not known${nearest === null ? "" : `; did you mean '${nearest}'?`}\n\n${usage}`,
      );
    }
  }
};

const list = (): number => {
  const names = shippedScenarios();
  const width = Math.max(0, ...names.map((name) => name.length));
  for (const name of names) {
    const read = readScenarioFile(name);
    const title = read.ok ? { title: "", ...Object(read.file.document) }.title : read.message;
    say(`${name.padEnd(width)}  ${title}`);
  }
  return 0;
};

const check = (args: readonly string[]): number => {
  const [named] = args;
  if (named === undefined || args.length > 1) return complain(`error: check takes one file\n\n${usage}`);
  const read = readScenarioFile(named);
  if (!read.ok) return complain(`error: ${read.message}`);
  const made = makeScenario(read.file, read.file.document);
  if (made === null) return 1;
  say(
    `${read.file.path}: ${made.fleet.size} models, ${made.words.traffic.length} steps, ${made.words.expect.length} expectations`,
  );
  return 0;
};

/** Null when it makes no sense; why has been said then. */
const makeScenario = (file: ScenarioFile, document: unknown): Scenario | null => {
  const made = readScenario(document, file.name);
  if (made.ok) return made.scenario;
  for (const problem of made.problems) complain(`error: ${file.sayProblem(problem)}`);
  return null;
};

interface RunArguments {
  readonly named: string;
  readonly changes: readonly (readonly [path: string, value: unknown])[];
  readonly without: boolean;
  readonly journal: string | null;
  readonly quiet: boolean;
}

const readValue = (text: string): unknown => {
  try {
    return parse(text);
  } catch {
    return text;
  }
};

/** A text = what is wrong with them. */
const readArguments = (args: readonly string[]): RunArguments | string => {
  const changes: [string, unknown][] = [];
  let named: string | null = null;
  let without = false;
  let journal: string | null = null;
  let quiet = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const [flag = "", inline] = arg.startsWith("--") ? splitOnce(arg, "=") : [arg];
    const value = (): string => inline ?? args[++i] ?? "";
    switch (flag) {
      case "--without":
        without = true;
        break;
      case "--quiet":
        quiet = true;
        break;
      case "--journal":
        journal = value();
        break;
      case "--seed":
        changes.push(["seed", readValue(value())]);
        break;
      case "--set": {
        const [path = "", said] = splitOnce(value(), "=");
        if (said === undefined) return `--set takes <path>=<value>, such as policy.victims=lfu`;
        changes.push([path, readValue(said)]);
        break;
      }
      default:
        if (flag.startsWith("--")) {
          const nearest = nearestWord(flag, ["--without", "--quiet", "--journal", "--seed", "--set"]);
          return `${flag} is not known${nearest === null ? "" : `; did you mean ${nearest}?`}`;
        }
        if (named !== null) return `run takes one scenario, not ${named} and ${arg}`;
        named = arg;
    }
  }
  if (named === null) return "run needs the name of a scenario or a file";
  return { named, changes, without, journal, quiet };
};

const splitOnce = (text: string, separator: string): readonly [string, string?] => {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
};

const run = (args: readonly string[], environment: Environment): number => {
  const given = readArguments(args);
  if (typeof given === "string") return complain(`error: ${given}\n\n${usage}`);
  const read = readScenarioFile(given.named);
  if (!read.ok) return complain(`error: ${read.message}`);
  const { file } = read;
  let { document } = file;
  for (const [path, value] of given.changes) {
    const changed = setAt(document, path, value);
    if (!changed.ok) return complain(`error: ${changed.error.message}`);
    document = changed.value;
  }
  if (given.without) {
    const off = withoutMechanism(document);
    if (!off.ok) return complain(`error: ${off.error.message}`);
    document = off.value;
  }
  const made = makeScenario(file, document);
  if (made === null) return 1;
  const profiles = readMemoryProfiles([]);
  if (!profiles.ok) return complain(`error: ${profiles.error.message}`);
  return tell(made, profiles.value, given, printer(environment));
};

const colours: Readonly<Record<Tone, string>> = {
  plain: "",
  quiet: "\u001b[2m",
  good: "\u001b[32m",
  bad: "\u001b[31m",
  picture: "\u001b[36m",
};

const printer = (environment: Environment): ((text: string, tone: Tone) => void) => {
  const coloured = process.stdout.isTTY === true && environment.NO_COLOR === undefined;
  return (text, tone) => {
    const colour = coloured ? colours[tone] : "";
    say(colour === "" ? text : `${colour}${text}\u001b[0m`);
  };
};

const tell = (
  made: Scenario,
  profiles: MemoryProfiles,
  { without, journal, quiet }: RunArguments,
  print: (text: string, tone: Tone) => void,
): number => {
  const { title, symptom, source, mechanism } = made.words;
  if (!quiet) {
    print(title, "plain");
    if (symptom !== undefined) print(symptom.trim(), "quiet");
    if (source !== undefined) print(`Source: ${source.join(", ")}`, "quiet");
    print(`Mechanism: ${mechanism}${without ? ", switched off" : ""}\n`, "quiet");
  }
  const story = new Story({ write: print, severalInstances: made.mostInstances > 1 });
  const lines: string[] = [];
  const result = runScenario({
    scenario: made,
    profiles,
    onEvent: (event) => {
      if (!quiet) story.tell(event);
      if (journal !== null) lines.push(`${eventText(event)}\n`);
    },
  });
  if (!result.ok) return complain(`error: ${result.error.message}`);
  if (!quiet) story.end();
  if (journal !== null) writeFileSync(journal, lines.join(""));
  const outcomes = checkExpectations(made, result.value);
  print(quiet ? "" : "\nExpected:", "plain");
  for (const outcome of outcomes) sayOutcome(outcome, print);
  const failed = outcomes.filter(({ holds }) => !holds).length;
  print(
    failed === 0
      ? `All ${outcomes.length} expectations hold.`
      : `${failed} of ${outcomes.length} expectations fail.`,
    failed === 0 ? "good" : "bad",
  );
  return failed === 0 ? 0 : 1;
};

const sayOutcome = (
  { holds, expected, seen, expectation }: Outcome,
  print: (text: string, tone: Tone) => void,
): void => {
  print(`  ${holds ? "ok  " : "FAIL"} ${expected}`, holds ? "good" : "bad");
  if (holds) return;
  print(`       seen: ${seen}`, "bad");
  if (expectation.because !== undefined) print(`       because: ${expectation.because}`, "quiet");
};
