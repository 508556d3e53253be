import { describe, expect, test } from "vitest";
import { configToProtobuf } from "../../../../emulator/core/model-config/config-protobuf.ts";
import type { JsonObject } from "../../../../emulator/parity/exchange/json.ts";
import { duration, emptyModelConfig } from "../../../support/fake-inference-server.ts";
import { GrpcFixture } from "../../../support/grpc-frontend.ts";

const ask = async (
  rpc: string,
  message: JsonObject = {},
  prepare: (fixture: GrpcFixture) => void = () => {},
): Promise<{ code: string; details: string; reply: JsonObject | undefined; fixture: GrpcFixture }> => {
  await using fixture = await GrpcFixture.start();
  prepare(fixture);
  const { code, details, replies } = await fixture.client.unary(rpc, message, {});
  return { code, details, reply: replies[0]?.asSent, fixture };
};

const refused = (code: string, details: string) => ({ code, details, reply: undefined });

describe("health", () => {
  test("ServerLive, ServerReady and Check say what the server says", async () => {
    expect((await ask("ServerLive")).reply).toEqual({ live: true });
    expect((await ask("ServerReady")).reply).toEqual({ ready: true });
    expect((await ask("Check", { service: "any" })).reply).toEqual({ status: "SERVING" });
    const notReady = ({ server }: GrpcFixture): void => {
      server.ready = false;
    };
    expect((await ask("ServerReady", {}, notReady)).reply).toEqual({});
    expect((await ask("Check", {}, notReady)).reply).toEqual({ status: "NOT_SERVING" });
  });

  test("ModelReady is false for what is not there", async () => {
    expect((await ask("ModelReady", { name: "echo", version: "1" })).reply).toEqual({ ready: true });
    expect((await ask("ModelReady", { name: "echo", version: "2" })).reply).toEqual({});
    expect((await ask("ModelReady", { name: "no" })).reply).toEqual({});
  });
});

test.each(["ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"])(
  "%s refuses a version that is none",
  async (rpc) => {
    expect(await ask(rpc, { name: "no", version: "x" })).toMatchObject(
      refused(
        "INVALID_ARGUMENT",
        "failed to get model version from specified version string 'x' (details: stol), version should be an integral value > 0",
      ),
    );
  },
);

describe("metadata", () => {
  test("ServerMetadata", async () => {
    expect((await ask("ServerMetadata")).reply).toEqual({
      name: "triton",
      version: "2.51.0",
      extensions: ["classification", "sequence"],
    });
  });

  test("ModelMetadata", async () => {
    expect((await ask("ModelMetadata", { name: "echo" })).reply).toEqual({
      name: "echo",
      versions: ["1"],
      platform: "onnxruntime_onnx",
      inputs: [{ name: "IN", datatype: "FP32", shape: ["-1", "3"] }],
      outputs: [{ name: "OUT", datatype: "BYTES", shape: ["-1", "1"] }],
    });
    expect(await ask("ModelMetadata", { name: "no" })).toMatchObject(
      refused("NOT_FOUND", "Request for unknown model: 'no' is not found"),
    );
  });

  test("ModelConfig passes the configuration on", async () => {
    expect(configToProtobuf(emptyModelConfig("echo")).length).toBeGreaterThan(0);
    expect((await ask("ModelConfig", { name: "batched" })).reply).toEqual({
      config: { name: "batched", max_batch_size: 8 },
    });
    expect(await ask("ModelConfig", { name: "no" })).toMatchObject({ code: "NOT_FOUND" });
  });
});

