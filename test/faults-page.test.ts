import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { effects, operations } from "../emulator/core/faults/effects.ts";
import { parseFaults } from "../emulator/core/faults/fault-rule.ts";
import { imitations } from "../emulator/core/faults/imitations.ts";
import { OWN_SERVER, SAMPLE_REPOSITORY } from "./support/own-server.ts";
import { startServerProcess } from "./support/server-process.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../docs/faults.md"), "utf8").replaceAll("\r\n", "\n");

/** The code blocks of the page in order, without their fences. */
const blocks: readonly string[] = [...PAGE.matchAll(/^```\w*\n(.*?)^```$/gms)].map((match) => match[1] ?? "");

/** The rows of the table in a section: the cells without their quotes. */
const rowsOf = (heading: string): string[][] => {
  const section = PAGE.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^\| `(.*) \|$/gm)].map((match) =>
    (match[1] ?? "").split("|").map((cell) => cell.replaceAll("`", "").trim()),
  );
};

test("faults page: has every operation, effect and imitation, and no other", () => {
  expect(rowsOf("Operations").map(([name]) => name)).toEqual(operations);
  expect(rowsOf("Effects").map(([name, at, needs]) => [name, at?.split(", "), needs ?? ""])).toEqual(
    Object.entries(effects).map(([name, entry]) => [name, entry.operations, entry.required.join(", ")]),
  );
  expect(rowsOf("Imitations").map(([name]) => name)).toEqual(Object.keys(imitations));
});

test("faults page: the rules that it shows are rules", () => {
  const json = blocks.find((block) => block.startsWith("[")) ?? "";
  const parsed = parseFaults(JSON.parse(json), "faults");
  expect(parsed.ok && parsed.value.rules.length).toBe(4);
});

const hasCurl = spawnSync("sh", ["-c", "curl --version"]).status === 0;

test.skipIf(!hasCurl)(
  "faults page: the example prints what stands below it, and the header works",
  async () => {
    const [command = "", calls = "", answer] = blocks;
    const folder = mkdtempSync(join(tmpdir(), "triton-local-faults-"));
    const server = await startServerProcess(OWN_SERVER, {
      modelRepository: SAMPLE_REPOSITORY,
      flags: [
        "--model-control-mode=explicit",
        "--load-model=simple_identity",
        ...[...command.matchAll(/--fault=\S+/g)].map(([flag]) => flag),
      ],
      logFile: join(folder, "server.log"),
    });
    try {
      const run = (snippet: string): string =>
        execFileSync("sh", ["-c", snippet.replace("localhost:8000", `127.0.0.1:${server.httpPort}`)], {
          cwd: folder,
          encoding: "utf8",
        });
      expect(run(calls)).toBe(answer);
      const header = blocks.find((block) => block.includes("x-triton-local-fault")) ?? "";
      expect(JSON.parse(run(header.replace("delay=2s", "delay=1ms")))).toMatchObject({
        model_name: "simple_identity",
      });
      expect(JSON.parse(run(header.replace("effect=slow,delay=2s", "out-of-memory"))).error).toContain(
        "Failed to allocate memory",
      );
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
