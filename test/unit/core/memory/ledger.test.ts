import { describe, expect, test } from "vitest";
import { Random } from "../../../../emulator/common/random.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { type KillChance, Ledger, SERVER_PROCESS } from "../../../../emulator/core/memory/ledger.ts";
import {
  backendDocument,
  granted,
  grown,
  machineOf,
  profilesOf,
  serverDocument,
  smallMachine,
  startLedger,
} from "../../../support/ledger-fixture.ts";

const inServer = (model: string, instance = `${model}_0_0`) =>
  ({ backend: "ort", model, version: 1, instance }) as const;

const host = (bytes: number, kind: "weights" | "arena" | "staging" | "workspace" = "weights") =>
  ({ pool: "host", kind, bytes }) as const;

const gpu = (index: number, bytes: number) => ({ pool: `gpu:${index}`, kind: "weights", bytes }) as const;

const small = (
  documents: readonly unknown[],
  rest: Partial<Omit<Parameters<typeof startLedger>[0], "machine" | "profiles">> = {},
) => startLedger({ machine: smallMachine, profiles: profilesOf(...documents), ...rest });

const used = (ledger: Ledger) =>
  Object.fromEntries(ledger.pools().flatMap(({ pool, usedBytes }) => (usedBytes ? [[pool, usedBytes]] : [])));

describe("start", () => {
  const base = serverDocument({
    private_bytes: 4,
    kernel_bytes: 2,
    pinned_pool_bytes: 100,
    cuda_context_bytes: 10,
    cuda_pool_bytes: 5,
  });

  test("ledger: tritonserver takes its own bytes, a pinned pool and a context and pool on every GPU", () => {
    const { ledger } = small([base]);
    expect(used(ledger)).toEqual({ host: 106, "gpu:0": 15, "gpu:1": 15 });
    expect(ledger.allocations().every(({ cause }) => cause === "server start")).toBe(true);
  });

  test("ledger: takes a pinned pool of another size and what a killed server left in /dev/shm", () => {
    const { ledger } = small([base], {
      start: { pinnedPoolBytes: 7, orphanedShmBytes: 200 },
    });
    expect(used(ledger)).toEqual({ host: 213, shm: 200, "gpu:0": 15, "gpu:1": 15 });
  });

  test("ledger: takes no pinned pool where there is no GPU", () => {
    const { ledger } = startLedger({ machine: machineOf("1000"), profiles: profilesOf(base) });
    expect(used(ledger)).toEqual({ host: 6 });
  });

  test("ledger: does not start where not even tritonserver fits", () => {
    const started = Ledger.start({
      machine: machineOf("5"),
      profiles: profilesOf(base),
      clock: new VirtualClock(),
      random: new Random(1),
      listener: () => {},
    });
    expect(started).toMatchObject({
      ok: false,
      error: {
        message: "machine 5 is too small: tritonserver alone takes 6 B of host, 5 B are free",
      },
    });
  });
});

describe("first model of a backend", () => {
  const documents = [
    serverDocument(),
    backendDocument("ort", { library: 30, cuda: { host_bytes: 20, gpu_bytes: 8 } }),
  ];

  test("ledger: its library comes with the first model and stays", () => {
    const { ledger } = small(documents);
    const first = granted(ledger.reserve(inServer("a"), [host(5)]));
    const second = granted(ledger.reserve(inServer("b"), [host(7)]));
    expect(used(ledger)).toEqual({ host: 42 });
    first.release();
    second.release();
    expect(ledger.allocations()).toMatchObject([
      { owner: { backend: "ort" }, process: SERVER_PROCESS, kind: "library", bytes: 30 },
    ]);
    granted(ledger.reserve(inServer("a"), [host(5)]));
    expect(used(ledger)).toEqual({ host: 35 });
  });

  test("ledger: its context comes with the first use of each GPU, the host's part of it once, and stays", () => {
    const { ledger } = small(documents);
    const on0 = granted(ledger.reserve(inServer("a"), [gpu(0, 40)]));
    expect(used(ledger)).toEqual({ host: 50, "gpu:0": 48 });
    const on1 = granted(ledger.reserve(inServer("b"), [gpu(1, 1)]));
    expect(used(ledger)).toEqual({ host: 50, "gpu:0": 48, "gpu:1": 9 });
    on0.release();
    on1.release();
    expect(used(ledger)).toEqual({ host: 50, "gpu:0": 8, "gpu:1": 8 });
  });

  test("ledger: nothing comes with a version that asks for no bytes", () => {
    const { ledger } = small(documents);
    granted(ledger.reserve(inServer("a"), []));
    expect(used(ledger)).toEqual({});
  });
});

