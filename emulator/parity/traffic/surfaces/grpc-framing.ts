import { deflateSync, gzipSync } from "node:zlib";
import { flag, frameType as frame, PREFACE } from "../../../frontends/grpc/http2/frames.ts";
import { frameBytes, headerBlock } from "../../exchange/http2-connection.ts";
import type { Chance } from "../chance.ts";
import type { RawTraffic } from "../request.ts";
import type { Surface, World } from "../surface.ts";

const { END_HEADERS, END_STREAM } = flag;

/** How calls lie in frames, headers, prefixes and protobuf: one of these is odd, and a sound call may follow. */
export const grpcFraming: Surface = {
  name: "grpc-framing",
  title: "framing of gRPC",
  weight: 7,
  make: (chance, world): RawTraffic => {
    const first = chance.oneIn(20) ? soundCall(chance, world) : oddCall(chance, soundCall(chance, world));
    const others = chance.times(
      chance.weighted([
        [12, 0],
        [8, 1],
        [1, 30],
      ] as const),
      () => live,
    );
    const calls = [first, ...others];
    const frames = calls.flatMap((call, index) => framesOf(call, 2 * index + 1));
    return {
      kind: "raw",
      port: "grpc",
      bytes: Buffer.concat([PREFACE, frameBytes(frame.SETTINGS, 0, 0, Buffer.alloc(0)), ...frames]),
      calls: calls.map(({ rpc }) => rpc),
    };
  },
};

type HeaderField = readonly [name: string, value: string];

interface Call {
  readonly rpc: string;
  readonly headers: readonly HeaderField[];
  /** With their prefixes. */
  readonly data: Buffer;
  /** Frames in the place of one HEADERS and one DATA. */
  readonly frames: ((stream: number, block: Buffer, data: Buffer) => readonly Buffer[]) | null;
}

const framesOf = ({ headers, data, frames }: Call, stream: number): readonly Buffer[] => {
  const block = headerBlock(headers);
  if (frames !== null) return frames(stream, block, data);
  return [
    frameBytes(frame.HEADERS, END_HEADERS, stream, block),
    frameBytes(frame.DATA, END_STREAM, stream, data),
  ];
};

const prefixed = (message: Buffer, flag = 0, length = message.length): Buffer => {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(length >>> 0, 1);
  return Buffer.concat([head, message]);
};

const callOf = (rpc: string, message: Buffer): Call => ({
  rpc,
  headers: [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", `/${rpc === "Check" ? "grpc.health.v1.Health" : "inference.GRPCInferenceService"}/${rpc}`],
    [":authority", "127.0.0.1"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ["user-agent", "a"],
  ],
  data: prefixed(message),
  frames: null,
});

const live = callOf("ServerLive", Buffer.alloc(0));

/** One field of a protobuf message: `payload` is what follows the tag, without the length of wire type 2. */
interface Field {
  readonly number: number;
  readonly wire: number;
  readonly payload: Buffer | readonly Field[];
}

const varint = (value: bigint, bytes = 1): Buffer => {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  } while (rest > 0n);
  while (out.length < bytes) out.push(0x80);
  out[out.length - 1] = (out.at(-1) ?? 0) & 0x7f;
  return Buffer.from(out);
};

const encoded = (fields: readonly Field[]): Buffer =>
  Buffer.concat(
    fields.flatMap(({ number, wire, payload }) => {
      const content = Buffer.isBuffer(payload) ? payload : encoded(payload);
      const tag = varint((BigInt(number) << 3n) | BigInt(wire));
      return wire === 2 ? [tag, varint(BigInt(content.length)), content] : [tag, content];
    }),
  );

const text = (number: number, value: string): Field => ({ number, wire: 2, payload: Buffer.from(value) });
const message = (number: number, ...payload: readonly Field[]): Field => ({ number, wire: 2, payload });
const integer = (number: number, value: number): Field => ({
  number,
  wire: 0,
  payload: varint(BigInt(value)),
});

const soundCall = (chance: Chance, world: World): Call => {
  const { rpc, fields } = soundMessage(chance, world);
  return callOf(rpc, encoded(fields));
};

