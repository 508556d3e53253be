import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fail, ok, type Result, TritonError } from "../../../emulator/common/status.ts";
import type {
  Backend,
  BackendModel,
  ExecutionSink,
  InstanceSpec,
  ModelContext,
  ModelInstance,
} from "../../../emulator/core/backend.ts";
import type { ModelConfig } from "../../../emulator/core/model-config/model-config.ts";
import type { InferenceRequest, InferenceResponse } from "../../../emulator/core/tensor/inference-request.ts";
import { modelFile, writeByteCode } from "../../../emulator/parity/cases/model-repository.ts";
import { ActModel } from "./act-model.ts";
import { ConstantModel, ImplicitStateModel, SequenceModel, TwoOutputsModel } from "./small-models.ts";

/** One `TritonPythonModel` object: what the class of a model file does, in TypeScript. */
export interface ModelObject {
  /** `initialize`; a text = it raised. Calls back when it is done. */
  initialize(done: (raised: string | null) => void): void;
  /**
   * `execute`. Each request gets all its responses through `respond`; `done` is called once, with a text when it raised
   * (then every request that has no final response fails with that text).
   */
  execute(
    requests: readonly InferenceRequest[],
    respond: (index: number, response: InferenceResponse) => void,
    done: (raised: string | null) => void,
  ): void;
}

export interface ModelObjectContext {
  /** `{repo}/<model>/<version>/model.py` */
  readonly file: string;
  readonly config: ModelConfig;
  /** `<instance>_0`, as the real backend names them to the model. */
  readonly instanceName: string;
  readonly after: (seconds: number, run: () => void) => void;
}

/**
 * Stands in for the Python backend: knows the model files of fixtures/conformance/models by their text and does what
 * they do, without a Python.
 */
export class PythonStandIn implements Backend {
  readonly name = "python";
  readonly #releaseSeconds: number;

  /** @param releaseSeconds how long an instance takes to go away; the real one's process takes about 2 s */
  constructor(releaseSeconds: number) {
    this.#releaseSeconds = releaseSeconds;
  }

  predictMemory(): readonly [] {
    return [];
  }

  initializeModel(context: ModelContext, done: (result: Result<BackendModel>) => void): void {
    const file = join(
      context.folder.path,
      String(context.version),
      context.config.default_model_filename || "model.py",
    );
    if (!existsSync(file)) {
      done(fail("INTERNAL", `model.py does not exist in the model repository path: ${file}`));
      return;
    }
    const importing = importError(file);
    if (importing !== null) {
      done(fail("INTERNAL", importing));
      return;
    }
    writeByteCode(dirname(file));
    const make = modelClassOf(readFileSync(file, "utf8"));
    done(
      make === null
        ? fail("INTERNAL", `no stand-in for ${file}`)
        : ok(new StandInModel(file, make, this.#releaseSeconds)),
    );
  }
}

type MakeObject = (context: ModelObjectContext) => ModelObject;

const knownFiles: readonly (readonly [file: string, make: MakeObject])[] = [
  ["act.py", (context) => new ActModel(context)],
  ["sequence.py", (context) => new SequenceModel(context)],
  ["implicit_state.py", () => new ImplicitStateModel()],
  ["two_outputs.py", () => new TwoOutputsModel()],
];

/** By the text of the file, which cases may append comments to. */
const modelClassOf = (text: string): MakeObject | null => {
  for (const [file, make] of knownFiles)
    if (text.startsWith(readFileSync(modelFile(file), "utf8"))) return make;
  const constant = /np\.array\(\[b'([^']*)'\]/.exec(text);
  return constant === null ? null : () => new ConstantModel(constant[1]!);
};

/** What `at_import` beside the file makes the import raise. */
const importError = (file: string): string | null => {
  const script = join(file, "..", "at_import");
  if (!existsSync(script)) return null;
  const [verb, type, ...text] = readFileSync(script, "utf8").trim().split(":");
  if (verb !== "raise") return null;
  return traceback(`${type}: ${text.join(":")}`, [
    [file, 22, "act"],
    [file, 36, "<module>"],
    ["<frozen importlib._bootstrap>", 241, "_call_with_frames_removed"],
    ["<frozen importlib._bootstrap_external>", 940, "exec_module"],
    ["<frozen importlib._bootstrap>", 705, "_load_unlocked"],
    ["<frozen importlib._bootstrap>", 1152, "_find_and_load_unlocked"],
    ["<frozen importlib._bootstrap>", 1178, "_find_and_load"],
  ]);
};

export type Frame = readonly [file: string, line: number, name: string];

/** An exception as the real backend reports it. */
export const traceback = (exception: string, frames: readonly Frame[]): string =>
  `${exception}\n\nAt:\n${frames.map(([file, line, name]) => `  ${file}(${line}): ${name}\n`).join("")}`;

const after = (seconds: number, run: () => void): void => {
  setTimeout(run, seconds * 1000);
};

class StandInModel implements BackendModel {
  readonly completedConfig = null;
  readonly #file: string;
  readonly #make: MakeObject;

  readonly #releaseSeconds: number;

  constructor(file: string, make: MakeObject, releaseSeconds: number) {
    this.#file = file;
    this.#make = make;
    this.#releaseSeconds = releaseSeconds;
  }

  predictInstanceMemory(): readonly [] {
    return [];
  }

  createInstance(
    config: ModelConfig,
    spec: InstanceSpec,
    done: (result: Result<ModelInstance>) => void,
  ): void {
    const instanceName = spec.name;
    const object = this.#make({ file: this.#file, config, instanceName, after });
    object.initialize((raised) =>
      done(
        raised === null
          ? ok(new StandInInstance(instanceName, object, this.#releaseSeconds))
          : fail("INTERNAL", raised),
      ),
    );
  }

  finalize(): void {}
}

const nowUs = (): number => performance.now() * 1000;

class StandInInstance implements ModelInstance {
  readonly executionProvider = "stand-in";
  readonly #name: string;
  readonly #object: ModelObject;

  readonly #releaseSeconds: number;

  constructor(name: string, object: ModelObject, releaseSeconds: number) {
    this.#name = name;
    this.#object = object;
    this.#releaseSeconds = releaseSeconds;
  }

  execute(batch: readonly InferenceRequest[], sink: ExecutionSink): void {
    const computeStartUs = nowUs();
    const computeInputEndUs = computeStartUs + 1;
    const open = new Set(batch.keys());
    const respond = (index: number, response: InferenceResponse): void => {
      if (response.final) open.delete(index);
      sink.respond(index, response);
    };
    // Never in the caller's turn: a process of its own would not answer in it either.
    setImmediate(() =>
      this.#object.execute(batch, respond, (raised) => {
        if (raised !== null) {
          const message = `Failed to process the request(s) for model '${this.#name}', message: ${raised}`;
          const error = new TritonError("INTERNAL", message);
          for (const index of [...open]) respond(index, { final: true, error, outputs: [] });
        }
        const computeEndUs = nowUs();
        const computeOutputStartUs = Math.max(computeInputEndUs, computeEndUs - 1);
        sink.done({ computeStartUs, computeInputEndUs, computeOutputStartUs, computeEndUs, success: true });
      }),
    );
  }

  release(done: () => void): void {
    after(this.#releaseSeconds, done);
  }
}
