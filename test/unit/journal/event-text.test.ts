import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import type { EventBody, EventName, JournalEvent } from "../../../emulator/journal/event.ts";
import { eventFields, eventText, readJournal } from "../../../emulator/journal/event-text.ts";

/** One of each, with every field. */
const bodies: { readonly [Name in EventName]: Extract<EventBody, { event: Name }> } = {
  run: {
    event: "run",
    seed: 7,
    machine: "ml.g4dn.xlarge",
    profile: "builtin",
    policy: "sagemaker",
    scenario: "full",
    epochMs: 0,
  },
  invocation: { event: "invocation", cacheHit: false },
  answer: { event: "answer", status: 424, from: "platform", durationUs: 60, text: "too late" },
  download: { event: "download", bytes: 1 },
  unpacked: { event: "unpacked", bytes: 2, durationUs: 3 },
  "artifact-refused": { event: "artifact-refused", text: "no archive" },
  "archive-deleted": { event: "archive-deleted", bytes: 4, rule: "lru" },
  load: { event: "load" },
  "load-answer": { event: "load-answer", status: null, durationUs: 5, text: "nobody" },
  eviction: {
    event: "eviction",
    trigger: "high-utilisation",
    because: "full",
    rule: "lru, one-then-retry",
    reading: [{ pool: "gpu:0", used: 6, capacity: 7 }],
    readingAgeUs: 8,
    needHostBytes: 9,
    needGpuBytes: 10,
    victims: [{ model: "b", hostBytes: 11, gpuBytes: 12, idleUs: 13, uses: 14 }],
    enough: false,
    highWater: 0.8,
    measured: ["host"],
  },
  unload: { event: "unload", because: "room" },
  "unload-answer": { event: "unload-answer", status: 200, durationUs: 15 },
  placed: { event: "placed", because: "first" },
  "model-state": { event: "model-state", version: 1, state: "READY", reason: "" },
  "agent-action": { event: "agent-action", agent: "checksum", action: "LOAD_COMPLETE" },
  bytes: {
    event: "bytes",
    process: "tritonserver",
    pool: "host",
    kind: "weights",
    change: -16,
    before: 20,
    after: 4,
    cause: "released",
  },
  refused: { event: "refused", pool: "gpu:0", asked: 17, free: -1, text: "out of memory" },
  killed: {
    event: "killed",
    process: "b_0_0",
    residentBytes: 18,
    rule: "largest resident size",
    tied: 1,
    newcomer: "a",
    asked: 19,
    free: 20,
  },
  "freeze-risk": { event: "freeze-risk", free: 21 },
  fault: { event: "fault", fault: "slow", operation: "load" },
  ping: { event: "ping", status: 404, asked: "list" },
  "container-died": { event: "container-died", because: "killed" },
  "container-started": {
    event: "container-started",
    pools: [{ pool: "host", capacity: 22, reserve: 23 }],
  },
  "endpoint-status": {
    event: "endpoint-status",
    region: "us-east-1",
    status: "Failed",
    config: "c",
    text: "no ping",
  },
  reset: { event: "reset", scope: "all" },
  step: { event: "step", did: "GET /v2/health/ready", status: 400, text: "not yet", durationUs: 25 },
  clock: { event: "clock", byUs: 24 },
  dropped: { event: "dropped", count: 25 },
};

const { run } = bodies;
const first = eventText({ ...run, atUs: 0 });
const others = Object.values(bodies).filter(({ event }) => event !== "run");

const journalOf = (...lines: readonly string[]): string => [first, ...lines, ""].join("\n");

test("eventText: every event comes back from its text as it was", () => {
  const events: JournalEvent[] = others.map((body, index) => ({
    endpoint: "e",
    instance: "i-1",
    model: "a",
    request: "r-1",
    ...body,
    atUs: index,
  }));
  const read = readJournal(journalOf(...events.map(eventText)));
  expect(read.ok && read.value).toEqual([{ ...run, atUs: 0 }, ...events]);
});

test("eventText: time, event and subject come first, then its own fields in their order", () => {
  expect(eventText({ durationUs: 3, bytes: 2, request: "r-1", model: "a", event: "unpacked", atUs: 5 })).toBe(
    '{"atUs":5,"event":"unpacked","model":"a","request":"r-1","bytes":2,"durationUs":3}',
  );
  expect(
    eventText({
      ...bodies.eviction,
      reading: [{ capacity: 7, used: 6, pool: "host" }],
      victims: [],
      atUs: 0,
    }),
  ).toContain('"reading":[{"pool":"host","used":6,"capacity":7}]');
});

