import { expect, test } from "vitest";
import type { LedgerEvent } from "../../../emulator/core/memory/ledger.ts";
import type { ModelState } from "../../../emulator/core/model-lifecycle/transitions.ts";
import type { EventBody, EventSubject } from "../../../emulator/journal/event.ts";
import { ServerEvents } from "../../../emulator/journal/server-events.ts";
import {
  backendDocument,
  profilesOf,
  serverDocument,
  smallMachine,
  startLedger,
} from "../../support/ledger-fixture.ts";

type Written = EventSubject & EventBody;

/** What stands in the journal for these events. */
const journalOf = (events: readonly LedgerEvent[], instance?: string): Written[] => {
  const written: Written[] = [];
  const server = new ServerEvents({ enabled: true, write: (event) => written.push(event) }, { instance });
  for (const event of events) server.memory(event);
  return written;
};

const started = () =>
  startLedger({
    machine: smallMachine,
    profiles: profilesOf(
      serverDocument({ private_bytes: 100 }),
      backendDocument("python", { stub: { private_bytes: 50 } }),
    ),
  });

const owner = (model: string) => ({ backend: "python", model, version: 1, instance: `${model}_0_0` });

test("server events: bytes come with the pool's use before and after, and go by the model's own name", () => {
  const { ledger, events } = started();
  const granted = ledger.reserve(owner("/opt/ml/models/h1/model::a.tar.gz"), [
    { pool: "host", kind: "weights", bytes: 200 },
  ]);
  if (!granted.ok) throw granted.error;
  granted.value.release();
  const seen = journalOf(events).flatMap((event) =>
    event.event === "bytes"
      ? [[event.model, event.kind, event.change, event.before, event.after, event.cause]]
      : [],
  );
  expect(seen).toEqual([
    [undefined, "server", 100, 0, 100, "server start"],
    ["a.tar.gz", "library", 50, 100, 150, "load"],
    ["a.tar.gz", "weights", 200, 150, 350, "load"],
    ["a.tar.gz", "library", -50, 350, 300, "released"],
    ["a.tar.gz", "weights", -200, 300, 100, "released"],
  ]);
});

test("server events: a kill names the victim, and for whom it died", () => {
  const { ledger, events, python } = started();
  python("old", 700);
  ledger.reserve(owner("::new"), [{ pool: "host", kind: "weights", bytes: 300 }]);
  expect(journalOf(events, "instance-1").find(({ event }) => event === "killed")).toEqual({
    instance: "instance-1",
    event: "killed",
    model: "old",
    process: "old_0_0",
    residentBytes: 750,
    rule: "largest resident size",
    tied: 0,
    newcomer: "new",
    asked: 350,
    free: 150,
  });
});

test("server events: a refusal carries the text that decides what the platform does", () => {
  const { ledger, events } = started();
  ledger.reserve(owner("a"), [{ pool: "gpu:0", kind: "weights", bytes: 500 }]);
  expect(journalOf(events).at(-1)).toEqual({
    event: "refused",
    model: "a",
    pool: "gpu:0",
    asked: 500,
    free: 100,
    text: "no 500 on GPU 0",
  });
});

test("server events: states go by the model's own name, and nothing is made when nobody listens", () => {
  const written: Written[] = [];
  const change = {
    identifier: { namespace: "/opt/ml/models/h1/model", name: "a.tar.gz" },
    version: 1,
    state: "READY",
    reason: "",
    agents: [],
  } as const;
  new ServerEvents({ enabled: true, write: (event) => written.push(event) }).modelState(change);
  new ServerEvents({ enabled: false, write: (event) => written.push(event) }).modelState(change);
  expect(written).toEqual([
    { event: "model-state", model: "a.tar.gz", version: 1, state: "READY", reason: "" },
  ]);
});

/** What the repository agents of a model are told while its version 1 goes through these states. */
const toldOf = (
  states: readonly ModelState[],
  {
    agents = ["checksum"],
    imitated = "",
  }: { readonly agents?: readonly string[]; readonly imitated?: string } = {},
): string[] => {
  const told: string[] = [];
  const server = new ServerEvents(
    {
      enabled: true,
      write: (event) => {
        if (event.event === "agent-action") told.push(`${event.model} ${event.agent} ${event.action}`);
      },
    },
    { imitates: (name) => name === imitated },
  );
  for (const state of states) {
    server.modelState({ identifier: { namespace: "/m", name: "a" }, version: 1, state, reason: "", agents });
  }
  return told;
};

const loadAndUnload: readonly ModelState[] = ["LOADING", "READY", "UNLOADING", "UNAVAILABLE"];

test("server events: each agent of a model is told its loads and unloads, in the order of the configuration", () => {
  expect(toldOf(loadAndUnload, { agents: ["checksum", "decrypt"] })).toEqual([
    "a checksum LOAD",
    "a decrypt LOAD",
    "a checksum LOAD_COMPLETE",
    "a decrypt LOAD_COMPLETE",
    "a checksum UNLOAD",
    "a decrypt UNLOAD",
    "a checksum UNLOAD_COMPLETE",
    "a decrypt UNLOAD_COMPLETE",
  ]);
  expect(toldOf(loadAndUnload, { agents: [] })).toEqual([]);
});

test("server events: an agent is told LOAD_FAIL when a load ends without the model, also after an unload", () => {
  expect(toldOf([...loadAndUnload, "LOADING", "UNAVAILABLE"]).slice(4)).toEqual([
    "a checksum LOAD",
    "a checksum LOAD_FAIL",
  ]);
});

test("server events: agents are told of every unload, of the first alone where older releases are imitated", () => {
  const twice = [...loadAndUnload, ...loadAndUnload];
  const once = toldOf(loadAndUnload);
  expect(toldOf(twice)).toEqual([...once, ...once]);
  expect(toldOf(twice, { imitated: "second-unload-not-signalled" })).toEqual([
    ...once,
    "a checksum LOAD",
    "a checksum LOAD_COMPLETE",
  ]);
});
