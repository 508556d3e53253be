import { describe, expect, test } from "vitest";
import { SERVER_PROCESS } from "../../../../emulator/core/memory/ledger.ts";
import { readMemoryProfiles } from "../../../../emulator/storage/memory-profiles.ts";
import { granted, machineOf, startLedger } from "../../../support/ledger-fixture.ts";

/*
 * What a real server 2.51.0 did in a container with a memory limit, and with the ONNX Runtime backend, out of the numbers
 * of the shipped profiles.
 */

const MIB = 2 ** 20;

const shipped = () => {
  const profiles = readMemoryProfiles([]);
  if (!profiles.ok) throw profiles.error;
  return profiles.value;
};

const container = (limit: string, seed = 1) =>
  startLedger({ machine: machineOf(limit), profiles: shipped(), seed });

/** How many of equal Python models load before somebody is killed. */
const fitting = (limit: string, heldMib: number, before: readonly number[] = []): number => {
  const { killed, python } = container(limit);
  for (const [index, held] of before.entries()) granted(python(`before${index}`, held * MIB));
  for (let count = 0; ; count++) {
    const loaded = python(`c${count}`, heldMib * MIB);
    if (!loaded.ok || killed().length > 0) return count;
  }
};

describe("Python models in a container with a limit", () => {
  test.each([
    ["768MiB", 100, [], 6],
    ["400MiB", 100, [], 3],
    ["768MiB", 80, [500], 2],
    ["400MiB", 160, [200], 0],
  ])("ledger: in %s models of %d MiB after %j: %d fit", (limit, held, before, count) => {
    expect(fitting(limit, held, before)).toBe(count);
  });

  test("ledger: the seventh of equal models loads while an idle older one dies", () => {
    for (let seed = 0; seed < 20; seed++) {
      const { killed, python } = container("768MiB", seed);
      const older = Array.from({ length: 6 }, (_, index) => `c0${index}`);
      for (const model of older) granted(python(model, 100 * MIB));
      granted(python("c06", 100 * MIB));
      expect(older.map((model) => `${model}_0_0`)).toContain(killed()[0]);
    }
  });

  test("ledger: one load takes a large idle model and, in some runs, a small one with it", () => {
    const runs = Array.from({ length: 60 }, (_, seed) => {
      const { killed, python } = container("768MiB", seed);
      for (const [model, held] of [
        ["big", 500],
        ["k1", 80],
        ["k2", 80],
      ] as const)
        granted(python(model, held * MIB));
      granted(python("k3", 80 * MIB));
      return killed().length;
    });
    expect(new Set(runs)).toEqual(new Set([1, 2]));
  });

  test.each([
    ["768MiB", 900],
    ["400MiB", 600],
  ])("ledger: in %s a model of %d MiB alone fails to load and the others live", (limit, held) => {
    const { killed, ledger, python } = container(limit);
    granted(python("small", 0));
    expect(granted(python("huge", held * MIB)).stub?.alive).toBe(false);
    expect(killed()).toEqual(["huge_0_0"]);
    expect(ledger.processes().map(({ name }) => name)).toEqual([SERVER_PROCESS, "small_0_0"]);
  });

  test("ledger: of three models in 512MiB one can grow by 100 MiB three times; the fourth time it dies itself", () => {
    const { killed, ledger, python } = container("512MiB");
    const load = granted(python("grow", 0));
    for (const model of ["idle1", "idle2"]) granted(python(model, 60 * MIB));
    const lives = () => {
      expect(load.grow([{ pool: "host", kind: "arena", bytes: 100 * MIB }]).ok).toBe(true);
      return load.stub?.alive;
    };
    expect([lives(), lives(), lives(), killed()]).toEqual([true, true, true, []]);
    expect([lives(), killed()]).toEqual([false, ["grow_0_0"]]);
    expect(ledger.processes().map(({ name }) => name)).toEqual([SERVER_PROCESS, "idle1_0_0", "idle2_0_0"]);
  });

  test("ledger: a minimal model costs 18.65 MiB, and leaves less than 1 in the server however often it is loaded", () => {
    const { ledger, python } = container("768MiB");
    const start = ledger.used("host");
    const above = () => (ledger.used("host") - start) / MIB;
    const loads = Array.from({ length: 20 }, () => {
      const load = granted(python("min", 0));
      const loaded = above();
      load.release();
      return { loaded, left: above() };
    });
    expect(loads[0]?.loaded).toBeCloseTo(18.65, 1);
    for (const { loaded, left } of loads) {
      expect(loaded).toBeLessThanOrEqual(18.7);
      expect(left).toBeLessThan(1);
    }
    expect(loads[19]?.left).toBeGreaterThan(0);
  });
});

describe("200 MiB of inline weights in the real ONNX Runtime backend", () => {
  const owner = { backend: "onnxruntime", model: "m", version: 1, instance: "m_0_0" } as const;
  const load = (ledger: ReturnType<typeof container>["ledger"], mib: number) =>
    granted(ledger.reserve(owner, [{ pool: "host", kind: "weights", bytes: mib * MIB }]));

  test("ledger: within 20 MiB of what was measured: loaded, after the unload, after ten cycles, loaded again", () => {
    const { ledger } = container("8GiB");
    const base = ledger.used("host");
    const above = () => (ledger.used("host") - base) / MIB;
    const near = (measured: number) => expect(Math.abs(above() - measured)).toBeLessThanOrEqual(20);
    const first = load(ledger, 400);
    near(438);
    first.release();
    near(30);
    for (let cycle = 1; cycle < 10; cycle++) load(ledger, 400).release();
    near(87);
    load(ledger, 400);
    near(498);
  });
});

test("ledger: ONNX Runtime's refusal on a GPU has a word that makes the container API answer 507", () => {
  const { ledger } = startLedger({ machine: machineOf("ml.g4dn.xlarge"), profiles: shipped() });
  const refused = ledger.reserve({ backend: "onnxruntime", model: "m" }, [
    { pool: "gpu:0", kind: "weights", bytes: 16 * 2 ** 30 },
  ]);
  expect(refused.ok || refused.error.message).toContain("Failed to allocate memory");
});

test("ledger: so has PyTorch's", () => {
  const { ledger } = startLedger({ machine: machineOf("ml.g4dn.xlarge"), profiles: shipped() });
  const owner = { backend: "python", model: "m", version: 1, instance: "m_0_0" };
  const refused = ledger.reserve(owner, [{ pool: "gpu:0", kind: "weights", bytes: 16 * 2 ** 30 }]);
  expect(refused.ok || refused.error.message).toContain("CUDA out of memory. Tried to allocate");
});
