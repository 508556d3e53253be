/** What is done to a few models of its own, step by step; what stands in one step is done at the same time. */
export interface Sequence {
  readonly models: readonly SequenceModel[];
  readonly steps: readonly (readonly Operation[])[];
}

/** Folders as they lie there at the start. Names are letters; each play puts a prefix of its own before them. */
export interface SequenceModel {
  readonly letter: string;
  /** Version -> a small graph of the conformance cases. */
  readonly versions: Readonly<Record<string, string>>;
  /** Text of config.pbtxt, `{a}` standing for the name of model a; null = no such file. */
  readonly config: string | null;
  /** Other files: path in the model's folder -> text, one character a byte. */
  readonly files?: Readonly<Record<string, string>>;
}

export type Operation =
  | {
      readonly do: "load";
      readonly model: string;
      /** Override; `{a}` as in a configuration. */
      readonly config?: string;
      /** Path in the model's folder -> a small graph. */
      readonly files?: Readonly<Record<string, string>>;
    }
  | { readonly do: "unload"; readonly model: string; readonly dependents?: boolean }
  | {
      readonly do: "infer";
      readonly model: string;
      readonly version?: string;
      /** JSON; absent = four numbers for X. */
      readonly body?: string;
    }
  /** Changes of the folder, which only later loads see. */
  | { readonly do: "configure"; readonly model: string; readonly config: string | null }
  | { readonly do: "touch"; readonly model: string }
  | { readonly do: "place"; readonly model: string; readonly version: string; readonly graph: string }
  | { readonly do: "remove"; readonly model: string; readonly version: string };

/** One line, as a person would tell it. */
export const operationText = (operation: Operation): string => {
  const { model } = operation;
  switch (operation.do) {
    case "load": {
      const config = operation.config === undefined ? "" : ` with the configuration ${operation.config}`;
      const files = Object.entries(operation.files ?? {}).map(
        ([path, graph]) => ` with ${graph}.onnx as ${path}`,
      );
      return `load ${model}${config}${files.join("")}`;
    }
    case "unload":
      return `unload ${model}${operation.dependents === undefined ? "" : `, unload_dependents ${operation.dependents}`}`;
    case "infer":
      return `infer ${model}${operation.version === undefined ? "" : ` version ${operation.version}`}${operation.body === undefined ? "" : ` with ${operation.body}`}`;
    case "configure":
      return operation.config === null
        ? `remove ${model}/config.pbtxt`
        : `write ${model}/config.pbtxt: ${operation.config.replace(/\s+/g, " ")}`;
    case "touch":
      return `touch the files of ${model}`;
    case "place":
      return `put ${operation.graph}.onnx as ${model}/${operation.version}/model.onnx`;
    case "remove":
      return `remove ${model}/${operation.version}`;
  }
};

/** @param at its number */
export const stepText = (step: readonly Operation[], at: number): string =>
  `${at}. ${step.map(operationText).join("  ||  ")}`;

export const sequenceText = ({ models, steps }: Sequence): string =>
  [
    ...models.map(({ letter, versions, config }) => {
      const files = Object.entries(versions).map(
        ([version, graph]) => `${version}/model.onnx = ${graph}.onnx`,
      );
      const text = config === null ? "no config.pbtxt" : `config.pbtxt: ${config.replace(/\s+/g, " ")}`;
      return `model ${letter}: ${[...files, text].join("; ")}`;
    }),
    ...steps.map(stepText),
  ].join("\n");
