import { expect, test } from "vitest";
import { isOneOfTheOrders } from "../../../../emulator/parity/difference/orders.ts";
import { shrink } from "../../../../emulator/parity/difference/shrink.ts";
import { shorterSequences } from "../../../../emulator/parity/difference/shrink-sequence.ts";
import { smallest } from "../../../../emulator/parity/difference/smallest.ts";
import { readJsonText, writeJsonText } from "../../../../emulator/parity/exchange/json-text.ts";
import {
  plainBody,
  post,
  shellCommand,
  type TrafficRequest,
} from "../../../../emulator/parity/traffic/request.ts";
import type { Sequence } from "../../../../emulator/parity/traffic/sequences/sequence.ts";

const request = (json: string): TrafficRequest => {
  const read = readJsonText(json);
  if (read === null) throw new Error(json);
  return { ...post("/v2", plainBody(read)), headers: [["A", "b"]] };
};

const bodyOf = (of: TrafficRequest): string =>
  of.kind === "http" && of.body?.json != null ? writeJsonText(of.body.json) : "";

test("shrink: leaves what shows the difference and nothing else", async () => {
  const json =
    '{"id":"x","inputs":[{"name":"I","shape":[2,2],"data":[[1,2],[3,4.5]]}],"outputs":[{"name":"O"}]}';
  const shrunk = await shrink(request(json), async (candidate) => bodyOf(candidate).includes("4.5"), 500);
  expect(bodyOf(shrunk)).toContain("4.5");
  expect(bodyOf(shrunk).length).toBeLessThan(40);
  expect(shellCommand(shrunk)).not.toContain("A: b");
});

test("shrink: a tensor becomes one element, its shape with it", async () => {
  const json = '{"shape":[1,3],"data":[1.5,2,3]}';
  const fits = (text: string): boolean => {
    const { shape = [], data = [] }: { shape?: number[]; data?: unknown[] } = JSON.parse(text);
    return (
      shape.length > 0 && shape.reduce((a, b) => a * b, 1) === data.flat().length && text.includes("1.5")
    );
  };
  const shrunk = await shrink(request(json), async (candidate) => fits(bodyOf(candidate) || "{}"), 500);
  expect(JSON.parse(bodyOf(shrunk))).toEqual({ shape: [1], data: [1.5] });
});

test("shrink: sends no more requests than it may", async () => {
  let sent = 0;
  await shrink(
    request("[1,2,3,4,5,6,7,8]"),
    async () => {
      sent++;
      return false;
    },
    5,
  );
  expect(sent).toBe(5);
});

const sequence: Sequence = {
  models: [
    { letter: "a", versions: { "1": "identity", "2": "identity" }, config: "x" },
    { letter: "b", versions: { "1": "identity" }, config: null },
  ],
  steps: [
    [{ do: "load", model: "a" }],
    [
      { do: "unload", model: "b" },
      { do: "load", model: "b", config: "{}" },
    ],
    [{ do: "touch", model: "a" }],
  ],
};

test("shorterSequences: drops steps, operations, models and their files", async () => {
  const found = await smallest(
    sequence,
    shorterSequences,
    async ({ steps }) => steps.flat().some((operation) => operation.do === "load" && operation.model === "b"),
    100,
  );
  expect(found).toEqual({ models: [], steps: [[{ do: "load", model: "b" }]] });
});

test("isOneOfTheOrders: tries what ran at the same time in every order, one after the other", async () => {
  const tried: string[] = [];
  const found = await isOneOfTheOrders(sequence, 1, async ({ steps }, order) => {
    tried.push(`${steps.map((step) => step.map((operation) => operation.do).join("+")).join(" ")}: ${order}`);
    return tried.length === 2;
  });
  expect(found).toBe(true);
  expect(tried).toEqual(["load unload load: 0,1", "load load unload: 1,0"]);
});
