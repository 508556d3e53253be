import type { Log } from "../../emulator/common/log.ts";
import type { TritonError } from "../../emulator/common/status.ts";
import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import type { Backend } from "../../emulator/core/backend.ts";
import type { LoadParameter, RepositoryIndexRow } from "../../emulator/core/inference-server.ts";
import type { InstanceChance } from "../../emulator/core/instance-chance.ts";
import { type MemoryAccount, UnlimitedMemoryAccount } from "../../emulator/core/memory/memory-account.ts";
import { LogSettingsStore } from "../../emulator/core/settings/log-settings.ts";
import { MetricsRegistry } from "../../emulator/core/statistics/metrics-registry.ts";
import type { ModelMetrics } from "../../emulator/core/statistics/model-metrics.ts";
import type { ModelStatistics } from "../../emulator/core/statistics/model-statistics.ts";
import {
  InferenceRequest,
  type InferenceRequestFields,
  type InferenceResponse,
  type InputTensor,
} from "../../emulator/core/tensor/inference-request.ts";
import { TritonServer, type TritonServerOptions } from "../../emulator/core/triton-server.ts";
import { InMemoryStorage } from "../../emulator/storage/in-memory-storage.ts";
import { InMemoryTraceSink } from "./in-memory-trace-sink.ts";
import { ScriptedBackend } from "./scripted-backend.ts";

/** A model of the repository: the text of its config.pbtxt, or more. */
export type FixtureModel =
  | string
  | {
      readonly config?: string | null;
      readonly versions?: readonly (number | string)[];
      /** Path in the model folder -> content. */
      readonly files?: Readonly<Record<string, string | Uint8Array>>;
      readonly root?: string;
    };

export interface FixtureOptions extends Partial<TritonServerOptions> {
  readonly models?: Readonly<Record<string, FixtureModel>>;
  readonly account?: MemoryAccount;
  /** Backends beside the scripted one. */
  readonly backends?: (clock: VirtualClock) => readonly Backend[];
  readonly instanceChance?: InstanceChance;
}

/** Milliseconds since 1970 at clock time 0. */
export const epochMs = 1_700_000_000_000;

/** A config of the scripted backend: one INT32 input IN and output OUT of one element, one CPU instance. */
export const modelConfig = (fields = "", instances = 1): string =>
  `backend: "scripted"
input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
instance_group { kind: KIND_CPU count: ${instances} }
${fields}`;

export const int32 = (...values: number[]): Uint8Array => new Uint8Array(new Int32Array(values).buffer);

/** An INT32 tensor, by default IN of shape [1]. */
export const tensor = (fields: Partial<InputTensor> = {}): InputTensor => {
  const shape = fields.shape ?? [1];
  const count = shape.reduce((product, dim) => product * Math.max(0, dim), 1);
  return {
    name: "IN",
    datatype: "INT32",
    shape,
    data: int32(...new Array<number>(count).fill(0)),
    ...fields,
  };
};

/** A request and what came of it. */
export class Call {
  readonly request: InferenceRequest;
  /** What `infer` or the look-up before it refused it with. */
  refused: TritonError | null = null;
  readonly responses: InferenceResponse[] = [];
  /** Clock time of the final response; null = still open. */
  answeredUs: number | null = null;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock, fields: Omit<InferenceRequestFields, "respond">) {
    this.#clock = clock;
    this.request = new InferenceRequest({
      ...fields,
      respond: (response) => {
        if (this.refused !== null) throw new Error(`${this.request.id}: answered although refused`);
        if (this.answeredUs !== null)
          throw new Error(`${this.request.id}: answered after its final response`);
        this.responses.push(response);
        if (response.final) this.answeredUs = this.#clock.now();
      },
    });
  }

  get open(): boolean {
    return this.refused === null && this.answeredUs === null;
  }

  /** The refusal, or the error of the last response. */
  get error(): TritonError | null {
    return this.refused ?? this.responses.at(-1)?.error ?? null;
  }
}

/** Fields of a request to the fixture's default model; `rows` and `value` make IN. */
export interface CallFields extends Partial<Omit<InferenceRequestFields, "respond">> {
  readonly rows?: number;
  readonly value?: number;
  readonly version?: number;
}

/** A server that was started, and everything around it, on a virtual clock. */
export class CoreFixture {
  readonly clock = new VirtualClock(epochMs);
  readonly storage = new InMemoryStorage(this.clock);
  readonly backend = new ScriptedBackend(this.clock);
  readonly metrics = new MetricsRegistry({ counting: true, onLatencies: null });
  readonly account: MemoryAccount;
  readonly logged: string[] = [];
  readonly traceFiles = new InMemoryTraceSink();
  readonly server: TritonServer;
  startError: TritonError | null = null;
  started = false;

