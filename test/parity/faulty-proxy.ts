import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { connect, createServer, type Server } from "node:net";
import { type HttpAnswer, parseAnswer } from "../../emulator/parity/exchange/http-connection.ts";
import type { RunningServer, Target } from "../../emulator/parity/targets/target.ts";

/** What a server answers wrongly; absent = nothing. */
export interface Fault {
  /** @param request the first line */
  readonly http?: (request: string, answer: HttpAnswer) => HttpAnswer;
  /** Messages framed as gRPC does, and its status. */
  readonly grpc?: (path: string, reply: GrpcReply) => GrpcReply;
}

export interface GrpcReply {
  readonly messages: readonly Buffer[];
  readonly status: string;
}

/** A target behind a proxy that answers wrongly as long as `fault()` says how. */
export const faultyTarget = (target: Target, fault: () => Fault): Target => ({
  ...target,
  name: `${target.name} with a fault`,
  start: async (options) => {
    const server = await target.start(options);
    const proxied = (port: number): Promise<Server> => startHttpProxy(port, fault);
    const [http, metrics, sagemaker, grpc] = await Promise.all([
      proxied(server.httpPort),
      proxied(server.metricsPort),
      proxied(server.sagemakerPort),
      startGrpcProxy(server.grpcPort, fault),
    ]);
    const running: RunningServer = {
      ...server,
      httpPort: portOf(http),
      metricsPort: portOf(metrics),
      sagemakerPort: portOf(sagemaker),
      grpcPort: portOf(grpc),
      stop: async () => {
        for (const proxy of [http, metrics, sagemaker, grpc]) proxy.close();
        await server.stop();
      },
    };
    return running;
  },
});

const portOf = (server: Pick<Server, "address">): number => {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
};

const listening = <T extends Server | Http2Server>(server: T): Promise<T> =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));

/** Of one request on each connection. */
const startHttpProxy = (port: number, fault: () => Fault): Promise<Server> =>
  listening(
    createServer((client) => {
      const upstream = connect(port, "127.0.0.1");
      let request = "";
      let received = Buffer.alloc(0);
      client.on("data", (bytes: Buffer) => {
        if (request === "") request = bytes.toString("latin1").split("\r\n", 1)[0] ?? "";
        upstream.write(bytes);
      });
      upstream.on("data", (bytes: Buffer) => {
        received = Buffer.concat([received, bytes]);
        const answer = parseAnswer(received);
        if (answer === null) return;
        const wrong = fault().http?.(request, answer) ?? answer;
        client.write(wrong === answer ? received : bytesOf(wrong));
      });
      upstream.on("end", () => client.end());
      client.on("close", () => upstream.destroy());
      for (const socket of [client, upstream]) socket.on("error", () => {});
    }),
  );

const bytesOf = ({ statusLine, headers, body }: HttpAnswer): Buffer => {
  const lines = headers.map(([name, value]) => `${name}: ${name === "Content-Length" ? body.length : value}`);
  return Buffer.concat([Buffer.from(`${[statusLine, ...lines].join("\r\n")}\r\n\r\n`, "latin1"), body]);
};

const startGrpcProxy = (port: number, fault: () => Fault): Promise<Http2Server> => {
  const server = createHttp2Server();
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const path = String(headers[":path"]);
    const call = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    const ends: IncomingHttpHeaders[] = [];
    stream.on("data", (bytes: Buffer) => call.write(bytes));
    stream.on("end", () => call.end());
    call.on("response", (head) => ends.push(head));
    call.on("trailers", (head) => ends.push(head));
    call.on("data", (bytes: Buffer) => chunks.push(bytes));
    call.on("error", () => {});
    stream.on("error", () => {});
    call.on("close", () => {
      session.close();
      if (stream.destroyed) return;
      const last = ends.at(-1) ?? {};
      const reply: GrpcReply = {
        messages: framesOf(Buffer.concat(chunks)),
        status: String(last["grpc-status"]),
      };
      const wrong = fault().grpc?.(path, reply) ?? reply;
      const trailers = { "grpc-status": wrong.status, "grpc-message": String(last["grpc-message"] ?? "") };
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      stream.end(Buffer.concat(wrong.messages));
    });
  });
  return listening(server);
};

const framesOf = (bytes: Buffer): Buffer[] => {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
};
