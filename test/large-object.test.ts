import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AwsEmulator, startAwsEmulator } from "./support/aws-emulator.ts";

/*
 * Objects that are larger than the memory they are to be taken with. The server is a process of its own, whose highest resident
 * memory is the kernel's count of it.
 */

const MIB = 2 ** 20;
const SIZE = 300 * MIB;
/** Above what it had when it started; a few MiB are in the making at a time, the rest is what the collector has not taken yet. */
const BOUND = 120 * MIB;
const piece = Buffer.alloc(MIB, "0123456789abcdef");

let stateDir: string;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "triton-local-large-"));
});

afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

/** Bytes; the most there was. */
const highest = ({ pid }: AwsEmulator): number => {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
};

const send = async (
  { url }: AwsEmulator,
  method: string,
  path: string,
  headers: Readonly<Record<string, string | number>> = {},
  body: Iterable<Buffer> = [],
): Promise<IncomingMessage> => {
  const sent = request(`${url}${path}`, { method, headers });
  const answered = once(sent, "response");
  for (const bytes of body) if (!sent.write(bytes)) await once(sent, "drain");
  sent.end();
  const [answer]: IncomingMessage[] = await answered;
  if (answer === undefined) throw new Error("no answer");
  return answer;
};

const drained = async (answer: IncomingMessage): Promise<number> => {
  let byteSize = 0;
  for await (const bytes of answer) byteSize += bytes.length;
  return byteSize;
};

const text = async (answer: IncomingMessage): Promise<string> => {
  let all = "";
  for await (const bytes of answer.setEncoding("utf8")) all += bytes;
  return all;
};

const plain = function* (): Generator<Buffer> {
  for (let at = 0; at < SIZE; at += MIB) yield piece;
};

const inChunks = function* (): Generator<Buffer> {
  for (let at = 0; at < SIZE; at += MIB) {
    yield Buffer.from(`${MIB.toString(16)}\r\n`);
    yield piece;
    yield Buffer.from("\r\n");
  }
  yield Buffer.from("0\r\n\r\n");
};

const temporaries = (): string[] => readdirSync(join(stateDir, "s3", "temporary"));

const hasProc = existsSync("/proc/self/status");

describe("objects larger than memory", () => {
  test.skipIf(!hasProc)(
    "put, as a part in S3's chunks too, and got again: the server needs little memory (needs /proc)",
    async () => {
      await using emulator = await startAwsEmulator(`--state-dir=${stateDir}`);
      await drained(await send(emulator, "PUT", "/large"));
      const before = highest(emulator);
      const put = await send(emulator, "PUT", "/large/plain", { "content-length": SIZE }, plain());
      expect(put.statusCode).toBe(200);
      await drained(put);
      const upload = await text(await send(emulator, "POST", "/large/part?uploads"));
      const uploadId = /<UploadId>(\w+)</.exec(upload)?.[1];
      const chunked = await send(
        emulator,
        "PUT",
        `/large/part?partNumber=1&uploadId=${uploadId}`,
        {
          "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
          "x-amz-decoded-content-length": SIZE,
          "transfer-encoding": "chunked",
        },
        inChunks(),
      );
      expect([chunked.statusCode, chunked.headers.etag]).toEqual([200, put.headers.etag]);
      await drained(chunked);
      const got = await send(emulator, "GET", "/large/plain");
      expect(await drained(got)).toBe(SIZE);
      expect(highest(emulator) - before).toBeLessThan(BOUND);
    },
    120_000,
  );

  test("one whose client is gone in the middle leaves nothing, in memory or on the disk", async () => {
    await using emulator = await startAwsEmulator(`--state-dir=${stateDir}`);
    await drained(await send(emulator, "PUT", "/large"));
    const { port } = new URL(emulator.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(`PUT /large/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${SIZE}\r\n\r\n`);
    for (let at = 0; at < SIZE / 10; at += MIB) if (!socket.write(piece)) await once(socket, "drain");
    await expect.poll(temporaries, { timeout: 10_000 }).toHaveLength(1);
    socket.destroy();
    await expect.poll(temporaries, { timeout: 10_000 }).toEqual([]);
    const got = await send(emulator, "GET", "/large/half");
    expect(got.statusCode).toBe(404);
    await drained(got);
  }, 60_000);
});

describe("an invocation above the limit", () => {
  test("is refused when its head says so, before its body is here", async () => {
    await using emulator = await startAwsEmulator();
    const { port } = new URL(emulator.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(
      "POST /endpoints/e/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6291457\r\n\r\n",
    );
    const [answer]: Buffer[] = await once(socket, "data");
    expect(answer?.toString()).toMatch(
      /^HTTP\/1\.1 413 .*\r\n\r\n\{"Message":"HTTP content length exceeded 6291456 bytes\."\}$/s,
    );
    socket.destroy();
  });
});
