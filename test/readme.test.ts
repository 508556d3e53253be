import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ClientTarget, SAMPLE_REPOSITORY, startClientTarget } from "./support/own-server.ts";
import { pythonEnvironment } from "./support/python-environment.ts";

const ROOT = join(import.meta.dirname, "..");
const README = readFileSync(join(ROOT, "README.md"), "utf8").replaceAll("\r\n", "\n");

/** The code blocks of a section, in order. */
const blocksOf = (heading: string): readonly string[] => {
  const section = README.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^```\w*\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
};

const hasCurl = spawnSync("sh", ["-c", "curl --version"]).status === 0;

describe("README", () => {
  let target: ClientTarget;

  beforeAll(async () => {
    target = await startClientTarget(SAMPLE_REPOSITORY);
  });

  afterAll(() => target?.[Symbol.asyncDispose]());

  const here = (snippet: string): string => snippet.replace("localhost:8000", `127.0.0.1:${target.httpPort}`);

  test.skipIf(!hasCurl)("README: the curl call prints the answer that stands below it", () => {
    const [command = "", answer = ""] = blocksOf("One inference with curl");
    const printed = execFileSync("sh", ["-c", here(command)], { encoding: "utf8" });
    expect(printed).toBe(answer.trimEnd());
  });

  test("README: the tritonclient call prints the line that stands below it", { timeout: 300_000 }, ({
    skip,
  }) => {
    const environment = pythonEnvironment(join(ROOT, "test/clients/python/requirements.txt"));
    if (!environment.available) return skip(environment.reason);
    const [program = "", answer] = blocksOf("One inference with tritonclient");
    expect(execFileSync(environment.python, ["-c", here(program)], { encoding: "utf8" })).toBe(answer);
  });
});

test("README: the story of a full GPU is told as it stands there", () => {
  const blocks = blocksOf("Why was my model unloaded?");
  const command = blocks.find((block) => block.includes("npm run scenario")) ?? "";
  const args = command.trim().replace("npm run scenario -- ", "").split(" ");
  const main = join(ROOT, "emulator/main.ts");
  const told = execFileSync(process.execPath, [main, "scenario", ...args], { encoding: "utf8" }).split("\n");
  const lines = (blocks.at(-1) ?? "").trimEnd().split("\n");
  expect(lines.length).toBeGreaterThan(5);
  for (const line of lines) expect(told).toContain(line);
});

test("README: its npm commands are scripts of package.json", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const named = [
    ...README.matchAll(/npm (?:run )?(start|explain|scenario|test|models|bench|check|docs|build)\b/g),
  ];
  expect(named.length).toBeGreaterThan(2);
  for (const [, name] of named) expect(scripts).toHaveProperty(name ?? "");
});

test("README: every file it links to exists", () => {
  const links = [...README.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1] ?? "");
  expect(links.length).toBeGreaterThan(0);
  for (const link of links) expect(existsSync(join(ROOT, link)), link).toBe(true);
});
