import { array, type JsonText, object, string, token } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { mutatedJson } from "../mutation.ts";
import { plainBody, post } from "../request.ts";
import type { Surface } from "../surface.ts";

/** The index, and loads and unloads of models that no other request uses. */
export const repository: Surface = {
  name: "repository",
  title: "repository: index, load, unload",
  weight: 6,
  changes: true,
  make: (chance, { spare }) => {
    const middle = chance.oneIn(12) ? "/other" : "";
    if (chance.oneIn(3))
      return post(`/v2/repository${middle}/index`, plainBody(odd(chance, indexBody(chance))));
    const name =
      chance.oneIn(4) || spare.length === 0
        ? chance.pick(["none", "a b", "ä", "none.x"])
        : chance.pick(spare);
    const verb = chance.pick(["load", "load", "unload"]);
    const body = verb === "load" ? loadBody(chance, name) : unloadBody(chance);
    const path = `/v2/repository${middle}/models/${encodeURI(name)}/${verb}`;
    return post(path, chance.oneIn(4) ? null : plainBody(odd(chance, body)));
  },
};

const odd = (chance: Chance, sound: JsonText): JsonText =>
  chance.oneIn(3) ? mutatedJson(chance, sound) : sound;

const indexBody = (chance: Chance): JsonText =>
  chance.pick([
    object([]),
    object([["ready", token(true)]]),
    object([["ready", token(false)]]),
    object([["ready", string("true")]]),
  ]);

const loadBody = (chance: Chance, name: string): JsonText => {
  const config = chance.pick([
    `{"name":"${name}","backend":"onnxruntime","max_batch_size":${chance.below(5)}}`,
    `{"backend":"onnxruntime"}`,
    `{"name":"${name}","platform":"onnxruntime_onnx","max_batch_size":${chance.pick([2, -1, 2147483648])}}`,
    `{"name":"other","backend":"onnxruntime"}`,
    `{"backend":"none"}`,
    `{"unheard-of":1}`,
    "{}",
    "",
    "[",
  ]);
  return chance.weighted<JsonText>([
    [3, object([])],
    [4, object([["parameters", object([["config", string(config)]])]])],
    [1, object([["parameters", object([["config", token(1)]])]])],
    [1, object([["parameters", object([["unheard-of", string("1")]])]])],
    [1, object([["parameters", object([["file:1/model.onnx", string("AAAA")]])]])],
    [
      1,
      object([
        [
          "parameters",
          object([
            ["config", string('{"backend":"onnxruntime"}')],
            ["file:1/model.onnx", string(chance.pick(["AAAA", "", "?"]))],
          ]),
        ],
      ]),
    ],
    [1, object([["parameters", array([])]])],
    [1, array([])],
  ]);
};

const unloadBody = (chance: Chance): JsonText =>
  chance.pick([
    object([]),
    object([["parameters", object([["unload_dependents", token(true)]])]]),
    object([["parameters", object([["unload_dependents", token(false)]])]]),
    object([["parameters", object([["unload_dependents", string("x")]])]]),
  ]);