  constructor({ models = {}, account, backends = () => [], instanceChance, ...options }: FixtureOptions) {
    this.account = account ?? new UnlimitedMemoryAccount();
    this.storage.write("repository/");
    for (const [name, model] of Object.entries(models)) this.putModel(name, model);
    const record = (message: string): void => {
      this.logged.push(message);
    };
    const log: Log = { info: record, warning: record, error: record, verbose: () => {} };
    this.server = new TritonServer(
      {
        id: "triton",
        modelRepositories: ["repository"],
        modelControlMode: "explicit",
        repositoryPollSecs: 15,
        startupModels: [],
        modelConfigName: null,
        autoCompleteConfig: true,
        strictReadiness: true,
        exitOnError: true,
        modelLoadThreadCount: 4,
        modelLoadRetryCount: 0,
        responseCacheByteSize: null,
        modelNamespacing: false,
        backendConfig: new Map(),
        gpuCount: 0,
        modelLoadGpuLimit: new Map(),
        trace: {
          trace_level: ["OFF"],
          trace_rate: 1000,
          trace_count: -1,
          log_frequency: 0,
          trace_file: "",
          trace_mode: "triton",
        },
        randomSeed: 1,
        ...options,
      },
      {
        clock: this.clock,
        log,
        storage: this.storage,
        account: this.account,
        metrics: this.metrics,
        logSettings: new LogSettingsStore(
          {
            log_file: "",
            log_info: true,
            log_warning: true,
            log_error: true,
            log_verbose_level: 0,
            log_format: "default",
          },
          () => {},
        ),
        traceSink: this.traceFiles,
        backends: [this.backend, ...backends(this.clock)],
        ...(instanceChance === undefined ? {} : { instanceChance }),
      },
    );
  }

  /** Starts the server and runs what is due at once. */
  start(): void {
    this.server.start((error) => {
      if (this.started) throw new Error("start: answered twice");
      this.started = true;
      this.startError = error;
    });
    this.clock.settle();
  }

  putModel(name: string, model: FixtureModel): void {
    const {
      config = modelConfig(),
      versions = [1],
      files = {},
      root = "repository",
    } = typeof model === "string" ? { config: model } : model;
    const folder = `${root}/${name}`;
    this.storage.write(`${folder}/`);
    if (config !== null) this.storage.write(`${folder}/config.pbtxt`, config);
    for (const version of versions) this.storage.write(`${folder}/${version}/model.bin`);
    for (const [path, content] of Object.entries(files)) this.storage.write(`${folder}/${path}`, content);
  }

  /** A load call; what can be done at once is done when this returns. */
  load(model: string, ...parameters: readonly LoadParameter[]): ControlCall {
    return this.#control((done) => this.server.loadModel(model, parameters, done));
  }

  unload(model: string, dependents = false): ControlCall {
    return this.#control((done) => this.server.unloadModel(model, dependents, done));
  }

  #control(begin: (done: (error: TritonError | null) => void) => void): ControlCall {
    const call: ControlCall = { done: false, error: null };
    begin((error) => {
      if (call.done) throw new Error("a load or unload was answered twice");
      call.done = true;
      call.error = error;
    });
    this.clock.settle();
    return call;
  }

  /** Sends a request, as a front end does: look up, then infer in the same turn. Nothing is run here. */
  infer(model: string, fields: CallFields = {}): Call {
    const { rows, value = 0, version = -1, ...rest } = fields;
    const found = this.server.findVersion(model, version);
    const batching = found.ok && found.value.config.max_batch_size > 0;
    const shape = batching || rows !== undefined ? [rows ?? 1, 1] : [1];
    const data = int32(...new Array<number>(rows ?? 1).fill(value));
    const call = new Call(this.clock, { inputs: [tensor({ shape, data })], ...rest });
    call.refused = found.ok ? this.server.infer(found.value, call.request) : found.error;
    return call;
  }

  /** `name:version state reason`, or the name alone. */
  index(readyOnly = false): string[] {
    let rows: readonly RepositoryIndexRow[] = [];
    this.server.repositoryIndex(readyOnly, (result) => {
      if (!result.ok) throw result.error;
      rows = result.value;
    });
    this.clock.settle();
    return rows.map(({ name, version, state, reason }) =>
      [version === undefined ? name : `${name}:${version}`, state, reason]
        .filter((part) => part !== undefined)
        .join(" "),
    );
  }

  statistics(model: string, version = -1): ModelStatistics {
    const read = this.server.statistics(model, version);
    if (!read.ok) throw read.error;
    return read.value[0]!;
  }

  metricsOf(model: string): ModelMetrics {
    const found = this.metrics.models().find((metrics) => metrics.model === model);
    if (found === undefined) throw new Error(`no metrics of ${model}`);
    return found;
  }

  /** Batches that ran so far, by the ids of their requests. */
  batches(): string[] {
    return this.backend.runs.map(({ ids }) => ids.join(","));
  }
}

export interface ControlCall {
  done: boolean;
  error: TritonError | null;
}

/** A started server; a test says only what matters to it. The models named in `loaded` are loaded. */
export const tritonServer = (
  options: FixtureOptions & { readonly loaded?: readonly string[] } = {},
): CoreFixture => {
  const { loaded = [], ...rest } = options;
  const fixture = new CoreFixture(rest);
  fixture.start();
  for (const model of loaded) {
    const { done, error } = fixture.load(model);
    if (error !== null) throw error;
    if (!done) throw new Error(`${model} did not load at once`);
  }
  return fixture;
};
