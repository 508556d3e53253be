import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startServerProcess } from "../../../../emulator/parity/targets/server-process.ts";

const folder = mkdtempSync(join(tmpdir(), "triton-local-process-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sh = (script: string): readonly string[] => ["/bin/sh", "-c", script, "tritonserver"];
const options = { repository: "/models", flags: ["--log-info=0"], env: { ASKED: "for" }, ownProcess: true };

test("a server that ends before it is ready: StartFailure with its code and all it wrote", async () => {
  const command = sh('echo "E1125 15:36:00.000000 1 main.cc:3] no"; echo "it $ASKED" >&2; exit 3');
  await expect(startServerProcess(command, options)).rejects.toMatchObject({
    name: "StartFailure",
    exitCode: 3,
    output: "main.cc:3] no\nit for\n",
  });
});

test("a server that a signal ends: StartFailure with the negative number of the signal", async () => {
  await expect(startServerProcess(sh("kill -SEGV $$"), options)).rejects.toMatchObject({ exitCode: -11 });
});

test("a server whose port was taken meanwhile: is started again on others", async () => {
  const seen = join(folder, "seen");
  const command = sh(
    `echo "$@" >> ${seen}; [ $(wc -l < ${seen}) -lt 3 ] && echo "Socket '127.0.0.1:8000' already in use" && exit 1; exit 9`,
  );
  await expect(startServerProcess(command, options)).rejects.toMatchObject({ exitCode: 9 });
  const starts = readFileSync(seen, "utf8").trim().split("\n");
  expect(starts).toHaveLength(3);
  expect(new Set(starts).size).toBe(3);
});
