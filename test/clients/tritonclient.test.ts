import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ClientTarget, SAMPLE_REPOSITORY, startClientTarget } from "../support/own-server.ts";
import { runPythonChecks } from "../support/python-checks.ts";
import { type PythonEnvironment, pythonEnvironment } from "../support/python-environment.ts";

const SCRIPTS = join(import.meta.dirname, "python");
const INSTALL_TIMEOUT_MS = 300_000;

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
        const outcomes = await runPythonChecks({
          python: environment.python,
          script: join(SCRIPTS, `${protocol}_client.py`),
          args: [`127.0.0.1:${port}`, flavour],
          timeoutMs: 110_000,
        });
        expect(outcomes.filter(({ failure }) => failure !== null)).toEqual([]);
        expect(outcomes.length).toBeGreaterThan(40);
      }, 120_000);
    }
  }
});
