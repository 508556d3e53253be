import { expect, test } from "vitest";
import { poolPicture, poolsAt } from "../../../emulator/journal/pool-picture.ts";
import { GIB, MIB, Story } from "../../support/journal-story.ts";

const started = () =>
  new Story()
    .write({
      event: "container-started",
      pools: [
        { pool: "disk", capacity: 100 * GIB, reserve: 0 },
        { pool: "gpu:0", capacity: 4 * GIB, reserve: 0 },
        { pool: "host", capacity: 10 * GIB, reserve: 2 * GIB },
      ],
    })
    .write({
      event: "bytes",
      process: "tritonserver",
      pool: "host",
      kind: "server",
      change: GIB,
      before: 0,
      after: GIB,
      cause: "server start",
    });

test("poolPicture: draws each pool to scale, with what its bytes are for", () => {
  const { events } = started().bytes("a", 4 * GIB, 5 * GIB);
  expect(poolPicture(poolsAt(events), 20)).toBe(
    [
      "host   [SSWWWWWWWW......####]  5.0 GiB of 10.0 GiB used, 50.0 %: server 1.0 GiB, weights 4.0 GiB",
      "gpu:0  [....................]  0 B of 4.0 GiB used, 0.0 %",
      "        S server  W weights  . free  # reserve",
      "",
    ].join("\n"),
  );
});

test("poolsAt: shows a moment, not the end", () => {
  const { events } = started()
    .at(1)
    .bytes("a", 4 * GIB, 5 * GIB)
    .at(2)
    .bytes("a", -4 * GIB, GIB);
  const hostAt = (atUs?: number) =>
    poolsAt(events, atUs === undefined ? {} : { atUs }).find(({ pool }) => pool === "host")?.used;
  expect([hostAt(0), hostAt(1e6), hostAt(1_999_999), hostAt()]).toEqual([GIB, 5 * GIB, 5 * GIB, GIB]);
});

test("poolsAt: keeps instances apart", () => {
  const { events } = started().write({
    instance: "i-2",
    event: "bytes",
    process: "tritonserver",
    pool: "host",
    kind: "server",
    change: 7,
    before: 0,
    after: 7,
    cause: "server start",
  });
  expect(poolsAt(events, { instance: "i-2" })).toEqual([
    { pool: "host", capacity: null, reserve: 0, used: 7, kinds: [["server", 7]] },
  ]);
  expect(poolsAt(events, { instance: "i-1" }).find(({ pool }) => pool === "host")?.used).toBe(GIB);
});

test("poolsAt: what was taken before the journal's oldest line is shown as earlier", () => {
  const { events } = new Story().bytes("a", -10 * MIB, 90 * MIB).bytes("b", 20 * MIB, 110 * MIB);
  const [host] = poolsAt(events);
  expect(host?.kinds).toEqual([
    ["earlier", 100 * MIB],
    ["weights", 10 * MIB],
  ]);
  expect(host?.used).toBe(110 * MIB);
});

test("poolPicture: without a machine there is no capacity to compare with", () => {
  const { events } = new Story().bytes("a", 20 * MIB, 20 * MIB);
  expect(poolPicture(poolsAt(events), 4)).toBe(
    "host  [WWWW]  20.0 MiB used: weights 20.0 MiB\n       W weights  . free\n",
  );
  expect(poolPicture([], 4)).toBe("No pool of memory is known here.\n");
});

test("poolsAt: a container that ends leaves nothing, and the next one begins anew", () => {
  const events = started()
    .bytes("a", 4 * GIB, 5 * GIB)
    .write({ event: "container-died", because: "killed" })
    .bytes("a", -4 * GIB, GIB)
    .bytes("server", -GIB, 0)
    .bytes("b", 2 * GIB, 2 * GIB).events;
  const host = poolsAt(events).find(({ pool }) => pool === "host");
  expect(host).toMatchObject({ used: 2 * GIB, kinds: [["weights", 2 * GIB]] });
});
