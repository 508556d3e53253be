import { writeFileSync } from "node:fs";
import { parse } from "yaml";
import { ok, type Result } from "../common/status.ts";
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
  --seed=<number>          in the place of the scenario's
  --set <path>=<value>     says something else: --set policy.victims=lfu, --set models.a.host=1GiB; may be repeated
  --without                switches the scenario's mechanism off: an expectation has to fail then
  --memory-profile=<file>  in the place of the profile of the same backend; may be repeated
  --journal=<file>         writes the journal as JSON lines
  --quiet                  only whether the expectations hold

Exit code: 0 when all expectations hold, 1 when one fails or the scenario cannot be run.
`;

/** Where lines go. */
export interface Terminal {
  readonly coloured: boolean;
  out(line: string): void;
  error(line: string): void;
}

const standardTerminal = (environment: Environment): Terminal => ({
  coloured: process.stdout.isTTY === true && environment.NO_COLOR === undefined,
  out: (line) => process.stdout.write(`${line}\n`),
  error: (line) => process.stderr.write(`${line}\n`),
});

/** `triton-local scenario`. @returns the exit code */
export const scenario = (
  args: readonly string[],
  environment: Environment,
  terminal: Terminal = standardTerminal(environment),
): number => new ScenarioCommand(terminal).run(args);

class ScenarioCommand {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  run([verb, ...rest]: readonly string[]): number {
    switch (verb) {
      case "list":
        return this.#list();
      case "check":
        return this.#check(rest);
      case "run":
        return this.#runScenario(rest);
      case "help":
      case "--help":
        this.#terminal.out(usage);
        return 0;
      case undefined:
        return this.#fail(usage);
      default: {
        const nearest = nearestWord(verb, ["list", "run", "check"]);
        return this.#fail(
          `error: '${verb}' is not known${nearest === null ? "" : `; did you mean '${nearest}'?`}\n\n${usage}`,
        );
      }
    }
  }

  #fail(text: string): 1 {
    this.#terminal.error(text);
    return 1;
  }

  #list(): number {
    const names = shippedScenarios();
    const width = Math.max(0, ...names.map((name) => name.length));
    for (const name of names) {
      const read = readScenarioFile(name);
      const title = read.ok ? titleOf(read.file.document) : read.message;
      this.#terminal.out(`${name.padEnd(width)}  ${title}`);
    }
    return 0;
  }

  #check(args: readonly string[]): number {
    const [named] = args;
    if (named === undefined || args.length > 1) return this.#fail(`error: check takes one file\n\n${usage}`);
    const read = readScenarioFile(named);
    if (!read.ok) return this.#fail(`error: ${read.message}`);
    const profiles = readMemoryProfiles([]);
    if (!profiles.ok) return this.#fail(`error: ${profiles.error.message}`);
    const made = this.#make(read.file, read.file.document, profiles.value);
    if (made === null) return 1;
    const off = withoutMechanism(read.file.document);
    if (!off.ok) return this.#fail(`error: without: ${off.error.message}`);
    if (this.#make(read.file, off.value, profiles.value, "with its mechanism switched off: ") === null)
      return 1;
    const { fleet, words } = made;
    this.#terminal.out(
      `${read.file.path}: ${fleet.size} models, ${words.traffic.length} steps, ${words.expect.length} expectations`,
    );
    return 0;
  }

  /** Null when it makes no sense; why has been said then. */
  #make(file: ScenarioFile, document: unknown, profiles: MemoryProfiles, when = ""): Scenario | null {
    const made = readScenario(document, file.name, profiles);
    if (made.ok) return made.scenario;
    for (const problem of made.problems) this.#fail(`error: ${when}${file.sayProblem(problem)}`);
    return null;
  }

  #runScenario(args: readonly string[]): number {
    const given = readArguments(args);
    if (typeof given === "string") return this.#fail(`error: ${given}\n\n${usage}`);
    const read = readScenarioFile(given.named);
    if (!read.ok) return this.#fail(`error: ${read.message}`);
    const document = changedDocument(read.file.document, given);
    if (!document.ok) return this.#fail(`error: ${document.error.message}`);
    const profiles = readMemoryProfiles(given.profiles);
    if (!profiles.ok) return this.#fail(`error: ${profiles.error.message}`);
    const made = this.#make(read.file, document.value, profiles.value);
    return made === null ? 1 : this.#play(made, given);
  }

  #play(made: Scenario, { without, journal, quiet }: RunArguments): number {
    if (!quiet) this.#introduce(made, without);
    const story = new Story({
      write: this.#print,
      severalInstances: made.mostInstances > 1,
      pools: made.machine.pools.map(({ pool, capacityBytes, reserveBytes }) => ({
        pool,
        capacity: capacityBytes,
        reserve: reserveBytes,
      })),
    });
    const lines: string[] = [];
    const run = runScenario({
      scenario: made,
      onEvent: (event) => {
        if (!quiet) story.tell(event);
        if (journal !== null) lines.push(`${eventText(event)}\n`);
      },
    });
    if (journal !== null && !this.#writeJournal(journal, lines)) return 1;
    if (!quiet) {
      story.end();
      this.#print("\nExpected:", "plain");
    }
    const outcomes = checkExpectations(made, run);
    for (const outcome of outcomes) this.#sayOutcome(outcome);
    const failed = outcomes.filter(({ holds }) => !holds).length;
    if (failed === 0) this.#print(`All ${outcomes.length} expectations hold.`, "good");
    else this.#print(`${failed} of ${outcomes.length} expectations fail.`, "bad");
    return failed === 0 ? 0 : 1;
  }

  #introduce({ words: { title, symptom, source, mechanism } }: Scenario, without: boolean): void {
    this.#print(title, "plain");
    if (symptom !== undefined) this.#print(symptom.trim(), "quiet");
    if (source !== undefined) this.#print(`Source: ${source.join(", ")}`, "quiet");
    this.#print(`Mechanism: ${mechanism}${without ? ", switched off" : ""}\n`, "quiet");
  }

  #writeJournal(path: string, lines: readonly string[]): boolean {
    try {
      writeFileSync(path, lines.join(""));
      return true;
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      this.#fail(`error: cannot write the journal: ${error.message}`);
      return false;
    }
  }

  #sayOutcome({ holds, expected, seen, expectation: { because } }: Outcome): void {
    this.#print(`  ${holds ? "ok  " : "FAIL"} ${expected}`, holds ? "good" : "bad");
    if (holds) return;
    this.#print(`       seen: ${seen}`, "bad");
    if (because !== undefined) this.#print(`       because: ${because}`, "quiet");
  }

  readonly #print = (text: string, tone: Tone): void => {
    const colour = this.#terminal.coloured ? colours[tone] : "";
    this.#terminal.out(colour === "" ? text : `${colour}${text}\u001b[0m`);
  };
}

const titleOf = (document: unknown): string =>
  typeof document === "object" && document !== null && "title" in document ? String(document.title) : "";

const changedDocument = (document: unknown, { changes, without }: RunArguments): Result<unknown> => {
  let changed: Result<unknown> = ok(document);
  for (const [path, value] of changes) {
    if (!changed.ok) return changed;
    changed = setAt(changed.value, path, value);
  }
  return changed.ok && without ? withoutMechanism(changed.value) : changed;
};

interface RunArguments {
  readonly named: string;
  readonly changes: readonly (readonly [path: string, value: unknown])[];
  readonly profiles: readonly string[];
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
  const profiles: string[] = [];
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
      case "--memory-profile":
        profiles.push(value());
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
          const nearest = nearestWord(flag, [
            "--without",
            "--quiet",
            "--journal",
            "--memory-profile",
            "--seed",
            "--set",
          ]);
          return `${flag} is not known${nearest === null ? "" : `; did you mean ${nearest}?`}`;
        }
        if (named !== null) return `run takes one scenario, not ${named} and ${arg}`;
        named = arg;
    }
  }
  if (named === null) return "run needs the name of a scenario or a file";
  return { named, changes, profiles, without, journal, quiet };
};

const splitOnce = (text: string, separator: string): readonly [string, string?] => {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
};

const colours: Readonly<Record<Tone, string>> = {
  plain: "",
  quiet: "\u001b[2m",
  good: "\u001b[32m",
  bad: "\u001b[31m",
  picture: "\u001b[36m",
};
