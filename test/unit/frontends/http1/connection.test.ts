import { describe, expect, test } from "vitest";
import { SlabPool } from "../../../../emulator/frontends/http1/body-reader.ts";
import { Connection, type HttpExchange } from "../../../../emulator/frontends/http1/connection.ts";
import type { HttpReply } from "../../../../emulator/frontends/http1/reply.ts";
import { MemorySocket, turn } from "../../../support/memory-socket.ts";

const get = (path: string, ...headers: string[]): string =>
  [`GET ${path} HTTP/1.1`, ...headers, "", ""].join("\r\n");
const post = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

const text = (body: string): HttpReply => ({ status: 200, headers: [], body: [Buffer.from(body)] });

/** What a client gets for `text(body)`. */
const answered = (...bodies: string[]): string =>
  bodies
    .map(
      (body) =>
        `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nContent-Type: text/plain\r\n\r\n${body}`,
    )
    .join("");

interface Served {
  readonly socket: MemorySocket;
  readonly connection: Connection;
  readonly exchanges: HttpExchange[];
  readonly paths: () => string[];
}

/** A connection whose requests are answered with their path at once, or as `onRequest` says. */
const serve = (
  onRequest?: (exchange: HttpExchange) => void,
  pool = new SlabPool(),
  isPaused: (() => boolean) | null = null,
): Served => {
  const socket = new MemorySocket();
  const exchanges: HttpExchange[] = [];
  const connection = new Connection(socket, {
    pool,
    nowUs: () => 0,
    isStreamed: () => false,
    isPaused,
    alignAt: () => 0,
    onRequest: (exchange) => {
      exchanges.push(exchange);
      if (onRequest === undefined) exchange.reply(text(exchange.head.path));
      else onRequest(exchange);
    },
  });
  return { socket, connection, exchanges, paths: () => exchanges.map(({ head }) => head.path) };
};

const later = (): void => {};

describe("requests", () => {
  test("a request that comes byte by byte is one request", async () => {
    const { socket, exchanges } = serve();
    for (const byte of post("/a", "body")) await socket.send(byte);
    expect(socket.written).toBe(answered("/a"));
    expect(exchanges[0]?.body.toString()).toBe("body");
  });

  test("a request may be cut anywhere", async () => {
    const request = `${get("/a", "A: b")}${post("/b", "x\r\n\r\ny")}`;
    for (let cut = 1; cut < request.length; cut++) {
      const { socket, exchanges } = serve();
      await socket.send(request.slice(0, cut));
      await socket.send(request.slice(cut));
      expect(socket.written).toBe(answered("/a", "/b"));
      expect(exchanges[1]?.body.toString()).toBe("x\r\n\r\ny");
    }
  });

  test("a request that comes in one piece follows one that came byte by byte", async () => {
    const { socket } = serve();
    for (const byte of get("/a", "A: a long header")) await socket.send(byte);
    await socket.send(get("/b"));
    expect(socket.written).toBe(answered("/a", "/b"));
  });

  test("the same head again is a request again, with its own body", async () => {
    const { socket, exchanges } = serve();
    await socket.send(post("/a", "one"));
    await socket.send(post("/a", "two") + post("/b", "six"));
    expect(exchanges.map(({ head, body }) => [head.path, body.toString()])).toEqual([
      ["/a", "one"],
      ["/a", "two"],
      ["/b", "six"],
    ]);
  });

  test("empty lines before a request are left out, however many", async () => {
    const { socket } = serve();
    for (let i = 0; i < 3; i++) await socket.send("\r\n".repeat(40_000));
    await socket.send(`\r\n${get("/a")}\r\n\r`);
    await socket.send(`\n${get("/b")}`);
    expect(socket.written).toBe(answered("/a", "/b"));
  });

  test("100 Continue is sent before the body is there", async () => {
    const { socket } = serve();
    await socket.send("POST /a HTTP/1.0\r\nExpect: x\r\nContent-Length: 2\r\n\r\n");
    expect(socket.written).toBe("HTTP/1.0 100 Continue\r\n\r\n");
    await socket.send("{}");
    expect(socket.written).toMatch(/Continue\r\n\r\nHTTP\/1.0 200 OK\r\n/);
  });
});

