import { describe, expect, test } from "vitest";
import { compareFleet } from "../../../../emulator/parity/memory/compare.ts";
import { makeFleet, makeInstancesFleet } from "../../../../emulator/parity/memory/fleet.ts";
import { playThroughLedger } from "../../../../emulator/parity/memory/play-ledger.ts";
import type { FleetRecording, StepSeen } from "../../../../emulator/parity/memory/recording.ts";

const fleet = makeFleet(3);

/** What a server would have been seen to do that does as the ledger says. */
const asPlayed = (): StepSeen[] =>
  playThroughLedger(fleet).map(({ status, body, seconds, killed, ping, heldMib }) => ({
    status,
    body,
    seconds,
    killed: killed.map(({ process }) => process),
    heldMib,
    ...(ping === undefined ? {} : { ping }),
  }));

const recordingOf = (seen: readonly StepSeen[]): FleetRecording => ({
  release: "2.51.0",
  image: "test",
  engine: "test",
  killsFrom: "kernel log",
  loadAverage: 0,
  processors: 2,
  stalled: false,
  fleet,
  seen,
});

const changed = (at: number, change: Partial<StepSeen>) =>
  compareFleet(recordingOf(asPlayed().map((step, index) => (index === at ? { ...step, ...change } : step))));

/** The first load that somebody dies for, and who could have died instead. */
const kill = (() => {
  const at = asPlayed().findIndex(({ killed }) => killed.length > 0);
  const victim = asPlayed()[at]?.killed[0];
  return { at, victim };
})();

describe("comparison", () => {
  test("comparison: what does as the ledger says agrees in everything", () => {
    const { differences, fit, kills, steps, agreed, heldMib } = compareFleet(recordingOf(asPlayed()));
    expect(differences).toEqual([]);
    expect([fit.real, agreed]).toEqual([fit.ledger, steps]);
    expect(kills.length).toBeGreaterThan(0);
    expect(kills.every(({ verdict }) => verdict !== "other")).toBe(true);
    expect(heldMib.largest).toBe(0);
  });

  test("comparison: a status, a body, a ping and an answer ten times later are told, each at its step", () => {
    const at = fleet.steps.findIndex(({ call }) => call === "load");
    const pinged = fleet.steps.findIndex(({ pingAfterSeconds }) => pingAfterSeconds !== undefined);
    const told = (index: number, change: Partial<StepSeen>) =>
      changed(index, change).differences.map(({ step, what, real }) => [step, what, real]);
    expect(told(at, { status: 503 })).toEqual([[at, "status", "503"]]);
    expect(told(at, { body: "other" })).toEqual([[at, "body", "other"]]);
    expect(told(pinged, { ping: { status: 200, body: "", seconds: 0 } })).toEqual([[pinged, "ping", "200"]]);
    expect(told(at, { seconds: 40 })).toEqual([[at, "time", "40 s"]]);
  });

  test("comparison: a victim that is not among the largest, one too many and one too few are told", () => {
    const { at, victim } = kill;
    const other = fleet.models.find(
      ({ name, growsMib }) => growsMib === 0 && !victim?.startsWith(name) && name === "m03",
    );
    const smaller = changed(at, { killed: [`${other?.name}_0_0`] }).differences;
    expect(smaller.filter(({ step, what }) => step === at && what === "victim")).toHaveLength(1);
    const nobody = changed(at, { killed: [] });
    expect(nobody.kills.find(({ step }) => step === at)?.verdict).toBe("other");
    const quiet = fleet.steps.findIndex(({ call }) => call === "infer");
    const more = changed(quiet, { killed: ["m01_0_0"] }).differences;
    expect(more.find(({ what }) => what === "victim")).toMatchObject({ step: quiet, ledger: "nobody" });
  });

  test("comparison: among equals any may die, and more than one", () => {
    const fleetOfEquals = makeFleet(9);
    const played = playThroughLedger(fleetOfEquals);
    const at = played.findIndex(({ killed }) => (killed[0]?.equals ?? 0) > 1);
    const [one, two] = fleetOfEquals.models.filter(({ instances }) => instances === 1).slice(1);
    const killed = [`${one?.name}_0_0`, `${two?.name}_0_0`];
    const seen = played.slice(0, at + 1).map(
      (step, index): StepSeen => ({
        status: step.status,
        body: step.body,
        seconds: step.seconds,
        killed: index === at ? killed : step.killed.map(({ process }) => process),
        heldMib: null,
        ...(step.ping === undefined ? {} : { ping: step.ping }),
      }),
    );
    const { kills, differences } = compareFleet({ ...recordingOf(seen), fleet: fleetOfEquals });
    expect(kills.slice(-2).map(({ process, verdict }) => [process, verdict])).toEqual([
      [killed[0], "equals"],
      [killed[1], "further"],
    ]);
    expect(differences).toEqual([]);
  });
});

