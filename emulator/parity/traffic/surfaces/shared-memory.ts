import { type JsonText, type Member, object, string, token } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { inferPath, requestJson, soundInference } from "../inference.ts";
import { mutatedJson } from "../mutation.ts";
import { get, plainBody, post } from "../request.ts";
import type { Surface } from "../surface.ts";

const regions = ["r1", "r2", "Ä", "a b", "none"];

/** Regions that are not there, and everything said wrongly about them; sound ones need a client's memory. */
export const sharedMemory: Surface = {
  name: "shared-memory",
  title: "shared memory: status and errors",
  weight: 6,
  make: (chance, { models }) => {
    const kind = chance.pick(["system", "system", "cuda"]);
    const region = chance.oneIn(3) ? "" : `/region/${encodeURIComponent(chance.pick(regions))}`;
    const base = `/v2/${kind}sharedmemory${region}`;
    switch (chance.below(5)) {
      case 0:
        return get(`${base}/status`);
      case 1:
        return post(`${base}/unregister`, chance.oneIn(2) ? null : plainBody(object([])));
      case 2:
      case 3: {
        const asked = kind === "cuda" ? cudaRegion(chance) : systemRegion(chance);
        return post(`${base}/register`, plainBody(chance.oneIn(3) ? mutatedJson(chance, asked) : asked));
      }
      default: {
        const inference = soundInference(chance, models);
        const json = requestJson(
          { ...inference, outputs: inference.model.outputs.map(({ name }) => name) },
          (tensor): Member =>
            chance.oneIn(2)
              ? ["parameters", object(place(chance))]
              : ["data", { kind: "array", items: tensor.elements }],
          () => (chance.oneIn(2) ? place(chance) : null),
        );
        return post(inferPath(inference), plainBody(json));
      }
    }
  },
};

const systemRegion = (chance: Chance): JsonText =>
  object([
    ["key", string(chance.pick(["/parity_none", "", "/", "parity none"]))],
    ["offset", token(chance.pick([0, 0, 64, -1]))],
    ["byte_size", token(chance.pick([64, 0, -1]))],
  ]);

const cudaRegion = (chance: Chance): JsonText =>
  object([
    ["raw_handle", object([["b64", string(chance.pick(["", "AAAA", "????", "A".repeat(88)]))]])],
    ["byte_size", token(chance.pick([64, 0, -1]))],
    ["device_id", token(chance.pick([0, 1, -1]))],
  ]);

const place = (chance: Chance): Member[] => {
  const members: Member[] = [
    ["shared_memory_region", chance.oneIn(8) ? token(1) : string(chance.pick(regions))],
    ["shared_memory_byte_size", chance.oneIn(8) ? string("64") : token(chance.pick([64, 0, -1]))],
  ];
  if (chance.oneIn(3)) members.push(["shared_memory_offset", token(chance.pick(["0", "64", "-1", "1.5"]))]);
  if (chance.oneIn(6)) members.push(["binary_data_size", token(64)]);
  if (chance.oneIn(6)) members.push(["binary_data", token(true)]);
  if (chance.oneIn(6)) members.push(["classification", token(1)]);
  return members;
};
