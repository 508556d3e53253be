import { expect, test } from "vitest";
import type { EventBody, EventSubject, JournalEvent } from "../../../emulator/journal/event.ts";
import { Story, type Tone } from "../../../emulator/scenario/story.ts";

interface Told {
  readonly lines: readonly string[];
  readonly tones: readonly Tone[];
}

const tell = (events: readonly JournalEvent[], severalInstances = false): Told => {
  const lines: string[] = [];
  const tones: Tone[] = [];
  const story = new Story({
    write: (text, tone) => {
      lines.push(text);
      tones.push(tone);
    },
    severalInstances,
  });
  for (const event of events) story.tell(event);
  story.end();
  return { lines, tones };
};

const at = (seconds: number, event: EventSubject & EventBody): JournalEvent => ({
  ...event,
  atUs: seconds * 1e6,
});

const hit = (seconds: number, number: number, model: string): JournalEvent[] => [
  at(seconds, { event: "invocation", model, request: `r${number}`, cacheHit: true }),
  at(seconds + 0.01, {
    event: "answer",
    model,
    request: `r${number}`,
    status: 200,
    from: "container",
    durationUs: 10_000,
  }),
];

test("story: good answers in a row are one line", () => {
  const { lines } = tell([...hit(1, 1, "a"), ...hit(2, 2, "b"), ...hit(3, 3, "a")]);
  expect(lines).toEqual([
    "      1.010  r1 and 2 more requests for a and b: answered 200 after 10 ms, until 3.010",
  ]);
});

test("story: an answer of status 0 is none", () => {
  const { lines, tones } = tell([
    at(1, { event: "answer", model: "a", request: "r1", status: 0, from: "container", durationUs: 0 }),
  ]);
  expect(lines).toEqual(["      1.000  r1 for a: nobody answers, the connection breaks"]);
  expect(tones).toEqual(["bad"]);
});

test("story: a call without a TargetModel is no call for a model", () => {
  const subject = { instance: "i", model: "", request: "r1" };
  const { lines } = tell([
    at(1, { ...subject, event: "placed", because: "0 models, the fewest" }),
    at(1, { ...subject, event: "invocation", cacheHit: false }),
    at(1, { ...subject, event: "answer", status: 400, from: "platform", durationUs: 0 }),
  ]);
  expect(lines).toEqual(["      1.000  r1 for no TargetModel: answered 400 by the platform after 0 s"]);
});

test("story: the pools are drawn by their size before the container is up", () => {
  const lines: string[] = [];
  const pools = [{ pool: "host" as const, capacity: 4000, reserve: 0 }];
  const story = new Story({ write: (text) => lines.push(text), severalInstances: false, pools });
  story.tell(
    at(0, {
      event: "bytes",
      process: "tritonserver",
      pool: "host",
      kind: "server",
      change: 1000,
      before: 0,
      after: 1000,
      cause: "server start",
    }),
  );
  story.end();
  expect(lines.join("\n")).toContain("[SSSSSSSSSSSS....................................]");
});

test("story: a step of the traffic, and what was answered", () => {
  const { lines, tones } = tell([
    at(1, { event: "step", request: "half", did: "the files of a are overwritten" }),
    at(2, { event: "step", request: "probe", did: "GET /v2/health/ready", status: 400 }),
    at(3, { event: "step", request: "late", did: "GET /v2/health/live", status: null }),
    at(4, { event: "step", request: "bad", did: "POST /models", status: 400, text: '{"error":"no url"}' }),
  ]);
  expect(lines).toEqual([
    "      1.000  the files of a are overwritten (half)",
    "      2.000  GET /v2/health/ready (probe): answered 400",
    "      3.000  GET /v2/health/live (late): no answer",
    "      4.000  POST /models (bad): answered 400",
    "               “no url”",
  ]);
  expect(tones).toEqual(["plain", "bad", "bad", "bad", "bad"]);
});

test("story: what happens between ends the row", () => {
  const { lines } = tell([
    ...hit(1, 1, "a"),
    at(1.5, { event: "unload", model: "b", because: "the scenario says so" }),
    ...hit(2, 2, "a"),
  ]);
  expect(lines).toEqual([
    "      1.010  r1 for a: answered 200 after 10 ms",
    "      1.500  unload of b: the scenario says so",
    "      2.010  r2 for a: answered 200 after 10 ms",
  ]);
});

test("story: bad answers in a row with the same text are one line; another text is another one", () => {
  const bad = (seconds: number, request: string, text: string): JournalEvent =>
    at(seconds, {
      event: "answer",
      model: "a",
      request,
      status: 424,
      from: "container",
      durationUs: 1e6,
      text,
    });
  const { lines } = tell([bad(1, "r1", "dead"), bad(2, "r2", "dead"), bad(3, "r3", "no room")]);
  expect(lines).toEqual([
    "      1.000  r1 and 1 more request for a: answered 424 by the container after 1 s, until 2.000",
    "               “dead”",
    "      3.000  r3 for a: answered 424 by the container after 1 s",
    "               “no room”",
  ]);
});

