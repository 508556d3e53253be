import { expect, test } from "vitest";
import { instanceTypeNames, parseMachine } from "../../../../emulator/core/memory/machine.ts";
import { machineOf } from "../../../support/ledger-fixture.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;

test("machine: ml.g4dn.xlarge has 16 GiB of host, half of it in /dev/shm, and one T4 of which less is usable", () => {
  expect(machineOf("ml.g4dn.xlarge")).toEqual({
    name: "ml.g4dn.xlarge",
    gpu: "T4",
    vcpus: 4,
    usdPerHour: 0.7364,
    pools: [
      { pool: "host", capacityBytes: 16 * GIB, reserveBytes: GIB },
      { pool: "gpu:0", capacityBytes: 15_360 * MIB, reserveBytes: 251 * MIB },
      { pool: "disk", capacityBytes: 125e9, reserveBytes: 0 },
      { pool: "shm", capacityBytes: 8 * GIB, reserveBytes: 0 },
    ],
  });
});

test.each([
  ["ml.g4dn.12xlarge", 4],
  ["ml.g5.48xlarge", 8],
  ["ml.g5.16xlarge", 1],
  ["ml.c5.large", 0],
])("machine: %s has %d GPUs", (name, count) => {
  const gpus = machineOf(name).pools.filter(({ pool }) => pool.startsWith("gpu:"));
  expect(gpus.map(({ pool }) => pool)).toEqual(Array.from({ length: count }, (_, index) => `gpu:${index}`));
});

test("machine: every type can hold something in each of its pools", () => {
  for (const name of instanceTypeNames) {
    const { pools, vcpus } = machineOf(name);
    expect(vcpus, name).toBeGreaterThan(0);
    for (const { pool, capacityBytes, reserveBytes } of pools) {
      expect(capacityBytes - reserveBytes, `${name} ${pool}`).toBeGreaterThan(0);
    }
  }
});

test("machine: a size is a container's host memory, with nothing reserved and no GPU", () => {
  expect(machineOf("768MiB")).toMatchObject({
    name: "768MiB",
    gpu: null,
    vcpus: null,
    pools: [
      { pool: "host", capacityBytes: 768 * MIB, reserveBytes: 0 },
      { pool: "disk" },
      { pool: "shm", capacityBytes: 384 * MIB },
    ],
  });
  expect(machineOf("1000").pools[0]).toMatchObject({ capacityBytes: 1000 });
});

test.each(["ml.g4dn", "g4dn.xlarge", "0", "-1", "", "toString", "ml.g6e.xlarge"])(
  "machine: refuses '%s' and says what there is",
  (text) => {
    const refused = parseMachine(text);
    if (refused.ok) throw new Error("was taken");
    expect(refused.error.message).toMatch(
      /^'.*' is neither a size above 0, such as 16GiB, nor one of .*ml\.g4dn\.xlarge, /,
    );
  },
);
