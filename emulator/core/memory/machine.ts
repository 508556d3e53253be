import { fail, ok, type Result } from "../../common/status.ts";
import { parseByteSize } from "./byte-size.ts";
import type { PoolName } from "./memory-account.ts";

/** One memory of a machine. */
export interface PoolSize {
  readonly pool: PoolName;
  readonly capacityBytes: number;
  /** What the operating system and the platform's own processes hold; not for models. */
  readonly reserveBytes: number;
}

export interface Machine {
  /** The instance type, or the size as it was given. */
  readonly name: string;
  readonly gpu: string | null;
  /** null where only a size was given. */
  readonly vcpus: number | null;
  /** SageMaker real-time hosting, level of us-east-1, 2024-25; null = not known. */
  readonly usdPerHour: number | null;
  readonly pools: readonly PoolSize[];
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Assumed: kernel, container engine and the platform's agent. AWS does not say. */
const HOST_RESERVE = 1 * GIB;

/** Assumed where a type has no local disk: the volume that an endpoint gets. */
const EBS_GB = 30;

/**
 * Memory of one GPU as nvidia-smi reports it in public logs. The reserve of the T4 is the difference between its total
 * (15360 MiB) and what older drivers show as usable (15109 MiB); for the others none is known.
 */
const gpus = {
  K80: { mib: 11_441, reserveMib: 0 },
  V100: { mib: 16_160, reserveMib: 0 },
  T4: { mib: 15_360, reserveMib: 251 },
  A10G: { mib: 23_028, reserveMib: 0 },
  L4: { mib: 23_034, reserveMib: 0 },
} as const;

type Gpu = keyof typeof gpus;

type Row = readonly [
  vcpus: number,
  hostGib: number,
  gpuCount: number,
  gpu: Gpu | null,
  usd: number | null,
  diskGb: number,
];

/**
 * Local disks, and all of the types without a price, as EC2 documents them; the rest from spec/sagemaker-mme.md 6.
 * Inferentia memory is no pool.
 */
const instanceTypes: Readonly<Record<string, Row>> = {
  "ml.p2.xlarge": [4, 61, 1, "K80", 1.125, EBS_GB],
  "ml.p3.2xlarge": [8, 61, 1, "V100", 3.825, EBS_GB],
  "ml.p3.8xlarge": [32, 244, 4, "V100", null, EBS_GB],
  "ml.p3.16xlarge": [64, 488, 8, "V100", null, EBS_GB],
  "ml.g4dn.xlarge": [4, 16, 1, "T4", 0.7364, 125],
  "ml.g4dn.2xlarge": [8, 32, 1, "T4", 0.94, 225],
  "ml.g4dn.4xlarge": [16, 64, 1, "T4", 1.505, 225],
  "ml.g4dn.8xlarge": [32, 128, 1, "T4", 2.72, 900],
  "ml.g4dn.12xlarge": [48, 192, 4, "T4", 4.89, 900],
  "ml.g4dn.16xlarge": [64, 256, 1, "T4", 5.44, 900],
  "ml.g5.xlarge": [4, 16, 1, "A10G", 1.4084, 250],
  "ml.g5.2xlarge": [8, 32, 1, "A10G", 1.515, 450],
  "ml.g5.4xlarge": [16, 64, 1, "A10G", 2.03, 600],
  "ml.g5.8xlarge": [32, 128, 1, "A10G", 3.06, 900],
  "ml.g5.12xlarge": [48, 192, 4, "A10G", 7.09, 3_800],
  "ml.g5.16xlarge": [64, 256, 1, "A10G", 5.12, 1_900],
  "ml.g5.24xlarge": [96, 384, 4, "A10G", 10.18, 3_800],
  "ml.g5.48xlarge": [192, 768, 8, "A10G", 20.36, 7_600],
  "ml.g6.xlarge": [4, 16, 1, "L4", 1.127, 250],
  "ml.g6.2xlarge": [8, 32, 1, "L4", 1.222, 450],
  "ml.g6.4xlarge": [16, 64, 1, "L4", null, 600],
  "ml.g6.8xlarge": [32, 128, 1, "L4", null, 900],
  "ml.g6.12xlarge": [48, 192, 4, "L4", 5.752, 3_760],
  "ml.g6.16xlarge": [64, 256, 1, "L4", 4.246, 1_880],
  "ml.g6.24xlarge": [96, 384, 4, "L4", 8.344, 3_760],
  "ml.g6.48xlarge": [192, 768, 8, "L4", 16.688, 7_520],
  "ml.t2.medium": [2, 4, 0, null, null, EBS_GB],
  "ml.t2.large": [2, 8, 0, null, null, EBS_GB],
  "ml.t2.xlarge": [4, 16, 0, null, null, EBS_GB],
  "ml.t2.2xlarge": [8, 32, 0, null, null, EBS_GB],
  "ml.m5.large": [2, 8, 0, null, 0.115, EBS_GB],
  "ml.m5.xlarge": [4, 16, 0, null, 0.23, EBS_GB],
  "ml.m5.2xlarge": [8, 32, 0, null, 0.461, EBS_GB],
  "ml.m5.4xlarge": [16, 64, 0, null, null, EBS_GB],
  "ml.m5.12xlarge": [48, 192, 0, null, null, EBS_GB],
  "ml.m5.24xlarge": [96, 384, 0, null, null, EBS_GB],
  "ml.m4.xlarge": [4, 16, 0, null, null, EBS_GB],
  "ml.m4.2xlarge": [8, 32, 0, null, null, EBS_GB],
  "ml.m4.4xlarge": [16, 64, 0, null, null, EBS_GB],
  "ml.c5.large": [2, 4, 0, null, 0.102, EBS_GB],
  "ml.c5.xlarge": [4, 8, 0, null, 0.204, EBS_GB],
  "ml.c5.2xlarge": [8, 16, 0, null, 0.408, EBS_GB],
  "ml.c5.4xlarge": [16, 32, 0, null, 0.816, EBS_GB],
  "ml.c5.9xlarge": [36, 72, 0, null, null, EBS_GB],
  "ml.c5.18xlarge": [72, 144, 0, null, null, EBS_GB],
  "ml.r5.large": [2, 16, 0, null, null, EBS_GB],
  "ml.r5.xlarge": [4, 32, 0, null, null, EBS_GB],
  "ml.r5.2xlarge": [8, 64, 0, null, null, EBS_GB],
  "ml.r5.4xlarge": [16, 128, 0, null, null, EBS_GB],
  "ml.c7i.xlarge": [4, 8, 0, null, 0.214, EBS_GB],
  "ml.inf2.xlarge": [4, 16, 0, null, 0.99, EBS_GB],
};

export const instanceTypeNames: readonly string[] = Object.keys(instanceTypes);

const ofType = (name: string, [vcpus, hostGib, gpuCount, gpu, usdPerHour, diskGb]: Row): Machine => {
  const size = gpu === null ? { mib: 0, reserveMib: 0 } : gpus[gpu];
  return {
    name,
    gpu,
    vcpus,
    usdPerHour,
    pools: [
      { pool: "host", capacityBytes: hostGib * GIB, reserveBytes: HOST_RESERVE },
      ...Array.from({ length: gpuCount }, (_, index): PoolSize => {
        return {
          pool: `gpu:${index}`,
          capacityBytes: size.mib * MIB,
          reserveBytes: size.reserveMib * MIB,
        };
      }),
      { pool: "disk", capacityBytes: diskGb * 1e9, reserveBytes: 0 },
      { pool: "shm", capacityBytes: (hostGib * GIB) / 2, reserveBytes: 0 },
    ],
  };
};

/** A container with a memory limit: nothing reserved, no GPU. */
const ofSize = (name: string, bytes: number): Machine => ({
  name,
  gpu: null,
  vcpus: null,
  usdPerHour: null,
  pools: [
    { pool: "host", capacityBytes: bytes, reserveBytes: 0 },
    { pool: "disk", capacityBytes: EBS_GB * 1e9, reserveBytes: 0 },
    { pool: "shm", capacityBytes: Math.floor(bytes / 2), reserveBytes: 0 },
  ],
});

/**
 * `ml.g4dn.xlarge`, or the size of a container's host memory: `16GiB`, `768MiB`, `500MB`, or bytes. /dev/shm is half of
 * the host's memory, as a plain Linux mounts it.
 */
export const parseMachine = (text: string): Result<Machine> => {
  const row = Object.hasOwn(instanceTypes, text) ? instanceTypes[text] : undefined;
  if (row !== undefined) return ok(ofType(text, row));
  const bytes = parseByteSize(text);
  if (bytes !== null && bytes > 0) return ok(ofSize(text, bytes));
  return fail(
    "INVALID_ARG",
    `'${text}' is neither a size above 0, such as 16GiB, nor one of ${instanceTypeNames.join(", ")}`,
  );
};

/** Room for models on its disk; without one, none. */
export const diskBytesOf = ({ pools }: Machine): number => {
  const disk = pools.find(({ pool }) => pool === "disk");
  return disk === undefined ? 0 : disk.capacityBytes - disk.reserveBytes;
};