const soundMessage = (
  chance: Chance,
  { models }: World,
): { readonly rpc: string; readonly fields: readonly Field[] } => {
  const { name } = chance.pick(models);
  const rpc = chance.weighted([
    [4, "ModelInfer"],
    [2, "ModelStreamInfer"],
    [2, "ModelReady"],
    [1, "ModelMetadata"],
    [1, "Check"],
    [1, "ServerLive"],
    [1, "RepositoryIndex"],
    [1, "RepositoryModelLoad"],
    [1, "SystemSharedMemoryStatus"],
  ] as const);
  switch (rpc) {
    case "ModelInfer":
    case "ModelStreamInfer":
      return {
        rpc,
        fields: inferFields(
          chance,
          models.some((model) => model.name === "simple"),
        ),
      };
    case "ModelReady":
    case "ModelMetadata":
      return { rpc, fields: [text(1, name), ...(chance.oneIn(2) ? [text(2, "1")] : [])] };
    case "Check":
      return { rpc, fields: chance.oneIn(2) ? [] : [text(1, chance.pick(["", name]))] };
    case "RepositoryIndex":
      return { rpc, fields: [text(1, "none")] };
    case "RepositoryModelLoad": {
      const parameter = message(3, text(1, "config"), message(2, text(3, "{}")));
      return { rpc, fields: [text(2, "none"), ...(chance.oneIn(2) ? [parameter] : [])] };
    }
    default:
      return { rpc, fields: [] };
  }
};

const INT32_BYTES = 64;

const inferFields = (chance: Chance, isThere: boolean): readonly Field[] => {
  const typed = chance.oneIn(2);
  const contents = message(5, { number: 2, wire: 2, payload: Buffer.alloc(INT32_BYTES / 4, 1) });
  const shape: Field = { number: 3, wire: 2, payload: Buffer.from([1, 16]) };
  const input = (name: string): Field =>
    message(5, text(1, name), text(2, "INT32"), shape, ...(typed ? [contents] : []));
  const parameter = message(4, text(1, "own"), message(2, integer(2, 7)));
  return [
    text(1, isThere ? "simple" : "none"),
    ...(chance.oneIn(3) ? [text(3, "id")] : []),
    ...(chance.oneIn(3) ? [parameter] : []),
    input("INPUT0"),
    input("INPUT1"),
    ...(chance.oneIn(3) ? [message(6, text(1, "OUTPUT1"))] : []),
    ...(typed ? [] : [rawInput, rawInput]),
  ];
};

const rawInput: Field = { number: 7, wire: 2, payload: Buffer.alloc(INT32_BYTES, 1) };

const oddCall = (chance: Chance, call: Call): Call => {
  const bare = call.data.subarray(5);
  switch (
    chance.weighted([
      [8, 0],
      [4, 1],
      [4, 2],
      [3, 3],
      [7, 4],
      [5, 5],
      [4, 6],
    ] as const)
  ) {
    case 0:
      return { ...call, data: prefixed(oddBytes(chance, bare)) };
    case 1:
      return { ...call, data: oddPrefix(chance, bare) };
    case 2:
      return packed(chance, call, bare);
    case 3:
      return withHeader(chance, call, [
        "grpc-timeout",
        chance.pick(call.rpc.endsWith("Infer") ? inferTimeouts : timeouts),
      ]);
    case 4:
      return oddHeader(chance, call);
    case 5:
      return withHeader(chance, call, oddMetadata(chance));
    default:
      return { ...call, frames: oddFrames(chance) };
  }
};

/** Anywhere among the headers that have no colon before their names. */
const withHeader = (chance: Chance, call: Call, field: HeaderField): Call => {
  const at = chance.between(4, call.headers.length);
  return { ...call, headers: [...call.headers.slice(0, at), field, ...call.headers.slice(at)] };
};

