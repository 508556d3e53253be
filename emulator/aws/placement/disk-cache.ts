import type { Clock } from "../../common/clock.ts";
import { fail, type Result, type TritonError } from "../../common/status.ts";
import type { FaultOperation, FaultSource } from "../../core/faults/fault-source.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { Artifact, ArtifactStore, UnpackedArtifact } from "../artifacts/artifact-store.ts";
import type { EvictionSettings } from "./eviction/presets.ts";
import {
  type MemoryReading,
  newPolicyMemory,
  type PolicyMemory,
  type ResidentModel,
} from "./eviction/resident-model.ts";
import { selectVictims } from "./eviction/select-victims.ts";
import { triggers } from "./eviction/triggers.ts";
import { modelNameOf } from "./target-model.ts";

export interface DiskCacheOptions {
  readonly instance: string;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly capacityBytes: number;
  readonly settings: EvictionSettings;
  readonly seed: number;
  readonly journal: JournalWriter;
  readonly faults: FaultSource;
  /** Whether the model is in the container, or on its way there: its archive stays. */
  readonly inUse: (targetModel: string) => boolean;
}

/** Why an archive is not there: no such object, a bad one, no room for it, or the transfer failed. */
export type ArtifactProblem = "missing" | "refused" | "disk-full" | "failed";

export type Brought =
  | { readonly ok: true; readonly archive: UnpackedArtifact }
  | { readonly ok: false; readonly problem: ArtifactProblem; readonly text: string };

/** An archive on the disk, or on its way to or from it. */
interface Slot {
  readonly targetModel: string;
  readonly order: number;
  /** Of the archive until it is unpacked. */
  bytes: number;
  /** Null until it is unpacked. */
  archive: UnpackedArtifact | null;
  /** What waits until it is deleted; null = it is not being deleted. */
  deleted: (() => void)[] | null;
  fetchUs: number;
  lastUseUs: number;
  uses: number;
  inflationAtLastUse: number;
}

interface Bringing {
  readonly targetModel: string;
  readonly request: string;
  readonly done: (brought: Brought) => void;
}

const NO_SPACE = "No space left on device";

/**
 * The archives on an instance's disk. What is there is not looked for again: an archive that was overwritten or deleted at
 * its origin is served from here until it goes. The trigger `disk-full` deletes archives of models that are not in use.
 */
export class DiskCache {
  readonly #options: DiskCacheOptions;
  readonly #slots = new Map<string, Slot>();
  #usedBytes = 0;
  #orders = 0;
  #policyMemory: PolicyMemory;

