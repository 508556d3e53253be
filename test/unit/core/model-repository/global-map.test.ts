import { expect, test } from "vitest";
import { GlobalMap } from "../../../../emulator/core/model-repository/global-map.ts";

const inA = { namespace: "a", name: "m" };
const inB = { namespace: "b", name: "m" };
const bare = { namespace: "", name: "m" };

const refusal = (map: GlobalMap, name: string): string => {
  const resolved = map.resolve(name);
  if (resolved.ok) throw new Error(`${name} is known`);
  return resolved.error.asString();
};

test("resolve: finds the one model of a name, whatever its namespace", () => {
  for (const identifier of [inA, bare]) {
    const map = new GlobalMap();
    map.add(identifier);
    map.add({ ...identifier });
    map.add({ namespace: "b", name: "other" });
    expect(map.resolve("m")).toEqual({ ok: true, value: identifier });
  }
});

test("resolve: refuses a name that was never there, that is ambiguous, or whose last model went", () => {
  const map = new GlobalMap();
  expect(refusal(map, "m")).toBe("Invalid argument: Request for unknown model: 'm' is not found");
  map.remove(inA);
  expect(refusal(map, "m")).toBe("Invalid argument: Request for unknown model: 'm' is not found");
  for (const identifier of [inA, bare, inB]) map.add(identifier);
  expect(refusal(map, "m")).toBe(
    "Invalid argument: There are 3 identifiers of model 'm' in global map, model namespace must be provided to resolve ambiguity.",
  );
  map.remove(bare);
  map.remove(inA);
  expect(map.resolve("m")).toEqual({ ok: true, value: inB });
  map.remove(inB);
  expect(refusal(map, "m")).toBe("Not found: Identifier of model 'm' is not found in global map");
});

test("named and all: list what is there, by namespace", () => {
  const map = new GlobalMap();
  const other = { namespace: "a", name: "other" };
  for (const identifier of [inB, other, inA, bare]) map.add(identifier);
  expect(map.named("m")).toEqual([bare, inA, inB]);
  expect(map.named("nope")).toEqual([]);
  map.remove(inB);
  expect(map.all()).toEqual([bare, inA, other]);
});
