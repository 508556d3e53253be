import { EventStreamCodec } from "@smithy/core/event-streams";
import { expect, test } from "vitest";
import { exceptionFrame, payloadPart } from "../../../../emulator/aws/runtime/event-stream.ts";

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString(),
  (text) => Buffer.from(text),
);

/** As AWS's own decoder reads it; it checks both CRCs. */
const decoded = (frame: Buffer) => {
  const { headers, body } = codec.decode(frame);
  return {
    headers: Object.fromEntries(Object.entries(headers).map(([name, { value }]) => [name, value])),
    body: Buffer.from(body),
  };
};

test.each([0, 1, 4096, 100_000])("event stream: a part of %d bytes", (length) => {
  const bytes = Buffer.alloc(length, 7);
  expect(decoded(payloadPart(bytes))).toEqual({
    headers: {
      ":message-type": "event",
      ":event-type": "PayloadPart",
      ":content-type": "application/octet-stream",
    },
    body: bytes,
  });
});

test("event stream: exceptions", () => {
  const broken = exceptionFrame({ type: "ModelStreamError", message: "gone", errorCode: "StreamBroken" });
  expect(decoded(broken).headers).toMatchObject({
    ":message-type": "exception",
    ":exception-type": "ModelStreamError",
  });
  expect(JSON.parse(decoded(broken).body.toString())).toEqual({
    Message: "gone",
    ErrorCode: "StreamBroken",
  });
  const failed = exceptionFrame({ type: "InternalStreamFailure", message: "ü" });
  expect(JSON.parse(decoded(failed).body.toString())).toEqual({ Message: "ü" });
});

test("event stream: a changed byte is noticed by that decoder", () => {
  for (const at of [0, 9, 20, -5, -1]) {
    const frame = payloadPart(Buffer.from("payload"));
    frame[at < 0 ? frame.length + at : at]! ^= 1;
    expect(() => decoded(frame)).toThrow();
  }
});
