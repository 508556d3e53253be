import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { cacheFolder, madeOnce } from "../../../../emulator/parity/real-triton/cache-folder.ts";

let base = "";
let folder = "";

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "triton-local-cache-"));
  folder = join(base, "cache/server");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(base, { recursive: true, force: true });
});

const write =
  (text: string) =>
  (unfinished: string): Promise<void> => {
    writeFileSync(join(unfinished, "file"), text);
    return Promise.resolve();
  };
const content = (): string => readFileSync(join(folder, "file"), "utf8");

test("madeOnce: makes the folder the first time and leaves it alone afterwards", async () => {
  expect(await madeOnce(folder, write("first"))).toBe(folder);
  expect(await madeOnce(folder, write("second"))).toBe(folder);
  expect(content()).toBe("first");
});

test("madeOnce: nobody sees the folder before it is whole", async () => {
  await madeOnce(folder, async (unfinished) => {
    await write("whole")(unfinished);
    expect(existsSync(folder)).toBe(false);
  });
  expect(content()).toBe("whole");
});

test("madeOnce: of two that make it at once the first one's stays, and nothing of the other", async () => {
  const { promise: otherIsDone, resolve } = Promise.withResolvers<void>();
  const slow = madeOnce(folder, async (unfinished) => {
    await write("slow")(unfinished);
    await otherIsDone;
  });
  await madeOnce(folder, write("quick"));
  resolve();
  expect(await slow).toBe(folder);
  expect(content()).toBe("quick");
  expect(readdirSync(join(base, "cache"))).toEqual(["server"]);
});

test("madeOnce: leaves nothing behind when it fails, so the next one makes it", async () => {
  const fail = (): Promise<void> => Promise.reject(new Error("no network"));
  await expect(madeOnce(folder, fail)).rejects.toThrow("no network");
  expect(readdirSync(join(base, "cache"))).toEqual([]);
  await madeOnce(folder, write("later"));
  expect(content()).toBe("later");
});

test("madeOnce: says so where nothing can be written", async () => {
  writeFileSync(join(base, "cache"), "a file in the way");
  await expect(madeOnce(folder, write("never"))).rejects.toMatchObject({
    name: "Unavailable",
    message: expect.stringContaining("no folder can be made there"),
  });
});

test("cacheFolder: lies where XDG_CACHE_HOME says, else in .cache of the home", () => {
  vi.stubEnv("XDG_CACHE_HOME", "/caches");
  expect(cacheFolder("x")).toBe("/caches/triton-local/x");
  vi.stubEnv("XDG_CACHE_HOME", "");
  expect(cacheFolder("x")).toMatch(/\/\.cache\/triton-local\/x$/);
});
