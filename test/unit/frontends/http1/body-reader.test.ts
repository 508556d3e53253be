import { describe, expect, test } from "vitest";
import {
  type BodyReader,
  createBodyReader,
  SlabPool,
} from "../../../../emulator/frontends/http1/body-reader.ts";

const MIB = 1024 * 1024;

/** Feeds bytes in pieces; answers how many were taken, or null where the reader called them broken. */
const feed = (reader: BodyReader, bytes: Buffer, pieceSize: number): number | null => {
  let taken = 0;
  for (let at = 0; at < bytes.length && reader.whole === null; at += pieceSize) {
    const count = reader.take(bytes.subarray(at, at + pieceSize), 0);
    if (count === null) return null;
    taken += count;
  }
  return taken;
};

const counting = (byteSize: number): Buffer =>
  Buffer.from(Array.from({ length: byteSize }, (_, i) => i % 251));

describe("bodies of a known length", () => {
  test.each([1, 2, 1000, 65_536, 65_537, 300_000])(
    "%i bytes come whole from pieces, and no more is taken",
    (byteSize) => {
      const bytes = counting(byteSize);
      for (const pieceSize of [byteSize, 7919, 1000].filter((size) => byteSize / size < 1000)) {
        const reader = createBodyReader(byteSize, 0, new SlabPool());
        expect(feed(reader, Buffer.concat([bytes, Buffer.from("next")]), pieceSize)).toBe(byteSize);
        expect(reader.whole?.bytes.equals(bytes)).toBe(true);
      }
    },
  );

  test("they come whole from single bytes", () => {
    const bytes = counting(3000);
    const reader = createBodyReader(bytes.length, 0, new SlabPool());
    expect(feed(reader, bytes, 1)).toBe(3000);
    expect(reader.whole?.bytes.equals(bytes)).toBe(true);
  });

  test("the part behind the JSON of a large body starts at a multiple of 64 in shared memory", () => {
    for (const headerLength of [0, 1, 63, 64, 65, 1000]) {
      const reader = createBodyReader(100_000, headerLength, new SlabPool());
      feed(reader, counting(100_000), 50_000);
      const bytes = reader.whole!.bytes;
      expect(bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
      expect((bytes.byteOffset + headerLength) % 64).toBe(0);
    }
  });

  test("without memory the body is given up", () => {
    class EmptyPool extends SlabPool {
      override take(): null {
        return null;
      }
    }
    const reader = createBodyReader(100_000, 0, new EmptyPool());
    expect(reader.take(counting(10), 0)).toBeNull();
    reader.abandon();
  });

  test("a declared length takes no memory before its bytes are there", () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = [2 ** 40, 2 ** 31].map((length) => createBodyReader(length, 0, new SlabPool()));
    for (const reader of readers) reader.take(counting(10), 0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MIB);
  });
});

describe("slabs", () => {
  test("a slab is used again after it was given back, and never twice at once", () => {
    const pool = new SlabPool();
    const read = () => {
      const reader = createBodyReader(100_000, 0, pool);
      feed(reader, counting(100_000), 100_000);
      return reader.whole!;
    };
    const first = read();
    const second = read();
    expect(second.bytes.buffer).not.toBe(first.bytes.buffer);
    first.release();
    first.release();
    const third = read();
    expect(third.bytes.buffer).toBe(first.bytes.buffer);
    expect(read().bytes.buffer).not.toBe(first.bytes.buffer);
  });

  test("a client that goes away leaves its slab, once", () => {
    const pool = new SlabPool();
    const reader = createBodyReader(100_000, 0, pool);
    reader.take(counting(10), 0);
    reader.abandon();
    reader.abandon();
    const slab = pool.take(100_000);
    expect(pool.take(100_000)).not.toBe(slab);
  });

  test("over 512 MiB the size that was given back longest ago goes", () => {
    const pool = new SlabPool();
    const [old, middle, recent] = [192 * MIB, 256 * MIB, 128 * MIB].map(
      (size) => new SharedArrayBuffer(size),
    );
    pool.give(middle!);
    pool.give(old!);
    expect(pool.take(256 * MIB)).toBe(middle);
    pool.give(middle!);
    pool.give(recent!);
    expect(pool.take(128 * MIB)).toBe(recent);
    expect(pool.take(256 * MIB)).toBe(middle);
    expect(pool.take(192 * MIB)).not.toBe(old);
  });

  test("a slab above the limit is not kept", () => {
    const pool = new SlabPool();
    const small = pool.take(100_000)!;
    pool.give(small);
    pool.give(new SharedArrayBuffer(768 * MIB));
    expect(pool.take(100_000)).toBe(small);
  });
});

describe("chunks", () => {
  const read = (text: string, pieceSize = text.length): BodyReader | null => {
    const reader = createBodyReader(null, 0, new SlabPool());
    return feed(reader, Buffer.from(text, "latin1"), pieceSize) === null ? null : reader;
  };

  test.each([
    ["0\r\n\r\n", ""],
    ["2\r\n{}\r\n0\r\n\r\n", "{}"],
    ["1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "{}"],
    ["A\r\n0123456789\r\n0\r\n\r\n", "0123456789"],
    ["0000000000000000000002\r\n{}\r\n0\r\n\r\n", "{}"],
    ["2\r\n\r\n\r\n0\r\n\r\n", "\r\n"],
    ["2\r\n{}\r\n00\r\n\r\n", "{}"],
    ["2\r\n{}\r\n0\r\nA: b\r\n", "{}"],
    ["2\r\n{}\r\n0\r\nnonsense\r\n", "{}"],
    ["2\r\n{}\r\n0\r\nnonsense\n\tor not\r\n", "{}"],
    ["10000000000000002\r\n{}\r\n0\r\n\r\n", "{}"],
  ])("%j is %j, in pieces of any size", (text, body) => {
    for (let pieceSize = 1; pieceSize <= text.length; pieceSize++) {
      expect(read(text, pieceSize)?.whole?.bytes.toString("latin1")).toBe(body);
    }
  });

  test.each([
    "\r\n{}\r\n0\r\n\r\n",
    " 2\r\n{}",
    "0x2\r\n{}",
    "-2\r\n{}",
    "g\r\n",
    "2\r\n{}0\r\n",
    "2\r\n{}x\r\n",
    "2\n{}\r\n",
    "2\r\n{}\n0\r\n\r\n",
    "2;a=b\r\n{}\r\n0\r\n\r\n",
    "2 \r\n{}\r\n0\r\n\r\n",
    "0\r\nA: b\n",
    "0\r\n\nA",
    "0\r\n\rA",
    `0\r\n${"a".repeat(20_000)}`,
  ])("%# is broken", (text) => {
    for (const pieceSize of [text.length, 1]) expect(read(text, pieceSize)).toBeNull();
  });

  test("what follows the last chunk and one more line is not taken", () => {
    for (const [text, taken] of [
      ["xx2\r\n{}\r\n0\r\n\r\nGET", 12],
      ["xx2\r\n{}\r\n0\r\nA: b\r\nC: d\r\n\r\n", 16],
    ] as const) {
      const reader = createBodyReader(null, 0, new SlabPool());
      expect(reader.take(Buffer.from(text), 2)).toBe(taken);
    }
  });

  test("a declared chunk takes no memory before its bytes are there", () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(read("ffffffffffff\r\nx")?.whole).toBeNull();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MIB);
  });

  test("many chunks of a byte come together", () => {
    const text = `${"1\r\nx\r\n".repeat(5000)}0\r\n\r\n`;
    expect(read(text, 6)?.whole?.bytes.toString()).toBe("x".repeat(5000));
  });
});
