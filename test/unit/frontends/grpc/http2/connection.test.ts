import { connect, constants } from "node:http2";
import { describe, expect, test } from "vitest";
import { PREFACE } from "../../../../../emulator/frontends/grpc/http2/frames.ts";
import { encodeHeaders, HpackDecoder } from "../../../../../emulator/frontends/grpc/http2/hpack.ts";
import { GrpcFixture } from "../../../../support/grpc-frontend.ts";
import { encodeRequest } from "../../../../support/grpc-messages.ts";
import { RawHttp2Client } from "../../../../support/http2-frames.ts";

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PUSH_PROMISE = 5;
const PING = 6;
const WINDOW_UPDATE = 8;
const CONTINUATION = 9;

const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PADDED = 8;
const PRIORITY = 0x20;

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const request = (rpc: string, extra: readonly (readonly [string, string])[] = []): Buffer =>
  encodeHeaders([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", `/inference.GRPCInferenceService/${rpc}`],
    [":authority", "a"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ...extra,
  ]);

const message = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([0]), uint32(bytes.length), bytes]);
const emptyMessage = message(Buffer.alloc(0));

const inferMessage = (tensorBytes: number): Buffer =>
  message(
    encodeRequest("ModelInfer", {
      model_name: "echo",
      inputs: [{ name: "A", datatype: "UINT8", shape: [tensorBytes] }],
      raw_input_contents: [Buffer.alloc(tensorBytes, 5)],
    }),
  );

const withClient = async (
  body: (client: RawHttp2Client, fixture: GrpcFixture) => Promise<void>,
): Promise<void> => {
  await using fixture = await GrpcFixture.start();
  const client = new RawHttp2Client(fixture.frontend.port);
  try {
    await body(client, fixture);
  } finally {
    client.close();
  }
};

const trailersOf = (streamId: number) => (frame: { type: number; flags: number; streamId: number }) =>
  frame.type === HEADERS && frame.streamId === streamId && (frame.flags & END_STREAM) !== 0;

/** The status of a stream, from its last header block. */
const statusOf = async (client: RawHttp2Client, streamId: number): Promise<string | undefined> => {
  const trailers = await client.until(trailersOf(streamId));
  return new HpackDecoder().decode(trailers.payload)["grpc-status"];
};

test("HTTP/2: settings are those of the real server, and the client's are acknowledged", () =>
  withClient(async (client) => {
    client.start();
    const settings = await client.until(({ type, flags }) => type === SETTINGS && flags === 0);
    expect(settings.payload.toString("hex")).toBe("000400400000000500400000000600004000fe0300000001");
    await client.until(({ type, flags }) => type === SETTINGS && flags === ACK);
  }));

test("HTTP/2: frames may come byte by byte", () =>
  withClient(async (client) => {
    client.start();
    await client.until(({ type, flags }) => type === SETTINGS && flags === ACK);
    const block = request("ServerLive");
    const bytes = Buffer.concat([
      Buffer.from([0, 0, block.length, HEADERS, END_HEADERS, 0, 0, 0, 1]),
      block,
      Buffer.from([0, 0, 5, DATA, END_STREAM, 0, 0, 0, 1]),
      emptyMessage,
    ]);
    for (const byte of bytes) client.write(Uint8Array.of(byte));
    expect(await statusOf(client, 1)).toBe("0");
  }));

test("HTTP/2: priorities, continuations and unknown frames are read over", () =>
  withClient(async (client) => {
    const block = request("ServerLive");
    client.start();
    client.frame(2, 0, 3, Buffer.alloc(5));
    client.frame(0xfe, 0xff, 0, Buffer.alloc(20));
    client.frame(HEADERS, PRIORITY, 1, Buffer.concat([Buffer.alloc(5), block.subarray(0, 4)]));
    client.frame(CONTINUATION, 0, 1, block.subarray(4, 10));
    client.frame(CONTINUATION, END_HEADERS, 1, block.subarray(10));
    client.frame(DATA, 0, 1, emptyMessage.subarray(0, 3));
    client.frame(DATA, END_STREAM, 1, emptyMessage.subarray(3));
    expect(await statusOf(client, 1)).toBe("0");
  }));

test("HTTP/2: padding is not known, as in the real server: the stream is reset", () =>
  withClient(async (client) => {
    client.start().frame(HEADERS, END_HEADERS, 1, block);
    client.frame(DATA, PADDED | END_STREAM, 1, Buffer.concat([Buffer.from([0]), emptyMessage]));
    const reset = await client.until(({ type, streamId }) => type === RST_STREAM && streamId === 1);
    expect(reset.payload.readUInt32BE(0)).toBe(1);
  }));

