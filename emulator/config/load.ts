import { combineEvictionSettings } from "../aws/placement/eviction/eviction-setting.ts";
import {
  type EvictionPresetName,
  type EvictionSettings,
  evictionPresets,
} from "../aws/placement/eviction/presets.ts";
import type { TraceSettings } from "../core/settings/trace-settings.ts";
import { CommandLineError, walkCommandLine } from "./command-line.ts";
import type { NamedSetting } from "./option.ts";
import { configSchema, type OptionEntry, type OptionKey, type Options, optionEntries } from "./schema.ts";
import { resolveTraceSettings, TraceConfigError } from "./trace-config.ts";

type FoldedAway =
  | "modelStore"
  | "strictModelConfig"
  | "responseCacheByteSize"
  | "traceConfig"
  | "traceFile"
  | "traceLevel"
  | "traceRate"
  | "traceCount"
  | "traceLogFrequency"
  | "configFile"
  | "modelData"
  | "modelCacheDir"
  | "modelCacheSetting"
  | "containerUrl"
  | "eviction"
  | "evictionSetting"
  | "awsPort"
  | "stateDir"
  | "s3Endpoint"
  | "instanceStartSeconds"
  | "awsAccessKeyId"
  | "awsSecretAccessKey";

type DeepReadonly<T> = T extends readonly unknown[]
  ? { readonly [I in keyof T]: DeepReadonly<T[I]> }
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** The options in force, deprecated ones folded into those that replace them; frozen all the way down. */
export interface Config
  extends DeepReadonly<Omit<Options, FoldedAway | "metricsAddress" | "workerThreads" | "emulatorPort">> {
  readonly metricsAddress: string;
  readonly workerThreads: number;
  /** Of the `local` response cache that `cacheConfig` asks for; null = none. */
  readonly responseCacheByteSize: number | null;
  /** Trace settings at start. */
  readonly trace: TraceSettings;
  /** What the server itself reads from the environment of a SageMaker container, as the real one does. */
  readonly sagemakerEnvironment: SageMakerEnvironment;
  /** Null without `--model-data`. */
  readonly endpoint: EndpointConfig | null;
  /** Null = not served. */
  readonly emulatorPort: number | null;
  /** Null without the port. */
  readonly aws: AwsConfig | null;
  /** Whether a tritonserver runs here that is no endpoint's, or that of `--model-data`. */
  readonly ownTriton: boolean;
  /** What requests to the services of AWS have to be signed with; null = with anything, or not at all. */
  readonly awsCredentials: AwsCredentials | null;
  /** `CUDA_VISIBLE_DEVICES`; null = not set, every GPU is visible. */
  readonly cudaVisibleDevices: string | null;
}

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** How the instances of all endpoints are made. */
export interface HostingConfig {
  /** Folder that archives are unpacked into; null = a temporary one. */
  readonly cacheDir: string | null;
  /** Of a container elsewhere; null = in this process. */
  readonly containerUrl: string | null;
  readonly evictionPreset: EvictionPresetName;
  /** Those of the preset with the ones that were set. */
  readonly eviction: EvictionSettings;
}

/** The multi-model endpoint that `--model-data` asks for. */
export interface EndpointConfig extends HostingConfig {
  /** Folder of the archives. */
  readonly modelData: string;
  /** `ModelCacheSetting`: false = Disabled. */
  readonly cacheEnabled: boolean;
}

/** The services of AWS. */
export interface AwsConfig extends HostingConfig {
  /** Null = nothing is kept. */
  readonly stateDir: string | null;
  readonly instanceStartSeconds: number;
  /** Where model data are read; null = in S3 here. */
  readonly remoteS3: RemoteS3Config | null;
}

export interface RemoteS3Config {
  readonly endpoint: string;
  readonly region: string;
  /** Null = requests are not signed. */
  readonly credentials: (AwsCredentials & { readonly sessionToken: string | null }) | null;
}

export interface SageMakerEnvironment {
  /** `SAGEMAKER_TRITON_PING_MODE`: `live`, or anything else for `ready`. */
  readonly pingMode: string;
  /** `SAGEMAKER_TRITON_DEFAULT_MODEL_NAME`: the model of `/invocations`. */
  readonly defaultModelName: string;
}