test("ModelStatistics: durations are there even when they are zero", async () => {
  const { reply } = await ask("ModelStatistics", {}, ({ server }) => {
    const zero = duration(0, 0);
    server.modelStatistics = [
      {
        name: "m",
        version: "2",
        last_inference: 1_700_000_000_123,
        inference_count: 5,
        execution_count: 2,
        inference_stats: {
          success: duration(5, 2 ** 40),
          fail: zero,
          queue: zero,
          compute_input: zero,
          compute_infer: zero,
          compute_output: zero,
          cache_hit: zero,
          cache_miss: duration(0, 7),
        },
        batch_stats: [
          { batch_size: 3, compute_input: duration(1, 2), compute_infer: zero, compute_output: zero },
        ],
      },
    ];
  });
  expect(reply).toEqual({
    model_stats: [
      {
        name: "m",
        version: "2",
        last_inference: "1700000000123",
        inference_count: "5",
        execution_count: "2",
        inference_stats: {
          success: { count: "5", ns: "1099511627776" },
          fail: {},
          queue: {},
          compute_input: {},
          compute_infer: {},
          compute_output: {},
          cache_hit: {},
          cache_miss: { ns: "7" },
        },
        batch_stats: [
          { batch_size: "3", compute_input: { count: "1", ns: "2" }, compute_infer: {}, compute_output: {} },
        ],
      },
    ],
  });
});

describe("repository", () => {
  test("RepositoryIndex leaves out what is not known, and filters", async () => {
    const prepare = ({ server }: GrpcFixture): void => {
      server.index = [
        { name: "a" },
        { name: "b", version: "1", state: "UNAVAILABLE", reason: "unloaded" },
        { name: "c", version: "1", state: "READY" },
      ];
    };
    expect((await ask("RepositoryIndex", {}, prepare)).reply).toEqual({
      models: [
        { name: "a" },
        { name: "b", version: "1", state: "UNAVAILABLE", reason: "unloaded" },
        { name: "c", version: "1", state: "READY" },
      ],
    });
    expect((await ask("RepositoryIndex", { ready: true }, prepare)).reply).toEqual({
      models: [{ name: "c", version: "1", state: "READY" }],
    });
  });

  test.each(["RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"])(
    "%s knows no repository names",
    async (rpc) => {
      expect(await ask(rpc, { repository_name: "r" })).toMatchObject(
        refused("UNIMPLEMENTED", "'repository_name' specification is not supported"),
      );
    },
  );

  test("RepositoryModelLoad passes configuration and files on", async () => {
    const { code, fixture } = await ask("RepositoryModelLoad", {
      model_name: "m",
      parameters: { config: { string_param: "{}" }, "file:1/model.onnx": { bytes_param: "AQI=" } },
    });
    expect(code).toBe("OK");
    expect(fixture.server.loads).toEqual([
      {
        model: "m",
        parameters: [
          { kind: "config", json: "{}" },
          { kind: "file", path: "1/model.onnx", content: Buffer.from([1, 2]) },
        ],
      },
    ]);
  });

  test.each<[string, JsonObject, string]>([
    [
      "a configuration of another type",
      { config: { bytes_param: "AQI=" } },
      "invalid value type for load parameter 'config', expected string_param.",
    ],
    [
      "a file of another type",
      { "file:1/x": { int64_param: 1 } },
      "invalid value type for load parameter 'file:1/x', expected bytes_param.",
    ],
    ["any other parameter", { other: { string_param: "x" } }, "unrecognized load parameter 'other'."],
  ])("RepositoryModelLoad refuses %s", async (_, parameters, details) => {
    expect(await ask("RepositoryModelLoad", { model_name: "m", parameters })).toMatchObject(
      refused("INVALID_ARGUMENT", details),
    );
  });

  test("RepositoryModelUnload takes unload_dependents, and ignores the rest", async () => {
    const parameters = { unload_dependents: { bool_param: true }, other: { int64_param: 1 } };
    const { fixture } = await ask("RepositoryModelUnload", { model_name: "m", parameters });
    expect(fixture.server.unloads).toEqual([{ model: "m", unloadDependents: true }]);
    expect(
      await ask("RepositoryModelUnload", { parameters: { unload_dependents: { string_param: "true" } } }),
    ).toMatchObject(
      refused(
        "INVALID_ARGUMENT",
        "invalid value type for 'unload_dependents' parameter, expected bool_param.",
      ),
    );
  });
});

