import { DirectoryArtifacts } from "../aws/artifacts/directory-artifacts.ts";
import type { HttpContainer } from "../aws/containers/http-container.ts";
import type { InProcessContainer } from "../aws/containers/in-process-container.ts";
import type { Clock } from "../common/clock.ts";
import type { EndpointConfig } from "../config/load.ts";
import type { FaultSource } from "../core/faults/fault-source.ts";
import { diskBytesOf, type Machine } from "../core/memory/machine.ts";
import type { JournalWriter } from "../journal/event.ts";
import { MultiModelInstance } from "./multi-model-instance.ts";

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

/** The endpoint of `--model-data`: one instance, and any name that no other endpoint has. */
export type MultiModelEndpoint = MultiModelInstance;

/** Rejects with a TritonError when the archives cannot be read. */
export const openEndpoint = ({
  endpoint,
  machine,
  ...around
}: EndpointOptions): Promise<MultiModelEndpoint> =>
  MultiModelInstance.open({
    ...around,
    name: INSTANCE,
    artifacts: (folder) => DirectoryArtifacts.open({ directory: endpoint.modelData, ...folder }),
    cacheDir: endpoint.cacheDir,
    cacheEnabled: endpoint.cacheEnabled,
    eviction: endpoint.eviction,
    // Without a machine as much as there is.
    diskBytes: machine === null ? Number.MAX_SAFE_INTEGER : diskBytesOf(machine),
  });
