import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ok, type Result, TritonError } from "../../common/status.ts";
import { type ArtifactLimits, defaultArtifactLimits } from "./artifact-limits.ts";
import type { Artifact, ArtifactStore, UnpackedArtifact } from "./artifact-store.ts";
import { CountedDisk, type DiskSpace } from "./disk-space.ts";
import { FolderTurns } from "./folder-turns.ts";
import { refusal } from "./refusal.ts";
import { type Archive, asRefusal, unpack } from "./unpack.ts";

/** An archive that is read; it may be replaced meanwhile. */
export interface OpenArchive extends Archive {
  /** Whether what was read is one and the same archive. */
  isUnchanged(): Promise<boolean>;
  close(): Promise<void>;
}

/** Where archives lie. Both may reject with what the operating system says. */
export interface ArchiveSource {
  /** Null = there is no such archive. */
  find(targetModel: string): Promise<Artifact | null>;
  open(targetModel: string): Promise<OpenArchive | null>;
}

/** Folders of an instance for unpacked archives. */
export interface UnpackOptions {
  /** Of one instance alone; is made. The folders are `<root>/<hash>/model`. */
  readonly root: string;
  /** Of unpacked content. Default: as much as the file system has. */
  readonly disk?: DiskSpace;
  readonly limits?: ArtifactLimits;
}

/** Folders that are not whole; a hash has no such name. */
const PARTIAL = ".partial-";

/**
 * Archives that are unpacked into folders of this machine, in real time, as they are read. A folder is unpacked beside its
 * place and put there by a rename, so it is whole or not there; what a crash left is removed at the start.
 */
export class UnpackedArtifacts implements ArtifactStore {
  readonly #source: ArchiveSource;
  readonly #root: string;
  readonly #disk: DiskSpace;
  readonly #limits: ArtifactLimits;
  readonly #turns = new FolderTurns();
  /** Bytes on the disk, by model name. */
  readonly #unpacked = new Map<string, number>();
  #partials = 0;

  protected constructor(
    source: ArchiveSource,
    { root, disk = new CountedDisk(Number.POSITIVE_INFINITY), limits = defaultArtifactLimits }: UnpackOptions,
  ) {
    this.#source = source;
    this.#root = root;
    this.#disk = disk;
    this.#limits = limits;
  }

  /** Makes the root and removes what is not whole. Rejects with what the operating system says. */
  protected static async prepare(root: string): Promise<void> {
    await mkdir(root, { recursive: true });
    for (const name of await readdir(root)) {
      if (name.startsWith(PARTIAL)) await rm(join(root, name), { recursive: true, force: true });
    }
  }

  find(targetModel: string, done: (result: Result<Artifact | null>) => void): void {
    answer(this.#find(targetModel), done);
  }

  fetch(
    { targetModel }: Artifact,
    modelName: string,
    done: (result: Result<UnpackedArtifact>) => void,
  ): void {
    this.#turns.run(modelName, (next) => {
      answer(this.#fetch(targetModel, modelName), (result) => {
        done(result);
        next();
      });
    });
  }

  remove(modelName: string, done: () => void): void {
    this.#turns.run(modelName, (next) => {
      // A folder that cannot be deleted keeps its room on the disk; a fetch into it says why.
      answer(this.#remove(modelName).catch(asSystemError), () => {
        done();
        next();
      });
    });
  }

  async #find(targetModel: string): Promise<Result<Artifact | null>> {
    try {
      return ok(await this.#source.find(targetModel));
    } catch (error) {
      return refusal.failed(targetModel, asSystemError(error).message);
    }
  }

  async #fetch(targetModel: string, modelName: string): Promise<Result<UnpackedArtifact>> {
    const partial = join(this.#root, `${PARTIAL}${modelName}-${this.#partials++}`);
    let taken = 0;
    try {
      await this.#unpack(targetModel, join(partial, "model"), (bytes) => {
        taken += bytes;
      });
      await this.#remove(modelName);
      await rename(partial, this.#folder(modelName));
      this.#unpacked.set(modelName, taken);
      return ok({ url: join(this.#folder(modelName), "model"), bytes: taken });
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      this.#disk.giveBack(taken);
      return { ok: false, error: asRefusal(error, targetModel) };
    }
  }

  async #unpack(targetModel: string, folder: string, onTaken: (bytes: number) => void): Promise<void> {
    const archive = await this.#source.open(targetModel);
    if (archive === null) throw refusal.missing(targetModel).error;
    try {
      await mkdir(folder, { recursive: true });
      const { ok: whole, error } = await unpack({
        targetModel,
        archive,
        folder,
        limits: this.#limits,
        disk: this.#disk,
        onTaken,
      }).then(
        () => ({ ok: true, error: null }),
        (error: unknown) => ({ ok: false, error }),
      );
      if (!(await archive.isUnchanged())) throw refusal.changed(targetModel).error;
      if (!whole) throw error;
    } finally {
      await archive.close();
    }
  }

  async #remove(modelName: string): Promise<void> {
    await rm(this.#folder(modelName), { recursive: true, force: true });
    this.#disk.giveBack(this.#unpacked.get(modelName) ?? 0);
    this.#unpacked.delete(modelName);
  }

  #folder(modelName: string): string {
    return join(this.#root, modelName);
  }
}

/** Why archives cannot be served at all, in the operating system's words. */
export const cannotServe = (error: unknown): Result<never> => ({
  ok: false,
  error: new TritonError("UNKNOWN", `cannot serve model archives: ${asSystemError(error).message}`),
});

/** Throws on what is a bug of ours. */
export const asSystemError = (error: unknown): { readonly code: string; readonly message: string } => {
  if (!(error instanceof Error) || !("code" in error)) throw error;
  return { code: String(error.code), message: error.message };
};

/** Hands a promise's result to a callback in a turn of its own: what the callback throws is a bug and must not be swallowed. */
const answer = <T>(work: Promise<T>, done: (result: T) => void): void => {
  work.then(
    (result) => setImmediate(done, result),
    (bug: unknown) => {
      setImmediate(() => {
        throw bug;
      });
    },
  );
};
