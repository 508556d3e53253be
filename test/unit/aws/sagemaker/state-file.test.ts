import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StateFile } from "../../../../emulator/aws/sagemaker/state-file.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "triton-local-state-file-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (): string => join(folder, "sagemaker.jsonl");

const read = (path = folder): readonly unknown[] => {
  const state = new StateFile(path);
  try {
    return state.read();
  } finally {
    state.close();
  }
};

test("state file: what was appended is there again, in its order; the folder is made", () => {
  const path = join(folder, "deep", "er");
  const state = new StateFile(path);
  expect(state.read()).toEqual([]);
  state.append({ a: 1 });
  state.append({ b: "ü\n" });
  state.close();
  expect(read(path)).toEqual([{ a: 1 }, { b: "ü\n" }]);
});

test("state file: cut off anywhere, every line that was whole is there, and goes on from there", () => {
  const state = new StateFile(folder);
  const entries = [{ name: "first" }, { name: "zweite ü" }, { name: "third" }];
  const ends = entries.map((entry) => {
    state.append(entry);
    return readFileSync(file()).length;
  });
  state.close();
  const whole = readFileSync(file());
  for (let length = 0; length <= whole.length; length++) {
    writeFileSync(file(), whole.subarray(0, length));
    const kept = entries.filter((_, index) => (ends[index] ?? 0) <= length);
    const again = new StateFile(folder);
    expect(again.read()).toEqual(kept);
    again.append({ name: "later" });
    expect(again.read()).toEqual([...kept, { name: "later" }]);
    again.close();
  }
});

test("state file: replaced wholly, and appended to afterwards", () => {
  const state = new StateFile(folder);
  state.append({ a: 1 });
  state.replace([{ b: 1 }, { c: 1 }]);
  state.append({ d: 1 });
  state.close();
  expect(read()).toEqual([{ b: 1 }, { c: 1 }, { d: 1 }]);
  expect(readdirSync(folder)).toEqual(["sagemaker.jsonl"]);
});

test("state file: what was to replace it, and did not get that far, is not looked at", () => {
  const state = new StateFile(folder);
  state.append({ a: 1 });
  state.close();
  writeFileSync(`${file()}.next`, '{"half":');
  expect(read()).toEqual([{ a: 1 }]);
});

test("state file: a line that is no JSON is said to be so", () => {
  new StateFile(folder).close();
  appendFileSync(file(), "not ours\n");
  expect(() => read()).toThrow(SyntaxError);
});