const oddBytes = (chance: Chance, bytes: Buffer): Buffer => {
  const fields = fieldsOf(bytes);
  switch (chance.below(5)) {
    case 0:
      return bytes.subarray(0, chance.below(bytes.length + 1));
    case 1: {
      const at = chance.below(bytes.length + 1);
      const other = Buffer.from([chance.pick([0, 1, 0x7f, 0x80, 0xff, chance.below(256)])]);
      const skipped = chance.oneIn(2) ? at : at + 1;
      return Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(skipped)]);
    }
    default:
      return encoded(oddFields(chance, fields));
  }
};

/** As deep as it can be read again; what is inside of strings may look like fields too. */
const fieldsOf = (bytes: Buffer): readonly Field[] => {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    const wire = tag & 7;
    const length = wire === 2 ? (bytes[at + 1] ?? 0) : 1;
    const start = wire === 2 ? at + 2 : at + 1;
    fields.push({ number: tag >> 3, wire, payload: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return fields;
};

const oddFields = (chance: Chance, fields: readonly Field[]): readonly Field[] => {
  const at = chance.below(Math.max(1, fields.length));
  const chosen = fields[at];
  const put = (...some: readonly Field[]): readonly Field[] => [
    ...fields.slice(0, at),
    ...some,
    ...fields.slice(at + 1),
  ];
  if (chosen === undefined) return [oddField(chance)];
  const { number, payload } = chosen;
  const bytes = Buffer.isBuffer(payload) ? payload : encoded(payload);
  switch (chance.below(10)) {
    case 0:
      return put();
    case 1:
      return put(chosen, chosen);
    case 2:
      return [...fields].reverse();
    case 3:
    case 4:
      return put(chosen, oddField(chance));
    case 5:
      return put({ number, wire: chance.pick([0, 1, 3, 4, 5, 6, 7]), payload: bytes });
    case 6:
      return put({ number, wire: 2, payload: chance.pick(oddTexts) });
    case 7:
      return put({ number: number + chance.pick([1, 2, 8, 100]), wire: 2, payload: bytes });
    default:
      // Into a message, as far as this is one.
      if (bytes.length < 2 || (bytes[0] ?? 0) > 0x3f) return put(oddField(chance), chosen);
      return put({ number, wire: 2, payload: oddFields(chance, fieldsOf(bytes)) });
  }
};

const oddTexts: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.from("a\0b"),
  Buffer.from("日本"),
  Buffer.from([0xff]),
  Buffer.from([0xc3]),
  Buffer.from([0xc0, 0x80]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xf4, 0x90, 0x80, 0x80]),
  Buffer.alloc(1000, 0x61),
];

const oddField = (chance: Chance): Field => {
  const number = chance.pick([1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 2047, 18999, 536_870_911, 0]);
  const group = (depth: number): Field => ({
    number,
    wire: 3,
    payload: depth === 0 ? [closing] : [group(depth - 1), closing],
  });
  const closing: Field = { number, wire: 4, payload: Buffer.alloc(0) };
  return chance.pick<() => Field>([
    () => ({ number, wire: 0, payload: varint(BigInt(chance.below(300))) }),
    () => ({ number, wire: 0, payload: varint(-1n) }),
    () => ({ number, wire: 0, payload: varint(7n, chance.pick([2, 5, 9, 10, 11])) }),
    () => ({ number, wire: 0, payload: Buffer.alloc(10, 0xff) }),
    () => ({ number, wire: 1, payload: Buffer.alloc(8, 1) }),
    () => ({ number, wire: 2, payload: Buffer.from("x") }),
    () => ({ number, wire: 5, payload: Buffer.alloc(4, 1) }),
    () => group(chance.pick([0, 1, 50, 98, 99, 100, 200])),
    () => closing,
    () => ({ number, wire: 3, payload: Buffer.alloc(0) }),
    () => ({ number, wire: 6, payload: Buffer.alloc(0) }),
    () => ({ number, wire: 7, payload: Buffer.alloc(0) }),
    // A map's entry: no key, no value, neither, both twice, a value of two kinds.
    () => message(4, message(2, integer(2, 7))),
    () => message(4, text(1, "own")),
    () => message(4),
    () => message(4, text(1, "a"), text(1, "own"), message(2, integer(2, 7)), message(2, integer(2, 8))),
    () => message(4, text(1, "own"), message(2, integer(2, 7), text(3, "x"))),
    () => message(4, text(1, "own"), message(2, text(3, "x"), integer(1, 2))),
    () => message(4, text(1, "priority"), message(2, integer(2, 7), integer(5, 8))),
    // A shape that is not packed, or both.
    () => message(5, text(1, "INPUT0"), text(2, "INT32"), integer(3, 1), integer(3, 16)),
    () => message(5, text(1, "INPUT1"), integer(3, 1), { number: 3, wire: 2, payload: Buffer.from([16]) }),
  ])();
};

