import { expect, test } from "vitest";
import { closestNames, counted, durationText, listed, percentText } from "../../../emulator/journal/words.ts";

test.each([
  [0, "0 s"],
  [12, "12 us"],
  [12_340, "12.3 ms"],
  [400_000, "0.4 s"],
  [14_200_000, "14.2 s"],
  [59_960_000, "1 min"],
  [250_000_000, "4 min 10 s"],
  [3_599_600_000, "1 h"],
  [7_500_000_000, "2 h 5 min"],
  [90_000_000_000, "1 d 1 h"],
])("durationText: %d microseconds are %s", (us, text) => {
  expect(durationText(us)).toBe(text);
});

test("words: counts, shares and lists read as English", () => {
  expect([counted(1, "model"), counted(0, "model"), counted(3, "process")]).toEqual([
    "1 model",
    "0 models",
    "3 processes",
  ]);
  expect([percentText(0.8), percentText(0.8423)]).toEqual(["80 %", "84.2 %"]);
  expect([listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])]).toEqual([
    "",
    "a",
    "a and b",
    "a, b and c",
  ]);
});

test("closestNames: those that hold the name first, then those a few letters away, and nothing else", () => {
  const known = ["tenant-1.tar.gz", "tenant-2.tar.gz", "other.tar.gz", "r-17"];
  expect(closestNames("tenant-2", known)).toEqual(["tenant-2.tar.gz", "tenant-1.tar.gz"].slice(0, 1));
  expect(closestNames("tenent-1.tar.gz", known)[0]).toBe("tenant-1.tar.gz");
  expect(closestNames("R-17", known)).toEqual(["r-17"]);
  expect(closestNames("something else entirely", known)).toEqual([]);
});
