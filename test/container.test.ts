import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TritonLocalContainer } from "../emulator/testing/testcontainers.ts";
import "../emulator/testing/vitest.ts";
import { syntheticArchive } from "./support/archives.ts";
import { SAMPLE_REPOSITORY } from "./support/own-server.ts";

/** An image whose command is `triton-local serve`, on an engine that testcontainers finds. */
const IMAGE = process.env.CONTAINER_IMAGE;

describe.skipIf(IMAGE === undefined)(
  "TritonLocalContainer, run from the image that CONTAINER_IMAGE names",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "triton-local-container-"));
    const container = (): TritonLocalContainer => new TritonLocalContainer(IMAGE ?? "");

    beforeAll(() => {
      for (const name of ["a", "b", "c"]) {
        const archive = syntheticArchive(name, { "memory.gpu_weights_bytes": "6GiB" });
        writeFileSync(join(folder, `${name}.tar.gz`), archive);
      }
    });

    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test("TritonLocalContainer: serves archives, and is asked, set back and restarted as an emulator in process is", async () => {
      await using emulator = await container().withMachine("ml.g4dn.xlarge").withModelData(folder).start();
      const invoke = (model: string): Promise<number> =>
        fetch(`${emulator.env.AWS_ENDPOINT_URL}/endpoints/any/invocations`, {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-Amzn-SageMaker-Target-Model": model },
          body: JSON.stringify({ inputs: [{ name: "IN", datatype: "INT32", shape: [1], data: [7] }] }),
        }).then(({ status }) => status);

      for (const model of ["a.tar.gz", "b.tar.gz", "c.tar.gz"]) expect(await invoke(model)).toBe(200);
      await expect(emulator).toHaveEvicted("a.tar.gz", "c.tar.gz");
      await expect(emulator).toHaveStayedUnder("95%", "gpu:0");
      const { http, metrics, sagemaker } = emulator.urls;
      for (const url of [`${http}/v2`, metrics, `${sagemaker}/ping`]) {
        expect((await fetch(url)).status, url).toBe(200);
      }

      await emulator.reset();
      await expect(emulator).not.toHaveLoaded("c.tar.gz");
      await emulator.faults.add({ operation: "infer", effect: "fail", message: "as asked for" });
      expect(await invoke("a.tar.gz")).toBe(424);
      await emulator.faults.clear();
      expect((await emulator.memory()).instances).toHaveLength(1);

      await emulator.restart();
      expect(await invoke("a.tar.gz")).toBe(200);
      expect(await emulator.explain("a.tar.gz")).toContain("a.tar.gz is in memory");
    });

    test("TritonLocalContainer: serves a repository", async () => {
      await using emulator = await container().withModelRepository(SAMPLE_REPOSITORY).start();
      expect((await fetch(`${emulator.urls.http}/v2/models/simple/ready`)).status).toBe(200);
    });

    test("TritonLocalContainer: says at once why it does not start", async () => {
      await expect(container().withMachine("ml.none").start()).rejects.toThrow("'ml.none' is neither a size");
    });
  },
);
