import { type HttpTraffic, shellCommand } from "../request.ts";

/** What is asked of a server of its own, step by step; what stands in one step is asked at the same time. */
export interface ContainerSequence {
  /** Beside those that the platform starts a container with. */
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Unpacked before the first step: the platform's name of a model -> what lies in its folder `model`. */
  readonly archives: Readonly<Record<string, Archive>>;
  /** Names that models may have inside, which are asked about after each step. */
  readonly models: readonly string[];
  readonly steps: readonly (readonly ContainerOperation[])[];
}

/** Path -> text; at the end of `.onnx` the name of a small graph of the conformance cases. A folder ends in `/` and has no text. */
export type Archive = Readonly<Record<string, string>>;

export type ContainerOperation =
  | { readonly do: "ask"; readonly request: HttpTraffic }
  /** The platform unpacks an archive, over what may lie there; null = takes it away. */
  | { readonly do: "unpack"; readonly name: string; readonly archive: Archive | null };

/** A command of the shell, or what a person would do. */
export const operationText = (operation: ContainerOperation): string => {
  if (operation.do === "ask") return shellCommand(operation.request);
  const { name, archive } = operation;
  return archive === null ? `remove ${name}` : `replace ${archiveText(name, archive)}`;
};

const archiveText = (name: string, archive: Archive): string =>
  `${name}: ${Object.entries(archive)
    .map(([path, text]) => `model/${path}${text === "" ? "" : ` = ${text.trim().replace(/\s+/g, " ")}`}`)
    .join("; ")}`;

/** @param at its number */
export const stepText = (step: readonly ContainerOperation[], at: number): string =>
  `${at}. ${step.map(operationText).join("  ||  ")}`;

export const containerSequenceText = (sequence: ContainerSequence): string =>
  [
    ...Object.entries(sequence.environment).map(([name, value]) => `${name}=${value}`),
    ...sequence.flags,
    ...Object.entries(sequence.archives).map(([name, archive]) => archiveText(name, archive)),
    ...sequence.steps.map(stepText),
  ].join("\n");