describe("order", () => {
  test("a pipelined request waits until the one before is answered", async () => {
    const { socket, exchanges, paths } = serve(later);
    await socket.send(get("/a") + get("/b"));
    await socket.send(get("/c"));
    expect(paths()).toEqual(["/a"]);
    exchanges[0]?.reply(text("1"));
    expect(paths()).toEqual(["/a", "/b"]);
    exchanges[1]?.reply(text("2"));
    exchanges[2]?.reply(text("3"));
    await turn();
    expect(socket.written).toBe(answered("1", "2", "3"));
  });

  test("thousands of pipelined requests are answered in order", async () => {
    const { socket } = serve();
    const paths = Array.from({ length: 5000 }, (_, i) => `/${i}`);
    await socket.send(paths.map((path) => get(path)).join(""));
    expect(socket.written).toBe(answered(...paths));
  });

  test("while an answer is awaited, no more than a bounded backlog is read, and it goes on afterwards", async () => {
    const { socket, exchanges } = serve(later);
    await socket.send(get("/first"));
    const body = "x".repeat(30_000);
    for (let i = 0; i < 4; i++) await socket.send(post(`/${i}`, body));
    expect(socket.isPaused()).toBe(true);
    for (let i = 0; i < 5; i++) {
      exchanges[i]?.reply(text(`${i}`));
      await turn();
    }
    expect(exchanges.slice(1).map((exchange) => exchange.body.toString() === body)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(socket.isPaused()).toBe(false);
    expect(socket.written).toBe(answered("0", "1", "2", "3", "4"));
  });

  test("a client that does not read its answers is asked for no more requests", async () => {
    const { socket, exchanges } = serve((exchange) => exchange.reply(text("x".repeat(20_000))));
    socket.blocked = true;
    await socket.send(get("/a").repeat(1000));
    expect(exchanges.length).toBeLessThan(10);
    await socket.unblock();
    expect(exchanges).toHaveLength(1000);
  });

  test("a second answer to a request does nothing", async () => {
    const { socket } = serve((exchange) => {
      exchange.reply(text("1"));
      exchange.reply(text("2"));
    });
    await socket.send(get("/a"));
    expect(socket.written).toBe(answered("1"));
  });
});

describe("the end of a connection", () => {
  test("after Connection: close it closes though the client does not, and takes no further request", async () => {
    const { socket, paths } = serve();
    await socket.send(get("/a", "Connection: close") + get("/b"));
    await socket.send(get("/c"));
    expect(paths()).toEqual(["/a"]);
    expect(socket.written).toMatch(/^HTTP\/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n/);
    expect(socket.destroyed).toBe(true);
  });

  test("a client that has closed its side gets the answers to all it sent", async () => {
    const { socket, exchanges } = serve(later);
    await socket.send(get("/a") + get("/b"));
    await socket.endInput();
    exchanges[0]?.reply(text("1"));
    await turn();
    exchanges[1]?.reply(text("2"));
    await turn();
    expect(socket.written).toBe(answered("1", "2"));
    expect(socket.destroyed).toBe(true);
  });

  test.each(["", "GET /a HT", "POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"])(
    "a client that closes its side after %j is closed",
    async (sent) => {
      const { socket, exchanges } = serve();
      if (sent !== "") await socket.send(sent);
      await socket.endInput();
      expect(exchanges).toEqual([]);
      expect(socket.written).toBe("");
      expect(socket.destroyed).toBe(true);
    },
  );

  test("an answer to a client that is gone is dropped", async () => {
    const { socket, exchanges } = serve(later);
    await socket.send(get("/a") + get("/b"));
    socket.destroy(new Error("reset"));
    await turn();
    exchanges[0]?.reply(text("1"));
    await turn();
    expect(socket.written).toBe("");
  });

  test("finish: an idle connection closes at once, a busy one after its answer and without a further request", async () => {
    const idle = serve();
    await idle.socket.send("GET /half");
    idle.connection.finish();
    await turn();
    expect(idle.socket.destroyed).toBe(true);
    const busy = serve(later);
    await busy.socket.send(get("/a") + get("/b"));
    busy.connection.finish();
    await turn();
    expect(busy.socket.destroyed).toBe(false);
    busy.exchanges[0]?.reply(text("1"));
    await turn();
    expect(busy.socket.written).toBe(answered("1"));
    expect(busy.socket.destroyed).toBe(true);
    expect(busy.paths()).toEqual(["/a"]);
  });

  test("an answer that does not leave holds the end back until it has left", async () => {
    const { socket, connection } = serve((exchange) => exchange.reply(text("x".repeat(100_000))));
    socket.blocked = true;
    await socket.send(get("/a"));
    connection.finish();
    await turn();
    expect(socket.destroyed).toBe(false);
    await socket.unblock();
    expect(socket.destroyed).toBe(true);
  });
});

describe("broken requests end the connection without an answer", () => {
  test.each([
    ["no request", "nonsense\r\n\r\n"],
    ["LF alone at the end of a line", "GET /a HTTP/1.1\nHost: x\n\n"],
    ["LF alone in a head that is not whole", "GET /a HTTP/1.1\r\nHost: x\n"],
    ["a folded header", "GET /a HTTP/1.1\r\nA: b\r\n c\r\n\r\n"],
    ["a chunk without its size", "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n{}"],
    ["a header beyond its longest", `GET /a HTTP/1.1\r\nA: ${"b".repeat(9000)}`],
    ["a head that does not end", `GET /a HTTP/1.1\r\n${`A: ${"b".repeat(8000)}\r\n`.repeat(132)}`],
    ["a TLS client", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"],
  ])("%s", async (_, sent) => {
    const { socket, exchanges } = serve();
    await socket.send(sent);
    expect(socket.written).toBe("");
    expect(exchanges).toEqual([]);
    expect(socket.destroyed).toBe(true);
  });

  test("LF alone is seen though it comes later than its line", async () => {
    const { socket } = serve();
    await socket.send("GET /a HTTP/1.1");
    expect(socket.destroyed).toBe(false);
    await socket.send("\n");
    expect(socket.destroyed).toBe(true);
  });

  test("CR and LF may come apart", async () => {
    const { socket } = serve();
    await socket.send("GET /a HTTP/1.1\r");
    await socket.send("\n\r");
    await socket.send("\n");
    expect(socket.written).toBe(answered("/a"));
  });

  test("requests before the broken one are answered", async () => {
    const { socket } = serve();
    await socket.send(`${get("/a")}nonsense\r\n\r\n`);
    expect(socket.written).toBe(answered("/a"));
    expect(socket.destroyed).toBe(true);
  });
});

describe("as the real server takes what comes in one piece (2.51.0)", () => {
  const like251 = (isPaused: boolean, onRequest?: (exchange: HttpExchange) => void): Served =>
    serve(onRequest, undefined, () => isPaused);

  test("a second request is looked at when more bytes come", async () => {
    const { socket } = like251(false);
    await socket.send(get("/a") + get("/b"));
    expect(socket.written).toBe(answered("/a"));
    await socket.send("\r");
    expect(socket.written).toBe(answered("/a") + answered("/b"));
  });

  test("a second request follows an answer for which the connection was paused", async () => {
    const { socket } = like251(true);
    await socket.send(get("/a") + get("/b"));
    expect(socket.written).toBe(answered("/a") + answered("/b"));
  });

  test("a request that comes while another one waits for its answer is taken then", async () => {
    const { socket, exchanges } = like251(false, () => {});
    await socket.send(get("/a"));
    await socket.send(get("/b"));
    exchanges[0]?.reply(text("/a"));
    await turn();
    expect(exchanges.map(({ head }) => head.path)).toEqual(["/a", "/b"]);
  });

  test("each byte of an empty line before a request waits for more", async () => {
    const { socket } = like251(false);
    await socket.send(`\r\n${get("/a")}`);
    expect(socket.written).toBe("");
    await socket.send(get("/b"));
    expect(socket.written).toBe("");
    await socket.send("\r");
    expect(socket.written).toBe(answered("/a"));
  });

  test("what lies beyond 4096 bytes is more", async () => {
    const { socket } = like251(false);
    await socket.send(`${get("/a")}GET /b HTTP/1.1\r\nA: ${"b".repeat(4080)}\r\n\r\n`);
    expect(socket.written).toBe(answered("/a") + answered("/b"));
  });

  test("a request that ends in its target is not answered, and the next one ends the connection", async () => {
    const { socket } = like251(false);
    await socket.send("GET /a\r\n\r\n");
    expect(socket.written).toBe("");
    expect(socket.destroyed).toBe(false);
    await socket.send("GET");
    expect(socket.destroyed).toBe(true);
  });

  test("100 Continue is not sent for a body that breaks the connection with its head", async () => {
    const { socket } = like251(false);
    await socket.send("POST /a HTTP/1.1\r\nExpect: x\r\nTransfer-Encoding: chunked\r\n\r\nx");
    expect(socket.written).toBe("");
    expect(socket.destroyed).toBe(true);
  });
});

describe("memory of large bodies", () => {
  const LARGE = 100_000;
  const large = `POST /a HTTP/1.1\r\nContent-Length: ${LARGE}\r\n\r\n${"x".repeat(LARGE)}`;

  /** Sends a large body; it does not come whole with its head. */
  const sendLarge = async (socket: MemorySocket): Promise<void> => {
    await socket.send(large.slice(0, 1000));
    await socket.send(large.slice(1000));
  };

  test("it is given back when a small answer is written", async () => {
    const pool = new SlabPool();
    const { socket, exchanges } = serve(later, pool);
    await sendLarge(socket);
    const memory = exchanges[0]!.body.buffer;
    expect(pool.take(LARGE)).not.toBe(memory);
    exchanges[0]?.reply(text("1"));
    expect(pool.take(LARGE)).toBe(memory);
    exchanges[0]?.reply(text("1"));
    expect(pool.take(LARGE)).not.toBe(memory);
  });

  test("it is kept while an answer that lies in it does not leave", async () => {
    const pool = new SlabPool();
    const { socket, exchanges } = serve(later, pool);
    await sendLarge(socket);
    const { body } = exchanges[0]!;
    socket.blocked = true;
    exchanges[0]?.reply({ status: 200, headers: [], body: [Buffer.from("{}"), body] });
    await turn();
    expect(pool.take(LARGE)).not.toBe(body.buffer);
    await socket.unblock();
    expect(pool.take(LARGE)).toBe(body.buffer);
  });

  test("it is given back when the client goes away before its answer, or while that leaves", async () => {
    for (const when of ["before", "while"]) {
      const pool = new SlabPool();
      const { socket, exchanges } = serve(later, pool);
      await sendLarge(socket);
      const { body } = exchanges[0]!;
      socket.blocked = true;
      if (when === "before") socket.destroy();
      await turn();
      // The model may still read it.
      expect(pool.take(LARGE)).not.toBe(body.buffer);
      exchanges[0]?.reply({ status: 200, headers: [], body: [body] });
      if (when === "while") socket.destroy();
      await socket.unblock();
      expect(pool.take(LARGE)).toBe(body.buffer);
    }
  });

  test("it is given back when the client goes away before the body is whole, or breaks off", async () => {
    const pool = new SlabPool();
    const first = pool.take(LARGE)!;
    pool.give(first);
    const gone = serve(later, pool);
    await gone.socket.send(large.slice(0, 5000));
    const other = pool.take(LARGE);
    expect(other).not.toBe(first);
    gone.socket.destroy();
    await turn();
    expect(pool.take(LARGE)).toBe(first);
    expect(pool.take(LARGE)).not.toBe(first);
  });

  test("an answer keeps its bytes though the memory behind it changes after it has left", async () => {
    const { socket, exchanges } = serve(later);
    await sendLarge(socket);
    const { body } = exchanges[0]!;
    exchanges[0]?.reply({ status: 200, headers: [], body: [body.subarray(0, 4)] });
    body.fill("y");
    await turn();
    expect(socket.written.endsWith("\r\n\r\nxxxx")).toBe(true);
  });
});

test("answers of several parts arrive whole, small and large", async () => {
  for (const size of [1, 2000, 3000, 70_000]) {
    const parts = ["a", "b", "c"].map((letter) => new Uint8Array(Buffer.from(letter.repeat(size))));
    const { socket } = serve((exchange) => exchange.reply({ status: 200, headers: [], body: parts }));
    await socket.send(get("/a"));
    expect(socket.written).toBe(answered("a".repeat(size) + "b".repeat(size) + "c".repeat(size)));
  }
});

describe("an answer that is written bit by bit", () => {
  const client = () => {
    const calls: string[] = [];
    return { calls, drained: () => calls.push("drained"), gone: () => calls.push("gone") };
  };
  const head = { status: 200, headers: ["Content-Type", "a/b"] };

  test("comes in chunks, and the next request is answered after its end", async () => {
    const { socket, exchanges } = serve((exchange) => {
      if (exchange.head.path === "/b") exchange.reply(text("/b"));
    });
    await socket.send(get("/a") + get("/b"));
    const stream = exchanges[0]?.stream(head, client());
    expect(stream?.write(Buffer.from("one\n"))).toBe(true);
    stream?.write(Buffer.from("another\n"));
    const begun =
      "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n8\r\nanother\n\r\n";
    expect(socket.written).toBe(begun);
    stream?.end();
    await turn();
    expect(socket.written).toBe(`${begun}0\r\n\r\n${answered("/b")}`);
    expect(socket.destroyed).toBe(false);
  });

  test("ends with the connection where the client speaks HTTP/1.0", async () => {
    const { socket, exchanges } = serve(later);
    await socket.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const stream = exchanges[0]?.stream(head, client());
    stream?.write(Buffer.from("one\n"));
    stream?.end();
    await turn();
    expect(socket.written).toBe("HTTP/1.0 200 OK\r\nContent-Type: a/b\r\n\r\none\n");
    expect(socket.destroyed).toBe(true);
  });

  test("says when the client does not read, and when it reads again", async () => {
    const { socket, exchanges } = serve(later);
    await socket.send(get("/a"));
    socket.blocked = true;
    const { calls, ...listener } = client();
    const stream = exchanges[0]?.stream(head, listener);
    expect(stream?.write(Buffer.alloc(100_000))).toBe(false);
    await turn();
    expect(calls).toEqual([]);
    await socket.unblock();
    expect(calls).toEqual(["drained"]);
  });

  test.each(["closes its side", "breaks off"])("ends once when the client %s", async (how) => {
    const { socket, exchanges } = serve(later);
    await socket.send(get("/a"));
    const { calls, ...listener } = client();
    const stream = exchanges[0]?.stream(head, listener);
    if (how === "breaks off") socket.destroy();
    else await socket.endInput();
    await turn();
    expect(calls).toEqual(["gone"]);
    expect(socket.destroyed).toBe(true);
    stream?.write(Buffer.from("nobody reads this"));
    stream?.end();
    await turn();
    expect(calls).toEqual(["gone"]);
  });

  test("ends when the server does, with its last chunk", async () => {
    const { socket, exchanges, connection } = serve(later);
    await socket.send(get("/a"));
    const { calls, ...listener } = client();
    const stream = exchanges[0]?.stream(head, listener);
    connection.finish();
    await turn();
    expect(calls).toEqual(["gone"]);
    expect(socket.written.endsWith("\r\n\r\n0\r\n\r\n")).toBe(true);
    expect(socket.destroyed).toBe(true);
    stream?.end();
    expect(calls).toEqual(["gone"]);
  });

  test("is not begun for a client that has gone", async () => {
    const { socket, exchanges } = serve(later);
    await socket.send(get("/a"));
    await socket.endInput();
    expect(exchanges[0]?.stream(head, client())).toBeNull();
    await turn();
    expect(socket.destroyed).toBe(true);
    expect(socket.written).toBe("");
  });
});
