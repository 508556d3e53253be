import { inferenceJson, inferPath, soundInference } from "../inference.ts";
import { mutatedJson } from "../mutation.ts";
import { plainBody, post } from "../request.ts";
import type { Surface } from "../surface.ts";

export const inferJson: Surface = {
  name: "infer-json",
  title: "infer, JSON",
  weight: 30,
  make: (chance, { models }) => {
    const inference = soundInference(chance, models);
    const sound = inferenceJson(chance, inference);
    const body = chance.oneIn(3) ? sound : mutatedJson(chance, sound);
    return post(inferPath(inference), plainBody(body));
  },
};
