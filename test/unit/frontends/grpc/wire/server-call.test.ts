import { connect, type IncomingHttpHeaders } from "node:http2";
import { deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Log } from "../../../../../emulator/common/log.ts";
import { silentLog } from "../../../../../emulator/common/log.ts";
import type { GrpcFrontendOptions } from "../../../../../emulator/frontends/grpc/server.ts";
import { GrpcFixture } from "../../../../support/grpc-frontend.ts";
import { encodeRequest } from "../../../../support/grpc-messages.ts";

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly resetCode: number;
}

const INFER = "/inference.GRPCInferenceService/ModelInfer";
const LIVE = "/inference.GRPCInferenceService/ServerLive";
const STREAM = "/inference.GRPCInferenceService/ModelStreamInfer";

/** One request over plain HTTP/2, so that a test may get everything wrong. */
const post = (
  port: number,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on("error", reject);
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const chunks: Buffer[] = [];
    let responseHeaders: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on("response", (received) => {
      responseHeaders = received;
    });
    stream.on("trailers", (received) => {
      trailers = received;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () => {
      resolve({ headers: responseHeaders, trailers, body: Buffer.concat(chunks), resetCode: stream.rstCode });
      session.close();
    });
    stream.end(body);
  });

const framed = (message: Uint8Array, flag = 0): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};

const inferMessage = (tensorBytes: number): Buffer =>
  encodeRequest("ModelInfer", {
    model_name: "echo",
    inputs: [{ name: "A", datatype: "UINT8", shape: [tensorBytes] }],
    raw_input_contents: [Buffer.alloc(tensorBytes)],
  });

const start = (options: Partial<GrpcFrontendOptions> = {}, log?: Log): Promise<GrpcFixture> =>
  GrpcFixture.start(options, log);

test("call: a good answer has headers, a message and trailers", async () => {
  await using fixture = await start();
  const { headers, trailers, body } = await post(fixture.frontend.port, LIVE, framed(Buffer.alloc(0)));
  expect(Object.entries(headers)).toEqual(
    Object.entries({
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-accept-encoding": "identity, deflate, gzip",
    }),
  );
  expect(body.toString("hex")).toBe("00000000020801");
  expect(Object.entries(trailers)).toEqual([["grpc-status", "0"]]);
});

describe("call: is answered with nothing but a status", () => {
  test.each([
    [
      "for a method that is not there",
      "/inference.GRPCInferenceService/No",
      framed(Buffer.alloc(0)),
      {},
      "12",
      undefined,
    ],
    ["for Watch", "/grpc.health.v1.Health/Watch", framed(Buffer.alloc(0)), {}, "12", undefined],
    ["for a GET", LIVE, Buffer.alloc(0), { ":method": "GET" }, "2", "Bad method header"],
    ["for no message", LIVE, Buffer.alloc(0), {}, "13", "Unable to parse request"],
    ["for half a message", LIVE, framed(Buffer.alloc(9)).subarray(0, 8), {}, "13", "Unable to parse request"],
    ["for bytes that are none", INFER, framed(Buffer.from([10, 127])), {}, "13", "Unable to parse request"],
    [
      "for a health check of a service whose name is no text",
      "/grpc.health.v1.Health/Check",
      framed(Buffer.from([10, 1, 0xff])),
      {},
      "13",
      "Unable to parse request",
    ],
    [
      "for a length that never comes",
      LIVE,
      Buffer.from([0, 0xff, 0xff, 0xff, 0xff]),
      {},
      "13",
      "Unable to parse request",
    ],
    ["for no time", LIVE, framed(Buffer.alloc(0)), { "grpc-timeout": "0S" }, "4", "Deadline Exceeded"],
    ["for a stream without a message", STREAM, Buffer.alloc(0), {}, "0", undefined],
    ["for a stream of bytes that are no message", STREAM, framed(Buffer.from([10, 127])), {}, "0", undefined],
    [
      "for a message that is not gzip",
      LIVE,
      framed(Buffer.from("abc"), 1),
      { "grpc-encoding": "gzip" },
      "13",
      "Unexpected error decompressing data for algorithm gzip",
    ],
  ])("%s", async (_, path, body, headers, code, message) => {
    await using fixture = await start();
    const answer = await post(fixture.frontend.port, path, body, headers);
    expect(answer.headers).toMatchObject({
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": code,
    });
    expect(answer.headers["grpc-message"]).toBe(message);
    expect(answer.body).toHaveLength(0);
  });
});

describe("call: the stream is reset", () => {
  test.each([
    ["for another content type", { "content-type": "text/plain" }],
    ["for a compression it does not know", { "grpc-encoding": "br" }],
    ["for a timeout that is none", { "grpc-timeout": "soon" }],
  ])("%s", async (_, headers) => {
    await using fixture = await start();
    const answer = await post(fixture.frontend.port, LIVE, framed(Buffer.alloc(0)), headers);
    expect(answer.resetCode).toBe(2);
  });
});

