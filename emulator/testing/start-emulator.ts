import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { EvictionSetting } from "../aws/placement/eviction/eviction-setting.ts";
import type { EvictionPresetName } from "../aws/placement/eviction/presets.ts";
import { ServerLog } from "../common/server-log.ts";
import { TritonError } from "../common/status.ts";
import { type Config, loadConfig } from "../config/load.ts";
import type { Emulator } from "../emulator.ts";
import { ControlClient, type EmulatorControl, type FaultInput } from "./control.ts";
import { areAllServed, type EmulatorUrls, environmentOf, urlsOf } from "./environment.ts";

/* `triton-local/testing`. */

export type { JournalEvent } from "../journal/event.ts";
export type { EmulatorControl, FaultInput, InstanceMemory, MemoryReport, PoolMemory } from "./control.ts";
export type { EmulatorUrls } from "./environment.ts";

/** What to emulate. Environment variables change nothing. */
export interface StartOptions {
  /** Instance type such as `ml.g4dn.xlarge`, or a size such as `16GiB`. Without it memory never runs out. */
  readonly machine?: string;
  /** Folder of model archives, served as a multi-model endpoint. */
  readonly modelData?: string;
  /** Folder or folders of models, loaded at the start. Without this and `modelData` the sample models can be loaded. */
  readonly modelRepository?: string | readonly string[];
  readonly faults?: readonly FaultInput[];
  /** Of multi-model endpoints: a preset, and switches in place of its own (docs/eviction.md). */
  readonly eviction?: EvictionSetting & { readonly preset?: EvictionPresetName };
  /** Where all chance starts. Default 1. */
  readonly seed?: number;
  /** Any other option of docs/configuration.md, without its dashes: `{ "exit-timeout-secs": 1 }`. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A running emulator; `await using` stops it. */
export interface TestEmulator extends EmulatorControl, AsyncDisposable {
  readonly urls: EmulatorUrls;
  /** `AWS_ENDPOINT_URL`, region, made-up credentials, `TRITON_HTTP_URL` and so on, for code that reads its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What tritonserver has logged. */
  log(): string;
  /** Closes its ports; what is in flight has a second to end. */
  stop(): Promise<void>;
}

/**
 * Starts an emulator in this process, on free ports of 127.0.0.1. Resolves when it serves.
 * Rejects with an Error that says which option cannot be used, or why the start failed, with the end of the log.
 */
export const startEmulator = async (options: StartOptions = {}): Promise<TestEmulator> => {
  const config = configOf(options);
  const lines: string[] = [];
  const log = new ServerLog(
    {
      now: () => (performance.timeOrigin + performance.now()) * 1000,
      pid: process.pid,
      write: (text) => {
        lines.push(text);
        if (lines.length > KEPT_LINES) lines.splice(0, KEPT_LINES / 2);
      },
    },
    {
      log_info: config.logInfo,
      log_warning: config.logWarning,
      log_error: config.logError,
      log_verbose_level: config.logVerbose,
      log_format: config.logFormat,
    },
  );
  const { createEmulator } = await import("../emulator.ts");
  let emulator: Emulator;
  try {
    emulator = await createEmulator({ config, log });
  } catch (cause) {
    throw new Error(`the emulator cannot start: ${reasonOf(cause)}\n${lines.slice(-10).join("")}`, { cause });
  }
  const urls = urlsOf("127.0.0.1", emulator.ports);
  if (!areAllServed(urls)) {
    await emulator.stop();
    throw new Error(
      "startEmulator() serves HTTP, gRPC, metrics, the container API and AWS: leave out the options that turn one off",
    );
  }
  return new InProcessEmulator(emulator, urls, environmentOf(urls, config.awsCredentials), lines);
};

/** Of the log; older ones go. */
const KEPT_LINES = 20_000;

class InProcessEmulator extends ControlClient implements TestEmulator {
  readonly urls: EmulatorUrls;
  readonly env: Readonly<Record<string, string>>;
  readonly #emulator: Emulator;
  readonly #log: readonly string[];

  constructor(
    emulator: Emulator,
    urls: EmulatorUrls,
    env: Readonly<Record<string, string>>,
    log: readonly string[],
  ) {
    super(urls.aws);
    this.urls = urls;
    this.env = env;
    this.#emulator = emulator;
    this.#log = log;
    // Where tritonserver would be dead and nobody starts it anew, nobody answers.
    void emulator.died.then(() => emulator.stop());
  }

  log(): string {
    return this.#log.join("");
  }

  async stop(): Promise<void> {
    await this.#emulator.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** How a message names the options. */
const WHERE = "the options of startEmulator()";

const configOf = (options: StartOptions): Config => {
  const loaded = loadConfig({
    args: [`--config-file=${WHERE}`],
    environment: {},
    readFile: () => JSON.stringify(optionsFile(options)),
    // The build keeps the layout of the checkout.
    defaultModelRepository: fileURLToPath(new URL("../../model-repo", import.meta.url)),
    cores: availableParallelism(),
  });
  if (loaded.ok) return loaded.config;
  throw new Error(loaded.failure.message.trim());
};

/** The same as a config file: flags without their dashes. */
const optionsFile = ({
  machine,
  modelData,
  modelRepository,
  faults,
  eviction: { preset, ...switches } = {},
  seed,
  options,
}: StartOptions): Readonly<Record<string, unknown>> => ({
  ...standardOptions,
  ...(modelData === undefined && modelRepository === undefined ? { "model-control-mode": "explicit" } : {}),
  ...(machine === undefined ? {} : { machine }),
  ...(modelData === undefined ? {} : { "model-data": modelData }),
  ...(modelRepository === undefined ? {} : { "model-repository": [modelRepository].flat() }),
  ...(faults === undefined ? {} : { fault: faults }),
  ...(preset === undefined ? {} : { eviction: preset }),
  ...(Object.keys(switches).length === 0 ? {} : { "eviction-setting": evictionTexts(switches) }),
  ...(seed === undefined ? {} : { seed }),
  ...options,
});

const standardOptions = {
  "http-port": 0,
  "grpc-port": 0,
  "metrics-port": 0,
  "allow-sagemaker": true,
  "sagemaker-port": 0,
  "emulator-port": 0,
  // What hangs, by a fault or not, is not to hold up the tests.
  "exit-timeout-secs": 1,
};

const evictionTexts = (switches: EvictionSetting): readonly string[] =>
  Object.entries(switches).map(([name, value]) => `${name}=${[value].flat().join("+")}`);

const reasonOf = (cause: unknown): string => {
  if (cause instanceof TritonError) return cause.asString();
  return cause instanceof Error ? cause.message : String(cause);
};
