import { createServer, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import { becomesReady, serverFlags, withoutLogPrefix } from "../../../../emulator/parity/targets/start-up.ts";

const ports = { http: 1, grpc: 2, metrics: 3, sagemaker: 4 };
const options = { repository: "/models", env: {}, ownProcess: false };
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

/** Answers every request, but for the first connections, which it closes as they come. */
const listen = async (closed: number, connected = (): void => {}): Promise<number> => {
  let left = closed;
  const server = createServer((_, response) => response.end());
  servers.push(server);
  server.prependListener("connection", (socket) => {
    connected();
    if (left-- > 0) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
};

test("flags: ports and repository first, so that those of a case count", () => {
  expect(serverFlags({ ...options, flags: ["--strict-readiness=false"] }, ports)).toEqual([
    "--model-repository=/models",
    "--http-port=1",
    "--grpc-port=2",
    "--metrics-port=3",
    "--sagemaker-port=4",
    "--strict-readiness=false",
  ]);
});

test("flags: a case that names its own repositories gets no other", () => {
  const flags = serverFlags({ ...options, flags: ["--model-repository=/a", "--model-repository=/b"] }, ports);
  expect(flags.filter((flag) => flag.startsWith("--model-repository="))).toEqual([
    "--model-repository=/a",
    "--model-repository=/b",
  ]);
});

test("ready: once something comes back, not when a port that is only forwarded accepts", async () => {
  let connections = 0;
  const http = await listen(2, () => connections++);
  const metrics = await listen(0);
  expect(await becomesReady({ http, metrics }, () => false)).toBe(true);
  expect(connections).toBe(3);
});

test("ready: without a metrics port, too", async () => {
  const http = await listen(0);
  const metrics = await listen(Number.POSITIVE_INFINITY);
  expect(await becomesReady({ http, metrics }, () => false)).toBe(true);
});

test("ready: never, once the server has ended", async () => {
  const http = await listen(Number.POSITIVE_INFINITY);
  expect(await becomesReady({ http, metrics: http }, () => true)).toBe(false);
});

test("log: lines lose what differs from run to run, everything else stays", () => {
  const log = `I1125 15:36:00.000000 123 server.cc:604] "x"
2026-11-25 15:36:00.123 [W:onnxruntime] y
plain I1125 15:36:00.000000 123 text
`;
  expect(withoutLogPrefix(log)).toBe(
    'server.cc:604] "x"\n[W:onnxruntime] y\nplain I1125 15:36:00.000000 123 text\n',
  );
});
