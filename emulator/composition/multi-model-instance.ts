import { renameSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ArtifactStore } from "../aws/artifacts/artifact-store.ts";
import { CountedDisk, type DiskSpace } from "../aws/artifacts/disk-space.ts";
import { HttpContainer } from "../aws/containers/http-container.ts";
import { InProcessContainer } from "../aws/containers/in-process-container.ts";
import type { EvictionSettings } from "../aws/placement/eviction/presets.ts";
import type { MemoryReading } from "../aws/placement/eviction/resident-model.ts";
import { InstanceAgent, type Invocation } from "../aws/placement/instance-agent.ts";
import type { EndpointIdentity, PlatformAnswer } from "../aws/placement/platform-answer.ts";
import type { RoutedAgent } from "../aws/placement/router.ts";
import { modelNameOf } from "../aws/placement/target-model.ts";
import type { Clock } from "../common/clock.ts";
import { type Result, TritonError } from "../common/status.ts";
import type { FaultSource } from "../core/faults/fault-source.ts";
import type { Ledger } from "../core/memory/ledger.ts";
import type { JournalWriter } from "../journal/event.ts";
import { heldArtifacts } from "./held-artifacts.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Archives below a prefix, and a folder they are unpacked into. */
export type OpenArtifacts = (options: {
  readonly root: string;
  readonly disk: DiskSpace;
}) => Promise<Result<ArtifactStore>>;

export interface MultiModelInstanceOptions {
  /** Its name in the journal. */
  readonly name: string;
  readonly artifacts: OpenArtifacts;
  /** Folder that archives are unpacked into; null = a temporary one, removed at the end. */
  readonly cacheDir: string | null;
  readonly diskBytes: number;
  readonly eviction: EvictionSettings;
  /** `ModelCacheSetting`: false = Disabled. */
  readonly cacheEnabled: boolean;
  /** For texts; absent = that of an endpoint without a name. */
  readonly identity?: EndpointIdentity;
  readonly clock: Clock;
  readonly journal: JournalWriter;
  readonly faults: FaultSource;
  readonly seed: number;
  /** Running, and empty. */
  readonly container: InProcessContainer | HttpContainer;
  /** Another instance has its archives in the same `cacheDir`: they stay. */
  readonly diskInUse?: boolean;
}

const noReading = { read: () => null };

/** After a reset, the tritonserver that was there is taken apart when whoever asked for it has long been answered. */
const WIND_DOWN_US = 50_000;

/** An instance of a SageMaker multi-model endpoint: its disk, its container and the platform's agent. */
export class MultiModelInstance implements RoutedAgent {
  readonly #options: MultiModelInstanceOptions;
  readonly #disk: string;
  #agent: InstanceAgent;

  private constructor(options: MultiModelInstanceOptions, disk: string, artifacts: ArtifactStore) {
    this.#options = options;
    this.#disk = disk;
    this.#agent = this.#newAgent(artifacts);
  }

  /** Rejects with a TritonError when there is no place for the disk, or the archives cannot be read. */
  static async open(options: MultiModelInstanceOptions): Promise<MultiModelInstance> {
    const { cacheDir } = options;
    const disk = cacheDir ?? (await temporaryFolder("models", "archives", "--model-cache-dir"));
    try {
      return new MultiModelInstance(options, disk, await openDisk(options, disk));
    } catch (error) {
      if (cacheDir === null) await rm(disk, { recursive: true, force: true });
      throw error;
    }
  }

  get instance(): string {
    return this.#options.name;
  }

  get healthy(): boolean {
    return this.#agent.healthy;
  }

  get modelCount(): number {
    return this.#agent.modelCount;
  }

  get loadedCount(): number {
    return this.#agent.loadedCount;
  }

  get requestCount(): number {
    return this.#agent.requestCount;
  }

  get freeShare(): number | null {
    return this.#agent.freeShare;
  }