test("call: content types of gRPC with a suffix or parameters are accepted, and a flag without an encoding ignored", async () => {
  await using fixture = await start();
  for (const type of ["application/grpc+proto", "application/grpc;charset=utf-8"]) {
    const answer = await post(fixture.frontend.port, LIVE, framed(Buffer.alloc(0), 1), {
      "content-type": type,
    });
    expect(answer.trailers["grpc-status"]).toBe("0");
  }
});

test("call: what follows the message of a unary call is not looked at", async () => {
  await using fixture = await start();
  const live = framed(Buffer.alloc(0));
  for (const rest of [live, Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), Buffer.from([7])]) {
    const answer = await post(fixture.frontend.port, LIVE, Buffer.concat([live, rest]));
    expect(answer.trailers["grpc-status"]).toBe("0");
  }
});

describe("call: compression", () => {
  test("an empty message is not decompressed, whatever its flag", async () => {
    await using fixture = await start();
    const answer = await post(fixture.frontend.port, LIVE, framed(Buffer.alloc(0), 1), {
      "grpc-encoding": "gzip",
    });
    expect(answer.trailers["grpc-status"]).toBe("0");
  });

  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
  ])("a %s message is decompressed, small or large", async (encoding, compress) => {
    await using fixture = await start();
    for (const tensorBytes of [10, 5_000_000]) {
      const body = framed(compress(inferMessage(tensorBytes)), 1);
      const answer = await post(fixture.frontend.port, INFER, body, { "grpc-encoding": encoding });
      expect(answer.trailers["grpc-status"]).toBe("0");
      expect(answer.body.readUInt32BE(1)).toBeGreaterThan(tensorBytes);
    }
  });

  const ask = async (
    level: "low" | "medium" | "high",
    accept: string,
    tensorBytes: number,
  ): Promise<Answer> => {
    await using fixture = await start({ inferResponseCompressionLevel: level });
    return await post(fixture.frontend.port, INFER, framed(inferMessage(tensorBytes)), {
      "grpc-accept-encoding": accept,
    });
  };

  test("inference is answered compressed where level and client say so", async () => {
    const gzip = await ask("low", "identity, deflate, gzip", 1000);
    expect(gzip.headers["grpc-encoding"]).toBe("gzip");
    expect(gzip.body[0]).toBe(1);
    expect(gunzipSync(gzip.body.subarray(5)).length).toBeGreaterThan(1000);
    const deflate = await ask("high", "identity,deflate,gzip", 200_000);
    expect(deflate.headers["grpc-encoding"]).toBe("deflate");
    expect(inflateSync(deflate.body.subarray(5)).length).toBeGreaterThan(200_000);
    const only = await ask("high", "gzip", 1000);
    expect(only.headers["grpc-encoding"]).toBe("gzip");
  });

  test("a message that compression does not shorten is sent as it is", async () => {
    await using fixture = await start({ inferResponseCompressionLevel: "low" });
    const request = framed(encodeRequest("ModelInfer", { model_name: "echo" }));
    const answer = await post(fixture.frontend.port, INFER, request, { "grpc-accept-encoding": "gzip" });
    expect(answer.headers["grpc-encoding"]).toBe("gzip");
    expect(answer.body[0]).toBe(0);
  });

  test("nothing is compressed for a client that takes none, nor outside inference", async () => {
    expect((await ask("low", "identity", 1000)).headers["grpc-encoding"]).toBeUndefined();
    await using fixture = await start({ inferResponseCompressionLevel: "low" });
    const live = await post(fixture.frontend.port, LIVE, framed(Buffer.alloc(0)), {
      "grpc-accept-encoding": "gzip",
    });
    expect(live.headers["grpc-encoding"]).toBeUndefined();
  });
});

test("call: ends with DEADLINE_EXCEEDED and cancels the request when its time is over", async () => {
  await using fixture = await start();
  fixture.server.onInfer = () => null;
  const answer = await post(fixture.frontend.port, INFER, framed(inferMessage(4)), { "grpc-timeout": "5m" });
  expect(answer.headers["grpc-status"]).toBe("4");
  expect(fixture.server.requests.map(({ cancelled }) => cancelled)).toEqual([true]);
});

test("call: an exception of a handler is an answer and a line of the log, and the server goes on", async () => {
  const errors: string[] = [];
  await using fixture = await start({}, { ...silentLog, error: (message) => errors.push(message) });
  fixture.server.onInfer = () => {
    throw new Error("a bug");
  };
  const answer = await post(fixture.frontend.port, INFER, framed(inferMessage(4)));
  expect(answer.headers).toMatchObject({
    "grpc-status": "13",
    "grpc-message": "internal error of the emulator, see its log",
  });
  expect(errors).toEqual([expect.stringContaining("a bug")]);
  const next = await post(fixture.frontend.port, LIVE, framed(Buffer.alloc(0)));
  expect(next.trailers["grpc-status"]).toBe("0");
});
