import type { ArtifactStore } from "../emulator/aws/artifacts/artifact-store.ts";
import { evictionPresets } from "../emulator/aws/placement/eviction/presets.ts";
import { InstanceAgent } from "../emulator/aws/placement/instance-agent.ts";
import { silentLog } from "../emulator/common/log.ts";
import { ok } from "../emulator/common/status.ts";
import type { VirtualClock } from "../emulator/common/virtual-clock.ts";
import { noFaults } from "../emulator/core/faults/fault-source.ts";
import type { JournalWriter } from "../emulator/journal/event.ts";
import { createSimulatedContainer } from "../emulator/simulation/simulated-container.ts";
import { readMemoryProfiles } from "../emulator/storage/memory-profiles.ts";
import { machineOf } from "../test/support/ledger-fixture.ts";

export const syntheticConfig = (input: string, output: string): string => `backend: "synthetic"
input { name: "${input}" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "${output}" data_type: TYPE_INT32 dims: [ 1 ] }
instance_group { kind: KIND_CPU count: 1 }
parameters { key: "memory.host_weights_bytes" value { string_value: "1MiB" } }
parameters { key: "memory.host_arena_bytes_per_element" value { string_value: "4" } }
`;

export const builtinProfiles = () => {
  const profiles = readMemoryProfiles([]);
  if (!profiles.ok) throw profiles.error;
  return profiles.value;
};

/** Where an archive is unpacked. */
const folderOf = (modelName: string): string => `/opt/ml/models/${modelName}/model`;

/** An instance with synthetic models that take no time. It has an archive of every name. */
export const simulatedInstance = (journal: JournalWriter, clock: VirtualClock) => {
  const { container, storage } = createSimulatedContainer({
    clock,
    machine: machineOf("64TiB"),
    profiles: builtinProfiles(),
    journal,
    faults: noFaults,
    seed: 1,
    log: silentLog,
    instance: "i-1",
  });
  const artifacts: ArtifactStore = {
    find: (targetModel, done) => done(ok({ targetModel, archiveBytes: 1000, etag: "1" })),
    fetch: (_, modelName, done) => {
      const folder = `${folderOf(modelName)}/model`;
      storage.write(`${folder}/1/`);
      storage.write(`${folder}/config.pbtxt`, syntheticConfig("IN", "OUT"));
      done(ok({ url: folderOf(modelName), bytes: 1000 }));
    },
    remove: (_, done) => done(),
  };
  container.start((error) => {
    if (error !== null) throw error;
  });
  clock.settle();
  const agent = new InstanceAgent({
    instance: "i-1",
    container,
    artifacts,
    clock,
    gauge: container.gauge,
    disk: { capacityBytes: Number.MAX_SAFE_INTEGER },
    settings: evictionPresets.sagemaker,
    cacheEnabled: true,
    seed: 1,
    journal,
    faults: noFaults,
  });
  return { container, agent };
};

/** A request for a model of an instance. */
export const body = Buffer.from('{"inputs":[{"name":"IN","datatype":"INT32","shape":[1],"data":[7]}]}');
