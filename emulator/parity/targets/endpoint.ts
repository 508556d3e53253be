import type { Target } from "./target.ts";

/**
 * A server that runs on this machine and belongs to somebody: it is asked, and neither changed nor ended. Its gRPC and
 * metrics ports follow the HTTP port as the defaults do, or the URL names them: `http://127.0.0.1:8000?grpc=9001&metrics=9002`.
 * Throws an Error that says what is wrong with the URL.
 */
export const endpointTarget = (text: string): Target => {
  const url = URL.parse(text);
  if (url === null || url.protocol !== "http:")
    throw new Error(`${text} is not a URL of a server: write it like http://127.0.0.1:8000`);
  if (!["127.0.0.1", "localhost"].includes(url.hostname))
    throw new Error(`${text} is not on this machine: forward a port of 127.0.0.1 to it, and name that`);
  const httpPort = Number(url.port === "" ? 80 : url.port);
  const port = (name: string, standard: number): number => Number(url.searchParams.get(name) ?? standard);
  return {
    name: `http://127.0.0.1:${httpPort}`,
    real: true,
    onnxRuntime: "",
    start: () =>
      Promise.resolve({
        httpPort,
        grpcPort: port("grpc", httpPort + 1),
        metricsPort: port("metrics", httpPort + 2),
        sagemakerPort: port("sagemaker", 0),
        output: () => null,
        signal: () => {
          throw new Error("a server that was not started here gets no signals");
        },
        exited: new Promise(() => {}),
        stop: () => Promise.resolve(),
      }),
  };
};
