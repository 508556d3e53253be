/** A step of an ensemble: `<model> <input>=<tensor>,… <output>=<tensor>,…`, with `:<version>` behind the model if not the latest. */
export type StepText = string;

const entries = (kind: string, text: string): string =>
  text
    .split(",")
    .map((pair) => {
      const [key, value] = pair.split("=");
      return `${kind} { key: "${key}" value: "${value}" }`;
    })
    .join(" ");

const stepText = (step: StepText): string => {
  const [model = "", inputs = "", outputs = ""] = step.split(" ");
  const [name, version = "-1"] = model.split(":");
  return `step { model_name: "${name}" model_version: ${version} ${entries("input_map", inputs)} ${entries("output_map", outputs)} }`;
};

/** The configuration of an ensemble with INT32 inputs and outputs of one element. @param fields more of it */
export const ensembleConfig = (
  steps: readonly StepText[],
  {
    inputs = ["IN"],
    outputs = ["OUT"],
    fields = "",
  }: {
    readonly inputs?: readonly string[];
    readonly outputs?: readonly string[];
    readonly fields?: string;
  } = {},
): string =>
  [
    'platform: "ensemble"',
    ...inputs.map((name) => `input { name: "${name}" data_type: TYPE_INT32 dims: [ 1 ] }`),
    ...outputs.map((name) => `output { name: "${name}" data_type: TYPE_INT32 dims: [ 1 ] }`),
    `ensemble_scheduling { ${steps.map(stepText).join("\n")} }`,
    fields,
  ].join("\n");
