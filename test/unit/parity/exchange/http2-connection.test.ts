import { expect, test } from "vitest";
import { flag, frameType as frame, PREFACE } from "../../../../emulator/frontends/grpc/http2/frames.ts";
import { HURRIED } from "../../../../emulator/parity/exchange/http-connection.ts";
import {
  exchangeFrames,
  frameBytes,
  headerBlock,
} from "../../../../emulator/parity/exchange/http2-connection.ts";
import { GrpcFixture } from "../../../support/grpc-frontend.ts";

const { END_HEADERS, END_STREAM } = flag;

const settings = frameBytes(frame.SETTINGS, 0, 0, Buffer.alloc(0));

const call = (stream: number, rpc: string, headers: readonly (readonly [string, string])[] = []): Buffer => {
  const block = headerBlock([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", `/inference.GRPCInferenceService/${rpc}`],
    [":authority", "a"],
    ["te", "trailers"],
    ...headers,
  ]);
  return Buffer.concat([
    frameBytes(frame.HEADERS, END_HEADERS, stream, block),
    frameBytes(frame.DATA, END_STREAM, stream, Buffer.alloc(5)),
  ]);
};

const ask = async (calls: readonly string[], ...frames: readonly Buffer[]): Promise<string> => {
  await using fixture = await GrpcFixture.start();
  const bytes = Buffer.concat([PREFACE, settings, ...frames]);
  const { received, ended } = await exchangeFrames(fixture.frontend.port, bytes, calls, HURRIED);
  return `${received.toString().replace(/^settings \w+\n/, "")}${ended ?? "open"}`;
};

test("frames: headers in their order, messages as JSON, trailers and ends, of each stream", async () => {
  const calls = [call(1, "ServerLive"), call(3, "None"), call(5, "ServerLive", [["Own", "x"]])];
  expect(await ask(["ServerLive", "None", "ServerLive"], ...calls)).toBe(`stream 1
  :status: 200
  content-type: application/grpc
  grpc-accept-encoding: identity, deflate, gzip
  message 0 {"live":true}
  grpc-status: 0
  end
stream 3
  :status: 200
  content-type: application/grpc
  grpc-status: 12
  end
stream 5
  reset 2
open`);
});

test("frames: what ends the connection, by a word or without", async () => {
  const badSetting = frameBytes(frame.SETTINGS, 0, 0, Buffer.from([0, 5, 0, 0, 0, 1]));
  expect(await ask([], badSetting)).toBe("goaway 1\nclosed");
  expect(await ask([], frameBytes(frame.PING, 0, 0, Buffer.alloc(7)))).toBe("closed");
});
