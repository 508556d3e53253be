import { describe, expect, test } from "vitest";
import { SlabPool } from "../../../../emulator/frontends/http1/body-reader.ts";
import { Connection, type HttpExchange } from "../../../../emulator/frontends/http1/connection.ts";
import { MemorySocket } from "../../../support/memory-socket.ts";

const MEGABYTE = 1024 * 1024;

/** Bodies of PUT are handed over as they come; what is read of each is in `read`, and how it ended. */
const serve = ({ answersFirst = false, reads = true } = {}) => {
  const socket = new MemorySocket();
  const exchanges: HttpExchange[] = [];
  const read: string[] = [];
  const ends: string[] = [];
  let wanted = (): void => {};
  new Connection(socket, {
    pool: new SlabPool(),
    nowUs: () => 0,
    alignAt: () => 0,
    isPaused: null,
    isStreamed: ({ method }) => method === "PUT",
    onRequest: (exchange) => {
      exchanges.push(exchange);
      const reply = (): void =>
        exchange.reply({ status: 200, headers: [], body: [Buffer.from(exchange.head.path)] });
      if (exchange.incoming === undefined || answersFirst) {
        reply();
        return;
      }
      const { incoming } = exchange;
      const consume = async (): Promise<void> => {
        try {
          for await (const piece of incoming) read.push(piece.toString("latin1"));
          ends.push("whole");
          reply();
        } catch (error) {
          ends.push(error instanceof Error ? error.constructor.name : "?");
        }
      };
      if (reads) void consume();
      else wanted = () => void consume();
    },
  });
  return { socket, exchanges, read, ends, begin: () => wanted() };
};

const answers = (written: string): string[] =>
  [...written.matchAll(/\r\n\r\n(\/[a-z])/g)].map(([, path]) => path!);

describe("a body that is handed over as it comes", () => {
  test("is there before its end; the next request waits for its answer", async () => {
    const { socket, exchanges, read, ends } = serve();
    await socket.send("PUT /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n");
    expect(exchanges).toHaveLength(1);
    expect(exchanges[0]?.body).toHaveLength(0);
    await socket.send("hello");
    expect([read, ends]).toEqual([["hello"], []]);
    await socket.send("worldPUT /b HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
    expect([read, ends]).toEqual([["hello", "world"], ["whole"]]);
    expect(answers(socket.written)).toEqual(["/a", "/b"]);
  });

  test("comes in chunks as well", async () => {
    const { socket, read, ends } = serve();
    await socket.send("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    await socket.send("c\r\n4\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
    expect(read.join("")).toBe("abcdefg");
    expect(ends).toEqual(["whole"]);
    expect(answers(socket.written)).toEqual(["/a", "/b"]);
  });

  test("is one piece where it came whole with its head, and where nobody asked for it", async () => {
    const { socket, exchanges } = serve();
    await socket.send("PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
    await socket.send("POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\n");
    await socket.send("def");
    expect(exchanges.map(({ body, incoming }) => [body.toString(), incoming])).toEqual([
      ["abc", undefined],
      ["def", undefined],
    ]);
  });

  test("is read over where the answer came before its end", async () => {
    const { socket, exchanges } = serve({ answersFirst: true });
    await socket.send("PUT /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nhello");
    expect(answers(socket.written)).toEqual(["/a"]);
    await socket.send("worldGET /b HTTP/1.1\r\n\r\n");
    expect(answers(socket.written)).toEqual(["/a", "/b"]);
    expect(exchanges).toHaveLength(2);
  });

  test.each(["closes its side", "is gone"])(
    "ends in an error when the client %s in the middle",
    async (how) => {
      const { socket, ends } = serve();
      await socket.send("PUT /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nhello");
      if (how === "is gone") socket.destroy();
      await (how === "is gone" ? socket.send("") : socket.endInput());
      await expect.poll(() => ends).toEqual(["BodyBroken"]);
      expect(socket.written).toBe("");
    },
  );

  test("ends in an error when its chunks are none", async () => {
    const { socket, ends } = serve();
    await socket.send("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    await socket.send("what\r\n");
    await expect.poll(() => ends).toEqual(["BodyBroken"]);
    expect(socket.destroyed).toBe(true);
  });

  test("is not read from the client faster than it is taken", async () => {
    const { socket, read, ends, begin } = serve({ reads: false });
    await socket.send(`PUT /a HTTP/1.1\r\nContent-Length: ${3 * MEGABYTE}\r\n\r\n`);
    await socket.send(Buffer.alloc(MEGABYTE));
    expect(socket.isPaused()).toBe(false);
    await socket.send(Buffer.alloc(MEGABYTE));
    expect(socket.isPaused()).toBe(true);
    begin();
    await socket.send(Buffer.alloc(MEGABYTE));
    expect(socket.isPaused()).toBe(false);
    await expect.poll(() => ends).toEqual(["whole"]);
    expect(read.reduce((sum, { length }) => sum + length, 0)).toBe(3 * MEGABYTE);
  });
});