  holds(targetModel: string): "loaded" | "coming" | "absent" {
    return this.#agent.holds(targetModel);
  }

  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    this.#agent.invoke(call, answered);
  }

  drain(done: () => void): void {
    this.#agent.drain(done);
  }

  /** Null while no tritonserver runs in this process, and where no machine is emulated. */
  get ledger(): Ledger | null {
    const { container } = this.#options;
    return container instanceof InProcessContainer ? container.ledger : null;
  }

  /** Null while no tritonserver runs in this process, and where no machine is emulated. */
  reading(): MemoryReading | null {
    const { container } = this.#options;
    return container instanceof InProcessContainer ? container.gauge.read() : null;
  }

  /** As after the start: no model in memory or on the disk. What waits is answered with 503. */
  async reset(): Promise<void> {
    const { container, clock } = this.#options;
    const models = this.#agent.residents().map(({ name }) => name);
    this.#agent.stop();
    if (container instanceof HttpContainer) await unloadAll(container, models, clock);
    if (container instanceof InProcessContainer) {
      container.kill("reset", WIND_DOWN_US);
      await started(container);
    }
    this.#agent = this.#newAgent(await openDisk(this.#options, this.#disk));
  }

  /**
   * What waits is answered with 503; a disk that nobody named is removed. A tritonserver in this process is left to run. One
   * elsewhere gives its models back: nobody would know of them, and it cannot do without their archives.
   * @param isKept of models that another instance has in the same container
   */
  async stop(isKept: (targetModel: string) => boolean = () => false): Promise<void> {
    const { container, cacheDir, clock } = this.#options;
    const models = this.#agent.residents().map(({ name }) => name);
    this.#agent.stop();
    if (container instanceof HttpContainer) {
      const left = models.filter((targetModel) => !isKept(targetModel));
      await unloadAll(container, left, clock);
      container.close();
    }
    if (cacheDir === null) await rm(this.#disk, { recursive: true, force: true });
  }

  #newAgent(artifacts: ArtifactStore): InstanceAgent {
    const { name, container, diskBytes, eviction, cacheEnabled, identity, clock, journal, faults, seed } =
      this.#options;
    const agent = new InstanceAgent({
      instance: name,
      container,
      artifacts,
      clock,
      gauge: container instanceof InProcessContainer ? container.gauge : noReading,
      disk: { capacityBytes: diskBytes },
      settings: eviction,
      cacheEnabled,
      seed,
      journal,
      faults,
      ...(identity === undefined ? {} : { endpoint: identity }),
    });
    agent.start();
    return agent;
  }
}

/** Who is asked to unload may be gone, or take its 350 s: nobody waits that long for an end. */
const UNLOAD_LIMIT_US = 10_000_000;

const unloadAll = (container: HttpContainer, targetModels: readonly string[], clock: Clock): Promise<void> =>
  new Promise((resolve) => {
    let left = targetModels.length;
    if (left === 0) {
      resolve();
      return;
    }
    const limit = clock.setTimer(UNLOAD_LIMIT_US, resolve);
    for (const targetModel of targetModels) {
      container.unload({ modelName: modelNameOf(targetModel), targetModel }, () => {
        left--;
        if (left > 0) return;
        limit.cancel();
        resolve();
      });
    }
  });

const started = (container: InProcessContainer): Promise<void> =>
  new Promise((resolve, reject) => {
    container.start((error) => (error === null ? resolve() : reject(error)));
  });

/** Where the platform puts an unpacked archive, below the disk. */
const modelFolder = /^[0-9a-f]{32}$/;

const openDisk = async (
  { artifacts, diskBytes, cacheDir, clock, diskInUse = false }: MultiModelInstanceOptions,
  disk: string,
): Promise<ArtifactStore> => {
  await makeDisk(disk);
  // Nobody knows the path of a temporary one, so each life can have another.
  const root = cacheDir ?? (await mkdtemp(join(disk, LIFE)));
  const opened = await artifacts({ root, disk: new CountedDisk(diskBytes) });
  if (!opened.ok) throw opened.error;
  if (cacheDir !== null && !diskInUse) await emptyDisk(root);
  else if (cacheDir === null) await removeEarlierLives(disk, root);
  return heldArtifacts(opened.value, clock);
};

const makeDisk = async (disk: string): Promise<void> => {
  try {
    await mkdir(disk, { recursive: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TritonError("INVALID_ARG", `cannot use the folder ${disk} of --model-cache-dir: ${why}`);
  }
};

const LIFE = "life-";

/** In time: nobody waits for it. */
const removeEarlierLives = async (disk: string, current: string): Promise<void> => {
  for (const name of await readdir(disk)) {
    const path = join(disk, name);
    if (path !== current) void rm(path, { recursive: true, force: true }).catch(() => {});
  }
};

/**
 * What an earlier run left goes, other people's files stay. It is put aside, which takes no time, and deleted later; if that
 * does not come to an end, `DirectoryArtifacts` does it at the next start.
 */
const emptyDisk = async (root: string): Promise<void> => {
  const left = (await readdir(root)).filter((name) => modelFolder.test(name));
  if (left.length === 0) return;
  const aside = await mkdtemp(join(root, ".partial-"));
  for (const name of left) renameSync(join(root, name), join(aside, name));
  void rm(aside, { recursive: true, force: true }).catch(() => {});
};
