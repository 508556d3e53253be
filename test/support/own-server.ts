import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type ServerCommand, startServerProcess } from "./server-process.ts";

const ROOT = resolve(import.meta.dirname, "..", "..");

export const SAMPLE_REPOSITORY = join(ROOT, "model-repo");

/** Our server as `npm start` runs it. */
export const OWN_SERVER: ServerCommand = {
  name: "triton-local",
  command: [process.execPath, join(ROOT, "emulator", "main.ts"), "serve"],
};

/** Where a test of clients sends its requests. */
export interface ClientTarget extends AsyncDisposable {
  readonly httpPort: number;
  readonly grpcPort: number;
}

/**
 * Serves a repository in control mode explicit with all its models loaded. TARGET in the environment names another
 * server: `real` starts the command in REAL_SERVER, `http://127.0.0.1:<port>` is one that runs (gRPC on the next port).
 */
export async function startClientTarget(modelRepository: string): Promise<ClientTarget> {
  const target = process.env.TARGET ?? "";
  if (target.startsWith("http://")) {
    const httpPort = Number(new URL(target).port);
    return { httpPort, grpcPort: httpPort + 1, async [Symbol.asyncDispose]() {} };
  }
  const folder = mkdtempSync(join(tmpdir(), "triton-local-clients-"));
  const server = await startServerProcess(target === "real" ? realServer() : OWN_SERVER, {
    modelRepository,
    flags: ["--model-control-mode=explicit", "--load-model=*"],
    logFile: join(folder, "server.log"),
  });
  return {
    httpPort: server.httpPort,
    grpcPort: server.grpcPort,
    async [Symbol.asyncDispose]() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function realServer(): ServerCommand {
  return { name: "real server", command: (process.env.REAL_SERVER ?? "tritonserver").split(" ") };
}