test("story: bad answers that differ by the model's name only are one line", () => {
  const late = (model: string): JournalEvent =>
    at(60, {
      event: "answer",
      model,
      request: `call of ${model}`,
      status: 429,
      from: "platform",
      durationUs: 60e6,
      text: `Model ${model} is not ready`,
    });
  expect(tell([late("m1"), late("m2")]).lines).toEqual([
    "     60.000  call of m1 and 1 more request for m1 and m2: answered 429 by the platform after 1 min",
    "               “Model m1 is not ready”",
  ]);
});

test("story: equal news of several instances are one line for each", () => {
  const on = (instance: string, events: readonly JournalEvent[]) =>
    events.map((event) => ({ ...event, instance }));
  const events = [1, 2, 3, 4].flatMap((second) =>
    on(second % 2 === 0 ? "left" : "right", hit(second, second, "a")),
  );
  expect(tell(events, true).lines).toEqual([
    "      1.010  right        r1 and 1 more request for a: answered 200 after 10 ms, until 3.010",
    "      2.010  left         r2 and 1 more request for a: answered 200 after 10 ms, until 4.010",
  ]);
});

test("story: where a model is placed is told where there is a choice", () => {
  const placed = at(1, { instance: "left", model: "a", event: "placed", because: "0 models, the fewest" });
  expect(tell([placed]).lines).toEqual([]);
  expect(tell([placed], true).lines).toEqual([
    "      1.000  left         a is placed here: 0 models, the fewest",
  ]);
});

test("story: calls for a model that is not there are one line, a bad answer has one of its own with its text", () => {
  const { lines, tones } = tell([
    at(1, { event: "invocation", model: "a", request: "r1", cacheHit: false }),
    at(1, { event: "invocation", model: "a", request: "r2", cacheHit: false }),
    at(2, {
      event: "answer",
      model: "a",
      request: "r1",
      status: 424,
      from: "platform",
      durationUs: 1e6,
      text: "no room",
    }),
  ]);
  expect(lines).toEqual([
    "      1.000  r1 and 1 more request ask for a, which is not loaded",
    "      2.000  r1 for a: answered 424 by the platform after 1 s",
    "               “no room”",
    "Not answered at the end: r2 for a",
  ]);
  expect(tones).toEqual(["plain", "bad", "bad", "bad"]);
});

test("story: a load that is never answered is named at the end", () => {
  const { lines } = tell([
    at(1, { event: "load", model: "a", request: "first" }),
    at(2, { event: "load-answer", model: "a", request: "first", status: 200, durationUs: 1e6 }),
    at(3, { event: "load", model: "b", request: "second" }),
  ]);
  expect(lines.at(-1)).toBe("Not answered at the end: load of b (second)");
});

const bytes = (seconds: number, pool: "host" | "gpu:0", change: number, after: number): JournalEvent =>
  at(seconds, {
    event: "bytes",
    model: "a",
    process: "tritonserver",
    pool,
    kind: "weights",
    change,
    before: after - change,
    after,
    cause: "load",
  });

const residue = (seconds: number, change: number, cause: string): JournalEvent =>
  at(seconds, {
    event: "bytes",
    model: "a",
    process: "tritonserver",
    pool: "host",
    kind: "residue",
    change,
    before: 0,
    after: 0,
    cause,
  });

test("story: what an unload leaves behind, and what of it is used again", () => {
  const { lines } = tell([
    residue(1, 3 * 2 ** 20, "unload"),
    residue(2, -3 * 2 ** 20, "reused"),
    residue(2, 2 ** 20, "unload"),
  ]);
  expect(lines.slice(0, 2)).toEqual([
    "      1.000  a leaves 3.0 MiB of host behind (unload)",
    "      2.000  a had left 2.0 MiB of host, which are used again (reused)",
  ]);
});

test("story: instances that take the same one after the other are one line", () => {
  const { lines } = tell([
    bytes(1, "host", 2 ** 20, 2 ** 20),
    bytes(2, "host", 2 ** 20, 2 ** 21),
    bytes(3, "host", 2 ** 20, 3 * 2 ** 20),
    bytes(4, "host", 2 ** 21, 5 * 2 ** 20),
  ]);
  expect(lines.slice(0, 2)).toEqual([
    "      1.000  a takes 1.0 MiB of host (load), 3 times until 3.000",
    "      4.000  a takes 2.0 MiB of host (load)",
  ]);
});

const started = at(0, {
  event: "container-started",
  pools: [
    { pool: "host", capacity: 2 ** 30, reserve: 0 },
    { pool: "gpu:0", capacity: 2 ** 30, reserve: 0 },
  ],
});

test("story: bytes of one moment and cause are one line, and the pools are drawn after a load", () => {
  const { lines } = tell([
    started,
    bytes(1, "host", 2 ** 29, 2 ** 29),
    bytes(1, "gpu:0", 2 ** 28, 2 ** 28),
    at(2, { event: "load-answer", model: "a", status: 200, durationUs: 1e6 }),
    at(3, { event: "ping", status: 200 }),
  ]);
  expect(lines.slice(0, 6)).toEqual([
    "      0.000  the container is up, without models",
    "      1.000  a takes 512.0 MiB of host and 256.0 MiB of gpu:0 (load)",
    "      2.000  load of a: answered 200 after 1 s",
    `             host   [${"W".repeat(24)}${".".repeat(24)}]  512.0 MiB of 1.0 GiB used, 50.0 %: weights 512.0 MiB`,
    `             gpu:0  [${"W".repeat(12)}${".".repeat(36)}]  256.0 MiB of 1.0 GiB used, 25.0 %: weights 256.0 MiB`,
    "      3.000  ping: answered 200",
  ]);
  expect(lines.at(-1)).toContain("W weights");
});

