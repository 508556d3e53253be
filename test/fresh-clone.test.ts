import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import {
  mustRun,
  npmIsOffline,
  runCommand,
  simpleAnswersRight,
  startCommand,
  userEnvironment,
} from "./support/command.ts";

const checkout = fileURLToPath(new URL("..", import.meta.url));

test("fresh clone: npm ci && npm start serves the sample models and stops on SIGTERM", {
  timeout: 600_000,
}, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "triton-local-clone-"));
  try {
    const clone = join(folder, "clone");
    const options = { cwd: folder, env: userEnvironment(), timeoutMs: 300_000 };
    await mustRun(["git", "clone", "--quiet", "--no-hardlinks", checkout, clone], options);

    const inClone = { ...options, cwd: clone };
    const install = await runCommand(["npm", "ci", "--prefer-offline"], inClone);
    if (npmIsOffline(install)) {
      context.skip("npm ci could not reach the registry: run this test with a network");
    }
    expect(install, install.stderr).toMatchObject({ exitCode: 0 });

    const portsFile = join(folder, "ports.json");
    await using server = await startCommand(["npm", "start", "--"], portsFile, {
      ...inClone,
      timeoutMs: 60_000,
    });
    expect(await simpleAnswersRight(server.ports.http)).toBe(true);
    await server.stop();
    await expect(fetch(`http://127.0.0.1:${server.ports.http}/v2`)).rejects.toThrow();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
