import { DeclaredArchives, DeclaredArtifacts } from "../aws/artifacts/declared-artifacts.ts";
import { CountedDisk } from "../aws/artifacts/disk-space.ts";
import { InstanceAgent } from "../aws/placement/instance-agent.ts";
import type { MemoryGauge } from "../aws/placement/memory-sampler.ts";
import { Router } from "../aws/placement/router.ts";
import { awaitHealthy } from "../aws/placement/startup-check.ts";
import { modelNameOf } from "../aws/placement/target-model.ts";
import {
  type InstanceGauges,
  type InstanceSpec,
  pingFailure,
  type StartedInstance,
} from "../aws/sagemaker/fleet.ts";
import type { Clock } from "../common/clock.ts";
import type { Random } from "../common/random.ts";
import { FaultPlan } from "../core/faults/fault-plan.ts";
import type { FaultSource } from "../core/faults/fault-source.ts";
import type { JournalWriter } from "../journal/event.ts";
import { createSimulatedContainer, type SimulatedContainer } from "../simulation/simulated-container.ts";
import {
  archiveBytes,
  archiveFiles,
  changed,
  configJson,
  type FleetModel,
  modelFiles,
  statedBytes,
  unpackedBytes,
} from "./fleet.ts";
import { HostedEndpoint } from "./hosted-endpoint.ts";
import { ScaledEndpoint } from "./scaled-endpoint.ts";
import { createsEndpoint, type Scenario } from "./scenario.ts";
import { serverStart, TRITON_REPOSITORY, tritonFlags } from "./wires.ts";

export interface StageOptions {
  readonly scenario: Scenario;
  readonly clock: Clock;
  readonly random: Random;
  readonly journal: JournalWriter;
  /** Grows with the time until a model is asked for again; null = never, or nobody knows. */
  readonly nextUse: (model: string) => number | null;
}

export interface Instance {
  readonly name: string;
  readonly simulated: SimulatedContainer;
}

interface KeptInstance extends Instance {
  readonly agent: InstanceAgent | null;
  removed: boolean;
}

type Words = Partial<FleetModel["words"]>;

/** Where nothing is said: an S3 download to a small instance, and the unpacking of it; assumed. */
const DOWNLOAD_RATE = 100e6;
const UNPACK_RATE = 200e6;

/** What a scenario's traffic meets: its instances, what is on their disks, the archives and the router in front of them. */
export class Stage {
  /** Where nobody speaks to an endpoint, and where one is created, there is none. */
  readonly #router: Router | null;
  /** Null = no endpoint is created: there is one from the start. */
  readonly #hosted: HostedEndpoint | null;
  /** Null = the number of instances follows no metric. */
  readonly #scaled: ScaledEndpoint | null;
  readonly #options: StageOptions;
  readonly #archives = new DeclaredArchives();
  readonly #faults: FaultPlan;
  /** All there ever were; those that are removed stay, so that a number means the same throughout. */
  readonly #instances: KeptInstance[] = [];
  /** As they are now: an overwrite changes them. */
  readonly #fleet: Map<string, FleetModel>;

