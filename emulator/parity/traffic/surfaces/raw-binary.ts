import { inferPath, soundInference } from "../inference.ts";
import { HEADER_LENGTH, post } from "../request.ts";
import type { Surface } from "../surface.ts";
import { packedElements } from "../tensor-values.ts";

/** A body without any JSON is one tensor. */
export const rawBinary: Surface = {
  name: "infer-raw",
  title: "infer, raw binary",
  weight: 4,
  make: (chance, { models }) => {
    const single = models.filter(({ inputs }) => inputs.length === 1);
    const inference = soundInference(chance, chance.oneIn(4) || single.length === 0 ? models : single);
    const [tensor] = inference.inputs;
    const packed = tensor === undefined ? Buffer.alloc(0) : packedElements(tensor);
    const bytes = chance.oneIn(3) ? packed.subarray(0, chance.below(packed.length + 1)) : packed;
    const request = post(inferPath(inference), { json: null, bytes, headerLength: null, packing: null });
    return { ...request, headers: [[HEADER_LENGTH, "0"]] };
  },
};