const oddPrefix = (chance: Chance, bare: Buffer): Buffer => {
  const { length } = bare;
  const sound = prefixed(bare);
  return chance.pick<() => Buffer>([
    () => prefixed(bare, chance.pick([1, 2, 3, 0x80, 0xff])),
    () => prefixed(bare, 0, length + chance.pick([1, 5, 1000])),
    () => prefixed(bare, 0, Math.max(0, length - chance.pick([1, 2, 5]))),
    () => prefixed(bare, 0, chance.pick([0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1000_0000])),
    () => prefixed(bare, 1, chance.pick([0x7fff_ffff, 0x8000_0000, 0xffff_ffff])),
    () => Buffer.alloc(0),
    () => sound.subarray(0, chance.below(6)),
    () => sound.subarray(0, chance.below(sound.length)),
    () => Buffer.concat([sound, sound]),
    () => Buffer.concat([sound, sound.subarray(0, chance.below(sound.length))]),
    () => Buffer.concat([sound, Buffer.alloc(chance.pick([1, 4, 5, 6]))]),
    () => Buffer.concat([prefixed(Buffer.alloc(0)), sound]),
    () => Buffer.concat([sound, prefixed(bare, 0, 0xffff_ffff)]),
  ])();
};

/** Compressed, or said to be. */
const packed = (chance: Chance, call: Call, bare: Buffer): Call => {
  const encoding = chance.weighted([
    [4, "gzip"],
    [4, "deflate"],
    [2, "identity"],
    [1, "snappy"],
    [1, "GZIP"],
    [1, "gzip, deflate"],
    [1, ""],
    [1, "stream/gzip"],
  ] as const);
  const compressed = chance.weighted<Buffer>([
    [4, encoding === "deflate" ? deflateSync(bare) : gzipSync(bare)],
    [1, encoding === "deflate" ? gzipSync(bare) : deflateSync(bare)],
    [2, bare],
    [1, gzipSync(bare).subarray(0, -4)],
    [1, Buffer.concat([gzipSync(bare), Buffer.from("x")])],
    [1, Buffer.alloc(0)],
  ]);
  const headers: readonly HeaderField[] = [
    ...(chance.oneIn(6) ? [] : [["grpc-encoding", encoding] as const]),
    ...(chance.oneIn(3) ? [["grpc-accept-encoding", chance.pick(acceptEncodings)] as const] : []),
    ...(chance.oneIn(8) ? [["accept-encoding", "gzip"] as const] : []),
    ...(chance.oneIn(8) ? [["content-encoding", "gzip"] as const] : []),
  ];
  const flag = chance.weighted([
    [4, 1],
    [1, 0],
    [1, 3],
  ] as const);
  return { ...call, headers: [...call.headers, ...headers], data: prefixed(compressed, flag) };
};

const acceptEncodings = ["gzip", "identity,deflate,gzip", "deflate, gzip", "x", "", ",", "gzip;q=1"];

/** Whether an inference has begun when its time is over at once is a race, and its model counts what was cancelled. */
const inferTimeouts = [
  "1H",
  "1M",
  "5S",
  "10000m",
  "9999999u",
  "99999999n",
  "99999999H",
  "-1S",
  "+5S",
  "1",
  "S",
  "",
  "5 S",
  " 5S",
  "5S ",
  "123456789S",
  "0000000005S",
  "1.5S",
  "5s",
  "5h",
  "1x",
  "0x5S",
  "5SS",
];

const timeouts = ["0S", "0n", ...inferTimeouts];