test("HTTP/2: trailers end a request", () =>
  withClient(async (client) => {
    client.start().frame(HEADERS, END_HEADERS, 1, request("ModelStreamInfer"));
    client.frame(HEADERS, END_HEADERS | END_STREAM, 1, encodeHeaders([["x", "y"]]));
    expect(await statusOf(client, 1)).toBe("0");
  }));

test("HTTP/2: a ping is answered with its own bytes", () =>
  withClient(async (client) => {
    client.start().frame(PING, 0, 0, Buffer.from("12345678"));
    const pong = await client.until(({ type, flags }) => type === PING && flags === ACK);
    expect(pong.payload.toString()).toBe("12345678");
  }));

describe("HTTP/2: flow control", () => {
  const smallWindow = Buffer.concat([Buffer.from([0, 4]), uint32(10)]);

  test("a response waits for the stream's window, and goes on when it opens", () =>
    withClient(async (client) => {
      client.start().frame(SETTINGS, 0, 0, smallWindow);
      client.frame(HEADERS, END_HEADERS, 1, request("ModelInfer"));
      client.frame(DATA, END_STREAM, 1, inferMessage(100));
      const first = await client.until(({ type }) => type === DATA);
      expect(first.payload).toHaveLength(10);
      client.frame(PING, 0, 0, Buffer.alloc(8));
      await client.until(({ type, flags }) => type === PING && flags === ACK);
      expect(client.frames.filter(({ type }) => type === DATA)).toHaveLength(1);
      client.frame(WINDOW_UPDATE, 0, 1, uint32(1000));
      expect(await statusOf(client, 1)).toBe("0");
      const body = Buffer.concat(
        client.frames.filter(({ type }) => type === DATA).map(({ payload }) => payload),
      );
      expect(body.readUInt32BE(1)).toBe(body.length - 5);
    }));

  test("a change of the initial window opens streams that wait", () =>
    withClient(async (client) => {
      client.start().frame(SETTINGS, 0, 0, smallWindow);
      client.frame(HEADERS, END_HEADERS, 1, request("ModelInfer"));
      client.frame(DATA, END_STREAM, 1, inferMessage(100));
      await client.until(({ type }) => type === DATA);
      client.frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(1000)]));
      expect(await statusOf(client, 1)).toBe("0");
    }));

  test("the connection's window holds all streams back", () =>
    withClient(async (client) => {
      client.start().frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(1_000_000)]));
      client.frame(HEADERS, END_HEADERS, 1, request("ModelInfer"));
      client.frame(DATA, END_STREAM, 1, inferMessage(100_000));
      client.frame(PING, 0, 0, Buffer.alloc(8));
      await client.until(({ type, flags }) => type === PING && flags === ACK);
      const sent = (): number =>
        client.frames
          .filter(({ type }) => type === DATA)
          .reduce((sum, { payload }) => sum + payload.length, 0);
      expect(sent()).toBe(65_535);
      client.frame(WINDOW_UPDATE, 0, 0, uint32(100_000));
      expect(await statusOf(client, 1)).toBe("0");
      expect(sent()).toBeGreaterThan(100_000);
    }));

  const beginning = Buffer.concat([Buffer.from([0]), uint32(2 ** 31 - 1)]);
  const MEBIBYTE = 1024 * 1024;

  test("a client may send on as its bytes are taken", () =>
    withClient(async (client) => {
      client.start().frame(HEADERS, END_HEADERS, 1, request("ModelInfer"));
      client.frame(DATA, 0, 1, Buffer.concat([beginning, Buffer.alloc(3 * MEBIBYTE)]));
      const opened = await client.until(({ type, streamId }) => type === WINDOW_UPDATE && streamId === 1);
      expect(opened.payload.readUInt32BE(0)).toBe(3 * MEBIBYTE + beginning.length);
    }));

  test("a client that sends more than it may has its stream reset", () =>
    withClient(async (client) => {
      client.start().frame(HEADERS, END_HEADERS, 1, request("ModelInfer"));
      client.frame(DATA, 0, 1, Buffer.concat([beginning, Buffer.alloc(MEBIBYTE)]));
      client.frame(DATA, 0, 1, Buffer.alloc(4 * MEBIBYTE));
      const reset = await client.until(({ type, streamId }) => type === RST_STREAM && streamId === 1);
      expect(reset.payload.readUInt32BE(0)).toBe(3);
    }));
});

test("HTTP/2: a reset cancels the call and leaves the connection as it is", () =>
  withClient(async (client, fixture) => {
    const cancelled = new Promise<void>((resolve) => {
      fixture.server.onInfer = (inference) => {
        inference.cancel = () => resolve();
        client.frame(RST_STREAM, 0, 1, uint32(8));
        return null;
      };
    });
    client.start().frame(HEADERS, END_HEADERS, 1, request("ModelInfer"));
    client.frame(DATA, END_STREAM, 1, inferMessage(4));
    await cancelled;
    client.frame(HEADERS, END_HEADERS, 3, request("ServerLive")).frame(DATA, END_STREAM, 3, emptyMessage);
    expect(await statusOf(client, 3)).toBe("0");
  }));