describe("two instances that do not fit", () => {
  const instances = makeInstancesFleet(1002);
  const at = instances.steps.findIndex(({ call, model }) => call === "load" && model === "m04");
  const infers = instances.steps.flatMap(({ call }, index) =>
    call === "infer" && index > at ? [index] : [],
  );
  const quiet: StepSeen = { status: 200, body: "", seconds: 0, killed: [], heldMib: null };
  const failed = (process: string): Partial<StepSeen> => ({
    status: 400,
    body: `{"error":"load failed for model 'm04': version 1 is at UNAVAILABLE state: Internal: Stub process '${process}' is not healthy.;\\n"}`,
  });
  const dead = (process: string) => `{"error":"Stub process '${process}' is not healthy."}`;

  /** The first load and three inferences, if the load and the first inference were seen like this. */
  const playedAs = (load: Partial<StepSeen>, served?: string) => {
    const seen = instances.steps.slice(0, infers[2]! + 1).map((_, index): StepSeen => {
      if (index === at) return { ...quiet, ...load };
      return index === infers[0] && served !== undefined ? { ...quiet, served } : quiet;
    });
    const played = playThroughLedger(instances, seen);
    return [at, ...infers.slice(0, 3)].map((step) => played[step]!);
  };

  /* Each was seen on 2.51.0, in 40 loads in containers of 388 MiB. */
  test.each([
    [{ killed: ["m04_0_0"] }, "m04_0_0", ["m04_0_0", null, "m04_0_0"]],
    [{ killed: ["m04_0_0"] }, "m04_0_1", [null, "m04_0_0", null]],
    [{ killed: ["m04_0_1"] }, "m04_0_1", ["m04_0_1", null, "m04_0_1"]],
    [{ killed: ["m04_0_1"] }, "m04_0_0", [null, "m04_0_1", null]],
  ])(
    "comparison: one that dies when it is loaded %j, while %s is first to serve, and the other one goes on",
    (seen, first, turns) => {
      const [load, ...answers] = playedAs(seen, first);
      expect([load?.status, load?.body]).toEqual([200, ""]);
      expect(load?.killed.map(({ process, because }) => [process, because])).toEqual([
        [seen.killed[0], "rule"],
      ]);
      expect(answers.map(({ status, body }) => (status === 200 ? null : body))).toEqual(
        turns.map((process) => (process === null ? null : dead(process))),
      );
    },
  );

  test.each([
    { killed: ["m04_0_0"], ...failed("m04_0_0") },
    { killed: ["m04_0_1"], ...failed("m04_0_1") },
    { killed: ["m04_0_0", "m04_0_1"], ...failed("m04_0_1") },
    { killed: ["m04_0_1", "m04_0_0"], ...failed("m04_0_0") },
    { killed: ["m04_0_1", "m04_0_0"], ...failed("m04_0_1") },
  ])("comparison: one that dies while it is loaded fails the load: $killed", (seen) => {
    const [load, ...answers] = playedAs(seen);
    expect([load?.status, load?.body]).toEqual([seen.status, seen.body]);
    expect(load?.killed.map(({ process }) => process)).toEqual(seen.killed);
    expect(load?.killed.every(({ because }) => because !== "none")).toBe(true);
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
  });

  test("comparison: an instance that serves out of turn, and a load that fails without a death, are told", () => {
    const played = playThroughLedger(instances);
    const seen = played.map(
      ({ status, body, seconds, killed }): StepSeen => ({
        ...quiet,
        status,
        body,
        seconds,
        killed: killed.map(({ process }) => process),
      }),
    );
    const differing = (index: number, change: Partial<StepSeen>) =>
      compareFleet({
        ...recordingOf(seen.map((step, other) => (other === index ? { ...step, ...change } : step))),
        fleet: instances,
      }).differences.map(({ step, what }) => [step, what]);
    expect(differing(0, {})).toEqual([]);
    const second = infers[1]!;
    expect(played[second]?.status).toBe(200);
    const outOfTurn = { status: 500, body: dead("m04_0_0"), served: "m04_0_0" };
    expect(differing(second, outOfTurn)).toEqual([
      [second, "status"],
      [second, "body"],
    ]);
    expect(differing(0, failed("m01_0_0"))).toEqual([
      [0, "status"],
      [0, "body"],
    ]);
  });
});
