import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { type Log, silentLog } from "../../../../emulator/common/log.ts";
import type { HttpExchange } from "../../../../emulator/frontends/http1/connection.ts";
import { type Listener, listen } from "../../../../emulator/frontends/http1/listener.ts";
import type { HttpReply } from "../../../../emulator/frontends/http1/reply.ts";

const REQUEST = "GET /v2 HTTP/1.1\r\n\r\n";
const reply: HttpReply = { status: 200, headers: [], body: [] };
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: text/plain\r\n\r\n";

const start = (onRequest: (exchange: HttpExchange) => void, log: Log = silentLog): Promise<Listener> =>
  listen({ address: "127.0.0.1", port: 0, onRequest }, log);

const open = async ({ port }: Listener): Promise<Socket> => {
  const socket = connect({ host: "127.0.0.1", port });
  await once(socket, "connect");
  return socket;
};

const read = async (socket: Socket): Promise<string> => {
  const [chunk] = await once(socket, "data");
  return String(chunk);
};

test("listen: 500 connections at once are served", async () => {
  const waiting: HttpExchange[] = [];
  const all = Promise.withResolvers<void>();
  const listener = await start((exchange) => {
    waiting.push(exchange);
    if (waiting.length === 500) all.resolve();
  });
  const sockets = await Promise.all(Array.from({ length: 500 }, () => open(listener)));
  for (const socket of sockets) socket.write(REQUEST);
  await all.promise;
  const answers = Promise.all(sockets.map(read));
  for (const exchange of waiting) exchange.reply(reply);
  expect(new Set(await answers)).toEqual(new Set([ANSWER]));
  await listener.close();
});

test("listen: rejects when the port is taken", async () => {
  const first = await start(() => {});
  await expect(
    listen({ address: "127.0.0.1", port: first.port, onRequest: () => {} }, silentLog),
  ).rejects.toMatchObject({ code: "EADDRINUSE" });
  await first.close();
});

test("drain: closes idle connections, waits for answers, drops new connections", async () => {
  const asked = Promise.withResolvers<HttpExchange>();
  const listener = await start(asked.resolve);
  const idle = await open(listener);
  const busy = await open(listener);
  busy.write(REQUEST);
  const exchange = await asked.promise;
  const drained = listener.drain(30);
  await once(idle, "close");
  const late = connect({ host: "127.0.0.1", port: listener.port });
  late.on("error", () => {});
  late.write(REQUEST);
  await once(late, "close");
  const answer = read(busy);
  exchange.reply(reply);
  expect(await answer).toBe(ANSWER);
  expect(await drained).toBeGreaterThan(0);
  await listener.close();
});

test("drain: answers at once when there is no time", async () => {
  const asked = Promise.withResolvers<HttpExchange>();
  const listener = await start(asked.resolve);
  const busy = await open(listener);
  busy.on("error", () => {});
  busy.write(REQUEST);
  await asked.promise;
  expect(await listener.drain(0)).toBe(0);
  const closed = once(busy, "close");
  await listener.close();
  await closed;
});

test("drain: says while it waits how many connections are open", async () => {
  const lines: string[] = [];
  const asked = Promise.withResolvers<HttpExchange>();
  const listener = await start(asked.resolve, { ...silentLog, info: (line) => lines.push(line) });
  const busy = await open(listener);
  busy.write(REQUEST);
  const exchange = await asked.promise;
  const drained = listener.drain(30);
  exchange.reply(reply);
  busy.destroy();
  expect(await drained).toBeGreaterThan(0);
  expect(lines[0]).toBe("Timeout 30: Found 1 HTTP service connections");
  await listener.close();
});

test("close: ends connections whose answers are awaited; an answer afterwards does nothing", async () => {
  const asked = Promise.withResolvers<HttpExchange>();
  const listener = await start(asked.resolve);
  const busy = await open(listener);
  busy.on("error", () => {});
  busy.write(REQUEST);
  const exchange = await asked.promise;
  const closed = once(busy, "close");
  await listener.close();
  await closed;
  exchange.reply(reply);
});
