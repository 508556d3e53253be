import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Played } from "./play.ts";
import type { Run } from "./runs.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "fixtures", "agent-decisions");

const ANSWERS = "answers:";

const pathOf = ({ name }: Run): string => join(FOLDER, `${name.replace(/[^a-zA-Z0-9]+/g, "-")}.txt`);

/** A line for each decision, then one for each answer. */
export const textOf = ({ decisions, answers }: Pick<Played, "decisions" | "answers">): string =>
  `${[...decisions, ANSWERS, ...answers].join("\n")}\n`;

export const record = (run: Run, played: Played): void => {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(pathOf(run), textOf(played));
};

/** As the real server led to it. */
export const recorded = (run: Run): string => readFileSync(pathOf(run), "utf8");
