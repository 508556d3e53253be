import { renameSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryArtifacts } from "./aws/artifacts/directory-artifacts.ts";
import { CountedDisk } from "./aws/artifacts/disk-space.ts";
import { HttpContainer } from "./aws/containers/http-container.ts";
import { InProcessContainer } from "./aws/containers/in-process-container.ts";
import { InstanceAgent, type Invocation } from "./aws/placement/instance-agent.ts";
import type { PlatformAnswer } from "./aws/placement/platform-answer.ts";
import type { Clock } from "./common/clock.ts";
import type { EndpointConfig } from "./config/load.ts";
import type { FaultSource } from "./core/faults/fault-source.ts";
import type { Machine } from "./core/memory/machine.ts";
import type { JournalWriter } from "./journal/event.ts";

export interface EndpointOptions {
  readonly endpoint: EndpointConfig;
  /** Null = nothing runs out. */
  readonly machine: Machine | null;
  readonly clock: Clock;
  readonly journal: JournalWriter;
  readonly faults: FaultSource;
  readonly seed: number;
  /** Running, and empty. */
  readonly container: InProcessContainer | HttpContainer;
}

/** Name of the one instance in the journal. */
export const INSTANCE = "instance-1";

const noReading = { read: () => null };

/** A SageMaker multi-model endpoint of one instance: its disk, its container and the platform's agent. */
export class MultiModelEndpoint {
  readonly instance = INSTANCE;
  readonly #options: EndpointOptions;
  readonly #disk: string;
  #agent: InstanceAgent;

  private constructor(options: EndpointOptions, disk: string, artifacts: DirectoryArtifacts) {
    this.#options = options;
    this.#disk = disk;
    this.#agent = this.#newAgent(artifacts);
  }

  /** Rejects with a TritonError when the archives cannot be read. */
  static async open(options: EndpointOptions): Promise<MultiModelEndpoint> {
    const { cacheDir } = options.endpoint;
    const disk = cacheDir ?? (await mkdtemp(join(tmpdir(), "triton-local-models-")));
    try {
      return new MultiModelEndpoint(options, disk, await openDisk(options, disk));
    } catch (error) {
      if (cacheDir === null) await rm(disk, { recursive: true, force: true });
      throw error;
    }
  }

  get healthy(): boolean {
    return this.#agent.healthy;
  }

  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    this.#agent.invoke(call, answered);
  }

  /** As after the start: no model in memory or on the disk. What waits is answered with 503. */
  async reset(): Promise<void> {
    this.#agent.stop();
    const { container } = this.#options;
    if (container instanceof InProcessContainer) {
      container.kill("reset");
      await started(container);
    }
    this.#agent = this.#newAgent(await openDisk(this.#options, this.#disk));
  }

  /** What waits is answered with 503; a disk that nobody named is removed. */
  async stop(): Promise<void> {
    this.#agent.stop();
    if (this.#options.container instanceof HttpContainer) this.#options.container.close();
    if (this.#options.endpoint.cacheDir === null) await rm(this.#disk, { recursive: true, force: true });
  }

  #newAgent(artifacts: DirectoryArtifacts): InstanceAgent {
    const { endpoint, container, machine, clock, journal, faults, seed } = this.#options;
    const agent = new InstanceAgent({
      instance: INSTANCE,
      container,
      artifacts,
      clock,
      gauge: container instanceof InProcessContainer ? container.gauge : noReading,
      disk: { capacityBytes: diskBytes(machine) },
      settings: endpoint.eviction,
      cacheEnabled: endpoint.cacheEnabled,
      seed,
      journal,
      faults,
    });
    agent.start();
    return agent;
  }
}

const started = (container: InProcessContainer): Promise<void> =>
  new Promise((resolve, reject) => {
    container.start((error) => (error === null ? resolve() : reject(error)));
  });

/** Where the platform puts an unpacked archive, below the disk. */
const modelFolder = /^[0-9a-f]{32}$/;

const openDisk = async (
  { endpoint, machine }: EndpointOptions,
  root: string,
): Promise<DirectoryArtifacts> => {
  const disk = new CountedDisk(diskBytes(machine));
  const opened = await DirectoryArtifacts.open({ directory: endpoint.modelData, root, disk });
  if (!opened.ok) throw opened.error;
  await emptyDisk(root);
  return opened.value;
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

/** Without a machine as much as there is. */
const diskBytes = (machine: Machine | null): number => {
  const pool = machine?.pools.find((size) => size.pool === "disk");
  return pool === undefined ? Number.MAX_SAFE_INTEGER : pool.capacityBytes - pool.reserveBytes;
};