/** Where options come from; the caller alone touches process and disk. */
export interface ConfigSources {
  /** Arguments after the command. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Text of the config file; throws as node:fs does. */
  readFile(path: string): string;
  /** Used where `--model-repository` is not given. */
  readonly defaultModelRepository: string;
  /** Default of `--worker-threads`. */
  readonly cores: number;
}

/** Why there is no configuration. Everything goes to stderr and the exit code is 1. */
export interface ConfigFailure {
  /** Lines before the usage: getopt's own message, warnings about deprecated flags. */
  readonly preamble: readonly string[];
  readonly usage: boolean;
  readonly message: string;
}

export type LoadedConfig =
  | {
      readonly ok: true;
      readonly config: Config;
      /** For stderr at once: deprecated flags, as the real server prints them. */
      readonly preamble: readonly string[];
      /** For the log at start: options that change nothing here. */
      readonly notices: readonly string[];
    }
  | { readonly ok: false; readonly failure: ConfigFailure };

const PROGRAM = "triton-local";
const ENVIRONMENT_PREFIX = "TRITON_LOCAL_";

class ConfigError extends Error {
  readonly usage: boolean;

  constructor(message: string, usage = true) {
    super(message);
    this.name = "ConfigError";
    this.usage = usage;
  }
}

/** The value as it was given, and how a message names the place. */
interface RawValue {
  readonly value: unknown;
  readonly label: string;
}

type RawValues = Map<OptionKey, RawValue>;

const badOption = (label: string, detail: string): ConfigError =>
  new ConfigError(`Bad option: "${label}".\n${detail}\n`);

const check = (entry: OptionEntry, { value, label }: RawValue): void => {
  const issue = entry.schema.safeParse(value).error?.issues[0];
  if (issue !== undefined) throw badOption(label, issue.message);
};

const flagSpecs = [
  { flag: "help", takesArgument: false, ours: false },
  ...optionEntries.map(({ flag, meta }) => {
    return { flag, takesArgument: meta.argument !== null, ours: meta.group === "triton-local" };
  }),
];

const entryByFlag = new Map(optionEntries.map((entry) => [entry.flag, entry]));

const fromCommandLine = (args: readonly string[], preamble: string[]): RawValues => {
  const raw: RawValues = new Map();
  const repeated = new Map<OptionKey, string[]>();
  const others = walkCommandLine(flagSpecs, args, ({ flag, value: given }) => {
    const entry = entryByFlag.get(flag);
    if (entry === undefined) throw new ConfigError("");
    const label = `--${flag}`;
    const value = given ?? "true";
    if (entry.meta.deprecation) preamble.push(entry.meta.deprecation(value));
    check(entry, { value, label });
    if (!entry.meta.repeated) {
      raw.set(entry.key, { value, label });
      return;
    }
    const values = repeated.get(entry.key) ?? [];
    values.push(value);
    repeated.set(entry.key, values);
    raw.set(entry.key, { value: values, label });
  });
  if (others[0] !== undefined) throw new ConfigError(`Unexpected argument: ${others[0]}`);
  return raw;
};