test("eventText: spans of time are whole microseconds", () => {
  const text = eventText({ ...bodies["unload-answer"], durationUs: 1.6, atUs: 0 });
  expect(text).toContain('"durationUs":2}');
  const victims = [{ model: "b", hostBytes: 1, gpuBytes: 0, idleUs: 2.4, uses: 1 }];
  expect(eventText({ ...bodies.eviction, victims, readingAgeUs: 0.2, atUs: 0 })).toMatch(
    /"readingAgeUs":0,.*"idleUs":2,/,
  );
});

test("readJournal: an event with every optional field left out is read", () => {
  const lines = [
    '{"atUs":0,"event":"load-answer","status":200,"durationUs":1}',
    '{"atUs":0,"event":"container-started"}',
    '{"atUs":0,"event":"answer","status":200,"from":"container","durationUs":1}',
  ];
  expect(readJournal(journalOf(...lines)).ok).toBe(true);
});

test.each([
  ["", "line 1: the file is empty; a journal begins with the event run"],
  ['{"atUs":0,"event":"load"}\n', "line 1: a journal begins with the event run, not load"],
  [`${first}\n${first}\n`, "line 2: a second run: this is more than one journal"],
  [journalOf("{"), "line 2: it is no JSON"],
  [journalOf(""), "line 2: it is no JSON"],
  [journalOf("[]"), "line 2: it is no JSON object"],
  [journalOf('{"event":"load"}'), "line 2: load: atUs has to be a number of 0 or more"],
  [journalOf('{"atUs":0,"event":"lod"}'), 'line 2: event "lod" is not known'],
  [journalOf('{"atUs":0,"event":"toString"}'), 'line 2: event "toString" is not known'],
  [journalOf('{"atUs":0}'), "line 2: event undefined is not known"],
  [journalOf('{"atUs":0,"event":"download"}'), "line 2: download: bytes is missing"],
  [
    journalOf('{"atUs":0,"event":"download","bytes":-1}'),
    "line 2: download: bytes has to be a number of 0 or more, not -1",
  ],
  [journalOf('{"atUs":0,"event":"load","model":3}'), "line 2: load: model has to be a text, not 3"],
  [journalOf('{"atUs":0,"event":"load","modle":"a"}'), "line 2: load: modle is not one of its fields"],
  [
    journalOf('{"atUs":0,"event":"refused","pool":"ram","asked":1,"free":0,"text":""}'),
    'line 2: refused: pool has to be a pool: host, disk, shm, gpu:0, ..., not "ram"',
  ],
  [
    journalOf('{"atUs":0,"event":"container-started","pools":[{"pool":"host","capacity":1}]}'),
    'line 2: container-started: pools has to be a list of pools with pool, capacity, reserve, not [{"pool":"host","capacity":1}]',
  ],
  [
    journalOf('{"atUs":9,"event":"load"}', '{"atUs":8,"event":"load"}'),
    "line 3: atUs 8 is before the line above, 9",
  ],
  [`${first}\n{"atUs":9,"ev`, "line 2: it is cut off: there is no line end after it"],
])("readJournal: %j is refused: %s", (content, message) => {
  const read = readJournal(content);
  expect(read.ok ? null : read.error.message).toBe(message);
});

test("docs/journal.md: has every event with all its fields, and no other event", () => {
  const page = readFileSync(join(resolve(import.meta.dirname, "../../.."), "docs", "journal.md"), "utf8");
  const documented = new Map(
    [...page.matchAll(/^\| `([a-z-]+)` \|[^|]*\|[^|]*\|([^|]*)\|$/gm)].map(([, event = "", fields = ""]) => [
      event,
      [...fields.matchAll(/`(\w+)\??`/g)].map(([, field]) => field ?? ""),
    ]),
  );
  expect([...documented.keys()].sort()).toEqual(Object.keys(eventFields).sort());
  for (const [event, fields] of Object.entries(eventFields)) {
    expect(documented.get(event), event).toEqual(expect.arrayContaining(Object.keys(fields)));
  }
});
