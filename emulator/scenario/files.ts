import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LineCounter, parseDocument } from "yaml";
import type { Problem } from "./scenario.ts";
import { nearestWord } from "./words.ts";

/** The build keeps the layout of the checkout, so they lie at the same place beside the sources and in the package. */
const shippedFolder = (): string => fileURLToPath(new URL("../../fixtures/scenarios", import.meta.url));

const ENDING = ".yaml";

/** A scenario as it was read: what is in it is not looked at. */
export interface ScenarioFile {
  /** Without folder and ending. */
  readonly name: string;
  readonly path: string;
  readonly document: unknown;
  /** `file.yaml:12: traffic.3.invoke: ...` */
  sayProblem(problem: Problem): string;
}

export type ReadFile =
  | { readonly ok: true; readonly file: ScenarioFile }
  | { readonly ok: false; readonly message: string };

/** Names of the scenarios that come with the emulator, sorted. */
export const shippedScenarios = (): readonly string[] =>
  readdirSync(shippedFolder())
    .filter((name) => name.endsWith(ENDING))
    .map((name) => basename(name, ENDING))
    .sort();

/** @param named a path that ends in `.yaml` or `.yml`, or the name of a scenario that comes with the emulator */
export const readScenarioFile = (named: string): ReadFile => {
  const isPath = /\.ya?ml$/.test(named);
  if (!isPath && !shippedScenarios().includes(named)) {
    const nearest = nearestWord(named, shippedScenarios());
    return {
      ok: false,
      message:
        `there is no scenario '${named}'${nearest === null ? "" : `; did you mean '${nearest}'?`} ` +
        "`triton-local scenario list` names all; a file of your own ends in .yaml",
    };
  }
  const path = isPath ? named : join(shippedFolder(), `${named}${ENDING}`);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return { ok: false, message: `cannot read ${path}: ${error.message}` };
  }
  return parseScenario(text, path);
};

export const parseScenario = (text: string, path: string): ReadFile => {
  const lines = new LineCounter();
  const parsed = parseDocument(text, { lineCounter: lines });
  const [error] = parsed.errors;
  if (error !== undefined) {
    const line = error.linePos?.[0].line ?? 1;
    return { ok: false, message: `${path}:${line}: ${error.message.split("\n", 1)[0]}` };
  }
  const lineOf = (problemPath: readonly PropertyKey[]): number => {
    for (let length = problemPath.length; length > 0; length--) {
      const node: unknown = parsed.getIn(problemPath.slice(0, length), true);
      const range = typeof node === "object" && node !== null && "range" in node ? node.range : undefined;
      if (Array.isArray(range)) return lines.linePos(Number(range[0])).line;
    }
    return 1;
  };
  return {
    ok: true,
    file: {
      name: basename(path).replace(/\.ya?ml$/, ""),
      path,
      document: parsed.toJS(),
      sayProblem: (problem) => {
        const where = problem.path.length === 0 ? "" : `${problem.path.map(String).join(".")}: `;
        return `${path}:${lineOf(problem.path)}: ${where}${problem.text}`;
      },
    },
  };
};
