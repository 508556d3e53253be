import { exchange, type HttpAnswer, parseAnswer, requestBytes } from "../exchange/http-connection.ts";
import type { RunningServer, Target } from "./target.ts";

const EXPLICIT = "--model-control-mode=explicit";

/**
 * A server that already runs on this machine in mode explicit, its gRPC and metrics ports following the HTTP port as the
 * defaults do (or TARGET_GRPC_PORT and TARGET_METRICS_PORT). TARGET_REPOSITORY is its model repository: cases put their
 * models there and take them away again. Flags, log and process are out of reach.
 */
export const liveServer = (url: string): Target => {
  const httpPort = Number(new URL(url).port);
  const port = (name: string, standard: number): number => Number(process.env[name] ?? standard);
  const repository = process.env.TARGET_REPOSITORY;
  if (repository === undefined)
    throw new Error(`TARGET=${url} needs TARGET_REPOSITORY, the folder it serves`);
  const server: RunningServer = {
    httpPort,
    grpcPort: port("TARGET_GRPC_PORT", httpPort + 1),
    metricsPort: port("TARGET_METRICS_PORT", httpPort + 2),
    sagemakerPort: port("TARGET_SAGEMAKER_PORT", 8080),
    output: () => null,
    signal: () => {
      throw new Error("a server that was not started here gets no signals");
    },
    exited: new Promise(() => {}),
    stop: () => unloadAll(httpPort),
  };
  return {
    name: url,
    real: true,
    onnxRuntime: process.env.REAL_ORT ?? "1.19.2",
    sharedRepository: repository,
    cannotPlay: ({ flags, ownProcess }) => {
      if (ownProcess) return "it watches a process end";
      return flags.length === 1 && flags[0] === EXPLICIT ? null : `it needs the flags ${flags.join(" ")}`;
    },
    start: () => Promise.resolve(server),
  };
};

interface IndexRow {
  readonly name: string;
  readonly state?: string;
}

const unloadAll = async (port: number): Promise<void> => {
  for (let tries = 0; tries < 200; tries++) {
    const index: readonly IndexRow[] = JSON.parse(
      (await post(port, "/v2/repository/index")).body.toString("utf8"),
    );
    for (const { name } of index.filter(({ state }) => state === "READY"))
      await post(port, `/v2/repository/models/${name}/unload`);
    if (!index.some(({ state }) => state === "READY" || state === "UNLOADING" || state === "LOADING")) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

const post = async (port: number, path: string): Promise<HttpAnswer> => {
  const bytes = requestBytes({ method: "POST", path, headers: {}, body: null });
  const { received } = await exchange(port, bytes, (all) => parseAnswer(all) !== null, 10_000);
  const answer = parseAnswer(received);
  if (answer === null) throw new Error(`no answer from port ${port}`);
  return answer;
};
