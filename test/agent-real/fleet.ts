import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { DeclaredArtifact } from "../../emulator/aws/artifacts/declared-artifacts.ts";
import type { Bytes } from "../../emulator/aws/placement/eviction/resident-model.ts";
import { tar } from "../support/archives.ts";

const GIB = 2 ** 30;

/** The instance: a T4 as ml.g4dn.xlarge has it (emulator/core/memory/machine.ts). */
export const MACHINE = "ml.g4dn.xlarge";
export const GPU_BYTES = (15_360 - 251) * 2 ** 20;
export const HOST_BYTES = 15 * GIB;

export interface FleetModel {
  readonly targetModel: string;
  /** On the GPU, and on the host while it is loaded. Whole GiB, so that no fixed cost of a side decides what fits. */
  readonly gib: number;
  readonly kind: "good" | "fails to load" | "truncated";
}

const model = (name: string, gib: number, kind: FleetModel["kind"] = "good"): FleetModel => ({
  targetModel: `${name}.tar.gz`,
  gib,
  kind,
});

/** Together 25 GiB, of which 14 fit. */
export const fleet: readonly FleetModel[] = [
  model("customer-1", 1),
  model("customer-2", 2),
  model("customer-3", 3),
  model("customer-4", 4),
  model("customer-5", 2),
  model("customer-6", 5),
  model("customer-7", 3),
  model("team/customer-8", 4),
  model("customer-9", 1),
];

/** What goes wrong by itself. */
export const failures = {
  tooLarge: model("too-large", 20),
  failsToLoad: model("fails-to-load", 1, "fails to load"),
  truncated: model("truncated", 1, "truncated"),
  missing: model("missing", 1),
} as const;

const everyModel: readonly FleetModel[] = [...fleet, ...Object.values(failures)];

/** What the platform is told that a model takes; null = it does not know the model. */
export const bytesOf = (targetModel: string): Bytes | null => {
  const found = everyModel.find((candidate) => candidate.targetModel === targetModel);
  return found === undefined ? null : { host: found.gib * GIB, gpu: found.gib * GIB, disk: 0 };
};

const common = `
max_batch_size: 0
input { name: "INPUT" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUTPUT" data_type: TYPE_INT32 dims: [ 1 ] }
`;

const parameter = (key: string, value: string | number): string =>
  `parameters { key: "${key}" value { string_value: "${value}" } }\n`;

const python = ({ gib, kind }: FleetModel, index: number): string =>
  `backend: "python"${common}instance_group { kind: KIND_CPU count: 1 }\n` +
  parameter("gpu_bytes", gib * GIB) +
  parameter("held_bytes", gib * 2 ** 20) +
  parameter("out_of_memory", index % 2 === 0 ? "CUDA" : "MemoryError") +
  (kind === "fails to load" ? parameter("fail", "the model is broken") : "");

const synthetic = ({ gib, kind }: FleetModel): string =>
  `backend: "synthetic"${common}instance_group { kind: KIND_GPU count: 1 }\n` +
  parameter("memory.gpu_weights_bytes", gib * GIB) +
  parameter("synthetic.warm_us", 1000) +
  // Not allowed, so the load fails.
  (kind === "fails to load" ? parameter("synthetic.load_us", "the model is broken") : "");

const script = readFileSync(join(import.meta.dirname, "model.py"), "utf8");

/** Two contents, for the real server and for ours, that differ in nothing but the backend: the same files, as long. */
const filesOf = (fleetModel: FleetModel, config: string): ReadonlyMap<string, string> =>
  new Map([
    ["served/config.pbtxt", config.padEnd(1024)],
    ["served/1/model.py", script],
    ["padding", "x".repeat(fleetModel.gib * 64 * 1024)],
  ]);

const bytesIn = (files: ReadonlyMap<string, string>): number =>
  [...files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);

/** Not compressed, so that equally long contents make equally long archives. */
const archive = (files: ReadonlyMap<string, string>): Uint8Array =>
  gzipSync(tar(...[...files].map(([path, content]) => ({ path, content }))), { level: 0 });

const present = everyModel.filter((candidate) => candidate !== failures.missing);

/** Every archive of the fleet, but the one that is missing. */
export const archivesFor = (backend: "python" | "synthetic"): ReadonlyMap<string, Uint8Array> =>
  new Map(
    present.map((fleetModel, index) => {
      const config = backend === "python" ? python(fleetModel, index) : synthetic(fleetModel);
      const whole = archive(filesOf(fleetModel, config));
      const { targetModel, kind } = fleetModel;
      return [targetModel, kind === "truncated" ? whole.subarray(0, whole.length / 2) : whole];
    }),
  );

/** The same as they are declared for the simulation. */
export const declaredArchives = (): readonly DeclaredArtifact[] =>
  present.map((fleetModel) => {
    const files = filesOf(fleetModel, synthetic(fleetModel));
    const { targetModel, kind } = fleetModel;
    const whole = archive(files).length;
    return {
      targetModel,
      archiveBytes: kind === "truncated" ? Math.floor(whole / 2) : whole,
      unpackedBytes: bytesIn(files),
      files,
      ...(kind === "truncated" ? { damage: "truncated" as const } : {}),
    };
  });
