import type { FaultSource } from "../../core/faults/fault-source.ts";
import type { InferenceServer } from "../../core/inference-server.ts";
import { decodeOrNull } from "./codec/fields.ts";
import { grpcStatusOf, unparsable } from "./grpc-status.ts";
import type { UnaryHandler } from "./handler.ts";
import { healthCheck, serverLive, serverReady } from "./handlers/health.ts";
import { openInfer } from "./handlers/infer.ts";
import { logSettings } from "./handlers/logging.ts";
import { modelConfig } from "./handlers/model-config.ts";
import { modelMetadata } from "./handlers/model-metadata.ts";
import { modelReady } from "./handlers/model-ready.ts";
import { repositoryIndex, repositoryModelLoad, repositoryModelUnload } from "./handlers/repository.ts";
import { serverMetadata } from "./handlers/server-metadata.ts";
import {
  cudaSharedMemoryRegister,
  cudaSharedMemoryStatus,
  sharedMemoryUnregister,
  systemSharedMemoryRegister,
  systemSharedMemoryStatus,
} from "./handlers/shared-memory.ts";
import { modelStatistics } from "./handlers/statistics.ts";
import { openStreamInfer } from "./handlers/stream-infer.ts";
import { traceSetting } from "./handlers/trace-setting.ts";
import type { HeaderForwarding } from "./header-forwarding.ts";
import {
  type RestrictedCategory,
  type RestrictedProtocol,
  restrictionStatus,
} from "./restricted-protocol.ts";
import type { CallHandler, Method, ServerCall } from "./wire/server-call.ts";

const inference = "/inference.GRPCInferenceService/";

interface UnaryRow {
  readonly path: string;
  readonly category: RestrictedCategory;
  readonly handler: UnaryHandler;
}

const row = (path: string, category: RestrictedCategory, handler: UnaryHandler): UnaryRow => ({
  path,
  category,
  handler,
});

/** Every RPC but the two of inference, which stand in `createMethods`. */
const unaryRows: readonly UnaryRow[] = [
  row("/grpc.health.v1.Health/Check", "health", healthCheck),
  row(`${inference}ServerLive`, "health", serverLive),
  row(`${inference}ServerReady`, "health", serverReady),
  row(`${inference}ModelReady`, "health", modelReady),
  row(`${inference}ServerMetadata`, "metadata", serverMetadata),
  row(`${inference}ModelMetadata`, "metadata", modelMetadata),
  row(`${inference}ModelConfig`, "model-config", modelConfig),
  row(`${inference}ModelStatistics`, "statistics", modelStatistics),
  row(`${inference}RepositoryIndex`, "model-repository", repositoryIndex),
  row(`${inference}RepositoryModelLoad`, "model-repository", repositoryModelLoad),
  row(`${inference}RepositoryModelUnload`, "model-repository", repositoryModelUnload),
  row(`${inference}SystemSharedMemoryStatus`, "shared-memory", systemSharedMemoryStatus),
  row(`${inference}SystemSharedMemoryRegister`, "shared-memory", systemSharedMemoryRegister),
  row(`${inference}SystemSharedMemoryUnregister`, "shared-memory", sharedMemoryUnregister),
  row(`${inference}CudaSharedMemoryStatus`, "shared-memory", cudaSharedMemoryStatus),
  row(`${inference}CudaSharedMemoryRegister`, "shared-memory", cudaSharedMemoryRegister),
  row(`${inference}CudaSharedMemoryUnregister`, "shared-memory", sharedMemoryUnregister),
  row(`${inference}TraceSetting`, "trace", traceSetting),
  row(`${inference}LogSettings`, "logging", logSettings),
];

/** The methods of GRPCInferenceService and grpc.health.v1.Health, by path. */
export const createMethods = (
  server: InferenceServer,
  restricted: ReadonlyMap<RestrictedCategory, RestrictedProtocol>,
  forwarding: HeaderForwarding,
  faults: FaultSource | null,
): ReadonlyMap<string, Method> => {
  const methods = new Map<string, Method>();
  for (const { path, category, handler } of unaryRows) {
    methods.set(path, {
      unary: true,
      compressesReplies: false,
      open: guarded(restricted.get(category), (call) => openUnary(server, handler, call)),
    });
  }
  const rule = restricted.get("inference");
  methods.set(`${inference}ModelInfer`, {
    unary: true,
    compressesReplies: true,
    open: guarded(rule, (call) => openInfer(server, forwarding, faults, call)),
  });
  methods.set(`${inference}ModelStreamInfer`, {
    unary: false,
    compressesReplies: true,
    open: guarded(rule, (call) => openStreamInfer(server, forwarding, faults, call)),
  });
  return methods;
};

const guarded = (
  rule: RestrictedProtocol | undefined,
  open: (call: ServerCall) => CallHandler,
): ((call: ServerCall) => CallHandler) => {
  if (rule === undefined) return open;
  return (call) => {
    const status = restrictionStatus(rule, call.headers);
    if (status === null) return open(call);
    call.end(status);
    return deaf;
  };
};

/** Handles nothing: the call has been answered. */
const deaf: CallHandler = { message: () => {}, halfClose: () => {}, cancel: () => {} };

const openUnary = (server: InferenceServer, handler: UnaryHandler, call: ServerCall): CallHandler => ({
  message: (bytes) => {
    const started = decodeOrNull(bytes, (request) => {
      handler(server, request, (result) => {
        if (result.ok) call.reply([result.value]);
        else call.end(grpcStatusOf(result.error));
      });
      return true;
    });
    if (started === null) call.end(unparsable);
  },
  halfClose: () => {},
  cancel: () => {},
});
