import { execFile } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ClientTarget, SAMPLE_REPOSITORY, startClientTarget } from "../support/own-server.ts";
import { type PythonEnvironment, pythonEnvironment } from "../support/python-environment.ts";

const SCRIPTS = join(import.meta.dirname, "python");
const INSTALL_TIMEOUT_MS = 300_000;

interface CheckOutcome {
  readonly check: string;
  /** Traceback, or null. */
  readonly failure: string | null;
}

let environment: PythonEnvironment;
let target: ClientTarget;

beforeAll(async () => {
  environment = pythonEnvironment(join(SCRIPTS, "requirements.txt"));
  if (!environment.available) {
    console.warn(`tritonclient is not tested: ${environment.reason}`);
    return;
  }
  target = await startClientTarget(SAMPLE_REPOSITORY);
}, INSTALL_TIMEOUT_MS);

afterAll(async () => {
  await target?.[Symbol.asyncDispose]();
});

// One after the other: the scripts load, unload and count on one server.
describe.sequential("tritonclient", () => {
  for (const protocol of ["http", "grpc"] as const) {
    for (const flavour of ["sync", "aio"] as const) {
      test(`tritonclient.${protocol}: every call answers as documented, when used ${flavour === "sync" ? "synchronously" : "with asyncio"}`, async ({
        skip,
      }) => {
        if (!environment.available) return skip(environment.reason);
        const port = protocol === "http" ? target.httpPort : target.grpcPort;
        const outcomes = await runChecks(environment.python, `${protocol}_client.py`, [
          `127.0.0.1:${port}`,
          flavour,
        ]);
        expect(outcomes.filter(({ failure }) => failure !== null)).toEqual([]);
        expect(outcomes.length).toBeGreaterThan(40);
      }, 120_000);
    }
  }
});

function runChecks(
  python: string,
  script: string,
  args: readonly string[],
): Promise<readonly CheckOutcome[]> {
  return new Promise((resolve, reject) => {
    execFile(
      python,
      [join(SCRIPTS, script), ...args],
      { timeout: 110_000, maxBuffer: 1 << 26, env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" } },
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
}
