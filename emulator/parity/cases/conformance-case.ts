import { readFileSync } from "node:fs";
import type { Json, JsonObject } from "../exchange/json.ts";
import { conformanceFolder } from "../shipped-files.ts";

/** One recorded dialogue with a server; fixtures/conformance/README.md explains every field. */
export interface ConformanceCase {
  readonly id: string;
  readonly title: string;
  readonly server: { readonly flags: readonly string[]; readonly env?: Readonly<Record<string, string>> };
  readonly models: Readonly<Record<string, CaseModel>>;
  /** Loaded before the first step, in this order. */
  readonly loaded?: readonly string[];
  readonly steps: readonly Step[];
  readonly note?: string;
  /** The real server died in this case. */
  readonly crash?: true;
  /** The real server loses a race of its own now and then; against it the case may be repeated. */
  readonly unsteady?: true;
}

export interface CaseModel {
  /** Text of config.pbtxt; absent = no such file. */
  readonly config?: string;
  /** A model of model-repo/, copied whole. */
  readonly sample?: string;
  /** A file of models/, put as `<version>/model.py`. */
  readonly code?: string;
  /** A file of models/onnx/, put as `<version>/model.onnx`; or path in the model folder -> file. */
  readonly onnx?: string | Readonly<Record<string, string>>;
  /** Default: version 1. */
  readonly versions?: readonly string[];
  /** Other files: path in the model folder -> text; `= <file>` stands for a file of models/. */
  readonly files?: Readonly<Record<string, string>>;
  /** Where the folder lies, absolute; absent = in the model repository, under its name. */
  readonly path?: string;
  /** No such folder. */
  readonly absent?: boolean;
}

export type Step = RequestStep | AwaitStep | SleepStep | ActStep | SeenStep;

export interface RequestStep {
  readonly request: Request;
  /** Send it and go on; the answer comes with the `await` step of that name. */
  readonly start?: string;
  readonly response?: Response;
  /** Where ONNX Runtime 1.30.0 answers otherwise than the release's own 1.19.2. */
  readonly "with_1.30.0"?: Response;
}
export interface AwaitStep {
  readonly await: string;
  readonly response?: Response;
}
export interface SleepStep {
  /** Seconds. */
  readonly sleep: number;
  /** What is waited for are the processes of a Python model; without them it takes less. */
  readonly shortly?: true;
}
export interface ActStep {
  readonly act: Act;
}
export interface SeenStep {
  readonly seen: Seen;
}

export type Request = HttpRequest | RawRequest | GrpcRequest | GrpcStreamRequest;

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A JSON value, or text that is sent as it is. */
  readonly body?: Json;
  readonly body_base64?: string;
  /** Absent = HTTP. */
  readonly port?: "metrics" | "sagemaker";
}
/** Bytes put on a fresh connection as they are (text in latin1, CR LF written out as \r\n). */
export interface RawRequest {
  readonly raw: string;
}
export interface GrpcRequest {
  readonly grpc: string;
  readonly message: JsonObject;
  readonly metadata?: Readonly<Record<string, string>>;
}
export interface GrpcStreamRequest {
  readonly grpc: string;
  readonly messages: readonly JsonObject[];
  readonly metadata?: Readonly<Record<string, string>>;
}

export type Response = HttpResponse | RawResponse | GrpcResponse | GrpcStreamResponse | ConnectionResponse;

export interface HttpResponse {
  readonly status: number;
  /** Those that matter; the case's own areas list all of them in order. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly body_base64?: string;
  /** What it took there; a tenth of a second counts as at once. */
  readonly seconds?: number;
}
/** Everything that came back on the connection, and whether the server then closed it. */
export interface RawResponse {
  readonly raw: string;
  readonly closed: boolean;
}
export interface GrpcResponse {
  /** Code name, absent = OK. */
  readonly grpc?: string;
  readonly message?: string;
  readonly reply?: JsonObject;
}
export interface GrpcStreamResponse {
  readonly stream: readonly JsonObject[];
  readonly grpc?: string;
  readonly message?: string;
}
export interface ConnectionResponse {
  readonly connection: "closed without a reply" | "refused" | "reset";
}

/** Something done outside the protocol. Paths are absolute, or relative to the model repository. */
export type Act =
  | { readonly touch: string }
  | { readonly append: string; readonly text: string; readonly mtime?: "kept" | "2001" }
  | { readonly write: string; readonly from: string }
  | { readonly create: string }
  | { readonly remove: string }
  | { readonly replace: string; readonly pattern: string; readonly by: string }
  | { readonly signal: "SIGINT" | "SIGTERM" }
  /** A gRPC ModelInfer with this CMD that the client cancels after some seconds. */
  | { readonly cancel: { readonly model: string; readonly cmd: string; readonly after: number } };

/** Something read outside the protocol. */
export type Seen =
  /** Log lines, without time and process id. */
  | { readonly log: readonly string[] }
  /** The process ended with this code (null: it still runs) having written this. */
  | { readonly exit: number | null; readonly output?: string; readonly seconds?: number }
  /** Names of the files in {tmp}. */
  | { readonly files: readonly string[] }
  /** A trace file in {tmp}: its elements, in any order; `"*"` = a time. */
  | { readonly file: string; readonly trace: readonly Json[] }
  /** Which instances answered `requests` requests of a model. */
  | {
      readonly instances: {
        readonly model: string;
        readonly requests: number;
        readonly distinct: number;
      };
    };

/** One entry: in this step our server legitimately answers otherwise. */
export interface Difference {
  readonly case: string;
  /** Index of the step; absent = the whole case is not run. */
  readonly step?: number;
  /** `http`, `grpc`; absent = both ways of playing the case. */
  readonly over?: "http" | "grpc";
  readonly reason: string;
  /** What ours answers instead. */
  readonly response?: Response;
  readonly seen?: Seen;
}

export const readCases = (area: string): readonly ConformanceCase[] => readJson(`${area}.json`);

export const readDifferences = (): readonly Difference[] => readJson("differences.json");

const readJson = <T>(name: string): T => {
  const parsed: T = JSON.parse(readFileSync(new URL(name, conformanceFolder), "utf8"));
  return parsed;
};