describe("device", () => {
  const documents = [
    serverDocument(),
    backendDocument("ort", {
      library: 30,
      failure: "asked {bytes} ({size}) of GPU {gpu}, {free} of {total}",
    }),
  ];

  test("ledger: refuses in the backend's words and takes nothing, the reserve included", () => {
    const { ledger, events } = small(documents);
    granted(ledger.reserve(inServer("a"), [gpu(1, 80)]));
    const before = events.length;
    const refused = ledger.reserve(inServer("b"), [host(1), gpu(0, 1), gpu(1, 11)]);
    expect(refused).toMatchObject({
      ok: false,
      error: { code: "INTERNAL", message: "asked 11 (11 B) of GPU 1, 10 B of 100 B" },
    });
    expect(used(ledger)).toEqual({ host: 30, "gpu:1": 80 });
    expect(events.slice(before)).toMatchObject([
      { type: "refused", owner: { model: "b" }, pool: "gpu:1", askedBytes: 11, freeBytes: 10 },
    ]);
    granted(ledger.reserve(inServer("b"), [gpu(1, 10)]));
  });

  test("ledger: a GPU that the machine does not have has no room", () => {
    expect(small(documents).ledger.reserve(inServer("a"), [gpu(2, 1)])).toMatchObject({
      ok: false,
      error: { message: "asked 1 (1 B) of GPU 2, 0 B of 0 B" },
    });
  });

  test("ledger: a full disk speaks as the C library does, which the platform takes for memory", () => {
    const refused = small(documents).ledger.reserve(inServer("a"), [
      { pool: "disk", kind: "weights", bytes: 51 },
    ]);
    expect(refused.ok || refused.error.message).toBe("No space left on device");
  });

  test("ledger: growth that a GPU has no room for is refused in the backend's words at a run", () => {
    const { ledger } = small([
      serverDocument(),
      backendDocument("ort", { failureAtRun: "{instance} wanted {bytes}" }),
    ]);
    const load = granted(ledger.reserve(inServer("a"), [gpu(0, 90)]));
    expect(load.grow([gpu(0, 11)])).toMatchObject({
      ok: false,
      error: { code: "INTERNAL", message: "a_0_0 wanted 11" },
    });
    expect([used(ledger), load.grow([gpu(0, 10)]).ok]).toEqual([{ "gpu:0": 90 }, true]);
  });

  test("ledger: an instance may hold no more of a GPU than its own limit, contexts apart", () => {
    const { ledger } = small([
      serverDocument(),
      backendDocument("ort", { cuda: { gpu_bytes: 10 }, limitFailure: "{left} left, {bytes} wanted" }),
    ]);
    const load = granted(ledger.reserve(inServer("a"), [gpu(0, 20)], 30));
    expect(load.grow([gpu(0, 11)])).toMatchObject({ ok: false, error: { message: "10 left, 11 wanted" } });
    grown(load.grow([gpu(0, 10)]));
    expect(load.grow([gpu(0, 1)]).ok).toBe(false);
    expect(ledger.reserve(inServer("b"), [gpu(0, 31)], 30).ok).toBe(false);
    granted(ledger.reserve(inServer("b"), [gpu(0, 30)], 30));
    expect(used(ledger)).toEqual({ "gpu:0": 70 });
  });

  test("ledger: a backend without words for such a limit has none", () => {
    const { ledger } = small([serverDocument(), backendDocument("ort")]);
    expect(ledger.reserve(inServer("a"), [gpu(0, 31)], 30).ok).toBe(true);
  });

  test("ledger: a full /dev/shm refuses a region, and more of one, in the words of the Python backend", () => {
    const { ledger, python } = small([
      serverDocument(),
      backendDocument("python", { stub: { shm_bytes: 300 } }),
    ]);
    const key = "triton_python_backend_shm_region_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    const load = granted(python("a", 0));
    const second = python("b", 0);
    expect(second.ok || second.error.message).toMatch(
      new RegExp(`^Unable to initialize shared memory key '${key}' to requested size \\(300 bytes\\)\\. .*`),
    );
    const more = load.grow([{ pool: "shm", kind: "shm", bytes: 201 }]);
    expect(more.ok || more.error.message).toMatch(
      new RegExp(`^Failed to increase the shared memory pool size for key '${key}' to 300 bytes\\. `),
    );
    for (const refused of [second, more]) {
      expect(refused.ok || refused.error.message).toMatch(/ Error: No space left on device$/);
    }
    expect(used(ledger)).toEqual({ host: 300, shm: 300 });
  });
});

