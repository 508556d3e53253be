import { expect, test } from "vitest";
import { nameUnseen } from "../../../../emulator/parity/memory/play-real.ts";

test("nameUnseen: who was killed unseen is the instance of the loaded model that is not there", () => {
  expect(nameUnseen(["m02_0_0", "?"], ["m05_0_0"])).toEqual(["m02_0_0", "m05_0_0"]);
  expect(nameUnseen(["?", "m05_0_1"], ["m05_0_0", "m05_0_1"])).toEqual(["m05_0_0", "m05_0_1"]);
  expect(nameUnseen(["?", "?"], ["m05_0_0", "m05_0_1"])).toEqual(["m05_0_0", "m05_0_1"]);
});

test("nameUnseen: leaves open what it cannot tell", () => {
  expect(nameUnseen(["?"], [])).toEqual(["?"]);
  expect(nameUnseen(["?"], ["m05_0_0", "m05_0_1"])).toEqual(["?"]);
  expect(nameUnseen(["m02_0_0"], ["m05_0_0"])).toEqual(["m02_0_0"]);
});
