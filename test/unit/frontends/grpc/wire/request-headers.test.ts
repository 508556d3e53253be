import { expect, test } from "vitest";
import { isReadable, refusal } from "../../../../../emulator/frontends/grpc/wire/request-headers.ts";

// Every row of these tables was seen on 2.51.0.
test.each([
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "ä"],
  [":status", "200"],
  ["te", "trailers"],
  ["content-type", ""],
  ["content-type", "application/grpc+x"],
  ["content-type", "application/grpc;x"],
  ["grpc-timeout", "5 S "],
  ["grpc-encoding", "identity"],
  ["grpc-previous-rpc-attempts", "1"],
  ["own", "a\r\n\0ä"],
  ["own_n.a-9", ""],
  ["own-bin", ""],
  ["own-bin", "AAECAw"],
  ["own-bin", "AAECAw=="],
  ["own-bin", "\0\x01\xff"],
  ["lb-cost-bin", "AAAAAAAAAAA"],
  ["connection", "close"],
  ["content-length", "x"],
])("header %s: %j is read", (name, value) => {
  expect(isReadable(name, value)).toBe(true);
});

test.each([
  [":method", "post"],
  [":method", ""],
  [":scheme", "HTTP"],
  [":status", "x"],
  [":own", "x"],
  ["te", "Trailers"],
  ["te", "trailers, deflate"],
  ["content-type", "application/grpc "],
  ["content-type", "application/grpc-web"],
  ["grpc-timeout", "5s"],
  ["grpc-encoding", "GZIP"],
  ["grpc-encoding", ""],
  ["grpc-internal-encoding-request", "x"],
  ["grpc-status", "x"],
  ["grpc-previous-rpc-attempts", "x"],
  ["grpc-retry-pushback-ms", "x"],
  ["Own", "x"],
  ["own name", "x"],
  ["ä", "x"],
  ["", "x"],
  ["own-bin", "AAEC,AAEC"],
  ["own-bin", "no!"],
  ["own-bin", "A"],
  ["lb-cost-bin", "AAEC"],
])("header %s: %j is not read", (name, value) => {
  expect(isReadable(name, value)).toBe(false);
});

const sound = { ":method": "POST", ":scheme": "http", ":path": "/a", ":authority": "a", te: "trailers" };

test.each([
  [{}, null],
  [{ ":method": "GET\nPOST" }, null],
  [{ ":authority": undefined, host: "a" }, null],
  [{ ":method": "PUT" }, "Bad method header"],
  [{ ":method": "POST\nGET" }, "Bad method header"],
  [{ ":method": undefined, te: undefined }, "Missing :method header"],
  [{ te: undefined, ":scheme": undefined }, "Missing :te header"],
  [{ ":scheme": undefined, ":path": undefined }, "Missing :scheme header"],
  [{ ":path": undefined, ":authority": undefined }, "Missing :path header"],
  [{ ":authority": undefined }, "Missing :authority header"],
])("a request with %j is refused with %j", (changed, message) => {
  expect(refusal({ ...sound, ...changed })?.message ?? null).toBe(message);
});
