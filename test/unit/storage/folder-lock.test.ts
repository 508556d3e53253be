import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockFolder } from "../../../emulator/storage/folder-lock.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "triton-local-lock-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lock = (): string => join(folder, "in-use-by");

test("folder lock: taken, and given back without a trace", () => {
  const deeper = join(folder, "a", "b");
  const giveBack = lockFolder(deeper);
  expect(readdirSync(deeper)).toEqual(["in-use-by"]);
  giveBack();
  expect(readdirSync(deeper)).toEqual([]);
});

test("folder lock: refused while another process lives that has it, and free when it was killed", async () => {
  const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  try {
    await once(other, "spawn");
    writeFileSync(lock(), `${other.pid} \n`);
    expect(() => lockFolder(folder)).toThrow(
      `process ${other.pid} is using it; end that one, or name another folder`,
    );
    expect(readFileSync(lock(), "utf8")).toBe(`${other.pid} \n`);
  } finally {
    other.kill("SIGKILL");
    await once(other, "exit");
  }
  lockFolder(folder);
  expect(readFileSync(lock(), "utf8")).toMatch(new RegExp(`^${process.pid} `));
});

test.runIf(existsSync("/proc/1/stat"))(
  "folder lock: another process of the same number is not the one that had it",
  () => {
    writeFileSync(lock(), "1 1234567890123\n");
    lockFolder(folder)();
    expect(existsSync(lock())).toBe(false);
  },
);

/** Its state and its start, as Linux tells them; of one that has ended, until its parent has asked for its exit code. */
const statOf = (pid: number | undefined): readonly string[] =>
  readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");

test.runIf(existsSync("/proc/1/stat"))(
  "folder lock: free when the process that had it has ended, though its parent has not noticed",
  () => {
    const other = spawn("true", { stdio: "ignore" });
    // Node asks for the exit code in its event loop, which does not run meanwhile.
    const still = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 0; statOf(other.pid)[0] !== "Z" && tries < 4000; tries++) Atomics.wait(still, 0, 0, 5);
    expect(statOf(other.pid)[0]).toBe("Z");
    writeFileSync(lock(), `${other.pid} ${statOf(other.pid)[19]}\n`);
    lockFolder(folder)();
    expect(existsSync(lock())).toBe(false);
  },
);

test.each(["", "nonsense", "12"])("folder lock: a file with %j says nothing of anybody", (text) => {
  writeFileSync(lock(), text);
  expect(() => lockFolder(folder)).not.toThrow();
});
