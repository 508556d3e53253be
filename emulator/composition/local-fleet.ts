import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Artifact } from "../aws/artifacts/artifact-store.ts";
import { CountedDisk } from "../aws/artifacts/disk-space.ts";
import { HttpContainer } from "../aws/containers/http-container.ts";
import type { InProcessContainer } from "../aws/containers/in-process-container.ts";
import { serveCommand } from "../aws/containers/serve-arguments.ts";
import { platformErrors } from "../aws/placement/platform-answer.ts";
import { SingleModelAgent } from "../aws/placement/single-model-agent.ts";
import { awaitHealthy, type StartingContainer } from "../aws/placement/startup-check.ts";
import { modelNameOf } from "../aws/placement/target-model.ts";
import {
  type EndpointInstance,
  type Fleet,
  type InstanceSpec,
  pingFailure,
  type StartedInstance,
} from "../aws/sagemaker/fleet.ts";
import { held } from "../common/held.ts";
import { type AwsConfig, type Config, loadConfig } from "../config/load.ts";
import { noFaults } from "../core/faults/fault-source.ts";
import { diskBytesOf, type Machine, parseMachine } from "../core/memory/machine.ts";
import { type Surroundings, startContainer } from "./local-triton.ts";
import { MultiModelInstance, type OpenArtifacts } from "./multi-model-instance.ts";
import type { TritonProcesses } from "./triton-process.ts";

export interface LocalFleetOptions {
  readonly around: Surroundings;
  readonly aws: AwsConfig;
  /** Null = containers are elsewhere. */
  readonly processes: TritonProcesses | null;
  /** Archives below an `s3://` prefix that ends with a slash. */
  readonly modelData: (prefix: string) => OpenArtifacts;
}

/** Why an instance does not come up, in words for whoever asked for it. */
class StartFailure extends Error {}

/** In this process, or behind the URL that all instances share. */
type AnyContainer = InProcessContainer | HttpContainer;

/** Instances of endpoints: each has a machine, a container and a disk of its own. */
export class LocalFleet implements Fleet {
  readonly #options: LocalFleetOptions;
  /** Elsewhere there is one container, which cannot be two instances. */
  readonly mostOfVariant?: number;
  /** What of instances that are gone is still being removed. */
  readonly #endings = new Set<Promise<void>>();
  /** All that are up in the container elsewhere. */
  readonly #sharing = new Set<MultiModelInstance>();

  constructor(options: LocalFleetOptions) {
    this.#options = options;
    if (options.processes === null) this.mostOfVariant = 1;
  }

  /** Resolves when nothing is left of instances that were stopped or given up. */
  async ended(): Promise<void> {
    while (this.#endings.size > 0) await Promise.all(this.#endings);
  }

  /** The container elsewhere is empty again when those before have left it; one of their own is new. */
  #mayStart(): Promise<void> {
    return this.mostOfVariant === undefined ? Promise.resolve() : this.ended();
  }

  #end(name: string, work: Promise<void>): void {
    const ending = work
      .catch((error: unknown) => this.#options.around.log.error(`instance ${name}: ${String(error)}`))
      .finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
  }

  start(spec: InstanceSpec, started: (result: StartedInstance) => void): { cancel(): void } {
    const start = new InstanceStart(spec, this.#options, this.#sharing, (work) => this.#end(spec.name, work));
    this.#mayStart()
      .then(() => start.run())
      .then(
        (instance) => start.settle(() => started({ ok: true, instance })),
        (error: unknown) => {
          start.settle(() => {
            const why = error instanceof Error ? error.message : String(error);
            this.#options.around.log.error(`instance ${spec.name} does not start: ${why}`);
            started({
              ok: false,
              failureReason: error instanceof StartFailure ? why : pingFailure(spec.variant),
            });
          });
        },
      );
    return { cancel: () => start.cancel() };
  }
}

/** One instance on its way up, and what has to be taken down again when it does not get there. */
class InstanceStart {
  readonly #spec: InstanceSpec;
  readonly #options: LocalFleetOptions;
  readonly #sharing: Set<MultiModelInstance>;
  /** For what takes a while and nobody waits for. */
  readonly #end: (work: Promise<void>) => void;
  readonly #undo: (() => void)[] = [];
  #cancelled = false;
  #up = false;

  constructor(
    spec: InstanceSpec,
    options: LocalFleetOptions,
    sharing: Set<MultiModelInstance>,
    end: (work: Promise<void>) => void,
  ) {
    this.#spec = spec;
    this.#options = options;
    this.#sharing = sharing;
    this.#end = end;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#takeDown();
  }