describe("shared memory, with nothing registered", () => {
  test.each<[string, JsonObject, object]>([
    ["SystemSharedMemoryStatus", {}, { code: "OK", reply: {} }],
    [
      "SystemSharedMemoryStatus",
      { name: "r" },
      refused("NOT_FOUND", "Unable to find system shared memory region: 'r'"),
    ],
    [
      "SystemSharedMemoryRegister",
      { name: "r", key: "/k", byte_size: 4 },
      refused("INTERNAL", "Unable to open shared memory region: '/k'"),
    ],
    ["SystemSharedMemoryUnregister", { name: "r" }, { code: "OK", reply: {} }],
    ["CudaSharedMemoryStatus", {}, { code: "OK", reply: {} }],
    [
      "CudaSharedMemoryStatus",
      { name: "r" },
      refused("NOT_FOUND", "Unable to find cuda shared memory region: 'r'"),
    ],
    [
      "CudaSharedMemoryRegister",
      { name: "r", raw_handle: "AQ==" },
      refused("INVALID_ARGUMENT", "failed to register shared memory region: invalid args"),
    ],
    ["CudaSharedMemoryUnregister", {}, { code: "OK", reply: {} }],
  ])("%s %j", async (rpc, message, expected) => {
    expect(await ask(rpc, message)).toMatchObject(expected);
  });
});

describe("TraceSetting", () => {
  const values = (settings: Readonly<Record<string, readonly string[]>>): JsonObject => ({
    settings: Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [name, { value: [...value] }]),
    ),
  });
  const defaults = {
    trace_level: ["OFF"],
    trace_rate: ["1000"],
    trace_count: ["-1"],
    log_frequency: ["0"],
    trace_file: [""],
    trace_mode: ["triton"],
  };

  test.each<
    [string, Readonly<Record<string, readonly string[]>>, Readonly<Record<string, readonly string[]>>]
  >([
    ["reads", {}, {}],
    ["sets numbers", { trace_rate: ["5x"], trace_count: ["7"] }, { trace_rate: ["5"], trace_count: ["7"] }],
    ["wraps a negative rate", { trace_rate: ["-1"] }, { trace_rate: ["4294967295"] }],
    ["sets levels", { trace_level: ["TENSORS", "TIMESTAMPS"] }, { trace_level: ["TENSORS", "TIMESTAMPS"] }],
    ["takes unknown levels for OFF", { trace_level: ["MAX"] }, {}],
    ["clears with an empty list", { trace_rate: [], trace_level: [] }, {}],
    ["ignores what it does not know", { trace_mode: ["x"], other: ["1", "2"] }, {}],
  ])("%s", async (_, settings, changed) => {
    expect((await ask("TraceSetting", values(settings))).reply).toEqual(values({ ...defaults, ...changed }));
  });

  test.each<[Readonly<Record<string, readonly string[]>>, string, string]>([
    [{ trace_rate: ["1", "2"] }, "INVALID_ARGUMENT", "expect only 1 value for 'trace_rate'"],
    [{ trace_rate: ["x"] }, "INVALID_ARGUMENT", "Unable to parse 'trace_rate', got: x"],
    [
      { log_frequency: ["4294967296"] },
      "INVALID_ARGUMENT",
      "Unable to parse 'log_frequency', value is out of range [ 0, 4294967295 ], got: 4294967296",
    ],
    [
      { trace_count: ["2147483648"] },
      "INVALID_ARGUMENT",
      "Unable to parse 'trace_count', value is out of range [ -1, 2147483647 ], got: 2147483648",
    ],
    [
      { trace_count: ["-2"] },
      "INVALID_ARGUMENT",
      "Unable to parse 'trace_count'. Expecting value >= -1, got: -2",
    ],
    [
      { trace_level: ["OFF", "TENSORS"] },
      "INVALID_ARGUMENT",
      "Expect only one trace level 'OFF' is specified",
    ],
    [{ trace_file: [] }, "UNIMPLEMENTED", "trace file location can not be updated through network protocol"],
  ])("refuses %j", async (settings, code, details) => {
    expect(await ask("TraceSetting", values(settings))).toMatchObject(refused(code, details));
  });

  test("refuses an unknown model before it looks at the settings", async () => {
    expect(await ask("TraceSetting", { model_name: "no", ...values({ trace_rate: ["x"] }) })).toMatchObject(
      refused("INVALID_ARGUMENT", "Request for unknown model : no"),
    );
  });
});

