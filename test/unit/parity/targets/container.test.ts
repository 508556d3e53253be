import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layOutModels } from "../../../../emulator/parity/cases/model-repository.ts";
import { askEngine, runningEngine } from "../../../../emulator/parity/real-triton/engine.ts";
import { containerTarget } from "../../../../emulator/parity/targets/container.ts";
import type { StartOptions, Target } from "../../../../emulator/parity/targets/target.ts";

const engine = process.env.DOCKER_HOST;
const module = new URL("../../../../emulator/parity/targets/container.ts", import.meta.url).href;

const containersOf = async (owner: string): Promise<readonly unknown[]> => {
  const { socket } = await runningEngine();
  const filters = encodeURIComponent(JSON.stringify({ label: [`triton-local.parity.owner=${owner}`] }));
  return JSON.parse((await askEngine(socket, "GET", `/containers/json?all=1&filters=${filters}`)).text);
};

describe.skipIf(engine === undefined)(
  "container (not checked without an engine: DOCKER_HOST=unix:///... npx vitest run test/unit/parity/targets)",
  () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "triton-local-container-")));
    const options: StartOptions = {
      repository: join(folder, "models"),
      folders: [folder],
      flags: ["--model-control-mode=none", "--allow-sagemaker=true"],
      env: {},
      ownProcess: true,
    };
    let target: Target;

    beforeAll(async () => {
      mkdirSync(options.repository);
      const models = { simple: { sample: "simple" }, act: { code: "act.py", config: 'backend: "python"' } };
      layOutModels({ id: "container", models }, options.repository, true);
      target = await containerTarget(() => {});
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test("a server: answers on every port, writes into the folders, is signalled, and gives its code", async () => {
      const server = await target.start({
        ...options,
        flags: [...options.flags, `--log-file=${folder}/log`],
      });
      const { httpPort, metricsPort, sagemakerPort } = server;
      for (const path of [
        `${httpPort}/v2/models/simple/ready`,
        `${httpPort}/v2/models/act/ready`,
        `${metricsPort}/metrics`,
        `${sagemakerPort}/ping`,
      ])
        expect((await fetch(`http://127.0.0.1:${path}`)).status, path).toBe(200);
      server.signal("SIGTERM");
      expect(await server.exited).toBe(0);
      await server.stop();
    });

    test("a server that is stopped: is gone with its container, code as of SIGKILL", async () => {
      const server = await target.start(options);
      await server.stop();
      expect(await server.exited).toBe(-9);
      await expect(fetch(`http://127.0.0.1:${server.httpPort}/v2`)).rejects.toThrow("fetch failed");
    });

    test("a server whose process died without stopping it: is removed by the next one that looks for a target", async () => {
      const script = `const { containerTarget } = await import(${JSON.stringify(module)});
        const target = await containerTarget(() => {});
        await target.start(${JSON.stringify(options)});
        console.log(process.pid);
        process.exit(0);`;
      const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
      const owner = `${hostname()}:${stdout.trim()}`;
      expect(await containersOf(owner)).toHaveLength(1);
      await containerTarget(() => {});
      expect(await containersOf(owner)).toEqual([]);
    });

    test("a server that ends before it is ready: StartFailure with its code and all it wrote", async () => {
      const flags = ["--log-format=odd"];
      await expect(target.start({ ...options, flags })).rejects.toMatchObject({
        name: "StartFailure",
        exitCode: 1,
        output: expect.stringContaining("log-format"),
      });
    });
  },
);