describe("residue and leaks", () => {
  const retained = (numbers: Readonly<Record<string, number>>) => [
    serverDocument(),
    backendDocument("ort", { retained: numbers }),
  ];
  const cycle = (ledger: Ledger, bytes = 100) =>
    granted(ledger.reserve(inServer("a"), [host(bytes)])).release();
  const kinds = (ledger: Ledger) => {
    const byKind: Record<string, number> = {};
    for (const { kind, bytes } of ledger.allocations()) byKind[kind] = (byKind[kind] ?? 0) + bytes;
    return byKind;
  };

  test("ledger: residue grows with each unload up to its limit", () => {
    const { ledger } = small(retained({ residue_bytes_per_unload: 6, residue_limit_bytes: 15 }));
    const after = Array.from({ length: 4 }, () => {
      cycle(ledger);
      return ledger.used("host");
    });
    expect(after).toEqual([6, 12, 15, 15]);
  });

  test("ledger: residue is never more than what was given back", () => {
    const { ledger } = small(retained({ residue_bytes_per_unload: 6, residue_limit_bytes: 15 }));
    cycle(ledger, 2);
    expect(kinds(ledger)).toEqual({ residue: 2 });
  });

  test("ledger: the next load uses the part of the residue that can be reused", () => {
    const numbers = { residue_bytes_per_unload: 20, residue_limit_bytes: 40 };
    const { ledger, events } = small(retained({ ...numbers, residue_reused_fraction: 0.5 }));
    cycle(ledger);
    const load = granted(ledger.reserve(inServer("b"), [host(50)]));
    expect(kinds(ledger)).toEqual({ residue: 10, weights: 50 });
    expect(events).toContainEqual(expect.objectContaining({ type: "returned", reason: "reused" }));
    load.release();
    expect(kinds(ledger)).toEqual({ residue: 30 });
  });

  test("ledger: residue that a load took over stays again when it goes, however much one unload leaves", () => {
    const numbers = { residue_bytes_per_unload: 5, residue_limit_bytes: 40, residue_reused_fraction: 1 };
    const { ledger } = small(retained(numbers));
    const together = ["a", "b", "c"].map((name) => granted(ledger.reserve(inServer(name), [host(50)])));
    for (const load of together) load.release();
    expect(kinds(ledger)).toEqual({ residue: 15 });
    for (let cycle = 0; cycle < 3; cycle++) {
      const load = granted(ledger.reserve(inServer("a"), [host(50)]));
      expect(kinds(ledger)).toEqual({ weights: 50 });
      load.release();
      expect(kinds(ledger)).toEqual({ residue: 15 });
    }
  });

  test("ledger: residue that can be reused makes room before anything is killed", () => {
    const numbers = { residue_bytes_per_unload: 900, residue_limit_bytes: 900, residue_reused_fraction: 1 };
    const { ledger, killed } = small(retained(numbers));
    cycle(ledger, 900);
    granted(ledger.reserve(inServer("b"), [host(1000)]));
    expect([ledger.used("host"), killed()]).toEqual([1000, []]);
  });

  test("ledger: a part of what was given back stays, on the host and on the GPU, and the next load uses it again", () => {
    const all = {
      residue_fraction_per_unload: 1,
      gpu_residue_fraction_per_unload: 1,
      residue_limit_bytes: 1000,
      residue_reused_fraction: 1,
    };
    const { ledger } = small(retained(all));
    const load = (gpuBytes: number) =>
      granted(ledger.reserve(inServer("a"), [host(400), gpu(0, gpuBytes)])).release();
    load(60);
    expect(used(ledger)).toEqual({ host: 400, "gpu:0": 60 });
    load(90);
    expect(used(ledger)).toEqual({ host: 400, "gpu:0": 90 });
  });

  test("ledger: a failed load leaks where its bytes were, or were to be", () => {
    const { ledger } = small(retained({ leak_bytes_per_failed_load: 3 }));
    granted(ledger.reserve(inServer("a"), [host(10)])).release("failed load");
    expect(used(ledger)).toEqual({ host: 3 });
    granted(ledger.reserve(inServer("b"), [gpu(0, 10)])).release("failed load");
    expect(used(ledger)).toEqual({ host: 3, "gpu:0": 3 });
    expect(ledger.reserve(inServer("c"), [gpu(0, 98)]).ok).toBe(false);
    expect(used(ledger)).toEqual({ host: 3, "gpu:0": 6 });
    granted(ledger.reserve(inServer("d"), [gpu(0, 10)])).release();
    expect(used(ledger)).toEqual({ host: 3, "gpu:0": 6 });
  });

  test("ledger: a leak never comes back", () => {
    const { ledger } = small(retained({ leak_bytes_per_unload: 3 }));
    for (let load = 0; load < 5; load++) cycle(ledger);
    expect(kinds(ledger)).toEqual({ leak: 15 });
  });
});

