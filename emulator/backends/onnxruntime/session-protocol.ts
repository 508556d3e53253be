import type { DataType } from "../../core/tensor/data-type.ts";
import type { OnnxConsumer } from "./onnx-model.ts";
import type { SessionOptions } from "./session-options.ts";

/** A graph input or output as ONNX Runtime knows it after shape inference. */
export interface OnnxTensorInfo {
  readonly name: string;
  /** TensorProto.DataType. */
  readonly elementType: number;
  /** -1 for a free dimension; [] for a scalar and for a tensor without a shape. */
  readonly shape: readonly number[];
}

/** What an opened session knows of its model. */
export interface ModelDescription {
  /** Required inputs, in the order of the graph. */
  readonly inputs: readonly OnnxTensorInfo[];
  /** Initialisers that may be given as inputs. */
  readonly overridable: readonly OnnxTensorInfo[];
  readonly outputs: readonly OnnxTensorInfo[];
  /** The first input, overridable initialiser or output that is no tensor, and its ONNX type; null if all are. */
  readonly notTensor: { readonly name: string; readonly onnxType: string } | null;
  /** First node that reads a graph input, by the input's name. */
  readonly consumers: ReadonlyMap<string, OnnxConsumer>;
  /** False where the time of a run depends on more than the shapes of its inputs. */
  readonly runTimeFollowsShapes: boolean;
  readonly fingerprint: FileFingerprint;
  /** Why ONNX Runtime's JavaScript interface holds no session of it, although the model itself is valid. */
  readonly unusable: string | null;
  /** Why it runs on the CPU although CUDA was asked for; null if it runs where it should. */
  readonly providerRefused: string | null;
}

/** Tells whether a model file is still the one that was loaded. */
export interface FileFingerprint {
  readonly byteSize: number;
  readonly mtimeMs: number;
  readonly ino: number;
}

export interface OpenRequest {
  /** The model file, absolute. */
  readonly path: string;
  readonly options: SessionOptions;
  /** `cpu`, or `cuda` with a device. */
  readonly provider: { readonly name: "cpu" } | { readonly name: "cuda"; readonly deviceId: number };
  /** Inputs of the configuration; those that are overridable initialisers are made inputs of the session. */
  readonly promote: readonly string[];
  /** Operator libraries of the configuration. */
  readonly libraries: readonly string[];
  /** Refuse the file unless it still looks like this; null = take it as it is. */
  readonly expect: FileFingerprint | null;
}

/** One input of a run, whole. */
export interface RunInput {
  readonly name: string;
  readonly dataType: DataType;
  readonly shape: readonly number[];
  /** In the v2 binary layout. */
  readonly data: Uint8Array;
}

/** One output of a run, as the graph made it. */
export interface RunOutput {
  readonly name: string;
  readonly dataType: DataType;
  readonly shape: readonly number[];
  /** In the v2 binary layout. */
  readonly data: Uint8Array;
}

/** An error as it crosses the thread: `ort` is ONNX Runtime's own text, `internal` is ours. */
export interface SessionFailure {
  readonly kind: "ort" | "internal";
  readonly text: string;
}

/** Where an input of a run lies in memory that both threads share. */
export interface SharedInput {
  readonly name: string;
  readonly dataType: DataType;
  readonly shape: readonly number[];
  /** null = the session's own memory. */
  readonly memory: SharedArrayBuffer | null;
  readonly offset: number;
  readonly byteLength: number;
}

/** Main thread to worker. `session` numbers are given by the main thread. */
export type WorkerRequest =
  | { readonly kind: "open"; readonly session: number; readonly request: OpenRequest }
  | {
      readonly kind: "run";
      readonly session: number;
      readonly inputs: readonly SharedInput[];
      readonly outputs: readonly string[];
      /** The session's input memory, where it is new. */
      readonly memory: SharedArrayBuffer | null;
    }
  | { readonly kind: "close"; readonly session: number }
  | { readonly kind: "stop" };

/** Worker to main thread; one answer to each request of a session, in order. */
export type WorkerReply =
  | { readonly kind: "opened"; readonly session: number; readonly description: ModelDescription }
  | {
      readonly kind: "ran";
      readonly session: number;
      readonly outputs: readonly RunOutput[];
      readonly runUs: number;
    }
  | { readonly kind: "closed"; readonly session: number }
  | { readonly kind: "failed"; readonly session: number; readonly failure: SessionFailure };
