import { describe, expect, test } from "vitest";
import type { KeepaliveOptions } from "../../../../../emulator/frontends/grpc/wire/keepalive.ts";
import { GrpcFixture } from "../../../../support/grpc-frontend.ts";
import { RawHttp2Client } from "../../../../support/http2-frames.ts";

const PING = 6;
const ACK = 1;

const withClient = async (
  keepalive: Partial<KeepaliveOptions>,
  body: (client: RawHttp2Client) => Promise<void>,
): Promise<void> => {
  await using fixture = await GrpcFixture.start({ keepalive });
  const client = new RawHttp2Client(fixture.frontend.port).start();
  try {
    await body(client);
  } finally {
    client.close();
  }
};

const isPing = ({ type, flags }: { type: number; flags: number }): boolean => type === PING && flags === 0;

describe("keep-alive: a client that pings too often", () => {
  test("is sent away at the strike after the last that is borne", () =>
    withClient({ maxPingStrikes: 2 }, async (client) => {
      for (let i = 0; i < 4; i++) client.frame(PING, 0, 0, Buffer.alloc(8));
      expect(await client.end()).toEqual({ code: 11, reason: "too_many_pings" });
      expect(client.frames.filter(({ type, flags }) => type === PING && flags === ACK)).toHaveLength(4);
    }));

  test("stays where no strike counts, and where the interval allows it", async () => {
    for (const options of [{ maxPingStrikes: 0 }, { permitWithoutCalls: true, minRecvPingIntervalMs: 0 }]) {
      await withClient(options, async (client) => {
        for (let i = 0; i < 20; i++) client.frame(PING, 0, 0, Buffer.alloc(8, i));
        await client.until(({ type, payload }) => type === PING && payload[0] === 19);
      });
    }
  });
});

describe("keep-alive: the server", () => {
  test("pings a silent client, and leaves one that does not answer", () =>
    withClient({ timeMs: 1, timeoutMs: 1, permitWithoutCalls: true }, async (client) => {
      await client.until(isPing);
      expect(await client.end()).toBeNull();
    }));

  test("pings no more than is allowed without data", () =>
    withClient(
      { timeMs: 1, permitWithoutCalls: true, maxPingsWithoutData: 2, maxConnectionAgeMs: 50 },
      async (client) => {
        await client.end();
        const pings = client.frames.filter(isPing).length;
        expect(pings).toBeGreaterThanOrEqual(1);
        expect(pings).toBeLessThanOrEqual(2);
      },
    ));

  test("ends a connection that is too old", () =>
    withClient({ maxConnectionAgeMs: 1 }, async (client) => {
      expect(await client.end()).toEqual({ code: 0, reason: "" });
    }));
});
