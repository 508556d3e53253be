import type { JsonObject } from "../../exchange/json.ts";
import type { Chance } from "../chance.ts";
import type { Surface, World } from "../surface.ts";

/** Everything of the service but inference. */
export const grpcCalls: Surface = {
  name: "grpc-calls",
  title: "gRPC: health, metadata, control, settings, shared memory",
  weight: 14,
  changes: true,
  make: (chance, world) => {
    const [rpc, message] = chance.pick(calls)(chance, world);
    return { kind: "grpc", rpc, message, metadata: {} };
  },
};

type MakeCall = (chance: Chance, world: World) => readonly [rpc: string, message: JsonObject];

const nameOf = (chance: Chance, { models }: World): string =>
  chance.oneIn(5) ? chance.pick(["none", "", "a b", "ä"]) : chance.pick(models).name;

const versionOf = (chance: Chance): JsonObject =>
  chance.oneIn(2)
    ? {}
    : { version: chance.pick(["", "1", "2", "0", "99", "x", "-1", "1x", " 1", "+1", "9".repeat(30)]) };

const parameterValues: readonly JsonObject[] = [
  {},
  { bool_param: true },
  { bool_param: false },
  { int64_param: "1" },
  { string_param: "x" },
  { string_param: '{"backend":"onnxruntime"}' },
  { bytes_param: "AAAA" },
  { uint64_param: "1" },
];

const region = (chance: Chance): JsonObject =>
  chance.oneIn(4) ? {} : { name: chance.pick(["r1", "r2", "none", "a b"]) };

const calls: readonly MakeCall[] = [
  () => ["ServerLive", {}],
  () => ["ServerReady", {}],
  () => ["ServerMetadata", {}],
  (chance) => [
    "Check",
    chance.oneIn(2) ? {} : { service: chance.pick(["inference.GRPCInferenceService", "x"]) },
  ],
  (chance, world) => ["ModelReady", { name: nameOf(chance, world), ...versionOf(chance) }],
  (chance, world) => ["ModelMetadata", { name: nameOf(chance, world), ...versionOf(chance) }],
  (chance, world) => ["ModelConfig", { name: nameOf(chance, world), ...versionOf(chance) }],
  (chance, world) => ["ModelStatistics", { name: nameOf(chance, world), ...versionOf(chance) }],
  (chance) => [
    "RepositoryIndex",
    { ...(chance.oneIn(6) ? { repository_name: "x" } : {}), ...(chance.oneIn(2) ? { ready: true } : {}) },
  ],
  (chance, { spare }) => [
    "RepositoryModelLoad",
    {
      model_name: chance.pick(["none", "", ...spare]),
      ...(chance.oneIn(8) ? { repository_name: "x" } : {}),
      ...(chance.oneIn(2)
        ? {}
        : {
            parameters: {
              [chance.pick(["config", "file:1/model.onnx", "own", ""])]: chance.pick(parameterValues),
            },
          }),
    },
  ],
  (chance, { spare }) => [
    "RepositoryModelUnload",
    {
      model_name: chance.pick(["none", "", ...spare]),
      ...(chance.oneIn(8) ? { repository_name: "x" } : {}),
      ...(chance.oneIn(2)
        ? {}
        : { parameters: { [chance.pick(["unload_dependents", "own"])]: chance.pick(parameterValues) } }),
    },
  ],
  (chance) => ["SystemSharedMemoryStatus", region(chance)],
  (chance) => [
    "SystemSharedMemoryRegister",
    {
      ...region(chance),
      ...(chance.oneIn(3) ? {} : { key: "/parity_none" }),
      byte_size: chance.pick(["0", "64"]),
      offset: chance.pick(["0", "64"]),
    },
  ],
  (chance) => ["SystemSharedMemoryUnregister", region(chance)],
  (chance) => ["CudaSharedMemoryStatus", region(chance)],
  (chance) => [
    "CudaSharedMemoryRegister",
    {
      ...region(chance),
      raw_handle: chance.pick(["", "AAAA", "A".repeat(88)]),
      device_id: chance.pick(["0", "-1"]),
      byte_size: "64",
    },
  ],
  (chance) => ["CudaSharedMemoryUnregister", region(chance)],
  (chance, world) => [
    "TraceSetting",
    {
      ...(chance.oneIn(2) ? {} : { model_name: nameOf(chance, world) }),
      ...(chance.oneIn(3)
        ? {}
        : { settings: { [chance.pick(traceNames)]: { value: chance.pick(traceValues) } } }),
    },
  ],
  (chance) => [
    "LogSettings",
    chance.oneIn(3) ? {} : { settings: { [chance.pick(logNames)]: chance.pick(logValues) } },
  ],
];

const traceNames = [
  "trace_level",
  "trace_rate",
  "trace_count",
  "log_frequency",
  "trace_file",
  "trace_mode",
  "own",
];
const traceValues: readonly (readonly string[])[] = [
  [],
  ["OFF"],
  ["TIMESTAMPS"],
  ["OFF", "TIMESTAMPS"],
  ["none"],
  ["1"],
  ["1000"],
  ["-1"],
  ["-2"],
  ["x"],
  [""],
  ["1", "2"],
  ["4294967296"],
  ["2147483648"],
];

// No verbose log: it would slow the real server down for the rest of the run.
const logNames = ["log_info", "log_warning", "log_error", "log_format", "log_file", "own"];
const logValues: readonly JsonObject[] = [
  {},
  { bool_param: true },
  { bool_param: false },
  { uint32_param: 0 },
  { string_param: "default" },
  { string_param: "ISO8601" },
  { string_param: "x" },
  { string_param: "" },
];
