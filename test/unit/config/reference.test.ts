import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { referencePage } from "../../../emulator/config/reference.ts";
import { optionEntries } from "../../../emulator/config/schema.ts";
import { usageText } from "../../../emulator/config/usage.ts";

test("reference page: docs/configuration.md is what the schema says now (npm run docs)", () => {
  const page = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
  expect(page.replaceAll("\r\n", "\n")).toBe(referencePage());
});

test("usage: names every option with its description", () => {
  const usage = usageText();
  for (const { flag } of optionEntries) expect(usage).toMatch(new RegExp(`^  --${flag}( |$)`, "m"));
});

test("schema: flags are those of tritonserver 2.51.0, in the order of its usage, and ours", () => {
  const text = readFileSync(
    new URL("../../../fixtures/command-line/tritonserver-flags.txt", import.meta.url),
    "utf8",
  );
  const ours = optionEntries.filter(({ meta }) => meta.group === "triton-local").map(({ flag }) => flag);
  const theirs = optionEntries.map(({ flag }) => flag).filter((flag) => !ours.includes(flag));
  expect(theirs).toEqual(text.split("\n").filter((line) => line !== "" && !line.startsWith("#")));
  expect(ours).toEqual([
    "config-file",
    "ports-file",
    "worker-threads",
    "seed",
    "machine",
    "memory-profile",
    "fault",
    "model-data",
    "model-cache-dir",
    "model-cache-setting",
    "container-url",
    "eviction",
    "eviction-setting",
    "emulator-port",
    "aws-port",
    "state-dir",
    "s3-endpoint",
    "instance-start-seconds",
    "aws-access-key-id",
    "aws-secret-access-key",
    "journal",
  ]);
});