const oddHeader = (chance: Chance, call: Call): Call => {
  const [name, values] = chance.pick(standardHeaders);
  const value = chance.pick(values);
  const path = call.headers.find(([key]) => key === ":path")?.[1] ?? "";
  const headers = call.headers.flatMap(([key, old]): readonly HeaderField[] => {
    if (key !== name) return [[key, old]];
    if (value === null) return [];
    if (value === TWICE)
      return [
        [key, old],
        [key, old],
      ];
    return [[key, value.replace("{path}", path)]];
  });
  return { ...call, headers };
};

const TWICE = "twice";

/** Values that take the place of the usual one; null = the header is not there. */
const standardHeaders: readonly (readonly [name: string, values: readonly (string | null)[]])[] = [
  [":method", ["GET", "PUT", "HEAD", "post", "OPTIONS", "", "X Y", null, TWICE]],
  [":scheme", ["https", "HTTP", "ftp", "", null, TWICE]],
  [
    ":path",
    [
      "/",
      "",
      "*",
      "x",
      "{path}/",
      "{path}?a",
      "/{path}",
      "{path}X",
      "/inference.GRPCInferenceService/Unknown",
      "/inference.Unknown/ServerLive",
      "/grpc.health.v1.Health/Watch",
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      "/INFERENCE.GRPCINFERENCESERVICE/ServerLive",
      "http://127.0.0.1{path}",
      `/${"a".repeat(5000)}`,
      "/ä",
      null,
      TWICE,
    ],
  ],
  [":authority", ["", "a:1", "a b", "ä", null, TWICE]],
  ["te", ["Trailers", "trailers, deflate", "gzip", "", null, TWICE]],
  [
    "content-type",
    [
      "application/grpc+proto",
      "application/grpc+json",
      "application/grpc;charset=utf-8",
      "application/grpc ",
      "application/grpc-web",
      "application/grpcx",
      "Application/GRPC",
      "application/json",
      "text/plain",
      "",
      null,
      TWICE,
    ],
  ],
  ["user-agent", ["", "grpc-c++/1.54.3", "a".repeat(3000), null, TWICE]],
];

const oddMetadata = (chance: Chance): HeaderField =>
  chance.pick<HeaderField>([
    ["own", "x"],
    ["own", ""],
    ["own", " x "],
    ["own", "ä"],
    ["own", "a\tb"],
    ["own", "a\0b"],
    ["own", "a\r\nb"],
    ["own", "a,b"],
    ["own", "a".repeat(chance.pick([1000, 7000, 9000, 15_000, 17_000, 40_000, 70_000]))],
    ["a".repeat(chance.pick([100, 9000])), "x"],
    ["Own", "x"],
    ["own name", "x"],
    ["own/name", "x"],
    ["ä", "x"],
    ["", "x"],
    [":own", "x"],
    [":status", "200"],
    [":path", "/"],
    ["own-bin", "AAEC"],
    ["own-bin", "AAECAw"],
    ["own-bin", "AAECAw=="],
    ["own-bin", "AAEC,AAEC"],
    ["own-bin", "not base64!"],
    ["own-bin", "A"],
    ["own-bin", ""],
    ["grpc-status", "0"],
    ["grpc-message", "x"],
    ["grpc-own", "x"],
    ["grpc-tags-bin", "AAEC"],
    ["grpc-trace-bin", "AAEC"],
    ["grpc-previous-rpc-attempts", chance.pick(["1", "x"])],
    ["grpc-retry-pushback-ms", "1"],
    ["grpc-internal-encoding-request", "gzip"],
    ["host", "a"],
    ["connection", chance.pick(["close", "keep-alive"])],
    ["keep-alive", "x"],
    ["transfer-encoding", chance.pick(["chunked", "identity"])],
    ["upgrade", "h2c"],
    ["proxy-connection", "close"],
    ["content-length", chance.pick(["0", "5", "x", "99999"])],
    ["expect", "100-continue"],
    ["accept", "*/*"],
    ["cookie", "a=b"],
    ["lb-token", "x"],
    ["lb-cost-bin", "AAEC"],
    ["triton_grpc_error", chance.pick(["true", "false"])],
  ]);

