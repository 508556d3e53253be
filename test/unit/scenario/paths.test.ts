import { expect, test } from "vitest";
import { setAll, setAt } from "../../../emulator/scenario/paths.ts";

const document = {
  machine: "ml.g4dn.xlarge",
  models: [
    { name: "a", host: "1GiB" },
    { name: "b.tar.gz", gpu: { weights: "2GiB" } },
  ],
  traffic: [
    { at: "0s", invoke: "a" },
    { at: "1s", invoke: "a", as: "second" },
  ],
  policy: { victims: "lru" },
};

const changed = (path: string, value: unknown): unknown => {
  const result = setAt(document, path, value);
  if (!result.ok) throw result.error;
  return result.value;
};

test("paths: a word at the top, and one in a mapping that is not there yet", () => {
  expect(changed("seed", 7)).toEqual({ ...document, seed: 7 });
  expect(changed("server.strict_readiness", false)).toEqual({
    ...document,
    server: { strict_readiness: false },
  });
});

test("paths: an entry of a list by its name, by what it is called, by its number", () => {
  expect(changed("models.a.host", "2GiB")).toMatchObject({
    models: [{ name: "a", host: "2GiB" }, document.models[1]],
  });
  expect(changed("models.b\\.tar\\.gz.gpu.weights", 1)).toMatchObject({
    models: [{}, { gpu: { weights: 1 } }],
  });
  expect(changed("traffic.second.at", "9s")).toMatchObject({ traffic: [{ at: "0s" }, { at: "9s" }] });
  expect(changed("traffic.0.at", "9s")).toMatchObject({ traffic: [{ at: "9s" }, { at: "1s" }] });
});

test("paths: null takes away", () => {
  expect(changed("policy.victims", null)).toEqual({ ...document, policy: {} });
  expect(changed("traffic.second", null)).toEqual({ ...document, traffic: [document.traffic[0]] });
});

test("paths: what was said in short gives way to what is said in full", () => {
  expect(changed("machine.disk", "1GB")).toMatchObject({ machine: { type: "ml.g4dn.xlarge", disk: "1GB" } });
  expect(changed("models.a.host.staging", "1GB")).toMatchObject({
    models: [{ host: { weights: "1GiB", staging: "1GB" } }, {}],
  });
});

test("paths: the document itself stays as it was", () => {
  const before = structuredClone(document);
  changed("models.a.host", "2GiB");
  expect(document).toEqual(before);
});

test("paths: an entry that is not there is told with the nearest name", () => {
  expect(setAt(document, "traffic.secnd.at", "9s")).toMatchObject({
    ok: false,
    error: {
      message: "traffic.secnd.at: 'secnd' is not known here; did you mean 'second'? Known: 0, second",
    },
  });
  expect(setAt(document, "models.a.name.x", 1)).toMatchObject({ ok: false });
});

test("paths: several changes, one after the other", () => {
  expect(setAll(document, { seed: 1, "policy.victims": "lfu" })).toEqual({
    ok: true,
    value: { ...document, seed: 1, policy: { victims: "lfu" } },
  });
});
