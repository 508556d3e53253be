import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { silentLog } from "../../../../emulator/common/log.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { FaultPlan } from "../../../../emulator/core/faults/fault-plan.ts";
import { routes } from "../../../../emulator/frontends/control/routes.ts";
import { type ControlFrontend, startControlFrontend } from "../../../../emulator/frontends/control/server.ts";
import type { ControlTarget } from "../../../../emulator/frontends/control/target.ts";
import { eventText, readJournal } from "../../../../emulator/journal/event-text.ts";
import { Journal } from "../../../../emulator/journal/journal.ts";
import {
  backendDocument,
  granted,
  profilesOf,
  serverDocument,
  smallMachine,
  startLedger,
} from "../../../support/ledger-fixture.ts";

const open: ControlFrontend[] = [];

afterEach(async () => {
  for (const frontend of open.splice(0)) await frontend.close();
});

interface Served {
  readonly clock: VirtualClock;
  readonly target: ControlTarget;
  /** What the target was told to do. */
  readonly calls: string[];
  readonly ask: (
    method: string,
    path: string,
    body?: string,
    headers?: Record<string, string>,
  ) => Promise<Answer>;
  readonly port: number;
}

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly allow: string | null;
  readonly text: string;
  readonly json: () => unknown;
}

const serve = async (change: Partial<ControlTarget> = {}, journalLimit = 1000): Promise<Served> => {
  const clock = new VirtualClock();
  const calls: string[] = [];
  const target: ControlTarget = {
    journal: new Journal({
      clock,
      limit: journalLimit,
      run: { seed: 1, machine: null, profile: "builtin", policy: null, scenario: null },
    }),
    faults: new FaultPlan(),
    clock,
    isReady: () => true,
    resetModels: (done) => {
      calls.push("models");
      done();
    },
    resetMetrics: () => calls.push("metrics"),
    memory: (done) => done({ instances: [], real: { rssBytes: 5, gpus: [] } }),
    ...change,
  };
  const frontend = await startControlFrontend({ address: "127.0.0.1", port: 0 }, target, silentLog);
  open.push(frontend);
  const ask: Served["ask"] = async (method, path, body, headers = {}) => {
    const answer = await fetch(`http://127.0.0.1:${frontend.port}${path}`, {
      method,
      headers: { connection: "close", ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      type: answer.headers.get("content-type"),
      allow: answer.headers.get("allow"),
      text,
      json: () => JSON.parse(text),
    };
  };
  return { clock, target, calls, ask, port: frontend.port };
};

const problem = (code: string, message: string, howToFix: string) => ({ error: { code, message, howToFix } });

describe("routes", () => {
  test("are listed at the root, each with what it takes", async () => {
    const { ask } = await serve();
    const { json } = await ask("GET", "/_emulator/");
    expect(json()).toEqual({
      routes: routes.map(({ method, path, query, summary }) => ({
        method,
        path: `/_emulator/${path}`,
        query,
        summary,
      })),
    });
  });

  test("are all in docs/explain.md", () => {
    const page = readFileSync(new URL("../../../../docs/explain.md", import.meta.url), "utf8");
    const documented = [...page.matchAll(/`(GET|POST|DELETE) \/_emulator\/([^`?]*)`/g)].map(
      ([, method, path = ""]) => `${method} ${path.replace("<", "{").replace(">", "}")}`,
    );
    expect(new Set(documented)).toEqual(new Set(routes.map(({ method, path }) => `${method} ${path}`)));
  });

  test.each([
    [
      "GET",
      "/_emulator/nothing",
      404,
      problem("unknown-route", "there is no /_emulator/nothing", "GET /_emulator/ lists what there is"),
    ],
    [
      "GET",
      "/v2",
      404,
      problem("unknown-route", "nothing is served at /v2", "GET /_emulator/ lists what is"),
    ],
    [
      "GET",
      "/_emulators",
      404,
      problem("unknown-route", "nothing is served at /_emulators", "GET /_emulator/ lists what is"),
    ],
    [
      "GET",
      "/_emulator/health?x=1",
      400,
      problem("unknown-parameter", "GET /_emulator/health does not take 'x'", "it takes no parameters"),
    ],
    [
      "GET",
      "/_emulator/explain?modle=a",
      400,
      problem(
        "unknown-parameter",
        "GET /_emulator/explain does not take 'modle'",
        "it takes request, model, endpoint",
      ),
    ],
    [
      "POST",
      "/_emulator/health",
      405,
      problem("unknown-method", "POST is not possible at /_emulator/health", "use GET"),
    ],
  ])("%s %s is answered %d", async (method, path, status, body) => {
    const { ask } = await serve();
    const answer = await ask(method, path);
    expect([answer.status, answer.json()]).toEqual([status, body]);
    expect(answer.type).toBe("application/json");
  });

  test("a method that is not there says which are, and a trailing slash is no other path", async () => {
    const { ask } = await serve();
    expect((await ask("PUT", "/_emulator/faults")).allow).toBe("GET, POST, DELETE");
    expect((await ask("GET", "/_emulator/health/")).status).toBe(200);
  });

  test("a bug of ours is a 500 that says so, and the next request is served", async () => {
    let broken = true;
    const { ask } = await serve({
      isReady: () => {
        if (broken) throw new Error("bug");
        return true;
      },
    });
    const answer = await ask("GET", "/_emulator/health");
    expect([answer.status, answer.text.includes('"internal"')]).toEqual([500, true]);
    broken = false;
    expect((await ask("GET", "/_emulator/health")).status).toBe(200);
  });
});

describe("health", () => {
  test("is 200 when ready, with clock and journal, and 503 when not", async () => {
    let ready = true;
    const { ask, clock, target } = await serve({ isReady: () => ready });
    clock.advance(7);
    target.journal.write({ model: "a", event: "load" });
    const { status, json } = await ask("GET", "/_emulator/health");
    expect([status, json()]).toEqual([
      200,
      {
        ready: true,
        clock: { nowUs: 7, now: "1970-01-01T00:00:00.000Z" },
        journal: { written: 1, dropped: 0 },
      },
    ]);
    ready = false;
    expect((await ask("GET", "/_emulator/health")).status).toBe(503);
  });
});

describe("reset", () => {
  const aFault = { name: "x", operation: "load", effect: "out-of-memory" };

  test.each([
    ["", ["models", "metrics"], 0, 0],
    ["?scope=all", ["models", "metrics"], 0, 0],
    ["?scope=models", ["models"], 1, 1],
    ["?scope=metrics", ["metrics"], 1, 1],
    ["?scope=journal", [], 0, 1],
  ])("reset%s sets back %j; left are %d events and %d faults", async (query, calls, events, faults) => {
    const served = await serve();
    await served.ask("POST", "/_emulator/faults", JSON.stringify(aFault));
    served.target.journal.write({ model: "a", event: "load" });
    const answer = await served.ask("POST", `/_emulator/reset${query}`);
    const scope = query === "" ? "all" : query.slice("?scope=".length);
    expect([answer.status, answer.json()]).toEqual([200, { reset: scope }]);
    expect(served.calls).toEqual(calls);
    const left = served.target.journal.events().slice(1);
    expect(left.at(-1)).toEqual({ event: "reset", scope, atUs: 0 });
    expect(left).toHaveLength(events + 1);
    expect(served.target.faults.rules()).toHaveLength(faults);
  });

  test("is answered when the models are gone, not before", async () => {
    const gone = Promise.withResolvers<() => void>();
    const { ask, target } = await serve({ resetModels: (done) => gone.resolve(done) });
    const answer = ask("POST", "/_emulator/reset");
    const done = await gone.promise;
    expect(target.journal.events()).toHaveLength(1);
    done();
    expect((await answer).status).toBe(200);
  });

  test("of an unknown scope changes nothing", async () => {
    const { ask, calls, target } = await serve();
    const answer = await ask("POST", "/_emulator/reset?scope=everything");
    expect(answer.status).toBe(400);
    expect(answer.text).toContain("there is no scope 'everything'");
    expect([calls, target.journal.end]).toEqual([[], 0]);
  });
});

describe("clock", () => {
  test("is advanced by a time or by microseconds; timers run, and the journal says so", async () => {
    const { ask, clock, target } = await serve();
    const rung: number[] = [];
    clock.setTimer(1_000_000, () => rung.push(clock.now()));
    const answer = await ask("POST", "/_emulator/clock", '{"advance":"2.5s"}');
    expect([answer.status, answer.json()]).toEqual([
      200,
      { nowUs: 2_500_000, now: "1970-01-01T00:00:02.500Z" },
    ]);
    expect((await ask("POST", "/_emulator/clock", `{"advance":10}`)).json()).toEqual({
      nowUs: 2_500_010,
      now: "1970-01-01T00:00:02.500Z",
    });
    expect(rung).toEqual([1_000_000]);
    expect(target.journal.events().slice(1)).toEqual([
      { event: "clock", byUs: 2_500_000, atUs: 0 },
      { event: "clock", byUs: 10, atUs: 2_500_000 },
    ]);
  });

  test.each([
    "",
    "{}",
    "[]",
    '{"advance":-1}',
    '{"advance":1.5}',
    '{"advance":"soon"}',
    '{"advance":"31d"}',
    '{"advance":null}',
    '{"advance":"721h"}',
  ])("is not moved by %s", async (body) => {
    const { ask, clock } = await serve();
    const answer = await ask("POST", "/_emulator/clock", body);
    expect([answer.status, clock.now()]).toEqual([400, 0]);
    expect(answer.text).toContain("no-advance");
  });

  test("answers when what the time sets off has settled", async () => {
    let settled = false;
    const advance = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      settled = true;
    };
    const { ask } = await serve({ clock: { now: () => 5, epochMs: () => 1000, advance } });
    const answer = await ask("POST", "/_emulator/clock", '{"advance":"1s"}');
    expect(answer.json()).toEqual({ nowUs: 5, now: "1970-01-01T00:00:01.000Z" });
    expect(settled).toBe(true);
  });

  test("wants JSON", async () => {
    const { ask } = await serve();
    const answer = await ask("POST", "/_emulator/clock", "advance=1");
    expect([answer.status, answer.text.includes("the body is no JSON")]).toEqual([400, true]);
  });
});

describe("journal", () => {
  test("comes as JSON lines that the reader takes, whole or in part", async () => {
    const { ask, clock, target } = await serve();
    target.journal.write({ model: "a", request: "r-1", event: "load" });
    clock.advance(10);
    target.journal.write({ model: "b", request: "r-2", event: "load" });
    const whole = await ask("GET", "/_emulator/journal");
    expect([whole.status, whole.type]).toEqual([200, "application/x-ndjson"]);
    expect(readJournal(whole.text)).toEqual({ ok: true, value: target.journal.events() });
    for (const query of ["model=b", "request=r-2", "since=10", "since=10&model=b", "follow=false&since=5"]) {
      const part = await ask("GET", `/_emulator/journal?${query}`);
      expect(part.text.split("\n").slice(1), query).toEqual([
        '{"atUs":10,"event":"load","model":"b","request":"r-2"}',
        "",
      ]);
    }
  });

  test("since something that is no time is refused", async () => {
    const { ask } = await serve();
    expect((await ask("GET", "/_emulator/journal?since=yesterday")).status).toBe(400);
  });

  test("followed: what is there, then what comes, only what was asked for", async () => {
    const { port, target } = await serve();
    const { journal } = target;
    journal.write({ model: "a", event: "load" });
    const client = await follow(port, "?follow&model=a");
    await client.has(eventText({ model: "a", event: "load", atUs: 0 }));
    journal.write({ model: "b", event: "load" });
    journal.write({ model: "a", event: "unload", because: "room" });
    await client.has('"event":"unload","model":"a"');
    expect(client.received()).not.toContain('"model":"b"');
    expect(client.received()).toContain('"event":"run"');
    client.socket.destroy();
  });

  test("followed: a client that goes is forgotten", async () => {
    const { port, target } = await serve({}, 0);
    expect(target.journal.enabled).toBe(false);
    const client = await follow(port, "?follow");
    await client.has('"event":"run"');
    expect(target.journal.enabled).toBe(true);
    client.socket.end();
    await once(client.socket, "close");
    expect(target.journal.enabled).toBe(false);
  });

  test("followed: a client that does not read misses lines, is told how many, and nothing is kept for it", async () => {
    const { port, target } = await serve({}, 50);
    const client = await follow(port, "?follow");
    await client.has('"event":"run"');
    client.socket.pause();
    const because = "x".repeat(100_000);
    for (let i = 0; i < 400; i++) target.journal.write({ model: `m-${i}`, event: "unload", because });
    client.socket.resume();
    await client.has('"model":"m-399"');
    const missed = /"event":"dropped","count":(\d+)/.exec(client.received())?.[1];
    expect(Number(missed)).toBeGreaterThan(0);
    expect(client.received().match(/"event":"unload"/g)?.length).toBe(400 - Number(missed));
    client.socket.destroy();
  });
});

interface FollowingClient {
  readonly socket: Socket;
  readonly received: () => string;
  /** Resolves when it has come. */
  readonly has: (text: string) => Promise<void>;
}

const follow = async (port: number, query: string): Promise<FollowingClient> => {
  const socket = connect({ host: "127.0.0.1", port });
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  socket.write(`GET /_emulator/journal${query} HTTP/1.1\r\n\r\n`);
  return {
    socket,
    received: () => received,
    has: async (text) => {
      while (!received.includes(text)) await once(socket, "data");
    },
  };
};

describe("memory", () => {
  const emulated = () => {
    const fixture = startLedger({
      machine: smallMachine,
      profiles: profilesOf(
        serverDocument({ private_bytes: 10 }),
        backendDocument("python", { stub: { private_bytes: 5 } }),
      ),
    });
    granted(fixture.python("a", 100));
    granted(fixture.python("b", 200));
    return {
      ledger: fixture.ledger,
      instances: [{ instance: "i-1", ledger: fixture.ledger }],
      real: { rssBytes: 5, gpus: [{ gpu: 0, usedBytes: 1, totalBytes: 2 }] },
    };
  };

  test("is told by pool, process and model; what was measured stands beside it", async () => {
    const view = emulated();
    const { ask } = await serve({ memory: (done) => done(view) });
    const { json } = await ask("GET", "/_emulator/memory");
    expect(json()).toMatchObject({
      instances: [
        {
          instance: "i-1",
          machine: "small",
          pools: expect.arrayContaining([
            {
              pool: "host",
              capacityBytes: 1000,
              reserveBytes: 0,
              usedBytes: 320,
              freeBytes: 680,
              highWaterBytes: 320,
              byKind: { server: 10, library: 10, weights: 300 },
            },
          ]),
          processes: [
            { name: "tritonserver", model: null },
            { name: "a_0_0", model: "a", byPool: { host: 105 } },
            { name: "b_0_0", model: "b", byPool: { host: 205 } },
          ],
          models: [
            { model: "a", byPool: { host: 105 }, byKind: { library: 5, weights: 100 } },
            { model: "b", byPool: { host: 205 }, byKind: { library: 5, weights: 200 } },
          ],
        },
      ],
      real: { rssBytes: 5, gpus: [{ gpu: 0, usedBytes: 1, totalBytes: 2 }] },
    });
  });

  test("of one model comes with its allocations, and of all where they are asked for", async () => {
    const view = emulated();
    const { ask } = await serve({ memory: (done) => done(view) });
    const allocationsOf = async (query: string) => {
      const value: unknown = (await ask("GET", `/_emulator/memory${query}`)).json();
      return JSON.stringify(value).match(/"takenUs"/g)?.length ?? 0;
    };
    expect(await allocationsOf("?model=a")).toBe(2);
    expect(await allocationsOf("")).toBe(0);
    expect(await allocationsOf("?allocations")).toBe(5);
    expect((await ask("GET", "/_emulator/memory?model=a")).text).not.toContain("b_0_0");
  });

  test("names models as their users do", async () => {
    const view = emulated();
    granted(
      view.ledger.reserve({ backend: "x", model: "/opt/ml/models/1/model::c.tar.gz" }, [
        { pool: "host", kind: "weights", bytes: 3 },
      ]),
    );
    const { ask } = await serve({ memory: (done) => done(view) });
    expect((await ask("GET", "/_emulator/memory?model=c.tar.gz")).json()).toMatchObject({
      instances: [
        {
          models: [{ model: "c.tar.gz", byPool: { host: 3 } }],
          allocations: [{ model: "c.tar.gz", pool: "host", kind: "weights", bytes: 3 }],
        },
      ],
    });
  });

  test("of an instance that is not there is a 404, and without a machine there is a note", async () => {
    const view = emulated();
    expect(
      (await (await serve({ memory: (done) => done(view) })).ask("GET", "/_emulator/memory?instance=i-2"))
        .status,
    ).toBe(404);
    expect((await (await serve()).ask("GET", "/_emulator/memory")).json()).toEqual({
      instances: [],
      note: "no machine is emulated: start with --machine",
      real: { rssBytes: 5, gpus: [] },
    });
  });
});

describe("faults", () => {
  const rule = { name: "slow", model: "a*", operation: "load", effect: "slow", delay: "5s", nth: 2 };

  test("are added, listed with their counts in the words of a rule, and removed", async () => {
    const { ask, target } = await serve();
    const added = await ask("POST", "/_emulator/faults", JSON.stringify([rule]));
    expect(added.status).toBe(200);
    target.faults.at({ operation: "load", model: "abc" });
    target.faults.at({ operation: "load", model: "abc" });
    expect((await ask("GET", "/_emulator/faults")).json()).toEqual({
      rules: [
        {
          name: "slow",
          model: "a*",
          operation: "load",
          effect: "slow",
          does: { kind: "delay", us: 5_000_000 },
          nth: 2,
          counts: { asked: 2, matched: 2, struck: 1, overruled: 0 },
        },
      ],
      imitations: [],
    });
    expect((await ask("DELETE", "/_emulator/faults/slow")).json()).toEqual({ rules: [], imitations: [] });
    await ask("POST", "/_emulator/faults", JSON.stringify(rule));
    expect((await ask("DELETE", "/_emulator/faults")).json()).toEqual({ rules: [], imitations: [] });
  });

  test("that are wrong are refused in the words of the rules, and nothing is added", async () => {
    const { ask, target } = await serve();
    const wrong = JSON.stringify([rule, { operation: "lod", effect: "slow" }]);
    const answer = await ask("POST", "/_emulator/faults", wrong);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain("the body[1]");
    expect(target.faults.rules()).toEqual([]);
    await ask("POST", "/_emulator/faults", JSON.stringify(rule));
    const again = await ask("POST", "/_emulator/faults", JSON.stringify(rule));
    expect([again.status, again.text.includes("fault-exists")]).toEqual([409, true]);
  });

  test("that are not there cannot be removed; names are decoded", async () => {
    const { ask, target } = await serve();
    expect((await ask("DELETE", "/_emulator/faults/x")).json()).toEqual(
      problem("unknown-fault", "there is no fault named 'x'", "there is none at all"),
    );
    await ask("POST", "/_emulator/faults", JSON.stringify({ ...rule, name: "a.b" }));
    expect((await ask("DELETE", "/_emulator/faults/x")).text).toContain("there are a.b");
    expect((await ask("DELETE", "/_emulator/faults/a%2Eb")).status).toBe(200);
    expect(target.faults.rules()).toEqual([]);
  });
});

describe("explain", () => {
  const told = async () => {
    const served = await serve();
    served.target.journal.write({ model: "a", request: "r-1", event: "invocation", cacheHit: true });
    return served;
  };

  test("answers in words, or in JSON for who accepts it", async () => {
    const { ask } = await told();
    const text = await ask("GET", "/_emulator/explain?request=r-1");
    expect([text.status, text.type]).toEqual([200, "text/plain; charset=utf-8"]);
    expect(text.text).toContain("Request r-1 for a has no answer");
    const json = await ask("GET", "/_emulator/explain?request=r-1", undefined, {
      accept: "application/json",
    });
    expect(json.json()).toMatchObject({ question: { request: "r-1" }, known: true });
  });

  test("knows how late it is, though nothing has happened since", async () => {
    const { ask, clock, target } = await told();
    target.journal.write({
      model: "a",
      request: "r-1",
      event: "answer",
      status: 200,
      from: "container",
      durationUs: 0,
    });
    target.journal.write({ model: "a", event: "model-state", version: 1, state: "READY", reason: "" });
    clock.advance(60_000_000);
    expect((await ask("GET", "/_emulator/explain?model=a")).text).toContain("idle for 1 min");
  });

  test("of what is not known is a 404 that names what is", async () => {
    const { ask } = await told();
    const answer = await ask("GET", "/_emulator/explain?model=r-1");
    expect([answer.status, answer.text.includes("a request of that name")]).toEqual([404, true]);
  });

  test("of an endpoint says which status it has", async () => {
    const { ask, target } = await told();
    const status = { region: "us-east-1", status: "Creating", config: "c" };
    target.journal.write({ event: "endpoint-status", endpoint: "e", ...status });
    expect((await ask("GET", "/_emulator/explain?endpoint=e")).text).toContain("Endpoint e is Creating");
  });

  test.each(["", "?request=r-1&model=a", "?model=a&endpoint=e"])(
    "%s of nothing, or of two things, is refused",
    async (query) => {
      const { ask } = await told();
      expect((await ask("GET", `/_emulator/explain${query}`)).status).toBe(400);
    },
  );
});