describe("reservation", () => {
  const documents = [serverDocument(), backendDocument("ort")];

  test("ledger: staging goes when the load ends, the rest at the unload, and nothing twice", () => {
    const { ledger } = small(documents);
    const load = granted(ledger.reserve(inServer("a"), [host(5), host(70, "staging")]));
    load.endStaging();
    load.endStaging();
    expect(used(ledger)).toEqual({ host: 5 });
    load.release();
    load.release();
    load.endStaging();
    expect(used(ledger)).toEqual({});
    expect(ledger.pools()[0]).toMatchObject({ pool: "host", highWaterBytes: 75 });
  });

  test("ledger: allocations know who took them, why, and when", () => {
    const { clock, events, ledger } = small(documents);
    clock.advance(10);
    const load = granted(ledger.reserve(inServer("a"), [host(5)]));
    clock.advance(20);
    load.grow([host(3, "arena")]);
    clock.advance(30);
    load.release();
    expect(events).toMatchObject([
      { type: "taken", allocation: { owner: inServer("a"), kind: "weights", cause: "load", takenUs: 10 } },
      { type: "taken", allocation: { kind: "arena", bytes: 3, cause: "growth", takenUs: 30 } },
      { type: "returned", allocation: { kind: "weights" }, returnedUs: 60, reason: "released" },
      { type: "returned", allocation: { kind: "arena" }, returnedUs: 60, reason: "released" },
    ]);
  });

  test("ledger: totals by process and by model", () => {
    const { ledger, python } = small([
      serverDocument({ private_bytes: 2, file_bytes: 50 }),
      backendDocument("ort"),
      backendDocument("python", {
        stub: { private_bytes: 10, kernel_bytes: 3, server_bytes: 1, shm_bytes: 4, file_bytes: 20 },
        cuda: { host_bytes: 30, gpu_bytes: 5 },
      }),
    ]);
    granted(ledger.reserve(inServer("a"), [host(5), gpu(0, 7)]));
    granted(ledger.reserve(inServer("a", "a_0_1"), [host(5)]));
    granted(python("p", 100));
    expect(ledger.models()).toEqual(
      new Map([
        [
          "a",
          new Map([
            ["host", 10],
            ["gpu:0", 7],
          ]),
        ],
        [
          "p",
          new Map([
            ["shm", 4],
            ["host", 118],
          ]),
        ],
      ]),
    );
    expect(ledger.processes()).toMatchObject([
      {
        name: SERVER_PROCESS,
        owner: null,
        residentBytes: 67,
        bytes: new Map([
          ["host", 17],
          ["gpu:0", 7],
          ["shm", 4],
        ]),
      },
      { name: "p_0_0", owner: { model: "p" }, residentBytes: 133 },
    ]);
  });
});

