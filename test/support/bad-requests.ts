import { deflateSync, gzipSync } from "node:zlib";
import type { Random } from "../../emulator/common/random.ts";

/** A request that no sound client sends. */
export interface BadRequest {
  readonly title: string;
  readonly bytes: Buffer;
  /** `closed` = without an answer; null = any answer that fits HTTP and the error format, or none. */
  readonly status: number | "closed" | null;
}

const simpleInputs = (first: number): object[] =>
  ["INPUT0", "INPUT1"].map((name, i) => ({
    name,
    datatype: "INT32",
    shape: [1, 16],
    data: Array.from({ length: 16 }, (_, k) => (i === 0 ? first + k : 1)),
  }));

/** An inference of `simple` that has to succeed. */
export const soundInference = (first: number): Buffer =>
  post("/v2/models/simple/infer", JSON.stringify({ inputs: simpleInputs(first) }));

const requestOf = (method: string, path: string, headers: readonly string[], body: Buffer | string): Buffer =>
  Buffer.concat([
    Buffer.from([`${method} ${path} HTTP/1.1`, "Host: x", ...headers, "", ""].join("\r\n"), "latin1"),
    Buffer.from(body),
  ]);

const get = (path: string, ...headers: string[]): Buffer => requestOf("GET", path, headers, "");

const post = (path: string, body: Buffer | string, ...headers: string[]): Buffer =>
  requestOf("POST", path, [...headers, `Content-Length: ${Buffer.byteLength(body)}`], body);

const SIMPLE = "/v2/models/simple/infer";
const IDENTITY = "/v2/models/identity_fp32/infer";
const LENGTH = "Inference-Header-Content-Length";

/** Input of `identity_fp32`, JSON text in place of a shape and of data. */
const identity = (shape: string, data: string): Buffer =>
  post(IDENTITY, `{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":${shape},"data":${data}}]}`);

const binaryIdentity = (shape: string, byteSize: string, data: Buffer): Buffer => {
  const json = `{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":${shape},"parameters":{"binary_data_size":${byteSize}}}]}`;
  return post(IDENTITY, Buffer.concat([Buffer.from(json), data]), `${LENGTH}: ${json.length}`);
};

const strings = (data: Buffer): Buffer => {
  const input = (name: string) =>
    `{"name":"${name}","datatype":"BYTES","shape":[1,16],"parameters":{"binary_data_size":${data.length}}}`;
  const json = `{"inputs":[${input("INPUT0")},${input("INPUT1")}]}`;
  return post(
    "/v2/models/simple_string/infer",
    Buffer.concat([Buffer.from(json), data, data]),
    `${LENGTH}: ${json.length}`,
  );
};

const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

const row = (title: string, status: BadRequest["status"], bytes: Buffer): BadRequest => ({
  title,
  bytes,
  status,
});

