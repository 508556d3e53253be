import { ok, type Result, TritonError } from "../../common/status.ts";
import type { InstanceSpec } from "../backend.ts";
import {
  type DeclaredBytes,
  type DeclaredMemory,
  demandsOf,
  gpusOfInstance,
  growsAtRuns,
  plus,
  reservedArena,
  times,
} from "../memory/declared-memory.ts";
import type { Growth, MemoryDemand, Reservation } from "../memory/memory-account.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import type { InferenceRequest, InferenceResponse } from "../tensor/inference-request.ts";
import { elementCount } from "../tensor/shape.ts";

/** First words of what the Python backend says of a response that it cannot give (2.51.0). */
const FAILED_REQUESTS = "Failed to process the request(s) for model";

/** By which the region of a stub in /dev/shm grows (`shm-growth-byte-size`). */
const REGION_STEP = 2 ** 20;

/** The bytes that runs of one instance take: its arena by batches larger than all before, a stub's region by the largest tensors. */
export class RunMemory {
  readonly #declared: DeclaredMemory;
  readonly #reservation: Reservation;
  readonly #instance: string;
  readonly #gpus: readonly number[];
  readonly #grows: boolean;
  readonly #shrinks: { readonly host: boolean; readonly gpu: boolean };
  /** Of the largest batch so far. */
  #arena: DeclaredBytes;
  /** Of this run only. */
  #run: Growth | null = null;
  #regionBytes: number;
  /** Not taken yet. */
  #firstRunBytes: number;
  #regionUsed = 0;

  constructor(declared: DeclaredMemory, reservation: Reservation, config: ModelConfig, spec: InstanceSpec) {
    this.#declared = declared;
    this.#reservation = reservation;
    this.#instance = spec.name;
    this.#gpus = gpusOfInstance(declared, spec);
    this.#grows = growsAtRuns(declared);
    this.#shrinks = {
      host: declared.shrinks.includes("cpu:0"),
      gpu: this.#gpus.some((index) => declared.shrinks.includes(`gpu:${index}`)),
    };
    this.#arena = reservedArena(declared, config.max_batch_size);
    this.#regionBytes = reservation.stub?.regionBytes ?? Number.POSITIVE_INFINITY;
    this.#firstRunBytes = reservation.stub?.firstRunBytes ?? 0;
  }

  /** Takes what a run of the batch needs. Error: a device has no room, or /dev/shm; then the run takes nothing. */
  begin(batch: readonly InferenceRequest[]): TritonError | null {
    this.#regionUsed = 0;
    const refused = this.#useRegion(batch.reduce((sum, { inputs }) => sum + byteCount(inputs), 0));
    if (refused !== null) return refused;
    const started = this.#takeFirstRun();
    if (started !== null || !this.#grows) return started;
    const { arenaPerRow, arenaPerElement, keptPerRun, run } = this.#declared;
    const rows = batch.reduce((sum, { batchSize }) => sum + Math.max(1, batchSize), 0);
    const elements = batch.reduce((sum, { inputs }) => sum + inputElements(inputs), 0);
    const needed = plus(times(arenaPerRow, rows), times(arenaPerElement, elements));
    const arena = {
      host: Math.max(this.#arena.host, needed.host),
      gpu: Math.max(this.#arena.gpu, needed.gpu),
    };
    const more =
      this.#declared.arena === "fragments"
        ? newRegions(this.#arena, arena)
        : plus(arena, times(this.#arena, -1));
    const passing = { host: this.#shrinks.host ? more.host : 0, gpu: this.#shrinks.gpu ? more.gpu : 0 };
    const staying = plus(more, times(passing, -1));
    const kept = this.#grow(demandsOf(plus(staying, keptPerRun), "arena", this.#gpus));
    if (!kept.ok) return kept.error;
    this.#arena = {
      host: this.#shrinks.host ? this.#arena.host : arena.host,
      gpu: this.#shrinks.gpu ? this.#arena.gpu : arena.gpu,
    };
    const ofRun = this.#grow([
      ...demandsOf(passing, "arena", this.#gpus),
      ...demandsOf(run, "workspace", this.#gpus),
    ]);
    if (!ofRun.ok) return ofRun.error;
    this.#run = ofRun.value;
    return null;
  }

  /** What the response becomes: an error where its tensors do not fit into /dev/shm. */
  answer(response: InferenceResponse): InferenceResponse {
    const refused = this.#useRegion(byteCount(response.outputs));
    if (refused === null) return response;
    const message = `${FAILED_REQUESTS} '${this.#instance}', message: ${refused.message}`;
    return { final: response.final, error: new TritonError(refused.code, message), outputs: [] };
  }

  end(): void {
    this.#run?.release();
    this.#run = null;
  }

  #takeFirstRun(): TritonError | null {
    const bytes = this.#firstRunBytes;
    if (bytes === 0) return null;
    const taken = this.#grow([{ pool: "host", kind: "library", bytes }]);
    if (!taken.ok) return taken.error;
    this.#firstRunBytes = 0;
    return null;
  }

  #grow(demands: readonly MemoryDemand[]): Result<Growth | null> {
    return demands.length === 0 ? ok(null) : this.#reservation.grow(demands);
  }

  /** The region grows by whole steps, one more than fit into what is asked for, and never shrinks (2.51.0). */
  #useRegion(bytes: number): TritonError | null {
    if (bytes > this.#regionBytes - this.#regionUsed) {
      const added = REGION_STEP * (Math.floor(bytes / REGION_STEP) + 1);
      const grown = this.#reservation.grow([{ pool: "shm", kind: "shm", bytes: added }]);
      if (!grown.ok) return grown.error;
      this.#regionBytes += added;
    }
    this.#regionUsed += bytes;
    return null;
  }
}

/** A device on which more is needed than ever before gets a region for all of it. */
const newRegions = (before: DeclaredBytes, now: DeclaredBytes): DeclaredBytes => ({
  host: now.host > before.host ? now.host : 0,
  gpu: now.gpu > before.gpu ? now.gpu : 0,
});

const byteCount = (tensors: readonly { readonly data: Uint8Array }[]): number =>
  tensors.reduce((sum, { data }) => sum + data.byteLength, 0);

const inputElements = (inputs: readonly { readonly shape: readonly number[] }[]): number =>
  inputs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