describe("stub processes", () => {
  const documents = [
    serverDocument(),
    backendDocument("python", {
      stub: { private_bytes: 10, kernel_bytes: 3, server_bytes: 1, shm_bytes: 4 },
      library: 2,
      cuda: { host_bytes: 30, gpu_bytes: 5 },
      retained: { residue_bytes_per_unload: 1, residue_limit_bytes: 1 },
    }),
  ];
  const owner = (model: string) => ({ backend: "python", model, version: 1, instance: `${model}_0_0` });

  test("ledger: each instance has its own, with its own CUDA context; all goes with it but the server's residue", () => {
    const { ledger } = small(documents);
    const first = granted(ledger.reserve(owner("a"), [host(100), gpu(0, 20)]));
    const second = granted(ledger.reserve(owner("b"), [host(100), gpu(0, 20)]));
    expect(used(ledger)).toEqual({ host: 300, shm: 8, "gpu:0": 50 });
    first.release();
    expect(used(ledger)).toEqual({ host: 151, shm: 4, "gpu:0": 25 });
    second.release();
    expect(used(ledger)).toEqual({ host: 1 });
  });

  test("ledger: two copies of an instance during a reload are two processes", () => {
    const { ledger, python } = small(documents);
    const old = granted(python("a", 100));
    granted(python("a", 200));
    expect(ledger.processes().map(({ name }) => name)).toEqual([SERVER_PROCESS, "a_0_0", "a_0_0"]);
    old.release();
    expect(ledger.models().get("a")?.get("host")).toBe(221);
  });

  test("ledger: growth is the stub's, its first CUDA context included, and goes with it", () => {
    const { ledger, python } = small(documents);
    const load = granted(python("a", 100));
    const growth = grown(load.grow([host(50, "arena"), gpu(1, 2)]));
    expect(used(ledger)).toEqual({ host: 200, shm: 4, "gpu:1": 7 });
    load.release();
    expect(used(ledger)).toEqual({ host: 1 });
    growth.release();
    expect(used(ledger)).toEqual({ host: 1 });
  });

  test("ledger: growth for a run only goes after it, growth of another run stays", () => {
    const { ledger, python } = small(documents);
    const load = granted(python("a", 100));
    load.grow([host(50, "arena")]);
    grown(load.grow([host(70, "workspace")])).release();
    expect(used(ledger)).toEqual({ host: 170, shm: 4 });
    load.release();
    expect(used(ledger)).toEqual({ host: 1 });
  });

  test("ledger: who is killed is told, its bytes are back, and its region in /dev/shm stays until the unload", () => {
    const { events, ledger, python } = small(documents);
    const load = granted(python("a", 100));
    const told: string[] = [];
    load.stub?.whenKilled(() => told.push("once"));
    grown(load.grow([{ pool: "shm", kind: "shm", bytes: 7 }]));
    load.kill();
    load.kill();
    load.stub?.whenKilled(() => told.push("at once"));
    expect([load.stub?.alive, told, used(ledger)]).toEqual([
      false,
      ["once", "at once"],
      { host: 12, shm: 11 },
    ]);
    expect(events).toContainEqual(expect.objectContaining({ type: "returned", reason: "killed" }));
    expect(load.grow([host(50, "arena")]).ok).toBe(true);
    load.release();
    expect(used(ledger)).toEqual({ host: 1 });
  });

  test("ledger: an orderly end is no death", () => {
    const { python } = small(documents);
    const load = granted(python("a", 100));
    load.stub?.whenKilled(() => {
      throw new Error("killed");
    });
    load.release();
  });

  test("ledger: a region is of the size that tritonserver was started with", () => {
    const { ledger } = small([serverDocument(), backendDocument("python", { stub: { shm_bytes: 4 } })], {
      start: { stubRegionBytes: 60 },
    });
    const load = granted(ledger.reserve(owner("a"), []));
    expect([used(ledger), load.stub?.regionBytes]).toEqual([{ host: 60, shm: 60 }, 60]);
  });

  test("ledger: /dev/shm counts as host memory too", () => {
    const { ledger } = small([serverDocument(), backendDocument("python", { stub: { shm_bytes: 4 } })]);
    granted(ledger.reserve(owner("a"), []));
    expect(used(ledger)).toEqual({ host: 4, shm: 4 });
  });
});

