import { expect, test } from "vitest";
import { RepositoryRoots } from "../../../../emulator/core/model-repository/repository-roots.ts";

const served = (folder: string, name: string) => new Map([[folder, name]]);

test("placesOf: a mapped name is at its mapping only, others in every root that does not hide the folder", () => {
  const roots = new RepositoryRoots(["a", "b"]);
  expect(roots.add("c", served("m", "x"))).toBeNull();
  expect(roots.placesOf("x")).toEqual([{ root: "c", folder: "m" }]);
  expect(roots.placesOf("m")).toEqual([
    { root: "a", folder: "m" },
    { root: "b", folder: "m" },
  ]);
  expect(roots.placesOf("n").map(({ root }) => root)).toEqual(["a", "b", "c"]);
  expect([roots.isMapped("x"), roots.isMapped("m")]).toEqual([true, false]);
  expect([roots.servedName("c", "m"), roots.servedName("a", "m")]).toEqual(["x", "m"]);
});

test("roots: one named twice on the command line is one", () => {
  expect(new RepositoryRoots(["a", "a"]).paths).toEqual(["a"]);
});

test("add: refuses a root that is there, and a name that another root maps; nothing changes then", () => {
  const roots = new RepositoryRoots(["a"]);
  roots.add("b", served("m", "x"));
  expect(roots.add("a", new Map())?.asString()).toBe(
    "Already exists: model repository 'a' has already been registered",
  );
  expect(roots.add("b", served("m", "y"))?.asString()).toBe(
    "Already exists: model repository 'b' has already been registered",
  );
  expect(roots.add("c", served("n", "x"))?.asString()).toBe(
    "Already exists: failed to register 'x', there is a conflicting mapping for 'x'",
  );
  expect(roots.paths).toEqual(["a", "b"]);
  expect(roots.isMapped("y")).toBe(false);
});

test("remove: takes the names along, which may then be mapped again; an unknown root is an error", () => {
  const roots = new RepositoryRoots([]);
  roots.add("b", served("m", "x"));
  expect(roots.remove("b")).toBeNull();
  expect(roots.remove("b")?.asString()).toBe(
    "Invalid argument: failed to unregister 'b', repository not found",
  );
  expect(roots.add("c", served("n", "x"))).toBeNull();
  expect(roots.placesOf("x")).toEqual([{ root: "c", folder: "n" }]);
});
