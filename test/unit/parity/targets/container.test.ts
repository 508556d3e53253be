import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layOutModels } from "../../../../emulator/parity/cases/model-repository.ts";
import { containerTarget } from "../../../../emulator/parity/targets/container.ts";
import type { StartOptions, Target } from "../../../../emulator/parity/targets/target.ts";

const engine = process.env.DOCKER_HOST;

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