test("story: a kill says who, why and for whom", () => {
  const { lines } = tell([
    at(1, {
      event: "killed",
      model: "a",
      process: "a_0_0",
      residentBytes: 2 ** 27,
      rule: "largest resident size",
      tied: 2,
      newcomer: "b",
      asked: 2 ** 26,
      free: 2 ** 20,
    }),
  ]);
  expect(lines).toEqual([
    "      1.000  the kernel kills a_0_0 of a (128.0 MiB resident): largest resident size",
    "               b asked for 64.0 MiB, 1.0 MiB were free; 2 others had the same size",
  ]);
});

test("story: of several instances each line says which", () => {
  const { lines } = tell(
    [
      { ...at(1, { event: "ping", status: 400 }), instance: "instance-2" },
      { ...at(2, { event: "ping", status: null }), instance: "instance-1" },
    ],
    true,
  );
  expect(lines).toEqual([
    "      1.000  instance-2   ping: answered 400",
    "      2.000  instance-1   ping: no answer",
  ]);
});

test("story: a server that ends gives everything back in one line", () => {
  const gone = (model: string, bytes: number, after: number) =>
    at(1, {
      event: "bytes",
      ...(model === "" ? {} : { model }),
      process: "tritonserver",
      pool: "host",
      kind: model === "" ? "server" : "weights",
      change: -bytes,
      before: after + bytes,
      after,
      cause: "process ended",
    });
  expect(tell([gone("", 1024, 3072), gone("a", 1024, 2048), gone("b", 2048, 0)]).lines[0]).toBe(
    "      1.000  tritonserver gives back 4.0 KiB of host (process ended)",
  );
  expect(tell([gone("a", 1024, 0)]).lines[0]).toBe(
    "      1.000  a gives back 1.0 KiB of host (process ended)",
  );
});

test("story: of an error of the platform what the container said", () => {
  const text =
    'Received server error (507) from primary with message "{"error":"no room"}". See https://console for more.';
  const { lines } = tell([
    at(1, {
      event: "answer",
      model: "a",
      request: "r1",
      status: 424,
      from: "container",
      durationUs: 0,
      text,
    }),
  ]);
  expect(lines.at(-1)).toBe("               “Received server error (507): no room”");
});

test("story: how long a step waited for its answer", () => {
  const { lines } = tell([
    at(350, {
      event: "step",
      request: "gone",
      did: "DELETE /models/a",
      status: 200,
      durationUs: 350_000_000,
    }),
  ]);
  expect(lines).toEqual(["    350.000  DELETE /models/a (gone): answered 200 after 5 min 50 s"]);
});

test("story: a load that ended with its container is not waited for", () => {
  const loads = [
    at(1, { event: "load", model: "a", request: "r1", instance: "i-1" }),
    at(1, { event: "load", model: "b", request: "r2", instance: "i-2" }),
    at(2, { event: "container-died", because: "killed", instance: "i-1" }),
  ];
  expect(tell(loads, true).lines.at(-1)).toBe("Not answered at the end: load of b (r2)");
});

test("story: equal lines in a row are one, whatever their tone", () => {
  const strike = (seconds: number) => at(seconds, { event: "fault", fault: "no-list", operation: "list" });
  const { lines, tones } = tell([
    strike(0),
    at(0, { event: "ping", status: 404, asked: "list" }),
    strike(5),
    strike(10),
    strike(15),
  ]);
  expect(lines).toEqual([
    "      0.000  fault no-list strikes at list",
    "      0.000  list after a good ping: answered 404",
    "      5.000  fault no-list strikes at list, 3 times until 15.000",
  ]);
  expect(tones).toEqual(["bad", "bad", "bad"]);
});

test("story: calls that are refused on the spot are one line", () => {
  const refused = (seconds: number, number: number, model: string) => [
    at(seconds, { event: "invocation", model, request: `r${number}`, cacheHit: false }),
    at(seconds, {
      event: "answer",
      model,
      request: `r${number}`,
      status: 503,
      from: "platform",
      durationUs: 0,
      text: "No instance is healthy.",
    }),
  ];
  const { lines } = tell([
    ...refused(1, 1, "m1"),
    ...refused(2, 2, "m2"),
    at(3, { event: "invocation", model: "a", request: "r3", cacheHit: false }),
  ]);
  expect(lines).toEqual([
    "      1.000  r1 and 1 more request for m1 and m2: answered 503 by the platform after 0 s, until 2.000",
    "               “No instance is healthy.”",
    "      3.000  r3 asks for a, which is not loaded",
    "Not answered at the end: r3 for a",
  ]);
});
