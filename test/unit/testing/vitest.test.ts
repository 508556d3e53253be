import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import type { TestEmulator } from "../../../emulator/testing/start-emulator.ts";
import { emulatorTest } from "../../../emulator/testing/vitest.ts";
import { syntheticArchive } from "../../support/archives.ts";

const modelData = mkdtempSync(join(tmpdir(), "triton-local-matchers-"));

beforeAll(() => {
  for (const name of ["a", "b", "c"]) {
    const archive = syntheticArchive(name, { "memory.gpu_weights_bytes": "6GiB" });
    writeFileSync(join(modelData, `${name}.tar.gz`), archive);
  }
  writeFileSync(join(modelData, "broken.tar.gz"), syntheticArchive("broken"));
});

afterAll(() => rmSync(modelData, { recursive: true, force: true }));

const test = emulatorTest({
  machine: "ml.g4dn.xlarge",
  modelData,
  faults: [
    { operation: "infer", effect: "fail", message: "CUBLAS_STATUS_ALLOC_FAILED", model: "broken.tar.gz" },
  ],
});

const invoke = async ({ urls }: TestEmulator, ...models: readonly string[]): Promise<void> => {
  for (const model of models) {
    await fetch(`${urls.aws}/endpoints/any/invocations`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Amzn-SageMaker-Target-Model": model },
      body: JSON.stringify({ inputs: [{ name: "IN", datatype: "INT32", shape: [1], data: [7] }] }),
    });
  }
};

/** What a matcher that fails says. */
const saidBy = (matched: Promise<void>): Promise<string> =>
  matched.then(
    () => "it passed",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

/** What docs/testing.md shows. */
const messageOfPage =
  /^```\n(expected .*?)^```$/ms.exec(
    readFileSync(join(import.meta.dirname, "../../../docs/testing.md"), "utf8").replaceAll("\r\n", "\n"),
  )?.[1] ?? "none";

const withoutTimesAndIds = (text: string): string =>
  text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
    .replace(/(\d+ min )?[\d.]+ (us|ms|s)\b/g, "TIME")
    .replace(/\d\d:\d\d:\d\d UTC/g, "CLOCK");

describe("matchers", () => {
  test("toHaveLoaded: what was loaded, or what became of it instead", async ({ emulator }) => {
    await invoke(emulator, "a.tar.gz");
    await expect(emulator).toHaveLoaded("a.tar.gz");
    await expect(emulator).not.toHaveLoaded("b.tar.gz");
    expect(await saidBy(expect(emulator).toHaveLoaded("b.tar.gz"))).toMatch(
      /^expected b.tar.gz to have been loaded, but it was not\n\nThe journal knows no model 'b.tar.gz'/,
    );
    expect(await saidBy(expect(emulator).not.toHaveLoaded("a.tar.gz"))).toMatch(
      /^expected a.tar.gz not to have been loaded, but it was\n\na.tar.gz is in memory/,
    );
  });

  test("toHaveEvicted: who went, and for whom", async ({ emulator }) => {
    await invoke(emulator, "a.tar.gz", "b.tar.gz", "c.tar.gz");
    await expect(emulator).toHaveEvicted("a.tar.gz");
    await expect(emulator).toHaveEvicted("a.tar.gz", "c.tar.gz");
    await expect(emulator).not.toHaveEvicted("a.tar.gz", "b.tar.gz");
    await expect(emulator).not.toHaveEvicted("b.tar.gz");
    const said = await saidBy(expect(emulator).not.toHaveEvicted("a.tar.gz"));
    expect(withoutTimesAndIds(said)).toContain(
      withoutTimesAndIds(messageOfPage.trimEnd().replaceAll("anna", "a").replaceAll("carl", "c")),
    );
    expect(await saidBy(expect(emulator).toHaveEvicted("b.tar.gz", "c.tar.gz"))).toContain(
      "expected b.tar.gz to have been evicted for c.tar.gz, but it was not",
    );
  });

  test("toHaveStayedUnder: the most that a pool held, when, and whose bytes made it so", async ({
    emulator,
  }) => {
    await invoke(emulator, "a.tar.gz");
    await expect(emulator).toHaveStayedUnder("8GiB", "gpu:0");
    await expect(emulator).toHaveStayedUnder("60 %", "gpu:0");
    await expect(emulator).toHaveStayedUnder(8e9, "gpu:0");
    await invoke(emulator, "c.tar.gz");
    await expect(emulator).not.toHaveStayedUnder("80%", "gpu:0");
    expect(await saidBy(expect(emulator).toHaveStayedUnder("80%", "gpu:0"))).toMatch(
      /^expected gpu:0 to have stayed under 12.0 GiB of 15.0 GiB, but gpu:0 reached 12.\d GiB \S+ m?s after the reset, when c.tar.gz took 6.0 GiB \(weights\)\n\nc.tar.gz is in memory/,
    );
    expect(await saidBy(expect(emulator).toHaveStayedUnder("1GiB", "gpu:1"))).toContain(
      "there is no pool 'gpu:1': there are host, gpu:0",
    );
    expect(await saidBy(expect(emulator).toHaveStayedUnder("much", "host"))).toContain(
      "'much' is neither a size such as 12GiB nor a share such as 80%",
    );
  });

  test("toAnswer507: of a load, or as the caller of an invocation reads it", async ({ emulator }) => {
    await invoke(emulator, "a.tar.gz");
    await expect(emulator).not.toAnswer507();
    expect(await saidBy(expect(emulator).toAnswer507())).toBe(
      "expected a 507 of the container, but there was none",
    );
    await invoke(emulator, "broken.tar.gz");
    await expect(emulator).toAnswer507("broken.tar.gz");
    await invoke(emulator, "a.tar.gz", "b.tar.gz", "c.tar.gz");
    await expect(emulator).toAnswer507("c.tar.gz");
    await expect(emulator).not.toAnswer507("a.tar.gz");
    expect(await saidBy(expect(emulator).not.toAnswer507("c.tar.gz"))).toMatch(
      /^expected no 507 of the container for c.tar.gz, but there was one \S+ m?s after the reset\n\nRequest .* for c.tar.gz/,
    );
  });

  test("each: says what it is asked of, where that is no emulator", async () => {
    expect(await saidBy(expect({}).toHaveLoaded("a.tar.gz"))).toBe(
      "toHaveLoaded is asked of an emulator: expect(emulator).toHaveLoaded(...)",
    );
  });
});

describe("emulatorTest", () => {
  let url = "";

  test("emulatorTest: has its addresses in the environment", async ({ emulator }) => {
    expect(process.env).toMatchObject(emulator.env);
    url = emulator.urls.aws;
    await invoke(emulator, "a.tar.gz");
  });

  test("emulatorTest: is the same one in the next test, as after its start, with its faults", async ({
    emulator,
  }) => {
    expect(emulator.urls.aws).toBe(url);
    await expect(emulator).not.toHaveLoaded("a.tar.gz");
    await invoke(emulator, "broken.tar.gz");
    await expect(emulator).toAnswer507("broken.tar.gz");
  });
});
