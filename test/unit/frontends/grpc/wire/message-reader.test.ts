import { expect, test } from "vitest";
import { frameMessage, MessageReader } from "../../../../../emulator/frontends/grpc/wire/message-reader.ts";

const read = (chunks: readonly Uint8Array[]): { text: string; compressed: boolean }[] => {
  const messages: { text: string; compressed: boolean }[] = [];
  const reader = new MessageReader((message, compressed) =>
    messages.push({ text: Buffer.from(message).toString(), compressed }),
  );
  for (const chunk of chunks) expect(reader.push(chunk)).toBeNull();
  return messages;
};

const framed = (text: string, compressed = false): Buffer =>
  Buffer.concat(frameMessage([Buffer.from(text)], compressed));

const all = Buffer.concat([framed("one"), framed(""), framed("two", true)]);
const expected = [
  { text: "one", compressed: false },
  { text: "", compressed: false },
  { text: "two", compressed: true },
];

/** Taken when the first byte is there. */
const FIRST_ALLOCATION = 16 * 1024 * 1024;

test("message reader: finds the messages of one chunk", () => {
  expect(read([all])).toEqual(expected);
});

test.each([1, 2, 4, 7])("message reader: finds them in chunks of %d bytes", (size) => {
  const chunks: Buffer[] = [];
  for (let at = 0; at < all.length; at += size) chunks.push(all.subarray(at, at + size));
  expect(read(chunks)).toEqual(expected);
});

test("message reader: a message that lies in one chunk is a view of it", () => {
  const chunk = framed("view");
  const found: Uint8Array[] = [];
  new MessageReader((message) => found.push(message)).push(chunk);
  expect(found[0]?.buffer).toBe(chunk.buffer);
});

test("message reader: a length is no reason to allocate", () => {
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 10; i++) {
    expect(new MessageReader(() => {}).push(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]))).toBeNull();
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * FIRST_ALLOCATION + 1e6);
});

test("message reader: a flag that is none makes one empty message, the last", () => {
  const messages: (readonly [number, boolean])[] = [];
  const reader = new MessageReader((message, compressed) => messages.push([message.length, compressed]));
  expect(reader.push(Buffer.from([0, 0, 0, 0, 1, 9, 2, 0, 0, 0, 1, 9]))).toBeNull();
  expect(reader.push(Buffer.from([0, 0, 0, 0, 0]))).toBeNull();
  expect(messages).toEqual([
    [1, false],
    [0, false],
  ]);
});

test("framing: a large message is not copied", () => {
  const tensor = new Uint8Array(200_000);
  const pieces = frameMessage([Buffer.from("head"), tensor], false);
  expect(pieces.at(-1)).toBe(tensor);
  expect(Buffer.concat(pieces).readUInt32BE(1)).toBe(200_004);
});
