import { execFile } from "node:child_process";
import { resolve } from "node:path";

/** What test/clients/python/runner.py prints for each check. */
export interface CheckOutcome {
  readonly check: string;
  /** Traceback, or null. */
  readonly failure: string | null;
}

/** Where runner.py is. */
const RUNNER = resolve(import.meta.dirname, "..", "clients", "python");

export interface PythonRun {
  readonly python: string;
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

/** Runs a script that reports its checks. Rejects when it ended without success and no check says why. */
export const runPythonChecks = ({
  python,
  script,
  args = [],
  env = process.env,
  timeoutMs,
}: PythonRun): Promise<readonly CheckOutcome[]> =>
  new Promise((resolve, reject) => {
    execFile(
      python,
      [script, ...args],
      {
        timeout: timeoutMs,
        maxBuffer: 1 << 26,
        env: { ...env, PYTHONPATH: RUNNER, PYTHONDONTWRITEBYTECODE: "1" },
      },
      (error, stdout, stderr) => {
        const outcomes = stdout
          .split("\n")
          .filter((line) => line.startsWith("{"))
          .map((line): CheckOutcome => JSON.parse(line));
        const explained = outcomes.some(({ failure }) => failure !== null);
        if (error !== null && !explained) reject(new Error(`${error.message}\n${stderr}`));
        else resolve(outcomes);
      },
    );
  });