const oddFrames =
  (chance: Chance): NonNullable<Call["frames"]> =>
  (stream, block, data) => {
    const headers = (flags: number, of = stream, payload: Buffer = block): Buffer =>
      frameBytes(frame.HEADERS, flags, of, payload);
    const body = (flags: number, payload: Buffer = data, of = stream): Buffer =>
      frameBytes(frame.DATA, flags, of, payload);
    const whole = [headers(END_HEADERS), body(END_STREAM)];
    const at = chance.below(data.length + 1);
    const u32 = (value: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value >>> 0);
      return bytes;
    };
    const padded = (payload: Buffer, padding: number, stated = padding): Buffer =>
      Buffer.concat([Buffer.from([stated]), payload, Buffer.alloc(padding)]);
    const control = (type: number, flags: number, of: number, payload: Buffer): Buffer =>
      frameBytes(type, flags, of, payload);
    const cut = Math.floor(block.length / 2);
    return chance.pick<() => readonly Buffer[]>([
      // Bodies in pieces, empty ones, the end by itself.
      () => [headers(END_HEADERS), body(0, data.subarray(0, at)), body(END_STREAM, data.subarray(at))],
      () => [
        headers(END_HEADERS),
        ...[...data].map((byte) => body(0, Buffer.from([byte]))),
        body(END_STREAM, Buffer.alloc(0)),
      ],
      () => [headers(END_HEADERS), body(0), body(END_STREAM, Buffer.alloc(0))],
      () => [headers(END_HEADERS), body(0, Buffer.alloc(0)), body(END_STREAM)],
      () => [headers(END_HEADERS | END_STREAM)],
      () => [headers(END_HEADERS), body(END_STREAM, Buffer.alloc(0))],
      () => [
        headers(END_HEADERS),
        body(0),
        headers(END_HEADERS | END_STREAM, stream, headerBlock([["own", "x"]])),
      ],
      // Without the whole message, which a unary call would not wait for the rest with.
      () => [
        headers(END_HEADERS),
        body(0, data.subarray(0, 3)),
        headers(END_HEADERS, stream, headerBlock([["own", "x"]])),
      ],
      () => [
        headers(END_HEADERS),
        body(0, data.subarray(0, 3)),
        headers(END_HEADERS | END_STREAM, stream, headerBlock([[":own", "x"]])),
      ],
      // No end.
      () => [headers(END_HEADERS)],
      () => [headers(END_HEADERS), body(0, data.subarray(0, Math.max(0, data.length - 1)))],
      // More after the end.
      () => [...whole, body(END_STREAM)],
      () => [...whole, headers(END_HEADERS | END_STREAM)],
      () => [...whole, control(frame.WINDOW_UPDATE, 0, stream, u32(1))],
      () => [...whole, control(frame.PRIORITY, 0, stream, Buffer.alloc(5))],
      // Padding and priority, headers in pieces.
      () => [headers(END_HEADERS | 0x8, stream, padded(block, 7)), body(END_STREAM | 0x8, padded(data, 9))],
      () => [headers(END_HEADERS | 0x8, stream, padded(block, 0, 255)), body(END_STREAM)],
      () => [headers(END_HEADERS), body(END_STREAM | 0x8, padded(data, 0, 255))],
      () => [headers(END_HEADERS), body(END_STREAM | 0x8, Buffer.alloc(0))],
      () => [
        headers(END_HEADERS | 0x20, stream, Buffer.concat([Buffer.from([0, 0, 0, 0, 15]), block])),
        body(END_STREAM),
      ],
      () => [
        headers(0, stream, block.subarray(0, cut)),
        control(frame.CONTINUATION, END_HEADERS, stream, block.subarray(cut)),
        body(END_STREAM),
      ],
      () => [headers(0, stream, block.subarray(0, cut)), body(END_STREAM)],
      () => [headers(0, stream, block.subarray(0, cut)), control(frame.PING, 0, 0, Buffer.alloc(8))],
      () => [control(frame.CONTINUATION, END_HEADERS, stream, block), body(END_STREAM)],
      // Streams that are not.
      () => [headers(END_HEADERS, 0), body(END_STREAM)],
      () => [headers(END_HEADERS, 2), body(END_STREAM, data, 2)],
      () => [body(END_STREAM)],
      () => [body(END_STREAM, data, 0), ...whole],
      () => [control(frame.WINDOW_UPDATE, 0, 99, u32(1)), ...whole],
      () => [control(frame.RST_STREAM, 0, 99, u32(8)), ...whole],
      () => [control(frame.RST_STREAM, 0, 0, u32(8)), ...whole],
      // Broken header blocks.
      () => [headers(END_HEADERS, stream, block.subarray(0, -1)), body(END_STREAM)],
      () => [headers(END_HEADERS, stream, Buffer.from([0xff, 0xff, 0xff])), body(END_STREAM)],
      () => [headers(END_HEADERS, stream, Buffer.concat([Buffer.from([0x80]), block])), body(END_STREAM)],
      () => [headers(END_HEADERS, stream, Buffer.concat([Buffer.from([0xc0]), block])), body(END_STREAM)],
      () => [
        headers(END_HEADERS, stream, Buffer.concat([Buffer.from([0x3f, 0xe1, 0x1f]), block])),
        body(END_STREAM),
      ],
      () => [
        headers(END_HEADERS, stream, Buffer.concat([Buffer.from([0x3f, 0xe2, 0x1f]), block])),
        body(END_STREAM),
      ],
      () => [headers(END_HEADERS, stream, Buffer.concat([block, Buffer.from([0x20])])), body(END_STREAM)],
      () => [headers(END_HEADERS, stream, Buffer.alloc(0)), body(END_STREAM)],
      // Frames of the connection.
      () => [control(frame.SETTINGS, 0, 0, Buffer.alloc(5)), ...whole],
      () => [control(frame.SETTINGS, 0, 1, Buffer.alloc(0)), ...whole],
      () => [control(frame.SETTINGS, 1, 0, Buffer.alloc(6)), ...whole],
      () => [control(frame.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 2]), u32(2)])), ...whole],
      () => [control(frame.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), u32(0x8000_0000)])), ...whole],
      () => [control(frame.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 5]), u32(100)])), ...whole],
      () => [control(frame.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 1]), u32(0)])), ...whole],
      () => [control(frame.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 6]), u32(10)])), ...whole],
      () => [control(frame.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0xff, 0xff]), u32(1)])), ...whole],
      () => [control(frame.PING, 0, 0, Buffer.alloc(7)), ...whole],
      () => [control(frame.PING, 0, stream, Buffer.alloc(8)), ...whole],
      () => [control(frame.PING, 1, 0, Buffer.alloc(8)), ...whole],
      () => [control(frame.WINDOW_UPDATE, 0, 0, u32(0)), ...whole],
      () => [control(frame.WINDOW_UPDATE, 0, 0, u32(0x7fff_ffff)), ...whole],
      () => [control(frame.WINDOW_UPDATE, 0, 0, Buffer.alloc(3)), ...whole],
      () => [headers(END_HEADERS), control(frame.WINDOW_UPDATE, 0, stream, u32(0)), body(END_STREAM)],
      () => [
        headers(END_HEADERS),
        control(frame.WINDOW_UPDATE, 0, stream, u32(0x7fff_ffff)),
        body(END_STREAM),
      ],
      () => [control(frame.PUSH_PROMISE, END_HEADERS, stream, Buffer.concat([u32(2), block])), ...whole],
      () => [control(frame.PRIORITY, 0, stream, Buffer.alloc(4)), ...whole],
      () => [control(frame.PRIORITY, 0, 0, Buffer.alloc(5)), ...whole],
      () => [control(0xbe, 0xff, 0, Buffer.from("x")), ...whole],
      () => [headers(END_HEADERS), control(0xbe, 0xff, stream, Buffer.from("x")), body(END_STREAM)],
      () => [control(frame.GOAWAY, 0, 0, Buffer.alloc(8)), ...whole],
      () => [control(frame.GOAWAY, 0, 0, Buffer.alloc(4)), ...whole],
      () => [control(frame.RST_STREAM, 0, stream, u32(8)), ...whole],
    ])();
  };
