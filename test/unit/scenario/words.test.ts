import { expect, test } from "vitest";
import { nearestWord, unknownWord } from "../../../emulator/scenario/words.ts";

const known = ["victims", "how_many", "high_water", "low_water", "rows"];

test.each([
  ["victms", "victims"],
  ["vicitms", "victims"],
  ["howMany", "how_many"],
  ["high-water", "high_water"],
  ["row", "rows"],
  ["Rows", "rows"],
  ["estimate", null],
  ["x", null],
])("words: '%s' may mean %s", (word, meant) => {
  expect(nearestWord(word, known)).toBe(meant);
});

test("words: an unknown one is told with all that are known", () => {
  expect(unknownWord("lur", ["lfu", "lru"])).toBe(
    "'lur' is not known here; did you mean 'lru'? Known: lfu, lru",
  );
  expect(unknownWord("oldest", ["lfu", "lru"])).toBe("'oldest' is not known here. Known: lfu, lru");
});