describe("LogSettings", () => {
  const asDefault = {
    log_file: { string_param: "" },
    log_info: { bool_param: true },
    log_warning: { bool_param: true },
    log_error: { bool_param: true },
    log_verbose_level: { uint32_param: 0 },
    log_format: { string_param: "default" },
  };

  test.each<[string, JsonObject, JsonObject]>([
    ["reads", {}, {}],
    [
      "sets",
      { log_info: { bool_param: false }, log_verbose_level: { uint32_param: 4294967295 } },
      { log_info: { bool_param: false }, log_verbose_level: { uint32_param: 4294967295 } },
    ],
    [
      "sets the format",
      { log_format: { string_param: "ISO8601" } },
      { log_format: { string_param: "ISO8601" } },
    ],
    ["ignores what it does not know", { other: { bool_param: true } }, {}],
  ])("%s", async (_, settings, changed) => {
    expect((await ask("LogSettings", { settings })).reply).toEqual({
      settings: { ...asDefault, ...changed },
    });
  });

  test.each<[JsonObject, string, string]>([
    [{ log_info: { uint32_param: 1 } }, "INVALID_ARGUMENT", "expect boolean for 'log_info'"],
    [{ log_error: {} }, "INVALID_ARGUMENT", "expect boolean for 'log_error'"],
    [
      { log_verbose_level: { string_param: "1" } },
      "INVALID_ARGUMENT",
      "expect int32 for 'log_verbose_level'",
    ],
    [{ log_format: { bool_param: true } }, "INVALID_ARGUMENT", "expect string for 'log_format'"],
    [{ log_format: { string_param: "x" } }, "INVALID_ARGUMENT", "invalid argument for log_format, got: x"],
    [{ log_file: {} }, "UNIMPLEMENTED", "log file location can not be updated through network protocol"],
  ])("refuses %j", async (settings, code, details) => {
    expect(await ask("LogSettings", { settings })).toMatchObject(refused(code, details));
  });

  test("keeps what came before a wrong setting", async () => {
    const settings = { log_info: { bool_param: false }, log_warning: { string_param: "no" } };
    const { fixture } = await ask("LogSettings", { settings });
    expect(fixture.server.log.log_info).toBe(false);
  });
});

describe("restricted protocols", () => {
  const restrictedProtocols = new Map([
    ["health", { key: "Key", value: "secret" }],
    ["inference", { key: "other", value: "x" }],
  ] as const);
  const message = "This protocol is restricted, expecting header 'triton-grpc-protocol-Key'";

  test("are closed without the header, open with it, and leave the others alone", async () => {
    await using fixture = await GrpcFixture.start({ restrictedProtocols });
    const { client } = fixture;
    for (const rpc of ["ServerLive", "ModelReady", "Check"]) {
      expect(await client.unary(rpc, {}, {})).toMatchObject({ code: "UNAVAILABLE", details: message });
      expect(await client.unary(rpc, {}, { "triton-grpc-protocol-key": "Secret" })).toMatchObject({
        code: "UNAVAILABLE",
      });
      expect(await client.unary(rpc, {}, { "triton-grpc-protocol-key": "secret" })).toMatchObject({
        code: "OK",
      });
    }
    expect(await client.unary("ServerMetadata", {}, {})).toMatchObject({ code: "OK" });
    expect(await client.unary("ModelInfer", { model_name: "echo" }, {})).toMatchObject({
      code: "UNAVAILABLE",
    });
    expect(await client.stream("ModelStreamInfer", [{ model_name: "echo" }], {})).toMatchObject({
      code: "UNAVAILABLE",
      replies: [],
    });
  });
});

test("forwarded headers become parameters, sorted by name", async () => {
  await using fixture = await GrpcFixture.start({
    headerForwardPattern: /^x-|agent|content|^te$|grpc|path/i,
  });
  await fixture.client.unary(
    "ModelInfer",
    { model_name: "echo", parameters: { own: { int64_param: 1 } } },
    { "x-b": "2", "x-a": "1", other: "3" },
  );
  const parameters = fixture.server.requests[0]?.parameters ?? [];
  expect(parameters.map(({ name }) => name)).toEqual(["own", "user-agent", "x-a", "x-b"]);
  expect(parameters.at(-1)?.value).toEqual({ kind: "string", value: "2" });
});
