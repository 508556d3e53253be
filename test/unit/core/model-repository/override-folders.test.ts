import { expect, test } from "vitest";
import { OverrideFolders } from "../../../../emulator/core/model-repository/override-folders.ts";

test("override folders: each is removed once, when the last that holds it lets it go", () => {
  const removed: string[] = [];
  const folders = new OverrideFolders((path) => void removed.push(path));
  folders.hold("a");
  folders.hold("a");
  folders.hold("b");
  folders.release("a");
  expect(removed).toEqual([]);
  folders.release("b");
  folders.release("a");
  folders.release("a");
  expect(removed).toEqual(["b", "a"]);
});
