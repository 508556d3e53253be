import type { Headers } from "../http2/hpack.ts";
import { type GrpcStatus, grpcCode } from "./status.ts";
import { parseTimeoutMs } from "./timeout.ts";

const number = /^\d+$/;
const encoding = /^(?:identity|gzip|deflate)$/;

/** What gRPC itself reads of a request, and what it takes for it; any other value may be anything (seen on 2.51.0). */
const known: ReadonlyMap<string, (value: string) => boolean> = new Map<string, (value: string) => boolean>([
  [":method", (value) => value === "POST" || value === "GET" || value === "PUT"],
  [":scheme", (value) => value === "http" || value === "https"],
  [":path", () => true],
  [":authority", () => true],
  [":status", (value) => number.test(value)],
  ["te", (value) => value === "trailers"],
  ["content-type", (value) => value === "" || /^application\/grpc(?:$|[+;])/.test(value)],
  ["grpc-timeout", (value) => parseTimeoutMs(value) !== null],
  ["grpc-encoding", (value) => encoding.test(value)],
  ["grpc-internal-encoding-request", (value) => encoding.test(value)],
  ["grpc-status", (value) => number.test(value)],
  ["grpc-previous-rpc-attempts", (value) => number.test(value)],
  ["grpc-retry-pushback-ms", (value) => number.test(value)],
  ["lb-cost-bin", (value) => isBinary(value) && binaryLength(value) >= DOUBLE_BYTES],
]);

const DOUBLE_BYTES = 8;
const legalName = /^[a-z0-9_.-]+$/;

/** Whether the real server makes anything of a header; otherwise it resets the stream. */
export const isReadable = (name: string, value: string): boolean => {
  const check = known.get(name);
  if (check !== undefined) return check(value);
  return legalName.test(name) && (!name.endsWith("-bin") || isBinary(value));
};

/** Base64, or bytes as they are behind a zero byte. */
const isBinary = (value: string): boolean =>
  value.startsWith("\0") || (/^[A-Za-z0-9+/]*={0,2}$/.test(value) && binaryDigits(value) % 4 !== 1);

const binaryDigits = (value: string): number => value.replace(/=+$/, "").length;
const binaryLength = (value: string): number =>
  value.startsWith("\0") ? value.length - 1 : Math.floor((binaryDigits(value) * 3) / 4);

const missing = (name: string): GrpcStatus => ({
  code: grpcCode.UNKNOWN,
  message: `Missing ${name} header`,
});

/** The status of a request that gRPC does not pass on; null = it does. In the real server's order. */
export const refusal = (headers: Headers): GrpcStatus | null => {
  const method = headers[":method"];
  if (method === undefined) return missing(":method");
  if (lastOf(method) !== "POST") return { code: grpcCode.UNKNOWN, message: "Bad method header" };
  if (headers.te === undefined) return missing(":te");
  if (headers[":scheme"] === undefined) return missing(":scheme");
  if (headers[":path"] === undefined) return missing(":path");
  return headers[":authority"] === undefined && headers.host === undefined ? missing(":authority") : null;
};

/** Of headers that gRPC itself reads, the last one of a name counts. */
export const lastOf = (values: string): string => values.slice(values.lastIndexOf("\n") + 1);
