import type { AdjustableLog } from "./common/server-log.ts";
import type { Config } from "./config/load.ts";
import type { Backend } from "./core/backend.ts";

/** The ports in use; null = not served. */
export interface ListeningPorts {
  readonly http: number | null;
  readonly grpc: number | null;
  readonly metrics: number | null;
}

/** A row of the start-up table. */
export interface ModelSummary {
  readonly name: string;
  readonly version: string;
  /** `READY`, or state and reason: `UNAVAILABLE: Internal: ...`. */
  readonly status: string;
  /** null where nothing runs. */
  readonly executionProvider: string | null;
}

export interface Emulator {
  readonly ports: ListeningPorts;
  /** As they were when the server had started. */
  readonly models: readonly ModelSummary[];
  /** Drains and ends; 1 when the exit timeout expired first. */
  stop(): Promise<0 | 1>;
}

export interface EmulatorOptions {
  readonly config: Config;
  readonly log: AdjustableLog;
  readonly extraBackends?: readonly Backend[];
}

/** Rejects with a TritonError when the server cannot be created, with a ServiceStartError when a port cannot be had. */
export const createEmulator = (_options: EmulatorOptions): Promise<Emulator> =>
  Promise.reject(new Error("the emulator is not put together yet"));
