import { type Member, token } from "../../exchange/json-text.ts";
import { inferPath, requestJson, soundInference } from "../inference.ts";
import { plainBody, post } from "../request.ts";
import type { Surface } from "../surface.ts";

export const classification: Surface = {
  name: "classification",
  title: "classification",
  weight: 6,
  make: (chance, { models }) => {
    const inference = soundInference(chance, models);
    const outputs = inference.model.outputs.map(({ name }) => name);
    const json = requestJson(
      { ...inference, outputs },
      (tensor) => ["data", { kind: "array", items: tensor.elements }],
      () => {
        const asked = chance.oneIn(8)
          ? chance.pick(["0", "-1", "1.5", "true", '"2"', "null", "4294967296", "18446744073709551615"])
          : String(chance.between(1, 6));
        const parameters: Member[] = [["classification", token(asked)]];
        if (chance.oneIn(4)) parameters.push(["binary_data", token(chance.oneIn(2))]);
        return chance.oneIn(6) ? null : parameters;
      },
    );
    return post(inferPath(inference), plainBody(json));
  },
};