test("HTTP/2: the end of the connection cancels its calls", () =>
  withClient(async (client, fixture) => {
    const cancelled = new Promise<void>((resolve) => {
      fixture.server.onInfer = (inference) => {
        inference.cancel = () => resolve();
        client.close();
        return null;
      };
    });
    client.start().frame(HEADERS, END_HEADERS, 1, request("ModelInfer"));
    client.frame(DATA, END_STREAM, 1, inferMessage(4));
    await cancelled;
  }));

const block = request("ServerLive");

test.each([
  ["HEADERS on an even stream", (c: RawHttp2Client) => c.frame(HEADERS, END_HEADERS, 2, block)],
  ["HEADERS on no stream", (c: RawHttp2Client) => c.frame(HEADERS, END_HEADERS, 0, block)],
  ["DATA on a stream that never began", (c: RawHttp2Client) => c.frame(DATA, 0, 5, emptyMessage)],
  ["a reset of a stream that never began", (c: RawHttp2Client) => c.frame(RST_STREAM, 0, 99, uint32(8))],
  ["a window that is too large", (c: RawHttp2Client) => c.frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 31 - 1))],
  ["a push", (c: RawHttp2Client) => c.frame(PUSH_PROMISE, END_HEADERS, 1, block)],
  ["a priority of the wrong size", (c: RawHttp2Client) => c.frame(2, 0, 1, Buffer.alloc(4))],
])("HTTP/2: %s is read over", (_, send) =>
  withClient(async (client) => {
    client.start();
    send(client);
    client.frame(HEADERS, END_HEADERS, 7, block).frame(DATA, END_STREAM, 7, emptyMessage);
    expect(await statusOf(client, 7)).toBe("0");
  }),
);

test.each([
  ["settings of a stream", (c: RawHttp2Client) => c.frame(SETTINGS, 0, 1)],
  ["an acknowledgement with settings", (c: RawHttp2Client) => c.frame(SETTINGS, ACK, 0, Buffer.alloc(6))],
  ["a window that does not grow", (c: RawHttp2Client) => c.frame(WINDOW_UPDATE, 0, 0, uint32(0))],
  ["settings that are cut off", (c: RawHttp2Client) => c.frame(SETTINGS, 0, 0, Buffer.alloc(5))],
  ["a ping of the wrong size", (c: RawHttp2Client) => c.frame(PING, 0, 0, Buffer.alloc(7))],
  ["a goaway of the wrong size", (c: RawHttp2Client) => c.frame(7, 0, 0, Buffer.alloc(7))],
  ["a continuation of nothing", (c: RawHttp2Client) => c.frame(CONTINUATION, END_HEADERS, 1, block)],
  [
    "a frame that is too long",
    (c: RawHttp2Client) => c.write(Buffer.from([0x7f, 0xff, 0xff, DATA, 0, 0, 0, 0, 1])),
  ],
])("HTTP/2: %s ends the connection without a word", (_, send) =>
  withClient(async (client) => {
    client.start();
    send(client);
    expect(await client.end()).toBeNull();
  }),
);

test.each([
  [
    "a header block that is no HPACK",
    (c: RawHttp2Client) => c.frame(HEADERS, END_HEADERS, 1, Buffer.from([0x80])),
  ],
  [
    "a header block that is not continued",
    (c: RawHttp2Client) => c.frame(HEADERS, 0, 1, block).frame(PING, 0, 0),
  ],
  [
    "trailers without an end",
    (c: RawHttp2Client) =>
      c.frame(HEADERS, END_HEADERS, 1, block).frame(HEADERS, END_HEADERS, 1, encodeHeaders([["x", "y"]])),
  ],
  [
    "a window of a stream that does not grow",
    (c: RawHttp2Client) => c.frame(HEADERS, END_HEADERS, 1, block).frame(WINDOW_UPDATE, 0, 1, uint32(0)),
  ],
])("HTTP/2: %s ends the connection, and its streams hear of it", (_, send) =>
  withClient(async (client) => {
    client.start();
    send(client);
    expect(await statusOf(client, 1)).toBe("14");
    expect(await client.end()).toBeNull();
  }),
);