  /** @param tell not called when it was given up */
  settle(tell: () => void): void {
    if (!this.#up) this.#takeDown();
    if (!this.#cancelled) tell();
  }

  async run(): Promise<EndpointInstance> {
    const { container, instanceType, volumeGb } = this.#spec;
    const parsed = parseMachine(instanceType);
    if (!parsed.ok) throw new StartFailure(parsed.error.message);
    const machine = volumeGb === null ? parsed.value : withVolume(parsed.value, volumeGb);
    const instance =
      container.Mode === "MultiModel" ? await this.#multiModel(machine) : await this.#singleModel(machine);
    if (this.#cancelled) {
      instance.stop();
      throw new Error("it was given up");
    }
    this.#up = true;
    return instance;
  }

  async #multiModel(machine: Machine): Promise<EndpointInstance> {
    const { around, aws, modelData } = this.#options;
    const { name, container: definition, endpoint } = this.#spec;
    // Nothing is loaded yet: it takes the machine's time only.
    const container = await held(around.clock, () => this.#container(machine, null));
    await this.#healthy(container);
    const options = {
      name,
      artifacts: modelData(endpoint.modelDataUrl),
      cacheDir: this.#cacheDir(),
      cacheEnabled: definition.MultiModelConfig?.ModelCacheSetting !== "Disabled",
      eviction: aws.eviction,
      diskBytes: diskBytesOf(machine),
      identity: endpoint,
      clock: around.clock,
      journal: around.journal,
      faults: around.faults ?? noFaults,
      seed: around.config.seed,
      container,
      diskInUse: this.#sharing.size > 0,
    };
    const instance = await held(around.clock, () => MultiModelInstance.open(options));
    const elsewhere = container instanceof HttpContainer;
    if (elsewhere) this.#sharing.add(instance);
    return {
      agent: instance,
      gauges: () => ({
        loadedModels: instance.loadedCount,
        memory: instance.reading(),
        gpuCount: gpuCountOf(machine),
        requests: instance.requestCount,
      }),
      memory: () => instance.ledger,
      reset: (done) => {
        instance.reset().then(done, (error: unknown) => {
          around.log.error(`reset of ${name}: ${error instanceof Error ? error.message : String(error)}`);
          done();
        });
      },
      stop: () => {
        this.#sharing.delete(instance);
        const others = [...this.#sharing];
        const stopped = instance.stop((model) => others.some((other) => other.holds(model) !== "absent"));
        // The connections of one elsewhere are needed until it has given its models back.
        if (elsewhere) this.#end(stopped.finally(() => this.#takeDown()));
        else {
          this.#end(stopped);
          this.#takeDown();
        }
      },
    };
  }

  /** A container elsewhere has to find archives where a real one has them: below its folder of models, without another between. */
  #cacheDir(): string | null {
    const { cacheDir, containerUrl } = this.#options.aws;
    if (cacheDir === null || containerUrl !== null) return cacheDir;
    const own = join(cacheDir, this.#spec.name.replaceAll("/", "-"));
    this.#undo.push(() => this.#end(rm(own, { recursive: true, force: true })));
    return own;
  }

  async #singleModel(machine: Machine): Promise<EndpointInstance> {
    const { around } = this.#options;
    const { name, endpoint } = this.#spec;
    const repository = await held(around.clock, () => this.#unpackedModel(machine));
    const container = await this.#container(machine, repository);
    await this.#healthy({ ping: (answered) => container.ping(answered) });
    const { clock, journal } = around;
    const agent = new SingleModelAgent({ instance: name, container, clock, journal, endpoint });
    agent.start();
    return {
      agent,
      gauges: () => ({
        loadedModels: null,
        memory: container instanceof HttpContainer ? null : container.gauge.read(),
        gpuCount: gpuCountOf(machine),
        requests: agent.requestCount,
      }),
      memory: () => (container instanceof HttpContainer ? null : container.ledger),
      // It has the model it started with, and nothing else.
      reset: (done) => done(),
      stop: () => {
        agent.stop();
        this.#takeDown();
      },
    };
  }

  /** The content of its archive, on the disk of this instance; null = it has none. */
  async #unpackedModel(machine: Machine): Promise<string | null> {
    const { container, endpoint } = this.#spec;
    const { ModelDataUrl: url } = container;
    if (url === undefined) return null;
    const root = await mkdtemp(join(tmpdir(), "triton-local-model-"));
    this.#undo.push(() => this.#end(rm(root, { recursive: true, force: true })));
    const slash = url.lastIndexOf("/") + 1;
    const [prefix, key] = [url.slice(0, slash), url.slice(slash)];
    const disk = new CountedDisk(diskBytesOf(machine));
    const artifacts = await this.#options.modelData(prefix)({ root, disk });
    if (!artifacts.ok) throw new StartFailure(artifacts.error.message);
    const found = await new Promise<Artifact | null>((resolve, reject) => {
      artifacts.value.find(key, (result) => {
        if (result.ok) resolve(result.value);
        else reject(new StartFailure(result.error.message));
      });
    });
    if (found === null) {
      const { message } = platformErrors.artifactMissing(key, { ...endpoint, modelDataUrl: prefix });
      throw new StartFailure(message);
    }
    return new Promise((resolve, reject) => {
      artifacts.value.fetch(found, modelNameOf(key), (result) => {
        if (result.ok) resolve(result.value.url);
        else reject(new StartFailure(`The model data at "${url}" cannot be used: ${result.error.message}`));
      });
    });
  }

  async #container(machine: Machine, repository: string | null): Promise<AnyContainer> {
    const { around, aws, processes } = this.#options;
    const { name } = this.#spec;
    if (processes === null) {
      const { clock, journal } = around;
      const url = new URL(aws.containerUrl ?? "");
      const container = new HttpContainer({ url, clock, journal, instance: name });
      this.#undo.push(() => container.close());
      return container;
    }
    const config = await this.#config(machine, repository);
    const { container } = await startContainer({ ...around, config }, processes, name);
    this.#undo.push(() => container.kill("the instance is gone"));
    return container;
  }

  /** What its image would start tritonserver with. */
  async #config(machine: Machine, repository: string | null): Promise<Config> {
    const { config: own } = this.#options.around;
    const environment = this.#spec.container.Environment ?? {};
    const defaultModel = repository === null ? null : await defaultModelOf(repository, environment);
    const { args, environment: exported } = serveCommand({
      environment,
      gpuCount: gpuCountOf(machine),
      singleModel: repository === null || defaultModel === null ? null : { repository, defaultModel },
    });
    const loaded = loadConfig({
      args,
      environment: exported,
      readFile: () => "",
      defaultModelRepository: "",
      cores: own.workerThreads,
    });
    if (!loaded.ok)
      throw new StartFailure(
        `The container of ${this.#spec.variant} does not start: ${loaded.failure.message.trim()}`,
      );
    const { logFile, logInfo, logWarning, logError, logVerbose, logFormat, memoryProfile } = own;
    return {
      ...loaded.config,
      ...(repository === null ? { modelRepository: [] } : {}),
      ...{ logFile, logInfo, logWarning, logError, logVerbose, logFormat, memoryProfile },
      machine,
    };
  }

