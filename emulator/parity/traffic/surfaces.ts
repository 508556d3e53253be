import type { Surface } from "./surface.ts";
import { classification } from "./surfaces/classification.ts";
import { compression } from "./surfaces/compression.ts";
import { container } from "./surfaces/container.ts";
import { documents } from "./surfaces/documents.ts";
import { framing } from "./surfaces/framing.ts";
import { grpcCalls } from "./surfaces/grpc-calls.ts";
import { grpcFraming } from "./surfaces/grpc-framing.ts";
import { grpcInfer } from "./surfaces/grpc-infer.ts";
import { inferBinary } from "./surfaces/infer-binary.ts";
import { inferJson } from "./surfaces/infer-json.ts";
import { metrics } from "./surfaces/metrics.ts";
import { rawBinary } from "./surfaces/raw-binary.ts";
import { repository } from "./surfaces/repository.ts";
import { routes } from "./surfaces/routes.ts";
import { settings } from "./surfaces/settings.ts";
import { sharedMemory } from "./surfaces/shared-memory.ts";
import { statistics } from "./surfaces/statistics.ts";
import { streams } from "./surfaces/streams.ts";

/** Every part of the server that generated requests look at, in the order of the report. */
export const surfaces: readonly Surface[] = [
  routes,
  framing,
  documents,
  statistics,
  metrics,
  repository,
  settings,
  sharedMemory,
  inferJson,
  inferBinary,
  rawBinary,
  compression,
  classification,
  grpcFraming,
  grpcCalls,
  grpcInfer,
  streams,
  container,
];