test.each([
  [
    "a bad frame size setting",
    1,
    (c: RawHttp2Client) => c.frame(SETTINGS, 0, 0, Buffer.from([0, 5, 0, 0, 0, 1])),
  ],
  [
    "a window setting that is too large",
    3,
    (c: RawHttp2Client) => c.frame(SETTINGS, 0, 0, Buffer.from([0, 4, 128, 0, 0, 0])),
  ],
  [
    "a header block without an end",
    11,
    (c: RawHttp2Client) => {
      c.frame(HEADERS, 0, 1, block);
      for (let i = 0; i < 200; i++) c.frame(CONTINUATION, 0, 1);
    },
  ],
  [
    "streams that are given up by the thousand",
    11,
    (c: RawHttp2Client) => {
      for (let id = 1; id < 3000; id += 2)
        c.frame(HEADERS, END_HEADERS, id, block).frame(RST_STREAM, 0, id, uint32(8));
    },
  ],
])("HTTP/2: %s ends the connection, saying why", (_, code, send) =>
  withClient(async (client) => {
    client.start();
    send(client);
    expect(await client.end()).toMatchObject({ code });
  }),
);

test("HTTP/2: before our settings are acknowledged, no frame may be longer than HTTP/2 has it", () =>
  withClient(async (client) => {
    client.write(PREFACE).frame(SETTINGS, 0, 0).frame(HEADERS, END_HEADERS, 1, request("ModelInfer"));
    client.frame(DATA, 0, 1, Buffer.alloc(16_385));
    expect(await statusOf(client, 1)).toBe("14");
    expect(await client.end()).toBeNull();
  }));

test.each([
  ["something else", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  [
    "frames before its settings",
    Buffer.concat([PREFACE, Buffer.from([0, 0, 8, PING, 0, 0, 0, 0, 0]), Buffer.alloc(8)]),
  ],
])("HTTP/2: a client that speaks %s is cut off", (_, bytes) =>
  withClient(async (client) => {
    client.write(bytes);
    expect(await client.end()).toBeNull();
  }),
);

test("HTTP/2: draining refuses new streams, finishes those that run and then closes", () =>
  withClient(async (client, fixture) => {
    let answer: () => void = () => {};
    const started = new Promise<void>((resolve) => {
      fixture.server.onInfer = (inference) => {
        answer = () => inference.respond({ final: true, outputs: [] });
        resolve();
        return null;
      };
    });
    client.start().frame(HEADERS, END_HEADERS, 1, request("ModelInfer"));
    client.frame(DATA, END_STREAM, 1, inferMessage(4));
    await started;
    const drained = fixture.frontend.drain();
    await client.until(({ type }) => type === 7);
    client.frame(HEADERS, END_HEADERS, 3, block);
    const refused = await client.until(({ type, streamId }) => type === RST_STREAM && streamId === 3);
    expect(refused.payload.readUInt32BE(0)).toBe(7);
    answer();
    expect(await statusOf(client, 1)).toBe("0");
    await drained;
    expect(await client.end()).toEqual({ code: 0, reason: "" });
  }));

test("HTTP/2: another implementation's client gets large tensors through, both ways and at once", async () => {
  await using fixture = await GrpcFixture.start();
  const session = connect(`http://127.0.0.1:${fixture.frontend.port}`);
  const tensorBytes = 3_000_000;
  const call = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const stream = session.request({
        [constants.HTTP2_HEADER_METHOD]: "POST",
        [constants.HTTP2_HEADER_PATH]: "/inference.GRPCInferenceService/ModelInfer",
        "content-type": "application/grpc",
        te: "trailers",
        "x-every": Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
          .join("")
          .trim(),
      });
      let received = 0;
      stream.on("data", (chunk: Buffer) => {
        received += chunk.length;
      });
      stream.on("trailers", (trailers) => {
        if (trailers["grpc-status"] !== "0") reject(new Error(String(trailers["grpc-message"])));
      });
      stream.on("error", reject);
      stream.on("end", () => resolve(received));
      stream.end(inferMessage(tensorBytes));
    });
  const received = await Promise.all([call(), call(), call()]);
  for (const bytes of received) expect(bytes).toBeGreaterThan(tensorBytes);
  expect(fixture.server.requests.map(({ inputs }) => inputs[0]?.data.every((byte) => byte === 5))).toEqual([
    true,
    true,
    true,
  ]);
  session.close();
});

test("HTTP/2: what comes on a stream after its end is read over while it is answered", () =>
  withClient(async (client, fixture) => {
    fixture.server.onInfer = (inference) => {
      setImmediate(() => inference.respond({ final: true, outputs: [] }));
      return null;
    };
    const headers = request("ModelInfer");
    client.start().frame(HEADERS, END_HEADERS, 1, headers).frame(DATA, END_STREAM, 1, inferMessage(4));
    client.frame(HEADERS, END_HEADERS | END_STREAM, 1, headers).frame(DATA, END_STREAM, 1, emptyMessage);
    expect(await statusOf(client, 1)).toBe("0");
  }));
