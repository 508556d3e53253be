import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { runningEngine } from "../emulator/parity/real-triton/engine.ts";
import { serverImage } from "../emulator/parity/real-triton/image.ts";
import { DEFAULT_ONNX_RUNTIME } from "../emulator/parity/real-triton/server-files.ts";
import { imageSize, ownImage } from "../test/support/own-image.ts";
import type { ServerCommand } from "../test/support/server-process.ts";
import type { BenchContext } from "./context.ts";
import { OURS, REAL } from "./row.ts";

/** A server that starts in a container of its own, from an image that is there. */
export interface ContainerServer extends ServerCommand {
  readonly image: string;
  readonly imageBytes: number;
}

/** Of the real server in a container. */
export const CONTAINER_ONNX_RUNTIME = process.env.REAL_ORT ?? DEFAULT_ONNX_RUNTIME;

const MODEL_REPOSITORY = resolve(import.meta.dirname, "..", "model-repo");

/**
 * The real server and ours as commands like any other: their flags, models and ports are those of a process of this machine, for
 * they see the folder of this run and the loopback. Throws Unavailable where an engine or an image cannot be had.
 */
export async function containerServers({
  folder,
  log,
}: Pick<BenchContext, "folder" | "log">): Promise<readonly ContainerServer[]> {
  const engine = await runningEngine();
  const real = await serverImage(engine, log, CONTAINER_ONNX_RUNTIME);
  const ours = await ownImage(engine, log);
  Object.assign(process.env, engine.env);
  const server = async (name: string, image: string, own: readonly string[], flags: readonly string[]) => ({
    name,
    image,
    imageBytes: await imageSize(engine, image),
    command: [...run, `--volume=${folder}:${folder}:ro`, ...own, image, ...flags],
    pidOf: containedServer,
  });
  const addresses = ["--http-address=127.0.0.1", "--grpc-address=127.0.0.1"];
  return [
    await server(REAL, real, ["--entrypoint=tritonserver"], [...addresses, "--metrics-address=127.0.0.1"]),
    // Nothing but what the real server serves.
    await server(
      OURS,
      ours,
      ["--env=TRITON_LOCAL_ALLOW_SAGEMAKER=false", "--env=TRITON_LOCAL_EMULATOR_PORT=0"],
      addresses,
    ),
  ];
}

const run = [
  ...["docker", "run", "--rm", "--label=triton-local.bench", "--network=host", "--shm-size=1g"],
  // Folders of this run are readable for its user alone.
  `--user=${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`,
  `--volume=${MODEL_REPOSITORY}:${MODEL_REPOSITORY}:ro`,
];

/** The process that has the port among its flags and is not the docker command. */
function containedServer(httpPort: number): number {
  for (const pid of readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    const [program = "", ...args] = commandLine(pid);
    if (!program.endsWith("docker") && args.includes(`--http-port=${httpPort}`)) return pid;
  }
  throw new Error(`no process on this machine serves port ${httpPort}: the Docker engine runs elsewhere`);
}

function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(join("/proc", String(pid), "cmdline"), "utf8").split("\0");
  } catch {
    // It has ended.
    return [];
  }
}
