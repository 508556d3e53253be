import { type JsonText, type Member, token } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { type Inference, inferPath, requestJson, soundInference } from "../inference.ts";
import { mutatedJson } from "../mutation.ts";
import { HEADER_LENGTH, type HttpBody, type HttpTraffic, post } from "../request.ts";
import type { Surface } from "../surface.ts";
import { packedElements } from "../tensor-values.ts";

export const inferBinary: Surface = {
  name: "infer-binary",
  title: "infer, binary tensors",
  weight: 20,
  make: (chance, { models }) => {
    const inference = soundInference(chance, models);
    const sound = binaryBody(chance, inference);
    const path = inferPath(inference);
    if (chance.oneIn(3)) return post(path, sound);
    return misled(chance, post(path, sound), sound);
  },
};

/** Some inputs in JSON, the others behind it; answers of both kinds. */
export const binaryBody = (chance: Chance, inference: Inference): HttpBody => {
  const mixed = chance.oneIn(4);
  const parts: Buffer[] = [];
  const json = requestJson(
    inference,
    (tensor): Member => {
      if (mixed && chance.oneIn(2)) return ["data", { kind: "array", items: tensor.elements }];
      const bytes = packedElements(tensor);
      parts.push(bytes);
      return ["parameters", { kind: "object", members: [["binary_data_size", token(bytes.length)]] }];
    },
    () => (chance.oneIn(3) ? null : [["binary_data", token(!chance.oneIn(4))]]),
  );
  return { json, bytes: Buffer.concat(parts), headerLength: 0, packing: null };
};

/** One thing wrong: JSON, lengths, bytes, or the header that ties them together. */
const misled = (chance: Chance, request: HttpTraffic, body: HttpBody): HttpTraffic => {
  const { json, bytes } = body;
  switch (chance.below(7)) {
    case 0:
    case 1:
      return { ...request, body: { ...body, json: mutatedJson(chance, json ?? empty) } };
    case 2:
      return { ...request, body: { ...body, bytes: bytes.subarray(0, chance.below(bytes.length + 1)) } };
    case 3:
      return {
        ...request,
        body: { ...body, bytes: Buffer.concat([bytes, chance.bytes(1 + chance.below(9))]) },
      };
    case 4:
      return { ...request, body: { ...body, bytes: changedBytes(chance, bytes) } };
    case 5:
      return { ...request, body: { ...body, headerLength: chance.pick([-1, 1, -10, 4, 1000, -100_000]) } };
    default:
      return {
        ...request,
        headers: [
          [
            HEADER_LENGTH,
            chance.pick(["", "0", "x", "-1", "1", "99999999", "12 ", "3x", "99999999999", "+20", "0x10"]),
          ],
        ],
        body: { ...body, headerLength: null, json: chance.oneIn(2) ? json : null },
      };
  }
};

const empty: JsonText = { kind: "object", members: [] };

/** Lengths of strings, NaNs, booleans that are neither 0 nor 1. */
const changedBytes = (chance: Chance, bytes: Buffer): Buffer => {
  const changed = Buffer.from(bytes);
  for (let left = chance.between(1, 4); left > 0 && changed.length > 0; left--)
    changed[chance.below(changed.length)] = chance.pick([0, 1, 2, 0x7f, 0x80, 0xff]);
  return changed;
};