describe("OOM killer", () => {
  const documents = [serverDocument(), backendDocument("ort"), backendDocument("python", { stub: {} })];

  test("ledger: the largest process dies for a load that does not fit, and the load answers success", () => {
    const { events, ledger, python } = small(documents);
    granted(python("big", 500));
    granted(python("mid", 300));
    clearEvents(events);
    granted(python("new", 250));
    expect(events.filter(({ type }) => type === "killed")).toEqual([
      {
        type: "killed",
        process: "big_0_0",
        victim: { backend: "python", model: "big", version: 1, instance: "big_0_0" },
        residentBytes: 500,
        tied: 0,
        rule: "largest resident size",
        newcomer: { backend: "python", model: "new", version: 1, instance: "new_0_0" },
        askedBytes: 250,
        freeBytes: 200,
      },
    ]);
    expect(events).toContainEqual(expect.objectContaining({ type: "returned", reason: "killed" }));
    expect(used(ledger)).toEqual({ host: 550 });
  });

  test("ledger: a dead model's unload gives nothing back a second time", () => {
    const { ledger, python } = small(documents);
    const dead = granted(python("big", 600));
    granted(python("new", 500));
    dead.release();
    expect(used(ledger)).toEqual({ host: 500 });
  });

  test("ledger: a newcomer that outgrows the others in the room of the first victim is the second", () => {
    const { killed, ledger, python } = small(documents);
    granted(python("a", 430));
    granted(python("b", 440));
    expect(granted(python("new", 600)).stub?.alive).toBe(false);
    expect([used(ledger), killed()]).toEqual([{ host: 430 }, ["b_0_0", "new_0_0"]]);
  });

  test("ledger: a newcomer that is itself the largest dies, and nothing of it is held", () => {
    const { killed, ledger, python } = small(documents);
    granted(python("small", 100));
    expect(granted(python("huge", 1001)).stub?.alive).toBe(false);
    expect([used(ledger), killed()]).toEqual([{ host: 100 }, ["huge_0_0"]]);
  });

  test("ledger: so does a model that grows too large", () => {
    const { ledger, python } = small(documents);
    granted(python("idle", 100));
    const load = granted(python("grow", 500));
    expect([load.grow([host(500, "arena")]).ok, load.stub?.alive]).toEqual([true, false]);
    expect(used(ledger)).toEqual({ host: 100 });
  });

  test("ledger: file pages count for the choice and not against the limit", () => {
    const { killed, python } = small([
      serverDocument(),
      backendDocument("python", { stub: { file_bytes: 400 } }),
      backendDocument("ort"),
    ]);
    granted(python("a", 900));
    expect(killed()).toEqual([]);
    granted(python("b", 600));
    expect(killed()).toEqual(["a_0_0"]);
  });

  test("ledger: oom_score_adj shifts the choice by thousandths of the limit; -1000 protects", () => {
    const { killed, ledger, python } = startLedger({
      machine: smallMachine,
      profiles: profilesOf(...documents),
      oomScoreAdj: { server: -1000, stub: 0 },
    });
    granted(ledger.reserve(inServer("big"), [host(700)]));
    granted(python("small", 200));
    expect(python("new", 150).ok).toBe(true);
    expect(killed()).toEqual(["small_0_0"]);
    expect(ledger.reserve(inServer("more"), [host(400)])).toMatchObject({
      ok: false,
      error: {
        message: "the host is full and no process may be killed: the kernel would stand still here",
      },
    });
  });

  test("ledger: who dies among equals is the seed's choice, and the same seed chooses the same", () => {
    const victims = (seed: number) => {
      const { events, killed, python } = small(documents, { seed });
      for (const model of ["a", "b", "c", "d"]) granted(python(model, 240));
      granted(python("e", 100));
      expect(events.find(({ type }) => type === "killed")).toMatchObject({ tied: 3 });
      return killed().join();
    };
    const chosen = Array.from({ length: 40 }, (_, seed) => victims(seed));
    expect(new Set(chosen)).toEqual(new Set(["a_0_0", "b_0_0", "c_0_0", "d_0_0"]));
    expect(Array.from({ length: 40 }, (_, seed) => victims(seed))).toEqual(chosen);
  });

  test("ledger: one more dies whenever the last one's bytes are not back in time, and its own bytes may be late too", () => {
    const late = serverDocument({ second_kill_after_us: 5, longest_reclaim_us: 10 });
    const further = "second kill: the first one's bytes were not back in time";
    const all = [
      ["big_0_0", "largest resident size"],
      ["mid_0_0", further],
      ["small_0_0", further],
      ["new_0_0", further],
    ];
    const kills = (seed: number) => {
      const { events, python } = small([late, backendDocument("python", { stub: {} })], { seed });
      granted(python("big", 500));
      granted(python("mid", 300));
      granted(python("small", 150));
      granted(python("new", 200));
      return events.flatMap((event) => (event.type === "killed" ? [[event.process, event.rule]] : []));
    };
    const seen = Array.from({ length: 60 }, (_, seed) => kills(seed));
    for (const killed of seen) expect(killed).toEqual(all.slice(0, killed.length));
    expect(new Set(seen.map(({ length }) => length))).toEqual(new Set([1, 2, 3, 4]));
  });

  test("ledger: whoever brings the chance decides among equals, and whether one more dies", () => {
    const offered: (readonly string[])[] = [];
    const chance: KillChance = {
      victim: (candidates, tied) => {
        offered.push(candidates.slice(0, tied).map(({ process }) => process));
        return tied - 1;
      },
      killsAnother: () => offered.length === 1,
    };
    const { killed, python } = small([serverDocument(), backendDocument("python", { stub: {} })], { chance });
    for (const model of ["a", "b", "c"]) granted(python(model, 300));
    granted(python("d", 200));
    expect(offered).toEqual([
      ["a_0_0", "b_0_0", "c_0_0"],
      ["a_0_0", "b_0_0"],
    ]);
    expect(killed()).toEqual(["c_0_0", "b_0_0"]);
  });

  test("ledger: instances that are loaded together have come equally far when there is no more, and either dies", () => {
    const victims = Array.from({ length: 40 }, (_, seed) => {
      const { events, killed, python, pythonInstance } = small(documents, { seed });
      granted(python("other", 350));
      const first = granted(pythonInstance("m_0_0", 400));
      const second = granted(pythonInstance("m_0_1", 400, [first]));
      // (400 + 250) / 2 each: less than `other` has.
      expect(events.find(({ type }) => type === "killed")).toMatchObject({ process: "other_0_0", tied: 0 });
      granted(pythonInstance("m_0_2", 300, [first, second]));
      return killed().at(-1);
    });
    expect(new Set(victims)).toEqual(new Set(["m_0_0", "m_0_1", "m_0_2"]));
  });

  test("ledger: instances of another load are weighed by themselves", () => {
    const { killed, python, pythonInstance } = small(documents);
    granted(python("other", 350));
    granted(pythonInstance("m_0_0", 400));
    granted(pythonInstance("m_0_1", 400));
    expect(killed()).toEqual(["m_0_0"]);
  });

  test("ledger: bytes of who died for an instance may be late for those beside it, which then die or make others die", () => {
    const run = (mayDie: readonly string[]) => {
      const left = [...mayDie];
      const chance: KillChance = {
        victim: (candidates) => {
          const index = candidates.findIndex(({ process }) => process === left[0]);
          left.shift();
          return Math.max(0, index);
        },
        killsAnother: (candidates) => candidates.some(({ process }) => process === left[0]),
      };
      const { killed, python, pythonInstance } = small(documents, { chance });
      granted(python("a", 400));
      granted(python("b", 380));
      const first = granted(pythonInstance("m_0_0", 300));
      granted(pythonInstance("m_0_1", 300, [first]));
      granted(python("late", 10));
      return killed();
    };
    expect(run(["a_0_0"])).toEqual(["a_0_0"]);
    expect(run(["a_0_0", "m_0_0"])).toEqual(["a_0_0", "m_0_0"]);
    expect(run(["a_0_0", "m_0_1", "m_0_0"])).toEqual(["a_0_0", "m_0_1", "m_0_0"]);
    expect(run(["a_0_0", "m_0_0", "b_0_0", "late_0_0"])).toEqual(["a_0_0", "m_0_0", "b_0_0"]);
  });

  test("ledger: when tritonserver is the choice it is reported, the load is refused and nothing changes", () => {
    const { killed, ledger, python } = small(documents);
    granted(ledger.reserve(inServer("a"), [host(600)]));
    granted(python("p", 300));
    const refused = ledger.reserve(inServer("b"), [host(200)]);
    expect(refused).toMatchObject({
      ok: false,
      error: {
        code: "UNAVAILABLE",
        message:
          "the host is full and tritonserver is its largest process, so the kernel would kill it here and the container " +
          "would end: 200 B asked for, 100 B free. Unload models, or take a larger machine",
      },
    });
    expect([killed(), used(ledger)]).toEqual([[SERVER_PROCESS], { host: 900 }]);
  });

  test("ledger: a container that somebody owns ends when tritonserver is the choice, and its owner is told", () => {
    let died = 0;
    const { ledger, python } = startLedger({
      machine: smallMachine,
      profiles: profilesOf(...documents),
      onServerKilled: () => died++,
    });
    granted(ledger.reserve(inServer("a"), [host(600)]));
    const stub = granted(python("p", 300)).stub;
    stub?.whenKilled(() => {
      throw new Error("nobody is left to be told");
    });
    expect(ledger.reserve(inServer("b"), [host(200)])).toMatchObject({
      ok: false,
      error: { code: "UNAVAILABLE", message: "tritonserver was killed" },
    });
    expect([died, used(ledger), ledger.processes(), stub?.alive]).toEqual([1, {}, [], false]);
  });

  test("ledger: whose bytes are tritonserver's kills it, where somebody owns the container", () => {
    let died = 0;
    const owned = startLedger({
      machine: smallMachine,
      profiles: profilesOf(...documents),
      onServerKilled: () => died++,
    });
    granted(owned.ledger.reserve(inServer("a"), [host(6)])).kill();
    const alone = small(documents);
    granted(alone.ledger.reserve(inServer("a"), [host(6)])).kill();
    expect([died, used(owned.ledger), used(alone.ledger)]).toEqual([1, {}, { host: 6 }]);
  });

  test("ledger: the process of a name can be killed from outside", () => {
    const { ledger, python } = small(documents);
    const old = granted(python("a", 100));
    const young = granted(python("a", 200));
    expect([ledger.kill("a_0_0"), old.stub?.alive, young.stub?.alive, used(ledger)]).toEqual([
      true,
      true,
      false,
      { host: 100 },
    ]);
    expect([ledger.kill("b_0_0"), ledger.kill(SERVER_PROCESS), used(ledger)]).toEqual([
      false,
      true,
      { host: 100 },
    ]);
  });

  test("ledger: when the container ends everything is gone and nothing is granted", () => {
    const { ledger, python } = small(documents);
    const a = granted(ledger.reserve(inServer("a"), [host(600), gpu(0, 10)]));
    const p = granted(python("p", 300));
    ledger.end();
    a.release();
    p.release();
    expect([used(ledger), ledger.processes()]).toEqual([{}, []]);
    expect(python("q", 1)).toMatchObject({ ok: false, error: { message: "tritonserver is not running" } });
  });
});

test("ledger: a load that leaves less than the band free may freeze everything", () => {
  const { events, ledger } = small([serverDocument({ freeze_band_bytes: 50 }), backendDocument("ort")]);
  granted(ledger.reserve(inServer("a"), [host(950)]));
  expect(events.filter(({ type }) => type === "freeze-risk")).toEqual([]);
  granted(ledger.reserve(inServer("b"), [host(1)]));
  expect(events.filter(({ type }) => type === "freeze-risk")).toEqual([
    { type: "freeze-risk", owner: inServer("b"), freeBytes: 49 },
  ]);
});

const clearEvents = (events: unknown[]): void => {
  events.length = 0;
};