  constructor(options: StageOptions) {
    const { scenario, journal } = options;
    this.#options = options;
    this.#fleet = new Map(scenario.fleet);
    for (const model of scenario.targets) this.#putArchive(model);
    this.#faults = new FaultPlan(scenario.faults, ({ fault, point: { operation, model } }) =>
      journal.write({ event: "fault", fault, operation, ...(model === null ? {} : { model }) }),
    );
    this.#hosted = createsEndpoint(scenario.words) ? this.#hostEndpoint() : null;
    const isServed = scenario.level === "endpoint" && this.#hosted === null;
    this.#router = isServed ? new Router({ agents: [], journal, settings: scenario.router }) : null;
    this.#scaled = null;
    if (this.#hosted !== null) return;
    for (let number = scenario.words.instances ?? 1; number > 0; number--) this.#addInstance();
    const { scaling } = scenario.words;
    if (this.#router === null || scaling === undefined) return;
    this.#scaled = new ScaledEndpoint({
      clock: options.clock,
      journal,
      seed: options.random.nextUint32(),
      words: scaling,
      router: this.#router,
      gauges: () => this.#gauges(),
      scaleTo: (count) => this.scaleTo(count),
    });
  }

  /** Who answers the callers of an endpoint; null where nobody speaks to one. */
  get endpoint(): Pick<Router, "invoke"> | null {
    return this.#hosted ?? this.#scaled ?? this.#router;
  }

  /** The one that the traffic creates. */
  get hosted(): HostedEndpoint | null {
    return this.#hosted;
  }

  get faults(): FaultSource {
    return this.#faults;
  }

  get instances(): readonly Instance[] {
    return this.#instances;
  }

  /** As it is now; undefined = there is none. */
  model(name: string): FleetModel | undefined {
    return this.#fleet.get(name);
  }

  #hostEndpoint(): HostedEndpoint {
    const { clock, journal, random } = this.#options;
    return new HostedEndpoint({
      clock,
      journal,
      random,
      fleet: { start: (spec, started) => this.#startInstance(spec, started) },
    });
  }

  /** One that serves once its container is well; a container that does not even start is not well either. */
  #startInstance(spec: InstanceSpec, started: (result: StartedInstance) => void): { cancel(): void } {
    const { clock, journal, scenario } = this.#options;
    const created = this.#createInstance(spec.name);
    this.#instances.push(created);
    const { container } = created.simulated;
    const end = (): void => container.kill("the instance is gone");
    container.start((error) => {
      if (error !== null)
        journal.write({ instance: spec.name, event: "container-died", because: error.message });
    });
    const check = awaitHealthy(container, { clock, limitUs: spec.startupLimitUs }, (healthy) => {
      const { agent } = created;
      if (!healthy || agent === null) {
        end();
        started({ ok: false, failureReason: pingFailure(spec.variant) });
        return;
      }
      agent.start();
      started({
        ok: true,
        instance: {
          agent,
          gauges: () => gaugesOf(agent, container.gauge, scenario),
          memory: () => container.ledger,
          reset: (done) => done(),
          stop: () => {
            agent.stop();
            end();
          },
        },
      });
    });
    return {
      cancel: () => {
        check.cancel();
        end();
      },
    };
  }

  /** Of the instances that serve. */
  #gauges(): readonly InstanceGauges[] {
    return this.#instances.flatMap(({ agent, removed, simulated }) =>
      agent === null || removed ? [] : [gaugesOf(agent, simulated.container.gauge, this.#options.scenario)],
    );
  }

  #addInstance(): void {
    const instance = this.#createInstance(`instance-${this.#instances.length + 1}`);
    this.#instances.push(instance);
    const { simulated, agent, name } = instance;
    simulated.container.start((error) => {
      if (error !== null) {
        this.#options.journal.write({ instance: name, event: "container-died", because: error.message });
      }
      if (agent === null) return;
      agent.start();
      this.#router?.add(agent);
    });
  }

  #createInstance(name: string): KeptInstance {
    const { machine, profiles, level, settings, platform, words, fleet } = this.#options.scenario;
    const [clock, journal, faults] = [this.#options.clock, this.#options.journal, this.#faults];
    const simulated = createSimulatedContainer({
      clock,
      machine,
      profiles,
      journal,
      faults,
      seed: this.#options.random.nextUint32(),
      instance: name,
      ...(words.server?.ping_mode === undefined ? {} : { pingMode: words.server.ping_mode }),
      flags: tritonFlags(words.server ?? {}, level),
      start: serverStart(words.server ?? {}),
    });
    const { container, storage } = simulated;
    if (level === "triton") {
      storage.write(`${TRITON_REPOSITORY}/`);
      for (const model of fleet.values())
        writeFiles(storage, modelFiles(model, `${TRITON_REPOSITORY}/${model.name}/`));
    }
    if (level === "container")
      for (const model of this.#options.scenario.targets) this.#unpack(storage, model);
    const seed = this.#options.random.nextUint32();
    if (level !== "endpoint") return { name, simulated, agent: null, removed: false };
    const capacityBytes = machine.pools.find(({ pool }) => pool === "disk")?.capacityBytes ?? 0;
    const agent = new InstanceAgent({
      instance: name,
      container,
      clock,
      gauge: container.gauge,
      disk: { capacityBytes },
      settings,
      platform,
      cacheEnabled: words.cache !== "disabled",
      seed,
      journal,
      faults,
      pinned: new Set(words.pinned),
      artifacts: new DeclaredArtifacts({
        archives: this.#archives,
        files: storage,
        disk: new CountedDisk(capacityBytes),
        clock,
        downloadBytesPerSecond: words.download_rate ?? DOWNLOAD_RATE,
        unpackBytesPerSecond: words.unpack_rate ?? UNPACK_RATE,
      }),
      nextUseUs: this.#options.nextUse,
      profileBytes: (model) => {
        const known = this.#fleet.get(model);
        return known === undefined ? null : statedBytes(known, this.#fleet);
      },
    });
    return { name, simulated, agent, removed: false };
  }

  #putArchive(model: FleetModel): void {
    this.#archives.put({
      targetModel: model.name,
      archiveBytes: archiveBytes(model, this.#fleet),
      unpackedBytes: unpackedBytes(model, this.#fleet),
      files: archiveFiles(model, this.#fleet),
      ...(model.words.damage === undefined ? {} : { damage: model.words.damage }),
    });
  }

  #unpack(
    storage: SimulatedContainer["storage"],
    model: FleetModel,
    modelName: string = modelNameOf(model.name),
  ): void {
    const folder = `${unpackedFolder(modelName)}/model`;
    storage.write(`${folder}/`);
    writeFiles(
      storage,
      new Map([...archiveFiles(model, this.#fleet)].map(([path, text]) => [`${folder}/${path}`, text])),
    );
  }

  /** So many behind the endpoint; the newest go first. */
  scaleTo(count: number): void {
    const serving = this.#instances.filter(({ removed }) => !removed);
    for (let missing = count - serving.length; missing > 0; missing--) this.#addInstance();
    for (const instance of serving.slice(count)) {
      instance.removed = true;
      this.#router?.remove(instance.name, () => {
        instance.simulated.container.kill("the instance is gone: scaled in");
      });
    }
  }

  /** A new archive, or new files where no endpoint brings them. @param configText all of `config.pbtxt` */
  overwrite(name: string, words: Words, configText?: string): void {
    const known = this.#fleet.get(name);
    if (known === undefined) return;
    const model = changed(known, words, configText);
    this.#fleet.set(name, model);
    const { level } = this.#options.scenario;
    if (level === "endpoint") this.#putArchive(model);
    for (const { simulated } of this.#instances) {
      if (level === "container") this.#unpack(simulated.storage, model);
      if (level === "triton")
        writeFiles(simulated.storage, modelFiles(model, `${TRITON_REPOSITORY}/${name}/`));
    }
  }

  /** The archive, or the folder. */
  remove(name: string): void {
    this.#archives.delete(name);
    for (const { simulated } of this.#instances) {
      if (this.#options.scenario.level === "container")
        simulated.storage.remove(unpackedFolder(modelNameOf(name)));
      if (this.#options.scenario.level === "triton") simulated.storage.remove(`${TRITON_REPOSITORY}/${name}`);
    }
  }

  /** Lays the model's archive out for the container under another name of the platform. */
  unpackAs(instance: Instance, name: string, modelName: string): void {
    const known = this.#fleet.get(name);
    if (known !== undefined) this.#unpack(instance.simulated.storage, known, modelName);
  }

  /** The model's configuration, changed, as JSON; null where there is no such model. */
  override(name: string, words: Words): string | null {
    const known = this.#fleet.get(name);
    return known === undefined ? null : configJson(changed(known, words));
  }
}

const gaugesOf = (agent: InstanceAgent, gauge: MemoryGauge, { machine }: Scenario): InstanceGauges => ({
  loadedModels: agent.modelCount,
  memory: gauge.read(),
  gpuCount: machine.pools.filter(({ pool }) => pool.startsWith("gpu:")).length,
  requests: agent.requestCount,
});

/** Where the platform unpacks an archive. */
export const unpackedFolder = (modelName: string): string => `/opt/ml/models/${modelName}`;

const writeFiles = (storage: SimulatedContainer["storage"], files: ReadonlyMap<string, string>): void => {
  for (const [path, text] of files) storage.write(path, text);
};
