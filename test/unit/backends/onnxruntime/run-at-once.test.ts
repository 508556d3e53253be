import { expect, test } from "vitest";
import { runAtOnce } from "../../../../emulator/backends/onnxruntime/run-at-once.ts";

test("run at once: what is put off with setImmediate meanwhile has happened when it returns", () => {
  const done: string[] = [];
  const result = runAtOnce(() => {
    setImmediate(() => done.push("run"));
    return 7;
  });
  expect({ result, done }).toEqual({ result: 7, done: ["run"] });
});

test("run at once: leaves setImmediate as it was, also when the start fails", () => {
  const before = globalThis.setImmediate;
  expect(() =>
    runAtOnce(() => {
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(globalThis.setImmediate).toBe(before);
});
