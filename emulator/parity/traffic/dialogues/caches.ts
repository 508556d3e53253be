import { array, type JsonText, token } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { plainBody, post, type TrafficRequest } from "../request.ts";
import { ask, inferenceOf } from "./ask.ts";
import type { Dialogue, Step } from "./dialogue.ts";
import { fp32, type MemberKind, memberModel } from "./member-models.ts";

/** Of the buffer that both servers have, in bytes: small, so that answers push each other out. */
export const CACHE_BYTES = 4096;

/** Elements of Y and Z, by the dimensions of their shapes, with which one answer takes the whole buffer. */
const WHOLE = { 1: 482, 2: 480 } as const;

/** The same inference again and again, and others between: answered from the cache, or no longer. */
export const caches = (chance: Chance): Dialogue => {
  const maxBatchSize = chance.pick([0, 4]);
  const isDynamic = maxBatchSize > 0 && chance.oneIn(3);
  const model = memberModel({
    letter: "a",
    kind,
    maxBatchSize,
    versions: chance.oneIn(3) ? ["1", "2"] : ["1"],
    config: [
      "response_cache { enable: true }",
      "version_policy { all {} }",
      ...(isDynamic ? ["dynamic_batching { }"] : []),
      `instance_group [ { kind: KIND_CPU count: ${chance.pick([1, 2])} } ]`,
    ],
  });
  // All of one size: what is left between others is then never too small.
  const free = chance.pick([1, 2, 4, 30, 60, 100, 200]);
  const one = (): TrafficRequest => {
    const value = token(chance.between(1, 4));
    return ask(
      chance,
      inferenceOf(chance, model.sketch, {
        free,
        values: (_, count) => new Array<JsonText>(count).fill(value),
      }),
    );
  };
  const steps = chance.times(
    chance.between(5, 12),
    (): Step => ({ do: "ask", turns: [{ request: one() }], left: 0 }),
  );
  return { models: [model], steps: [fill(maxBatchSize), ...steps] };
};

const kind: MemberKind = {
  inputs: [fp32("X", [-1])],
  outputs: [fp32("Y", [-1]), fp32("Z", [-1])],
  nodes: [
    { op: "Neg", inputs: ["X"], outputs: ["Y"] },
    { op: "Identity", inputs: ["X"], outputs: ["Z"] },
  ],
};

const fill = (maxBatchSize: number): Step => {
  const count = maxBatchSize > 0 ? WHOLE[2] : WHOLE[1];
  const shape = maxBatchSize > 0 ? [1, count] : [count];
  const input = {
    kind: "object",
    members: [
      ["name", { kind: "string", value: "X" }],
      ["datatype", { kind: "string", value: "FP32" }],
      ["shape", array(shape.map(token))],
      ["data", array(new Array<JsonText>(count).fill(token(0)))],
    ],
  } as const;
  const request = post(
    "/v2/models/a/infer",
    plainBody({ kind: "object", members: [["inputs", array([input])]] }),
  );
  return { do: "ask", turns: [{ request }], left: 0 };
};
