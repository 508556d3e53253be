import { deflateRawSync, gzipSync } from "node:zlib";
import type { Chance } from "../chance.ts";
import { inferenceJson, inferPath, soundInference } from "../inference.ts";
import { bodyBytes, type HttpBody, type HttpTraffic, plainBody, post } from "../request.ts";
import type { Surface } from "../surface.ts";
import { binaryBody } from "./infer-binary.ts";

export const compression: Surface = {
  name: "compression",
  title: "compression",
  weight: 6,
  make: (chance, { models }) => {
    const inference = soundInference(chance, models);
    const body = chance.oneIn(2)
      ? plainBody(inferenceJson(chance, inference))
      : binaryBody(chance, inference);
    return packed(chance, post(inferPath(inference), body), body);
  },
};

const packed = (chance: Chance, request: HttpTraffic, body: HttpBody): HttpTraffic => {
  const accepted = chance.oneIn(2) ? [["Accept-Encoding", chance.pick(acceptable)] as const] : [];
  const plain = bodyBytes(body);
  const as = (encoding: string, bytes: Buffer): HttpTraffic => ({
    ...request,
    headers: [...accepted, ["Content-Encoding", encoding]],
    body: { json: null, bytes, headerLength: null, packing: null },
  });
  switch (chance.below(9)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return { ...request, headers: accepted, body: { ...body, packing: chance.pick(["gzip", "deflate"]) } };
    case 4:
      return { ...request, headers: accepted };
    case 5:
      return as(chance.pick(["br", "GZIP", "identity", "", "gzip, deflate", "x-gzip", " gzip"]), plain);
    case 6: {
      const bytes = gzipSync(plain);
      return as("gzip", bytes.subarray(0, chance.below(bytes.length + 1)));
    }
    case 7:
      return as("deflate", chance.oneIn(2) ? gzipSync(plain) : deflateRawSync(plain));
    default:
      return as(chance.pick(["gzip", "deflate"]), chance.pick([Buffer.alloc(0), plain, chance.bytes(20)]));
  }
};

const acceptable = [
  "gzip",
  "deflate",
  "gzip, deflate",
  "deflate, gzip",
  "gzip;q=0.5, deflate;q=0.8",
  "gzip;q=0",
  "*",
  "identity",
  "identity, gzip",
  "GZIP",
  "br, gzip;q=0.1",
  " gzip ",
  "gzip;q=x",
  "deflate;q=1.0,gzip;q=1",
  "",
  ";q=1",
];