  constructor(options: DiskCacheOptions) {
    this.#options = options;
    this.#policyMemory = newPolicyMemory(options.seed);
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Null = it has to be brought. */
  get(targetModel: string): UnpackedArtifact | null {
    const slot = this.#slots.get(targetModel);
    return slot === undefined || slot.deleted !== null ? null : slot.archive;
  }

  /** An invocation of the model. */
  used(targetModel: string): void {
    const slot = this.#slots.get(targetModel);
    if (slot === undefined) return;
    slot.lastUseUs = this.#options.clock.now();
    slot.uses++;
    slot.inflationAtLastUse = this.#policyMemory.inflation;
  }

  /** Finds, downloads and unpacks. Not for one that is there or being brought already. */
  bring(targetModel: string, request: string, done: (brought: Brought) => void): void {
    const leaving = this.#slots.get(targetModel)?.deleted;
    if (leaving !== null && leaving !== undefined) {
      leaving.push(() => this.bring(targetModel, request, done));
      return;
    }
    this.#options.artifacts.find(targetModel, (found) => {
      const bringing: Bringing = { targetModel, request, done };
      if (!found.ok) this.#failed(bringing, "failed", found.error.message);
      else if (found.value === null) this.#failed(bringing, "missing", "there is no such archive");
      else this.#download(bringing, found.value);
    });
  }

  /** Deletes the archive of a model that is not in use. @param rule as the journal tells it */
  delete(targetModel: string, request: string | undefined, rule: string, done: () => void): void {
    const { instance, artifacts, journal } = this.#options;
    const slot = this.#slots.get(targetModel);
    if (slot === undefined || slot.archive === null || slot.deleted !== null) {
      done();
      return;
    }
    const deleted = [done];
    slot.deleted = deleted;
    journal.write({
      instance,
      model: targetModel,
      ...(request === undefined ? {} : { request }),
      event: "archive-deleted",
      bytes: slot.bytes,
      rule,
    });
    artifacts.remove(modelNameOf(targetModel), () => {
      this.#forget(slot);
      for (const run of deleted) run();
    });
  }

  #download(bringing: Bringing, artifact: Artifact): void {
    const { targetModel, request } = bringing;
    this.#makeRoom(bringing, artifact.archiveBytes, "before", (room) => {
      if (!room) {
        this.#failed(bringing, "disk-full", this.#tooLarge(artifact.archiveBytes));
        return;
      }
      const { instance, clock, journal } = this.#options;
      const slot: Slot = {
        targetModel,
        order: ++this.#orders,
        bytes: artifact.archiveBytes,
        archive: null,
        deleted: null,
        fetchUs: 0,
        lastUseUs: clock.now(),
        uses: 0,
        inflationAtLastUse: this.#policyMemory.inflation,
      };
      this.#slots.set(targetModel, slot);
      this.#usedBytes += slot.bytes;
      const startUs = clock.now();
      journal.write({
        instance,
        model: targetModel,
        request,
        event: "download",
        bytes: artifact.archiveBytes,
      });
      this.#fetch(targetModel, artifact, (fetched) => {
        slot.fetchUs = clock.now() - startUs;
        if (fetched.ok) this.#unpacked(slot, bringing, fetched.value);
        else this.#notFetched(slot, bringing, artifact, fetched.error);
      });
    });
  }

  /** With the faults that strike on the way. */
  #fetch(targetModel: string, artifact: Artifact, done: (fetched: Result<UnpackedArtifact>) => void): void {
    const { artifacts } = this.#options;
    const modelName = modelNameOf(targetModel);
    this.#struck("download", targetModel, (downloaded) => {
      if (!downloaded.ok) {
        done(downloaded);
        return;
      }
      artifacts.fetch(artifact, modelName, (fetched) => {
        if (!fetched.ok) {
          done(fetched);
          return;
        }
        this.#struck("unpack", targetModel, (unpacked) => {
          if (unpacked.ok) done(fetched);
          else artifacts.remove(modelName, () => done(unpacked));
        });
      });
    });
  }

  #struck(operation: FaultOperation, targetModel: string, go: (result: Result<null>) => void): void {
    const { clock, faults } = this.#options;
    const fault = faults.at({ operation, model: targetModel });
    if (fault === null) {
      go({ ok: true, value: null });
      return;
    }
    const { effect } = fault;
    if (effect.kind === "fail") {
      go(fail(operation === "unpack" ? "INVALID_ARG" : "UNAVAILABLE", effect.message));
    } else if (effect.kind === "delay") {
      clock.setTimer(effect.us, () => go({ ok: true, value: null }));
    } else if (effect.kind !== "hang") {
      // The other effects have no meaning here; a rule that asks for one is refused before it gets this far.
      go({ ok: true, value: null });
    }
  }

  #unpacked(slot: Slot, bringing: Bringing, archive: UnpackedArtifact): void {
    const { instance, journal } = this.#options;
    const { targetModel, request, done } = bringing;
    this.#usedBytes += archive.bytes - slot.bytes;
    slot.bytes = archive.bytes;
    journal.write({
      instance,
      model: targetModel,
      request,
      event: "unpacked",
      bytes: archive.bytes,
      durationUs: slot.fetchUs,
    });
    this.#makeRoom(bringing, 0, "before", (room) => {
      if (room) {
        slot.archive = archive;
        done({ ok: true, archive });
        return;
      }
      const text = this.#tooLarge(archive.bytes);
      this.#options.artifacts.remove(modelNameOf(targetModel), () => {
        this.#forget(slot);
        this.#failed(bringing, "disk-full", text);
      });
    });
  }

  #notFetched(slot: Slot, bringing: Bringing, artifact: Artifact, error: TritonError): void {
    this.#forget(slot);
    if (!error.message.includes(NO_SPACE)) {
      const problem =
        error.code === "INVALID_ARG" ? "refused" : error.code === "NOT_FOUND" ? "missing" : "failed";
      this.#failed(bringing, problem, error.message);
      return;
    }
    // The disk is fuller than it looked from here. Each attempt deletes an archive, so there is a last one.
    this.#makeRoom(bringing, artifact.archiveBytes, "refused", (room) => {
      if (room) this.#download(bringing, artifact);
      else this.#failed(bringing, "disk-full", error.message);
    });
  }

  #failed({ targetModel, request, done }: Bringing, problem: ArtifactProblem, text: string): void {
    const { instance, journal } = this.#options;
    journal.write({ instance, model: targetModel, request, event: "artifact-refused", text });
    done({ ok: false, problem, text });
  }

  /**
   * Makes room for so many bytes more.
   * @param when `before` = the bytes known here decide; `refused` = the disk has said it is full, so at least one must go
   * @param done false = there is not enough room, or (`refused`) nothing that could go
   */
  #makeRoom(
    { request }: Bringing,
    bytes: number,
    when: "before" | "refused",
    done: (room: boolean) => void,
  ): void {
    const { clock, capacityBytes, settings } = this.#options;
    const missing = when === "refused" ? capacityBytes - this.#usedBytes + 1 : 0;
    const occasion = { kind: "disk-write", bytes: Math.max(bytes, missing) } as const;
    if (this.#usedBytes + occasion.bytes <= capacityBytes) {
      done(true);
      return;
    }
    const reading = this.#reading();
    const firing = settings.triggers.includes("disk-full")
      ? triggers["disk-full"]({ occasion, residents: [], reading }, settings)
      : null;
    if (firing === null || firing.action !== "make-room") {
      done(false);
      return;
    }
    const { victims, enough, memory } = selectVictims(
      { ...settings, measure: "disk", howMany: "until-estimate-fits", highWater: 1, minimumIdleUs: 0 },
      {
        nowUs: clock.now(),
        residents: [...this.#slots.values()].map((slot) => this.#resident(slot)),
        reading,
        need: { host: 0, gpu: 0, disk: bytes },
        leastVictims: firing.leastVictims,
      },
      this.#policyMemory,
    );
    this.#policyMemory = memory;
    // Where it cannot be enough, nothing is deleted for nothing.
    if (victims.length === 0 || !enough) {
      done(false);
      return;
    }
    let left = victims.length;
    for (const { name } of victims) {
      this.delete(name, request, `${settings.victims}: ${firing.because}`, () => {
        left--;
        if (left === 0) done(true);
      });
    }
  }

  #resident(slot: Slot): ResidentModel {
    return {
      name: slot.targetModel,
      bytes: { host: 0, gpu: 0, disk: slot.bytes },
      lastUseUs: slot.lastUseUs,
      uses: slot.uses,
      loadOrder: slot.order,
      loadUs: slot.fetchUs,
      inflationAtLastUse: slot.inflationAtLastUse,
      nextUseUs: null,
      pinned: false,
      busy: slot.archive === null || slot.deleted !== null || this.#options.inUse(slot.targetModel),
    };
  }

  #reading(): MemoryReading {
    return {
      used: { host: 0, gpu: 0, disk: this.#usedBytes },
      capacity: { host: 0, gpu: 0, disk: this.#options.capacityBytes },
    };
  }

  #forget(slot: Slot): void {
    this.#usedBytes -= slot.bytes;
    this.#slots.delete(slot.targetModel);
  }

  #tooLarge(bytes: number): string {
    const { capacityBytes } = this.#options;
    return `${bytes} bytes do not fit, ${Math.max(0, capacityBytes - this.#usedBytes)} of ${capacityBytes} are free and no other archive may go`;
  }
}
