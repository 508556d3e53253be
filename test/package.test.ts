import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import {
  environmentWithThisNode,
  mustRun,
  npmIsOffline,
  runCommand,
  simpleAnswersRight,
  startCommand,
} from "./support/command.ts";

const checkout = fileURLToPath(new URL("..", import.meta.url));

/** One of those that come in the package. */
const SCENARIO = "reload-needs-twice-the-memory";

test("package: packed and installed into an empty folder, npx triton-local serves the sample models and plays a scenario", {
  timeout: 600_000,
}, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "triton-local-package-"));
  try {
    const env = { ...environmentWithThisNode(), ONNXRUNTIME_NODE_INSTALL: "skip" };
    const options = { cwd: folder, env, timeoutMs: 300_000 };
    await mustRun(["npm", "pack", "--pack-destination", folder], { ...options, cwd: checkout });
    const archive = (await readdir(folder)).find((name) => name.endsWith(".tgz")) ?? "";

    const user = join(folder, "user");
    await mkdir(user);
    await writeFile(join(user, "package.json"), '{"private":true}');
    const inUser = { ...options, cwd: user };
    const install = await runCommand(["npm", "install", "--prefer-offline", join(folder, archive)], inUser);
    if (npmIsOffline(install)) {
      context.skip("npm install could not reach the registry: run this test with a network");
    }
    expect(install, install.stderr).toMatchObject({ exitCode: 0 });

    const scenario = await runCommand(
      ["npx", "triton-local", "scenario", "run", SCENARIO, "--quiet"],
      inUser,
    );
    expect(scenario, scenario.stdout).toMatchObject({ exitCode: 0 });

    const portsFile = join(folder, "ports.json");
    await using server = await startCommand(["npx", "triton-local"], portsFile, {
      ...inUser,
      timeoutMs: 60_000,
    });
    expect(await simpleAnswersRight(server.ports.http)).toBe(true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
