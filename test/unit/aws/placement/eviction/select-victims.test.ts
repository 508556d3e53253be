import { describe, expect, test } from "vitest";
import {
  type Bytes,
  newPolicyMemory,
  type ResidentModel,
} from "../../../../../emulator/aws/placement/eviction/resident-model.ts";
import {
  type Selection,
  type SelectionRequest,
  type SelectionSettings,
  selectVictims,
} from "../../../../../emulator/aws/placement/eviction/select-victims.ts";
import { hostBytes, resident } from "../../../../support/eviction-trace.ts";

/** Ten models of 100 bytes, used one after the other, on an instance of 1000: it is full. */
const tenModels = Array.from({ length: 10 }, (_, index) =>
  resident(`m${index}`, { lastUseUs: index, loadOrder: index }),
);

const select = (
  settings: Partial<SelectionSettings> = {},
  request: Partial<SelectionRequest> = {},
): Selection =>
  selectVictims(
    {
      victims: "lru",
      howMany: "until-estimate-fits",
      measure: "host",
      highWater: 1,
      lowWater: 0.5,
      minimumIdleUs: 0,
      ...settings,
    },
    {
      nowUs: 10,
      residents: tenModels,
      reading: { used: hostBytes(1000), capacity: hostBytes(1000) },
      need: hostBytes(100),
      leastVictims: 0,
      ...request,
    },
    newPolicyMemory(1),
  );

const namesOf = ({ victims }: Selection): string => victims.map(({ name }) => name).join(" ");

describe("how many: one-then-retry", () => {
  test("takes one, whatever is needed", () => {
    const selection = select({ howMany: "one-then-retry" }, { need: hostBytes(900) });
    expect([namesOf(selection), selection.enough]).toEqual(["m0", true]);
  });
});

describe("how many: until-estimate-fits", () => {
  test.each([
    [100, 1, "m0"],
    [101, 1, "m0 m1"],
    [300, 1, "m0 m1 m2"],
    [100, 0.8, "m0 m1 m2"],
  ])("a newcomer of %i bytes under a mark of %f: %s", (need, highWater, victims) => {
    const selection = select({ highWater }, { need: hostBytes(need) });
    expect([namesOf(selection), selection.enough]).toEqual([victims, true]);
  });

  test("takes none where there is room, and one where the container has shown that there is none", () => {
    const reading = { used: hostBytes(500), capacity: hostBytes(1000) };
    expect(namesOf(select({}, { reading }))).toBe("");
    expect(namesOf(select({}, { reading, leastVictims: 1 }))).toBe("m0");
  });

  test("a newcomer larger than the instance: everything goes and it is not enough", () => {
    const selection = select({}, { need: hostBytes(1001) });
    expect([selection.victims.length, selection.enough]).toEqual([10, false]);
  });

  const gpuFull = {
    reading: {
      used: { host: 100, gpu: 1000, disk: 0 },
      capacity: { host: 1000, gpu: 1000, disk: 0 },
    },
    need: { host: 10, gpu: 10, disk: 0 },
    residents: tenModels.map(
      (model): ResidentModel => ({ ...model, bytes: { host: 10, gpu: 100, disk: 0 } }),
    ),
  };

  test.each([
    ["host", ""],
    ["gpu", "m0"],
    ["larger", "m0"],
  ] as const)("with a full GPU and an empty host, measure %s takes: %j", (measure, victims) => {
    expect(namesOf(select({ measure }, gpuFull))).toBe(victims);
  });

  test("a reading from before the last unload takes more than are needed", () => {
    const residents = tenModels.slice(5);
    const stale = select({}, { residents, need: hostBytes(300) });
    const live = select(
      {},
      { residents, need: hostBytes(300), reading: { used: hostBytes(500), capacity: hostBytes(1000) } },
    );
    expect([namesOf(stale), namesOf(live)]).toEqual(["m5 m6 m7", ""]);
  });
});

describe("how many: below-low-water", () => {
  test("comes down to the mark, whatever the newcomer needs", () => {
    for (const need of [0, 900]) {
      const selection = select({ howMany: "below-low-water" }, { need: hostBytes(need) });
      expect([namesOf(selection), selection.enough]).toEqual(["m0 m1 m2 m3 m4", true]);
    }
  });
});

describe("how many: all-idle", () => {
  test("takes all that may go, and says whether that is as many as had to", () => {
    const residents = tenModels.map((model, index) => ({ ...model, busy: index > 1 }));
    const selection = select({ howMany: "all-idle" }, { residents, leastVictims: 2 });
    expect([namesOf(selection), selection.enough]).toEqual(["m0 m1", true]);
    expect(select({ howMany: "all-idle" }, { residents, leastVictims: 3 }).enough).toBe(false);
  });
});

describe("who may go", () => {
  test("pinned and busy models are passed over", () => {
    const residents = tenModels.map((model, index) => ({
      ...model,
      pinned: index === 0,
      busy: index === 1,
    }));
    expect(namesOf(select({}, { residents }))).toBe("m2");
  });

  test("minimumIdleUs: what was used too recently stays, and then it may not be enough", () => {
    const guarded = select({ minimumIdleUs: 8 }, { need: hostBytes(400) });
    expect([namesOf(guarded), guarded.enough]).toEqual(["m0 m1 m2", false]);
  });

  test("disk: archives are chosen by the bytes they hold there", () => {
    const disk = (bytes: number): Bytes => ({ host: 0, gpu: 0, disk: bytes });
    const archives = tenModels.map((model) => ({ ...model, bytes: disk(100), busy: model.name === "m0" }));
    const selection = select(
      { measure: "disk" },
      {
        residents: archives,
        reading: { used: disk(1000), capacity: disk(1000) },
        need: disk(150),
      },
    );
    expect(namesOf(selection)).toBe("m1 m2");
  });
});

test("memory: marks of models that are gone are forgotten, those of others are kept", () => {
  const memory = {
    ...newPolicyMemory(1),
    unmarked: new Map([
      [3, 5],
      [77, 2],
    ]),
  };
  const settings = {
    victims: "lru",
    howMany: "one-then-retry",
    measure: "host",
    highWater: 1,
    lowWater: 1,
    minimumIdleUs: 0,
  } as const;
  const request = {
    nowUs: 10,
    residents: tenModels,
    reading: { used: hostBytes(0), capacity: hostBytes(0) },
    need: hostBytes(0),
    leastVictims: 0,
  };
  expect([...selectVictims(settings, request, memory).memory.unmarked]).toEqual([[3, 5]]);
});
