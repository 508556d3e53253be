import { type JsonText, memberOf } from "../exchange/json-text.ts";
import type { TrafficRequest } from "./request.ts";

/** A request of which the real server dies or hangs, so that nothing can be compared. */
export interface LeftOut {
  readonly name: string;
  readonly reason: string;
  readonly applies: (request: TrafficRequest) => boolean;
}

const itemsOf = (value: JsonText | undefined): readonly JsonText[] => (value?.kind === "array" ? value.items : []);

/** Dimensions above this in JSON make the real server reserve memory for them before it looks at the data. */
const ABSURD = 2 ** 31;

const shapesOf = (request: TrafficRequest): number[][] => {
  if (request.kind !== "http" || request.body?.json == null) return [];
  return itemsOf(memberOf(request.body.json, "inputs")).map((input) =>
    itemsOf(memberOf(input, "shape")).map((dim) => (dim.kind === "token" ? Number(dim.text) : Number.NaN)),
  );
};

export const leftOut: readonly LeftOut[] = [
  {
    name: "absurd shapes",
    reason: "2.51.0 takes the size of a tensor from its shape without a check for overflow, and dies",
    applies: (request) =>
      shapesOf(request).some((shape) => shape.reduce((product, dim) => product * Math.max(1, Math.abs(dim)), 1) >= ABSURD),
  },
];

export const isLeftOut = (request: TrafficRequest): LeftOut | null =>
  leftOut.find(({ applies }) => applies(request)) ?? null;
