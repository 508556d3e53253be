import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { startAwsEmulator } from "../support/aws-emulator.ts";
import { runPythonChecks } from "../support/python-checks.ts";
import { type PythonEnvironment, pythonEnvironment } from "../support/python-environment.ts";
import { awsCliTests } from "./aws/cli-tests.ts";

const SCRIPTS = join(import.meta.dirname, "aws");
const INSTALL_TIMEOUT_MS = 300_000;

let environment: PythonEnvironment;

beforeAll(() => {
  environment = pythonEnvironment(join(SCRIPTS, "requirements.txt"));
  if (!environment.available) console.warn(`boto3 is not tested: ${environment.reason}`);
}, INSTALL_TIMEOUT_MS);

const check = async (python: string, script: string, ...flags: string[]) => {
  await using emulator = await startAwsEmulator(...flags);
  return await runPythonChecks({
    python,
    script: join(SCRIPTS, script),
    env: emulator.environment,
    timeoutMs: 170_000,
  });
};

// At the same time: they wait for the clock most of the time.
describe.concurrent("clients of AWS in Python", () => {
  awsCliTests();

  test("boto3: a multi-model endpoint lives from its bucket to its deletion, with the code that AWS runs", async ({
    skip,
  }) => {
    if (!environment.available) return skip(environment.reason);
    const outcomes = await check(environment.python, "boto3_story.py");
    expect(outcomes.filter(({ failure }) => failure !== null)).toEqual([]);
    expect(outcomes).toHaveLength(15);
  }, 180_000);

  test("boto3: errors have the code, the status and the words of AWS's, when they are provoked", async ({
    skip,
  }) => {
    if (!environment.available) return skip(environment.reason);
    const outcomes = await check(environment.python, "boto3_errors.py");
    expect(outcomes.filter(({ failure }) => failure !== null)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(30);
  }, 180_000);
});
