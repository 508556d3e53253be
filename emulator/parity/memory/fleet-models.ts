import type { Fleet, FleetModel } from "./fleet.ts";

const MIB = 2 ** 20;

/** Times as measured: 1.31 s for a load and 0.7 ms for each MiB that it fills; a stub goes in little more than a second. */
const syntheticTimes = ({ holdsMib, instances }: FleetModel) => ({
  "synthetic.load_us": Math.round((1_310_000 + 700 * holdsMib) / instances),
  "synthetic.unload_us": 1_050_000,
  "synthetic.warm_us": 5_000,
});

/** One declaration for both: the real server's Python code reads the bytes that the ledger counts. */
const configText = (model: FleetModel, backend: "python" | "synthetic"): string => {
  const parameters = {
    "memory.profile": "python",
    "memory.host_weights_bytes": model.holdsMib * MIB,
    "memory.host_kept_bytes_per_run": model.growsMib * MIB,
    ...syntheticTimes(model),
  };
  return [
    `backend: "${backend}"`,
    'input { name: "IN" data_type: TYPE_UINT8 dims: [ 1 ] }',
    'output { name: "OUT" data_type: TYPE_UINT8 dims: [ 1 ] }',
    `instance_group { kind: KIND_CPU count: ${model.instances} }`,
    ...Object.entries(parameters).map(
      ([key, value]) => `parameters { key: "${key}" value { string_value: "${value}" } }`,
    ),
    "",
  ].join("\n");
};

/** Before the name of an instance, in the line that it writes whenever it runs. */
export const SERVES = "served by ";

const MODEL_PY = `import json

import numpy as np
import triton_python_backend_utils as pb_utils

SERVES = "${SERVES}"


def touched(size):
    held = bytearray(size)
    held[::4096] = b"\\1" * len(range(0, size, 4096))
    return held


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        number = lambda key: int(parameters[key]["string_value"])
        self.serves = SERVES + args["model_instance_name"]
        self.grows = number("memory.host_kept_bytes_per_run")
        self.held = [touched(number("memory.host_weights_bytes"))]

    def execute(self, requests):
        print(self.serves, flush=True)
        answers = []
        for _ in requests:
            self.held.append(touched(self.grows))
            out = pb_utils.Tensor("OUT", np.zeros([1], dtype=np.uint8))
            answers.append(pb_utils.InferenceResponse([out]))
        return answers
`;

/** The model repository that every server of a fleet serves; with the container API it is empty. */
export const REPOSITORY = "/models";

/** Where the platform puts models. */
export const HOSTED = "/opt/ml/models";

/** What the platform calls a model, where it puts it, and how a caller names it. */
export const hosted = (model: string) => ({
  modelName: `h_${model}`,
  url: `${HOSTED}/h_${model}/model`,
  targetModel: `${model}.tar.gz`,
});

/** Content by absolute path. */
export const fleetFiles = (
  { surface, models }: Pick<Fleet, "surface" | "models">,
  backend: "python" | "synthetic",
): ReadonlyMap<string, string> => {
  const files = new Map<string, string>();
  for (const model of models) {
    const folder =
      surface === "kserve" ? `${REPOSITORY}/${model.name}` : `${hosted(model.name).url}/${model.name}`;
    files.set(`${folder}/config.pbtxt`, configText(model, backend));
    files.set(`${folder}/1/model.py`, MODEL_PY);
  }
  return files;
};

/** The process of an instance, as the server and the ledger name it. */
export const processNames = ({ surface }: Pick<Fleet, "surface">, model: FleetModel): readonly string[] => {
  const name = surface === "kserve" ? model.name : hosted(model.name).targetModel;
  return Array.from({ length: model.instances }, (_, index) => `${name}_0_${index}`);
};

/** The process that an answer says is dead. */
export const deadProcess = (body: string): string | null =>
  /Stub process '([^']+)' is not healthy/.exec(body)?.[1] ?? null;