  async #healthy(container: StartingContainer): Promise<void> {
    const { clock } = this.#options.around;
    const { startupLimitUs, variant } = this.#spec;
    if (this.#cancelled) throw new StartFailure("it was given up");
    const healthy = await new Promise<boolean>((resolve) => {
      const check = awaitHealthy(container, { clock, limitUs: startupLimitUs }, resolve);
      this.#undo.push(() => {
        check.cancel();
        resolve(false);
      });
    });
    if (!healthy) throw new StartFailure(pingFailure(variant));
  }

  #takeDown(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }
}

/** The one it names, else the only folder (spec/sagemaker-mme.md 1.8). */
const defaultModelOf = async (
  repository: string,
  environment: Readonly<Record<string, string>>,
): Promise<string> => {
  const folders = (await readdir(repository, { withFileTypes: true })).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
  const named = environment.SAGEMAKER_TRITON_DEFAULT_MODEL_NAME;
  if (named) {
    if (folders.includes(named)) return named;
    throw new StartFailure(
      `ERROR: Directory with provided SAGEMAKER_TRITON_DEFAULT_MODEL_NAME ${named} does not exist`,
    );
  }
  const [only, second] = folders;
  if (only !== undefined && second === undefined) return only;
  throw new StartFailure(
    `ERROR: the model data has ${folders.length} folders; say which one is the model with SAGEMAKER_TRITON_DEFAULT_MODEL_NAME`,
  );
};

const gpuCountOf = ({ pools }: Machine): number => pools.filter(({ pool }) => pool.startsWith("gpu:")).length;

/** `VolumeSizeInGB` takes the place of the disk that the type comes with. */
const withVolume = (machine: Machine, volumeGb: number): Machine => ({
  ...machine,
  pools: machine.pools.map((size) =>
    size.pool === "disk" ? { ...size, capacityBytes: volumeGb * 1e9 } : size,
  ),
});
