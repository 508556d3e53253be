import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type DeclaringConfig,
  declaredMemoryNames,
  growsAtRuns,
  instanceLoadDemands,
  readDeclaredMemory,
  reservedDemands,
  versionDemands,
} from "../../../../emulator/core/memory/declared-memory.ts";

const config = (
  parameters: Readonly<Record<string, string>>,
  kind = "KIND_CPU",
  maxBatchSize = 4,
): DeclaringConfig => ({
  name: "m",
  max_batch_size: maxBatchSize,
  instance_group: [{ name: "m_0", kind }],
  parameters: new Map(Object.entries(parameters).map(([name, value]) => [name, { string_value: value }])),
});

const read = (...of: Parameters<typeof config>) => {
  const declared = readDeclaredMemory(config(...of));
  if (!declared.ok) throw declared.error;
  return declared.value;
};

describe("declared memory", () => {
  test("a model that states nothing leaves it to its backend", () => {
    const declared = read({ intra_op_thread_count: "x", "memory.enable_memory_arena_shrinkage": "cpu:0" });
    expect(declared).toMatchObject({ statesLoad: false, profile: null });
    expect([versionDemands(declared, [0]), reservedDemands(declared, 4, [0]), growsAtRuns(declared)]).toEqual(
      [[], [], false],
    );
  });

  test("weights and staging are each instance's, or each device's once", () => {
    const stated = {
      "memory.host_weights_bytes": "1KiB",
      "memory.gpu_weights_bytes": "5",
      "memory.gpu_staging_bytes": "7",
    };
    const demands = [
      { pool: "host", kind: "weights", bytes: 1024 },
      { pool: "gpu:1", kind: "weights", bytes: 5 },
      { pool: "gpu:1", kind: "staging", bytes: 7 },
    ];
    const each = read(stated, "KIND_GPU");
    expect(each.statesLoad).toBe(true);
    expect([versionDemands(each, [1]), instanceLoadDemands(each, [1])]).toEqual([[], demands]);
    const once = read({ ...stated, "memory.weights_per": "device" }, "KIND_GPU");
    expect([versionDemands(once, [1]), instanceLoadDemands(once, [1])]).toEqual([demands, []]);
  });

  test.each([
    ["reserved", 4, [{ pool: "host", kind: "arena", bytes: 40 }], false],
    ["reserved", 0, [{ pool: "host", kind: "arena", bytes: 10 }], false],
    ["grows", 4, [], true],
    ["fragments", 4, [], true],
  ] as const)("an arena that is %s, max_batch_size %i", (arena, maxBatchSize, demands, grows) => {
    const declared = read({ "memory.host_arena_bytes_per_row": "10", "memory.arena": arena });
    expect(reservedDemands(declared, maxBatchSize, [])).toEqual(demands);
    expect(growsAtRuns(declared)).toBe(grows);
  });

  test("what a model states beside its weights does not take the place of what its backend expects", () => {
    expect(read({ "memory.host_workspace_bytes": "10" }).statesLoad).toBe(false);
  });
});

describe("declared memory that is refused", () => {
  const bytesText =
    "expected a whole number of bytes from 0 to 9007199254740991, or of KiB, MiB, GiB with that unit";

  test.each([
    ["host_weights_bytes", "-1", bytesText],
    ["host_staging_bytes", "1.5GiB", bytesText],
    ["host_workspace_bytes", "9007199254740991KiB", bytesText],
    ["host_arena_bytes_per_row", "", bytesText],
    ["gpu_weights_bytes", "5", "allowed only where all instances are KIND_GPU, but 'm_0' is KIND_CPU"],
    ["weights_per", "model", "expected instance or device"],
    ["arena", "shrinks", "expected reserved, grows, fragments"],
    ["taken_in", "execute", "expected initialize, import"],
    ["only_gpu", "-1", "expected the index of a GPU"],
    ["profile", "", "expected the name of a memory profile"],
    ["host_bytes", "5", `but there is no such parameter, only ${declaredMemoryNames.join(", ")}`],
  ])("%s: %j", (name, value, text) => {
    expect(readDeclaredMemory(config({ [`memory.${name}`]: value }))).toMatchObject({
      ok: false,
      error: {
        code: "INVALID_ARG",
        message: `model 'm': parameter 'memory.${name}' is '${value}', ${text}`,
      },
    });
  });
});

test("declared memory: gpu_mem_limit of ONNX Runtime is a number of bytes or none", () => {
  const limit = (text: string) => read({ gpu_mem_limit: text }).gpuLimitBytes;
  expect([limit("1500"), limit("1GiB"), limit("-1"), read({}).gpuLimitBytes]).toEqual([
    1500,
    null,
    null,
    null,
  ]);
});

test("docs/memory.md: has every parameter and no other", () => {
  const page = readFileSync(new URL("../../../../docs/memory.md", import.meta.url), "utf8");
  const table = page.split("## What a model states")[1]!.split("\n\n")[2]!;
  const named = [...table.matchAll(/`(memory\.\w+)`/g)].map(([, name]) => name);
  expect(named.sort()).toEqual([...declaredMemoryNames].sort());
});
