import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { syntheticArchive } from "./support/archives.ts";
import {
  type CommandOptions,
  type CommandResult,
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

describe("package, packed and installed into an empty folder", () => {
  let folder = "";
  let inUser: CommandOptions;
  let install: CommandResult;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "triton-local-package-"));
    const env = { ...environmentWithThisNode(), ONNXRUNTIME_NODE_INSTALL: "skip" };
    const options = { cwd: checkout, env, timeoutMs: 300_000 };
    await mustRun(["npm", "pack", "--pack-destination", folder], options);
    const archive = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
    const user = join(folder, "user");
    mkdirSync(user);
    writeFileSync(join(user, "package.json"), '{"private":true,"type":"module"}');
    inUser = { ...options, cwd: user };
    install = await runCommand(["npm", "install", "--prefer-offline", join(folder, archive)], inUser);
  }, 600_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const needsInstall = (context: TestContext): void => {
    if (npmIsOffline(install)) {
      context.skip("npm install could not reach the registry: run this test with a network");
    }
    expect(install, install.stderr).toMatchObject({ exitCode: 0 });
  };

  test("package: npx triton-local serves the sample models and plays a scenario", {
    timeout: 300_000,
  }, async (context) => {
    needsInstall(context);
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
  });

  test("package: npx triton-local parity plays what a real server answered earlier, and says what it cannot compare", {
    timeout: 300_000,
  }, async (context) => {
    needsInstall(context);
    const parity = await runCommand(
      ["npx", "triton-local", "parity", "--real=recordings", "--no-cases"],
      inUser,
    );
    expect(parity, parity.stdout + parity.stderr).toMatchObject({ exitCode: 0 });
    expect(parity.stdout).toContain("gRPC: not checked");
    expect(parity.stdout).toContain("newly generated requests and sequences: not checked");
  });

  test("package: a project with the files of docs/testing.md tests its own code as the page says", {
    timeout: 300_000,
  }, async (context) => {
    needsInstall(context);
    const { cwd } = inUser;
    const page = readFileSync(join(checkout, "docs/testing.md"), "utf8").replaceAll("\r\n", "\n");
    const files = [...page.matchAll(/^```ts\n(\/\/ (\S+)\n.*?)^```$/gms)];
    for (const [, content = "", name = ""] of files) writeFileSync(join(cwd, name), content);
    mkdirSync(join(cwd, "archives"));
    for (const customer of ["anna", "bert", "carl"]) {
      const archive = syntheticArchive(customer, { "memory.gpu_weights_bytes": "6GiB" });
      writeFileSync(join(cwd, `archives/${customer}.tar.gz`), archive);
    }
    // What else the project has installed.
    for (const name of ["vitest", "testcontainers", "@aws-sdk", "@types"]) {
      symlinkSync(join(checkout, "node_modules", name), join(cwd, "node_modules", name));
    }

    const startedMs = performance.now();
    await mustRun(["node", "--test", "predict.test.ts"], inUser);
    const tookMs = performance.now() - startedMs;
    process.stdout.write(`package: a test of one's own against startEmulator took ${tookMs.toFixed(0)} ms\n`);
    expect(tookMs).toBeLessThan(60_000);

    await mustRun(
      ["node", "node_modules/vitest/vitest.mjs", "run", "evict.spec.ts", "deploy.spec.ts", "scale.spec.ts"],
      inUser,
    );

    const command = /^npx triton-local exec .*--model-data.*$/m.exec(page)?.[0] ?? "";
    expect(await mustRun(command.split(" "), inUser)).toBe("0\n");

    const compilerOptions = {
      module: "nodenext",
      target: "es2024",
      lib: ["es2024", "esnext.disposable"],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      allowImportingTsExtensions: true,
      types: ["node"],
    };
    writeFileSync(
      join(cwd, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: files.map(([, , name]) => name) }),
    );
    await mustRun(["node", join(checkout, "node_modules/typescript/bin/tsc"), "-p", "."], inUser);
  });
});
