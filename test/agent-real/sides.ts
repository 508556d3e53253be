import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ArtifactStore } from "../../emulator/aws/artifacts/artifact-store.ts";
import { DeclaredArchives, DeclaredArtifacts } from "../../emulator/aws/artifacts/declared-artifacts.ts";
import { DirectoryArtifacts } from "../../emulator/aws/artifacts/directory-artifacts.ts";
import { CountedDisk } from "../../emulator/aws/artifacts/disk-space.ts";
import { HttpContainer } from "../../emulator/aws/containers/http-container.ts";
import type { Container } from "../../emulator/aws/placement/container.ts";
import type { Clock } from "../../emulator/common/clock.ts";
import { SystemClock } from "../../emulator/common/system-clock.ts";
import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import { FaultPlan } from "../../emulator/core/faults/fault-plan.ts";
import { parseMachine } from "../../emulator/core/memory/machine.ts";
import { noJournal } from "../../emulator/journal/event.ts";
import { startServerProcess } from "../../emulator/parity/targets/server-process.ts";
import { createSimulatedContainer } from "../../emulator/simulation/simulated-container.ts";
import { readMemoryProfiles } from "../../emulator/storage/memory-profiles.ts";
import { OWN_SERVER } from "../support/own-server.ts";
import { archivesFor, declaredArchives, GPU_BYTES, MACHINE } from "./fleet.ts";

/** A container, empty, with the archives of the fleet. */
export interface Instance {
  readonly container: Container;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  /** Waits until `quiet` holds, and lets a little time pass. */
  settle(quiet: () => boolean): Promise<void>;
  stop(): Promise<void>;
}

export interface Side {
  readonly name: string;
  start(diskBytes: number): Promise<Instance>;
}

/** A request that finds memory full waits for several unloads of 2 s and loads of 1.3 s; the platform ends it after 60 s. */
const SETTLE_LIMIT_MS = 100_000;

const MULTI_MODEL_FLAGS = ["--allow-sagemaker=true", "--model-control-mode=explicit"];

const behindUrl = async (
  command: readonly string[],
  flags: readonly string[],
  archives: ReadonlyMap<string, Uint8Array>,
): Promise<Instance> => {
  const folder = await mkdtemp(join(tmpdir(), "triton-local-agent-real-"));
  for (const name of ["archives", "empty", "gpu"]) await mkdir(join(folder, name));
  for (const [targetModel, content] of archives) {
    const path = join(folder, "archives", targetModel);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
  const server = await startServerProcess(command, {
    repository: join(folder, "empty"),
    flags: [...MULTI_MODEL_FLAGS, ...flags],
    env: { AGENT_REAL_GPU: join(folder, "gpu"), AGENT_REAL_GPU_BYTES: String(GPU_BYTES) },
    ownProcess: true,
  });
  const opened = await DirectoryArtifacts.open({
    directory: join(folder, "archives"),
    root: join(folder, "models"),
  });
  if (!opened.ok) throw opened.error;
  const clock = new SystemClock();
  const container = new HttpContainer({
    url: new URL(`http://127.0.0.1:${server.sagemakerPort}`),
    clock,
    journal: noJournal,
  });
  return {
    container,
    artifacts: opened.value,
    clock,
    settle: async (quiet) => {
      const giveUpMs = performance.now() + SETTLE_LIMIT_MS;
      do {
        if (performance.now() > giveUpMs) throw new Error(`no end of it:\n${server.output()}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      } while (!quiet());
    },
    stop: async () => {
      container.close();
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
};

export const REAL = "real";

export const realSide = (command: string): Side => ({
  name: REAL,
  start: () => behindUrl([command], [], archivesFor("python")),
});

/** A rule that never strikes: without one, the header that asks for a fault is not looked at. */
const LISTEN_TO_FAULT_HEADER = "--fault=operation=ping,effect=unhealthy,nth=1000000000";

export const servingSide: Side = {
  name: "ours by URL",
  start: () =>
    behindUrl(OWN_SERVER.command, [`--machine=${MACHINE}`, LISTEN_TO_FAULT_HEADER], archivesFor("synthetic")),
};

/** No socket, file or second passes. */
export const simulatedSide: Side = {
  name: "ours simulated",
  start: async () => {
    const clock = new VirtualClock();
    const machine = parseMachine(MACHINE);
    const profiles = readMemoryProfiles([]);
    if (!machine.ok) throw machine.error;
    if (!profiles.ok) throw profiles.error;
    const { container, storage } = createSimulatedContainer({
      clock,
      machine: machine.value,
      profiles: profiles.value,
      journal: noJournal,
      faults: new FaultPlan(),
      seed: 1,
    });
    const archives = new DeclaredArchives();
    for (const archive of declaredArchives()) archives.put(archive);
    container.restart((running) => {
      if (!running) throw new Error("the simulated container does not start");
    });
    clock.runAll();
    return {
      container,
      artifacts: new DeclaredArtifacts({
        archives,
        files: storage,
        disk: new CountedDisk(Number.POSITIVE_INFINITY),
        clock,
        downloadBytesPerSecond: 1e8,
        unpackBytesPerSecond: 1e8,
      }),
      clock,
      settle: async (quiet) => {
        for (let tries = 0; tries < 10; tries++) {
          clock.runAll();
          clock.advance(20_000);
          if (quiet()) return;
        }
        throw new Error("the simulated instance waits for what will never come");
      },
      stop: async () => {},
    };
  },
};