/** An empty variable counts as not set; values of a repeated option are separated by `;`. */
const fromEnvironment = (
  environment: ConfigSources["environment"],
  preamble: string[],
  notices: string[],
): RawValues => {
  const raw: RawValues = new Map();
  for (const entry of optionEntries) {
    const given = environment[entry.environment];
    if (given === undefined || given === "") continue;
    const value = entry.meta.repeated ? given.split(";") : given;
    if (entry.meta.deprecation) preamble.push(entry.meta.deprecation(given));
    const rawValue = { value, label: entry.environment };
    check(entry, rawValue);
    raw.set(entry.key, rawValue);
  }
  const known = new Set(optionEntries.map((entry) => entry.environment));
  for (const name of Object.keys(environment)) {
    if (name.startsWith(ENVIRONMENT_PREFIX) && !known.has(name)) {
      notices.push(`environment variable ${name} is not an option`);
    }
  }
  return raw;
};

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const fromFile = (path: string, readFile: ConfigSources["readFile"]): RawValues => {
  let content: unknown;
  try {
    content = JSON.parse(readFile(path));
  } catch (error) {
    throw badOption("--config-file", `cannot read ${path}: ${reasonOf(error)}`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw badOption("--config-file", `${path} is not a JSON object`);
  }
  const raw: RawValues = new Map();
  for (const [flag, value] of Object.entries(content)) {
    const label = `${flag} in ${path}`;
    const entry = entryByFlag.get(flag);
    if (entry === undefined || entry.key === "configFile") throw badOption(label, "there is no such option");
    check(entry, { value, label });
    raw.set(entry.key, { value, label });
  }
  return raw;
};

const noticesOf = (raw: RawValues, options: Options): string[] => {
  const defaults: Partial<Options> = configSchema.parse({});
  return optionEntries.flatMap(({ key, flag, meta }) => {
    if (meta.withoutEffect === undefined || !raw.has(key)) return [];
    const changed = JSON.stringify(options[key]) !== JSON.stringify(defaults[key]);
    return changed ? [`--${flag} has no effect: ${meta.withoutEffect}`] : [];
  });
};

type UncheckedConfig = Omit<Config, "responseCacheByteSize">;

/** Port 0 means any free port, so it clashes with nothing; the real server refuses to be told 0 twice. */
const checkPorts = (config: UncheckedConfig): void => {
  const services = [
    { name: "HTTP", allowed: config.allowHttp, address: config.httpAddress, port: config.httpPort },
    { name: "GRPC", allowed: config.allowGrpc, address: config.grpcAddress, port: config.grpcPort },
    {
      name: "metrics",
      allowed: config.allowMetrics,
      address: config.metricsAddress,
      port: config.metricsPort,
    },
    {
      name: "SageMaker",
      allowed: config.allowSagemaker,
      address: config.httpAddress,
      port: config.sagemakerPort,
    },
    {
      name: "emulator",
      allowed: config.emulatorPort !== null,
      address: config.httpAddress,
      port: config.emulatorPort ?? 0,
    },
  ].filter(({ allowed, port }) => allowed && port !== 0);
  for (const [index, first] of services.entries()) {
    const second = services
      .slice(index + 1)
      .find((s) => s.address === first.address && s.port === first.port);
    if (second === undefined) continue;
    throw new ConfigError(
      `The server cannot listen to ${first.name} requests and ${second.name} requests at the same address and ` +
        `port ${first.address}:${first.port}\n`,
    );
  }
};

/** Options that the real server hands to its core one by one and that the core refuses. */
const checkCoreOptions = ({ modelLoadGpuLimit, hostPolicy }: UncheckedConfig): void => {
  const refused = (what: string, reason: string): ConfigError =>
    new ConfigError(`Failed to build Triton option:\nerror: setting ${what}: ${reason}`, false);
  const fraction = modelLoadGpuLimit.map(([, limit]) => limit).find((limit) => limit < 0 || limit > 1);
  if (fraction !== undefined) {
    throw refused(
      "model load GPU limit",
      `Invalid argument - expects limit fraction to be in range [0.0, 1.0], got ${fraction.toFixed(6)}`,
    );
  }
  const policy = hostPolicy.find(({ setting }) => setting !== "numa-node" && setting !== "cpu-cores");
  if (policy !== undefined) {
    throw refused(
      "host policy",
      `Unsupported - Unsupported host policy setting '${policy.setting}' is specified, supported settings are ` +
        "'numa-node', 'cpu-cores'",
    );
  }
};

const cannotCreate = (reason: string): ConfigError =>
  new ConfigError(`error: creating server: ${reason}`, false);

/** Seen on 2.51.0. */
const SMALLEST_CACHE_BYTES = 192;

/** @returns bytes of the cache that is asked for; null = none */
const readCache = (settings: readonly NamedSetting[], directory: string): number | null => {
  const names = new Set(settings.map(({ name }) => name));
  if (names.size > 1) {
    throw cannotCreate(
      "Invalid argument - found multiple cache configurations, but only a single cache is currently supported",
    );
  }
  const [name] = names;
  if (name === undefined) return null;
  if (name !== "local") {
    throw cannotCreate(
      `Invalid argument - unable to find 'libtritoncache_${name}.so' for cache. Searched: ${directory}`,
    );
  }
  const size = settings.findLast(({ setting }) => setting === "size")?.value;
  if (size === undefined) {
    throw cannotCreate(
      "Invalid argument - Failed to initialize LocalCache: config didn't contain a valid 'size' field.",
    );
  }
  const [digits] = /^\s*[+-]?\d+/.exec(size) ?? [];
  const fails = (why: string) => cannotCreate(`Internal - Failed to initialize LocalCache: ${why}`);
  if (digits === undefined) throw fails("stoull");
  const bytes = Number(digits);
  // A negative one is taken for an enormous one.
  if (bytes < 0 || bytes > Number.MAX_SAFE_INTEGER) throw fails("failed to allocate buffer");
  if (bytes < SMALLEST_CACHE_BYTES) {
    throw fails("Could not initialize buffer in basic_managed_external_buffer constructor");
  }
  return bytes;
};

const DEFAULT_EMULATOR_PORT = 4570;

/** Where tritonserver is elsewhere, so are its ports. */
const noTriton = { allowHttp: false, allowGrpc: false, allowMetrics: false, allowSagemaker: false } as const;

/** What is said of instances needs something that has some. */
const resolveHosting = (options: Options, given: ReadonlySet<OptionKey>, hasPort: boolean): HostingConfig => {
  const { modelData, modelCacheDir, containerUrl, eviction, evictionSetting } = options;
  if (modelData === undefined && !hasPort) {
    const needsIt = (["modelCacheDir", "containerUrl", "eviction", "evictionSetting"] as const).find((key) =>
      given.has(key),
    );
    if (needsIt !== undefined)
      throw badOption(flagOf(needsIt), "requires setting --model-data or --aws-port as well");
  }
  if (containerUrl !== undefined && given.has("machine")) {
    throw badOption(
      "--machine",
      "cannot be combined with --container-url: that container has a machine of its own",
    );
  }
  const settings = combineEvictionSettings(evictionPresets[eviction], evictionSetting);
  if (!settings.ok) throw badOption("--eviction-setting", settings.error.message);
  return {
    cacheDir: modelCacheDir ?? null,
    containerUrl: containerUrl?.href ?? null,
    evictionPreset: eviction,
    eviction: settings.value,
  };
};

/** What only means something for this endpoint, and what it decides itself. */
const resolveEndpoint = (
  { modelData, modelCacheSetting }: Options,
  given: ReadonlySet<OptionKey>,
  hosting: HostingConfig,
): EndpointConfig | null => {
  if (modelData === undefined) {
    if (given.has("modelCacheSetting"))
      throw badOption("--model-cache-setting", "requires setting --model-data as well");
    return null;
  }
  const decided = (
    ["modelRepository", "modelStore", "loadModel", "modelControlMode", "modelNamespacing"] as const
  ).find((key) => given.has(key));
  if (decided !== undefined) {
    throw badOption(
      flagOf(decided),
      "cannot be combined with --model-data: tritonserver then starts empty, in mode explicit with namespaces",
    );
  }
  return { ...hosting, modelData, cacheEnabled: modelCacheSetting === "enabled" };
};

const flagOf = (key: OptionKey): string =>
  `--${optionEntries.find((entry) => entry.key === key)?.flag ?? key}`;

/** Null = not served. */
const resolvePort = ({ awsPort, emulatorPort, modelData, stateDir }: Options): number | null => {
  if (awsPort !== undefined && emulatorPort !== undefined && awsPort !== emulatorPort)
    throw badOption("--aws-port", "is another name of --emulator-port: give one of them");
  const byDefault = modelData !== undefined || stateDir !== undefined ? DEFAULT_EMULATOR_PORT : null;
  return awsPort ?? emulatorPort ?? byDefault;
};

const resolveCredentials = ({ awsAccessKeyId, awsSecretAccessKey }: Options): AwsCredentials | null => {
  if (awsAccessKeyId === undefined && awsSecretAccessKey === undefined) return null;
  if (awsAccessKeyId === undefined)
    throw badOption("--aws-secret-access-key", "requires setting --aws-access-key-id as well");
  if (awsSecretAccessKey === undefined)
    throw badOption("--aws-access-key-id", "requires setting --aws-secret-access-key as well");
  return { accessKeyId: awsAccessKeyId, secretAccessKey: awsSecretAccessKey };
};

/** Keys and region come from where the SDKs of AWS read them first. */
const resolveRemoteS3 = (
  { s3Endpoint }: Options,
  { environment }: ConfigSources,
  isServed: boolean,
): RemoteS3Config | null => {
  if (s3Endpoint === undefined) return null;
  if (!isServed) throw badOption("--s3-endpoint", "requires setting --aws-port as well");
  const set = (name: string): string | null => environment[name] || null;
  const accessKeyId = set("AWS_ACCESS_KEY_ID");
  const secretAccessKey = set("AWS_SECRET_ACCESS_KEY");
  if ((accessKeyId === null) !== (secretAccessKey === null))
    throw badOption("--s3-endpoint", "needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or none of them");
  return {
    endpoint: s3Endpoint.href,
    region: set("AWS_REGION") ?? set("AWS_DEFAULT_REGION") ?? "us-east-1",
    credentials:
      accessKeyId === null || secretAccessKey === null
        ? null
        : { accessKeyId, secretAccessKey, sessionToken: set("AWS_SESSION_TOKEN") },
  };
};

const checkStartupModels = (models: readonly string[]): void => {
  if (models.length > 1 && models.includes("*")) {
    throw cannotCreate(
      "Invalid argument - Wildcard model name '*' must be the ONLY startup model if specified at all.",
    );
  }
};

/**
 * A pattern that is no regular expression matches nothing on the real server, which starts all the same. Patterns always
 * ignore case; `(?i)` in front, which JavaScript does not know, says just that.
 */
const usablePattern = (pattern: string, flag: string, notices: string[]): string => {
  const text = pattern.replace(/^\(\?i\)/, "");
  try {
    new RegExp(text, "i");
    return text;
  } catch (error) {
    notices.push(`--${flag} forwards nothing: ${reasonOf(error)}`);
    return "";
  }
};

const deepFreeze = <T>(value: T): T => {
  if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
};

/** The order of the checks is the real server's. */
const resolve = (
  options: Options,
  given: ReadonlySet<OptionKey>,
  sources: ConfigSources,
  preamble: string[],
  notices: string[],
): Config => {
  const emulatorPort = resolvePort(options);
  const hosting = resolveHosting(options, given, emulatorPort !== null);
  const endpoint = resolveEndpoint(options, given, hosting);
  const { awsPort, stateDir, instanceStartSeconds } = options;
  if (instanceStartSeconds < 0) throw badOption("--instance-start-seconds", "is below 0");
  const remoteS3 = resolveRemoteS3(options, sources, emulatorPort !== null);
  if (options.loadModel.length > 0 && options.modelControlMode !== "explicit") {
    throw new ConfigError(
      "Error: Use of '--load-model' requires setting '--model-control-mode=explicit' as well.",
    );
  }
  if (options.memoryProfile.length > 0 && options.machine === undefined && emulatorPort === null) {
    throw badOption("--memory-profile", "requires setting --machine or --aws-port as well");
  }
  const trace = resolveTraceSettings(options, (line) => preamble.push(line));
  if (options.responseCacheByteSize !== undefined && options.cacheConfig.length > 0) {
    throw new ConfigError(
      "Error: Incompatible flags --response-cache-byte-size and --cache-config both provided. Please provide one or " +
        "the other.",
    );
  }
  const {
    modelStore,
    strictModelConfig,
    responseCacheByteSize,
    traceConfig: _traceConfig,
    traceFile: _traceFile,
    traceLevel: _traceLevel,
    traceRate: _traceRate,
    traceCount: _traceCount,
    traceLogFrequency: _traceLogFrequency,
    configFile: _configFile,
    modelData: _modelData,
    modelCacheDir: _modelCacheDir,
    modelCacheSetting: _modelCacheSetting,
    containerUrl,
    eviction: _eviction,
    evictionSetting: _evictionSetting,
    awsPort: _awsPort,
    stateDir: _stateDir,
    s3Endpoint: _s3Endpoint,
    instanceStartSeconds: _instanceStartSeconds,
    awsAccessKeyId: _awsAccessKeyId,
    awsSecretAccessKey: _awsSecretAccessKey,
    ...rest
  } = options;
  const repositories = [...modelStore, ...rest.modelRepository];
  const wantsTriton =
    endpoint !== null || repositories.length > 0 || options.loadModel.length > 0 || awsPort === undefined;
  const ownTriton = wantsTriton && containerUrl === undefined;
  const config: UncheckedConfig = {
    ...rest,
    modelRepository:
      endpoint !== null || !ownTriton
        ? []
        : repositories.length > 0
          ? repositories
          : [sources.defaultModelRepository],
    modelControlMode: endpoint === null ? rest.modelControlMode : "explicit",
    modelNamespacing: endpoint === null ? rest.modelNamespacing : true,
    endpoint,
    emulatorPort,
    aws:
      emulatorPort === null
        ? null
        : { ...hosting, stateDir: stateDir ?? null, instanceStartSeconds, remoteS3 },
    ownTriton,
    awsCredentials: resolveCredentials(options),
    ...(containerUrl === undefined && ownTriton ? {} : noTriton),
    disableAutoCompleteConfig: rest.disableAutoCompleteConfig || strictModelConfig === true,
    cacheConfig:
      responseCacheByteSize === undefined
        ? rest.cacheConfig
        : [{ name: "local", setting: "size", value: String(responseCacheByteSize) }],
    httpHeaderForwardPattern: usablePattern(
      rest.httpHeaderForwardPattern,
      "http-header-forward-pattern",
      notices,
    ),
    grpcHeaderForwardPattern: usablePattern(
      rest.grpcHeaderForwardPattern,
      "grpc-header-forward-pattern",
      notices,
    ),
    metricsAddress: rest.metricsAddress ?? rest.httpAddress,
    workerThreads: rest.workerThreads ?? sources.cores,
    trace,
    sagemakerEnvironment: {
      pingMode: sources.environment.SAGEMAKER_TRITON_PING_MODE ?? "ready",
      defaultModelName:
        sources.environment.SAGEMAKER_TRITON_DEFAULT_MODEL_NAME ??
        "unspecified_SAGEMAKER_TRITON_DEFAULT_MODEL_NAME",
    },
    cudaVisibleDevices: sources.environment.CUDA_VISIBLE_DEVICES ?? null,
  };
  checkPorts(config);
  checkCoreOptions(config);
  if (config.repoagentDirectory === "")
    throw cannotCreate("Invalid argument - --repoagent-directory can not be empty");
  const cacheBytes = readCache(config.cacheConfig, config.cacheDirectory);
  checkStartupModels(config.loadModel);
  return deepFreeze({ ...config, responseCacheByteSize: cacheBytes });
};

/** All values together: what concerns several values of one option shows only here. */
const parseAll = (raw: RawValues): Options => {
  const input = Object.fromEntries([...raw].map(([key, { value }]) => [key, value]));
  const result = configSchema.safeParse(input);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const entry = optionEntries.find(({ key }) => key === issue?.path[0]);
  const label = entry === undefined ? "" : (raw.get(entry.key)?.label ?? entry.flag);
  throw badOption(label, issue?.message ?? "");
};

/** Flags go before environment variables, those before the config file, that before the defaults. */
export const loadConfig = (sources: ConfigSources): LoadedConfig => {
  const preamble: string[] = [];
  const notices: string[] = [];
  try {
    const flags = fromCommandLine(sources.args, preamble);
    const environment = fromEnvironment(sources.environment, preamble, notices);
    const path = (flags.get("configFile") ?? environment.get("configFile"))?.value;
    const file: RawValues = typeof path === "string" ? fromFile(path, sources.readFile) : new Map();
    const raw: RawValues = new Map([...file, ...environment, ...flags]);
    const options = parseAll(raw);
    const config = resolve(options, new Set(raw.keys()), sources, preamble, notices);
    return { ok: true, config, preamble, notices: [...notices, ...noticesOf(raw, options)] };
  } catch (error) {
    if (error instanceof CommandLineError) {
      const lines = [...preamble, `${PROGRAM}: ${error.message}`];
      return { ok: false, failure: { preamble: lines, usage: true, message: "" } };
    }
    if (error instanceof TraceConfigError) {
      const { message } = badOption(error.label, error.message);
      return { ok: false, failure: { preamble, usage: true, message } };
    }
    if (!(error instanceof ConfigError)) throw error;
    return { ok: false, failure: { preamble, usage: error.usage, message: error.message } };
  }
};
