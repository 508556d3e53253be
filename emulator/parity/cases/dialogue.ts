import type { Answer } from "../exchange/answer.ts";
import { StartFailure } from "../targets/target.ts";
import type { Way } from "./areas.ts";
import type { ConformanceCase } from "./conformance-case.ts";

/** Whom a case is played with: a server of its own, or what one did when it was recorded. */
export interface Partner {
  readonly name: string;
  /** True for a tritonserver of NVIDIA's: everything recorded must match, log positions included. */
  readonly real: boolean;
  /** Version of the ONNX Runtime inside; some texts of its errors depend on it. */
  readonly onnxRuntime: string;
  /** @throws StartFailure where the server ends before it is ready, CannotPlay where the case cannot begin. */
  open(testCase: ConformanceCase, way: Way): Promise<Dialogue>;
}

/** One case being played. */
export interface Dialogue {
  /** What {repo} and {tmp} stand for in what comes back. */
  readonly repository: string;
  readonly scratch: string;
  /**
   * Does what a step says and gives what could be observed; null where a step only does something. Counters, logs and
   * files may follow an answer by a moment, so they are read again until `agrees` says yes or that moment has passed.
   */
  perform(step: number, agrees: (seen: Observation) => boolean): Promise<Observation | null>;
  close(): Promise<void>;
}

/** What a step showed, before anybody judges it. */
export type Observation =
  | Answer
  /** Everything written so far; null = out of reach. */
  | { readonly kind: "log"; readonly output: string | null }
  /** `exitCode` null: it still runs. */
  | {
      readonly kind: "exit";
      readonly exitCode: number | null;
      readonly output: string;
      readonly seconds: number;
    }
  | { readonly kind: "files"; readonly names: readonly string[] }
  /** Null: no such file. */
  | { readonly kind: "file"; readonly text: string | null }
  /** How many instances answered. */
  | { readonly kind: "instances"; readonly distinct: number };

export const isAnswer = (observation: Observation): observation is Answer =>
  ["http", "connection", "raw", "grpc", "stream"].includes(observation.kind);

/** The case has no dialogue: a model did not load, or nothing was recorded. */
export class CannotPlay extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CannotPlay";
  }
}

export interface Listener {
  observed(step: number, observation: Observation, places: Pick<Dialogue, "repository" | "scratch">): void;
  failedToStart?(failure: StartFailure): void;
}

/** The same partner, with somebody who hears what each step showed. */
export const overheard = (partner: Partner, listener: Listener): Partner => ({
  ...partner,
  open: async (testCase, way) => {
    const dialogue = await partner.open(testCase, way).catch((error: unknown) => {
      if (error instanceof StartFailure) listener.failedToStart?.(error);
      throw error;
    });
    return {
      repository: dialogue.repository,
      scratch: dialogue.scratch,
      perform: async (step, agrees) => {
        const observation = await dialogue.perform(step, agrees);
        if (observation !== null) listener.observed(step, observation, dialogue);
        return observation;
      },
      close: () => dialogue.close(),
    };
  },
});
