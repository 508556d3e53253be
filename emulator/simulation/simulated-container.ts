import { InProcessContainer, type StartProcess } from "../aws/containers/in-process-container.ts";
import { FaultyBackend } from "../backends/faulty/faulty-backend.ts";
import { outOfMemoryText } from "../backends/faulty/out-of-memory-text.ts";
import { SyntheticBackend } from "../backends/synthetic/synthetic-backend.ts";
import type { Clock } from "../common/clock.ts";
import { type Log, silentLog } from "../common/log.ts";
import { Random } from "../common/random.ts";
import type { FaultSource } from "../core/faults/fault-source.ts";
import type { InstanceChance } from "../core/instance-chance.ts";
import { type KillChance, Ledger, type ServerStart } from "../core/memory/ledger.ts";
import type { Machine } from "../core/memory/machine.ts";
import type { MemoryProfiles } from "../core/memory/profile.ts";
import { LogSettingsStore } from "../core/settings/log-settings.ts";
import { MetricsRegistry } from "../core/statistics/metrics-registry.ts";
import { TritonServer, type TritonServerOptions } from "../core/triton-server.ts";
import { ContainerApi } from "../frontends/sagemaker/container-api.ts";
import type { JournalWriter } from "../journal/event.ts";
import { InMemoryStorage } from "../storage/in-memory-storage.ts";

export interface SimulatedContainerOptions {
  readonly clock: Clock;
  readonly machine: Machine;
  readonly profiles: MemoryProfiles;
  readonly journal: JournalWriter;
  readonly faults: FaultSource;
  /** Of everything that is left to chance in it. */
  readonly seed: number;
  /** Its name in the journal. */
  readonly instance?: string;
  /** `SAGEMAKER_TRITON_PING_MODE`. Default `ready`. */
  readonly pingMode?: string;
  /** What tritonserver logs; nothing where it is not given. */
  readonly log?: Log;
  /** Its sizes that are other than the profile's: pools, regions in /dev/shm. */
  readonly start?: ServerStart;
  /** What decides among equals where it is not the seed. */
  readonly chance?: KillChance;
  /** What decides which instance is first, where it is not their order. */
  readonly instanceChance?: InstanceChance;
  /** Flags of tritonserver that are other than those of the SageMaker image. */
  readonly flags?: Partial<TritonServerOptions>;
}

export interface SimulatedContainer {
  /** Not started yet. */
  readonly container: InProcessContainer;
  /** Its disk: what is written there can be loaded, and stays when the container dies. */
  readonly storage: InMemoryStorage;
  /** What goes wrong in it. */
  readonly faults: FaultSource;
  /** The tritonserver that runs, for what the container API does not ask; null while none does. */
  server(): TritonServer | null;
}

/**
 * A multi-model container on a machine, without a file, socket or process: tritonserver, its container API and its ledger
 * on the given clock, with models of the synthetic backend from a disk in memory. The same options and calls give the same
 * journal, byte for byte.
 */
export const createSimulatedContainer = (options: SimulatedContainerOptions): SimulatedContainer => {
  const {
    clock,
    machine,
    profiles,
    journal,
    faults,
    instance,
    pingMode = "ready",
    log = silentLog,
    flags = {},
  } = options;
  let running: TritonServer | null = null;
  const storage = new InMemoryStorage(clock);
  storage.write(`${DUMMY_REPOSITORY}/`);
  const random = new Random(options.seed);
  const startProcess: StartProcess = (events, started) => {
    const ledger = Ledger.start({
      machine,
      profiles,
      clock,
      random: new Random(random.nextUint32()),
      listener: (event) => events.memory(event),
      onServerKilled: () => events.crash("tritonserver was killed"),
      ...(options.start === undefined ? {} : { start: options.start }),
      ...(options.chance === undefined ? {} : { chance: options.chance }),
    });
    if (!ledger.ok) {
      started(ledger.error);
      return;
    }
    const server = new TritonServer(
      { ...serverOptions(machine, random.nextUint32()), ...flags },
      {
        clock,
        log,
        storage,
        account: ledger.value,
        metrics: new MetricsRegistry({ counting: true, onLatencies: null }),
        logSettings: new LogSettingsStore(logDefaults, () => {}),
        traceSink: { write: () => {}, append: () => {} },
        backends: [
          new FaultyBackend(new SyntheticBackend({ clock, random: new Random(random.nextUint32()) }), {
            clock,
            faults,
            outOfMemoryText: outOfMemoryText(profiles, ledger.value),
          }),
        ],
        onModelState: (change) => events.modelState(change),
        ...(options.instanceChance === undefined ? {} : { instanceChance: options.instanceChance }),
      },
    );
    const api = new ContainerApi(
      { pingMode, defaultModel: "unspecified_SAGEMAKER_TRITON_DEFAULT_MODEL_NAME" },
      { server, storage, clock, log, faults, onCrash: (because) => events.crash(because) },
    );
    server.start((error) => {
      if (error === null) running = server;
      started(
        error ?? {
          api,
          ledger: ledger.value,
          end: () => {
            if (running === server) running = null;
            server.stop(0, () => {});
          },
        },
      );
    });
  };
  const name = instance === undefined ? {} : { instance };
  const container = new InProcessContainer({
    clock,
    journal,
    startProcess,
    imitates: (imitation) => faults.imitates(imitation),
    ...name,
  });
  return { container, storage, faults, server: () => (container.ledger === null ? null : running) };
};

/** What the script of the SageMaker image starts tritonserver on in multi-model mode (spec/sagemaker-mme.md 1.8). */
const DUMMY_REPOSITORY = "/tmp/sagemaker";

const logDefaults = {
  log_file: "",
  log_info: false,
  log_warning: false,
  log_error: false,
  log_verbose_level: 0,
  log_format: "default",
} as const;

const serverOptions = ({ pools }: Machine, randomSeed: number): TritonServerOptions => ({
  id: "triton",
  modelRepositories: [DUMMY_REPOSITORY],
  modelControlMode: "explicit",
  repositoryPollSecs: 15,
  startupModels: [],
  modelConfigName: null,
  autoCompleteConfig: true,
  strictReadiness: true,
  exitOnError: true,
  modelLoadThreadCount: 4,
  modelLoadRetryCount: 0,
  modelNamespacing: true,
  backendConfig: new Map(),
  modelLoadGpuLimit: new Map(),
  gpuCount: pools.filter(({ pool }) => pool.startsWith("gpu:")).length,
  responseCacheByteSize: null,
  trace: {
    trace_level: ["OFF"],
    trace_rate: 1000,
    trace_count: -1,
    log_frequency: 0,
    trace_file: "",
    trace_mode: "triton",
  },
  randomSeed,
});
