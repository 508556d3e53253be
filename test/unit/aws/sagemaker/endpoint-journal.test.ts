import { expect, test } from "vitest";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import type { JournalEvent } from "../../../../emulator/journal/event.ts";
import { Journal } from "../../../../emulator/journal/journal.ts";
import { allTraffic, Fixture, MemoryStore, PING_FAILURE, SECOND } from "./control-plane-fixture.ts";

const run = { seed: 1, machine: null, profile: "builtin", policy: null, scenario: null };

const journaled = (store?: MemoryStore) => {
  const journal = new Journal({ clock: new VirtualClock(), limit: 1000, run });
  const fixture = new Fixture(store, { journal });
  const statuses = (): readonly unknown[] =>
    journal.events().flatMap((event) => (event.event === "endpoint-status" ? [told(event)] : []));
  return { fixture, statuses };
};

const told = ({
  endpoint,
  region,
  status,
  config,
  text,
}: Extract<JournalEvent, { event: "endpoint-status" }>) => [
  `${region}/${endpoint}/${config}`,
  status,
  ...(text === undefined ? [] : [text]),
];

test("journal: has every status of an endpoint, from its creation to its end", () => {
  const { fixture, statuses } = journaled();
  fixture.serve();
  fixture.createConfig("c2", [allTraffic]);
  fixture.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "c2" });
  fixture.clock.advance(SECOND);
  fixture.call("DeleteEndpoint", { EndpointName: "e" });
  fixture.clock.advance(SECOND);
  expect(statuses()).toEqual([
    ["us-east-1/e/c", "Creating"],
    ["us-east-1/e/c", "InService"],
    ["us-east-1/e/c2", "Updating"],
    ["us-east-1/e/c2", "InService"],
    ["us-east-1/e/c2", "Deleting"],
    ["us-east-1/e/c2", null],
  ]);
});

test("journal: says why an endpoint fails, and why an update is rolled back", () => {
  const { fixture, statuses } = journaled();
  fixture.serve();
  fixture.fleet.failureOf = () => PING_FAILURE;
  fixture.createConfig("c2", [allTraffic]);
  fixture.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "c2" });
  fixture.call("CreateEndpoint", { EndpointName: "f", EndpointConfigName: "c2" });
  fixture.clock.advance(SECOND);
  expect(statuses().slice(2)).toEqual([
    ["us-east-1/e/c2", "Updating"],
    ["us-east-1/f/c2", "Creating"],
    ["us-east-1/e/c", "RollingBack", PING_FAILURE],
    ["us-east-1/f/c2", "Failed", PING_FAILURE],
    ["us-east-1/e/c", "InService", PING_FAILURE],
  ]);
});

test("journal: an endpoint that is started again with the emulator is SystemUpdating, one that had failed is so still", () => {
  const store = new MemoryStore();
  const before = new Fixture(store);
  before.serve();
  before.fleet.failureOf = () => PING_FAILURE;
  before.call("CreateEndpoint", { EndpointName: "f", EndpointConfigName: "c" });
  before.clock.advance(SECOND);
  before.plane.stop();
  const { fixture, statuses } = journaled(store);
  fixture.clock.advance(SECOND);
  expect(statuses()).toEqual([
    ["us-east-1/e/c", "SystemUpdating"],
    ["us-east-1/f/c", "Failed", PING_FAILURE],
    ["us-east-1/e/c", "InService"],
  ]);
});