const framing: readonly BadRequest[] = [
  row("body cut short", "closed", soundInference(0).subarray(0, -20)),
  row("head cut short", "closed", Buffer.from("POST /v2/models/simple/in")),
  row(
    // The real server takes the last (2.51.0).
    "lengths in conflict",
    500,
    requestOf("POST", SIMPLE, ["Content-Length: 2", "Content-Length: 3"], "{} "),
  ),
  row("length below 0", "closed", requestOf("POST", SIMPLE, ["Content-Length: -1"], "{}")),
  row("length of 2^63", "closed", requestOf("POST", SIMPLE, ["Content-Length: 9223372036854775808"], "{}")),
  row("length of 1 TB", "closed", requestOf("POST", SIMPLE, ["Content-Length: 1099511627776"], "{}")),
  row("length of 1 GiB", "closed", requestOf("POST", SIMPLE, ["Content-Length: 1073741824"], "{}")),
  row(
    "chunk of 2^60",
    "closed",
    requestOf("POST", SIMPLE, ["Transfer-Encoding: chunked"], "fffffffffffffff\r\n{}"),
  ),
  row("chunk cut short", "closed", requestOf("POST", SIMPLE, ["Transfer-Encoding: chunked"], "20\r\n{}")),
  row(
    "chunk without a size",
    "closed",
    requestOf("POST", SIMPLE, ["Transfer-Encoding: chunked"], "{}\r\n\r\n"),
  ),
  row("endless head", "closed", get("/v2", ...Array.from({ length: 200 }, () => `A: ${"b".repeat(8000)}`))),
  row("long header", "closed", get("/v2", `A: ${"b".repeat(20_000)}`)),
  row("long path", "closed", get(`/v2/models/${"a".repeat(10_000)}`)),
  row("long name", 404, get(`/v2/models/${"a".repeat(8000)}`)),
  row("header of blanks", "closed", get("/v2", `A: x${" ".repeat(60_000)}y`)),
  row("bare line feeds", "closed", Buffer.from("GET /v2 HTTP/1.1\n\n")),
  row("TLS", "closed", Buffer.from("160301020001000001fc03030a", "hex")),
  row("HTTP/2", "closed", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
];

const paths: readonly BadRequest[] = [
  row("..%2f in a name", 404, get("/v2/models/..%2f..%2fetc%2fpasswd")),
  row(".. in a path", 404, get("/v2/models/../../etc/passwd")),
  row("NUL in a name", 404, get("/v2/models/none\0simple")),
  row("high bytes in a name", 404, get("/v2/models/\xff\xfe")),
  row("line break in a name, encoded", 404, get("/v2/models/a%0d%0aSet-Cookie:x")),
  row("version of 1000 digits", 400, get(`/v2/models/simple/versions/${"9".repeat(1000)}`)),
  row("load of ..", 500, post("/v2/repository/models/../load", "{}")),
  row("load of ..%2f", 500, post("/v2/repository/models/..%2f..%2fetc/load", "{}")),
  row("load of a long name", 500, post(`/v2/repository/models/${"a".repeat(5000)}/load`, "{}")),
  row("unknown method", 405, requestOf("BREW", "/v2", [], "")),
  row("GET of infer", 405, get(SIMPLE)),
];

const json: readonly BadRequest[] = [
  row("no JSON", 400, post(SIMPLE, "")),
  row("an array", 500, post(SIMPLE, "[]")),
  row("an empty object", 500, post(SIMPLE, "{}")),
  row("JSON cut short", 500, post(SIMPLE, '{"inputs":[{"name":"INP')),
  row("deep JSON", 500, post(SIMPLE, nested(100_000))),
  row("deep JSON in a field", 400, post(SIMPLE, `{"inputs":${nested(1000)}}`)),
  row("half a surrogate", 500, post(SIMPLE, '{"id":"\\ud800","inputs":[]}')),
  row("not UTF-8", 500, post(SIMPLE, Buffer.from('{"inputs":"\xff\xfe"}', "latin1"))),
  row("NULs", 500, post(SIMPLE, Buffer.alloc(1000))),
  row("deep JSON to load", 200, post("/v2/repository/models/simple/load", nested(100_000))),
  row("deep JSON to logging", 200, post("/v2/logging", nested(100_000))),
];

const shapes: readonly BadRequest[] = [
  row("a shape whose product is beyond 2^63", 500, identity("[4294967295,4294967295]", "[1]")),
  row("a shape of 2^63", 500, identity("[9223372036854775808]", "[1]")),
  row("a shape below 0", 500, identity("[-1,4]", "[1,2,3,4]")),
  row("a shape of 0 and much", 400, identity("[0,9223372036854775807]", "[]")),
  row("a shape that is not whole", 500, identity("[1.5,2]", "[1,2,3]")),
  row("a shape of text", 500, identity('["1","4"]', "[1,2,3,4]")),
  row("a shape of 10000 dimensions", 400, identity(`[${Array(10_000).fill(1).join()}]`, "[1]")),
  row("data of another length", 500, identity("[1,4]", "[1,2,3]")),
  row("data of text", 500, identity("[1,1]", '["x"]')),
  row("data of objects", 500, identity("[1,1]", "[{}]")),
  row("binary size below 0", 500, binaryIdentity("[1,4]", "-1", Buffer.alloc(16))),
  row("binary size of 2^63", 400, binaryIdentity("[1,4]", "9223372036854775808", Buffer.alloc(16))),
  row("binary size beyond the body", 400, binaryIdentity("[1,4]", "4096", Buffer.alloc(16))),
  row("binary data unlike the shape", 400, binaryIdentity("[1,4]", "12", Buffer.alloc(12))),
  row(
    "binary shape whose product is beyond 2^63",
    400,
    binaryIdentity("[4294967295,4294967295]", "16", Buffer.alloc(16)),
  ),
  row("strings without their lengths", 400, strings(Buffer.from("abc"))),
  row("strings of a length beyond the tensor", 400, strings(Buffer.alloc(64, 0xff))),
  row("header length beyond the body", 400, post(SIMPLE, "{}", `${LENGTH}: 99`)),
  row("header length below 0", 400, post(SIMPLE, "{}", `${LENGTH}: -5`)),
  row("header length of text", 400, post(SIMPLE, "{}", `${LENGTH}: x`)),
];

const compressed: readonly BadRequest[] = [
  row("garbage as gzip", 400, post(SIMPLE, "garbage", "Content-Encoding: gzip")),
  row("gzip cut short", 500, post(SIMPLE, gzipSync("{}").subarray(0, 12), "Content-Encoding: gzip")),
  row("garbage in gzip", 500, post(SIMPLE, gzipSync("garbage"), "Content-Encoding: gzip")),
  row(
    "zeros in deflate",
    500,
    post(SIMPLE, deflateSync(Buffer.alloc(1_000_000)), "Content-Encoding: deflate"),
  ),
  row("gzip of nothing", 400, post(SIMPLE, "", "Content-Encoding: gzip")),
  row("unknown encoding", 501, post(SIMPLE, "{}", "Content-Encoding: br")),
];

/** One row for each thing that is wrong. */
export const badRequests: readonly BadRequest[] = [...framing, ...paths, ...json, ...shapes, ...compressed];

/** A sound or bad request with some bytes changed, cut, doubled or random. */
export const mutated = (random: Random): BadRequest => {
  const below = (limit: number): number => random.nextUint32() % limit;
  const from = below(3) === 0 ? soundInference(1) : badRequests[below(badRequests.length)]!.bytes;
  let bytes = Buffer.from(from.subarray(0, 20_000));
  const title: string[] = [];
  for (let changes = 1 + below(3); changes > 0 && bytes.length > 1; changes--) {
    const at = below(bytes.length);
    const kind = below(5);
    title.push(`${kind}@${at}`);
    if (kind === 0) bytes[at] = below(256);
    else if (kind === 1) bytes = bytes.subarray(0, at + 1);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(at + 1))]);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + below(20))]);
    else {
      const noise = Buffer.from(Array.from({ length: below(64) }, () => below(256)));
      bytes = Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
    }
  }
  return { title: title.join(" "), bytes, status: null };
};
