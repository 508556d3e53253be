import type { ModelSketch } from "../model-sketch.ts";
import { shellCommand, type TrafficRequest } from "../request.ts";
import { type Graph, graphText } from "./graph.ts";

/** Several inferences that belong together: models of their own, and what is asked of these, step by step. */
export interface Dialogue {
  readonly models: readonly DialogueModel[];
  readonly steps: readonly Step[];
  /** The response cache is emptied first, and what it counts is compared too. */
  readonly cached?: true;
}

/** Its name is a letter; each play puts a prefix of its own before it. */
export interface DialogueModel {
  readonly sketch: ModelSketch;
  /** Null = an ensemble. */
  readonly graph: Graph | null;
  /** Parts of config.pbtxt, `{a}` standing for the name of model a. */
  readonly config: readonly string[];
  /** Path in the model's folder -> base64. */
  readonly files: Readonly<Record<string, string>>;
}

export type Step =
  /** Sent at the same time; all are answered before the next step, but those that are held. */
  | {
      readonly do: "ask";
      readonly turns: readonly Turn[];
      /** How many of those that are held, by this and earlier steps, still wait before the next step. */
      readonly left: number;
    }
  /** Nothing for so long. */
  | { readonly do: "rest"; readonly milliseconds: number };

export interface Turn {
  readonly request: TrafficRequest;
  /** Waits in a queue that keeps it for certain; the next step comes as soon as it does. Its answer is told at the end. */
  readonly held?: true;
}

const turnText = ({ request, held }: Turn): string =>
  `${held === true ? "(waits) " : ""}${shellCommand(request)}`;

const stepText = (step: Step): string =>
  step.do === "rest"
    ? `rest for ${step.milliseconds} ms`
    : step.turns.map(turnText).join("\n   at the same time: ");

export const dialogueText = ({ models, steps, cached }: Dialogue): string =>
  [
    ...models.map(({ sketch, graph, config }) =>
      [
        `model ${sketch.name}: `,
        graph === null
          ? ""
          : `${sketch.versions.map((v) => `${v}/`).join()}model.onnx: ${graphText(graph)}; `,
        `config.pbtxt: ${config.join(" ").replace(/\s+/g, " ")}`,
      ].join(""),
    ),
    ...(cached === true ? ["the response cache is emptied"] : []),
    ...steps.map((step, index) => `${index}. ${stepText(step)}`),
  ].join("\n");
