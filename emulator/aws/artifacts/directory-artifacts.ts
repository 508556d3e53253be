import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ok, type Result, TritonError } from "../../common/status.ts";
import { type ArtifactLimits, defaultArtifactLimits } from "./artifact-limits.ts";
import type { Artifact, ArtifactStore, UnpackedArtifact } from "./artifact-store.ts";
import { CountedDisk, type DiskSpace } from "./disk-space.ts";
import { FolderTurns } from "./folder-turns.ts";
import { refusal } from "./refusal.ts";
import { asRefusal, unpack } from "./unpack.ts";

export interface DirectoryArtifactsOptions {
  /** The model data prefix: an archive is at `<directory>/<TargetModel>`. */
  readonly directory: string;
  /** Of one instance alone; is made. The folders are `<root>/<hash>/model`. */
  readonly root: string;
  /** Of unpacked content. Default: as much as the file system has. */
  readonly disk?: DiskSpace;
  readonly limits?: ArtifactLimits;
}

/** Folders that are not whole; a hash has no such name. */
const PARTIAL = ".partial-";

/**
 * Archives in a directory of this machine, in real time. They are read where they lie, without a copy. A folder is
 * unpacked beside its place and put there by a rename, so it is whole or not there; what a crash left is removed at the
 * start. The names are those of S3: `team/a.tar.gz` lies in a subfolder, and nothing else than a plain key is found.
 */
export class DirectoryArtifacts implements ArtifactStore {
  readonly #directory: string;
  readonly #root: string;
  readonly #disk: DiskSpace;
  readonly #limits: ArtifactLimits;
  readonly #turns = new FolderTurns();
  /** Bytes on the disk, by model name. */
  readonly #unpacked = new Map<string, number>();
  #partials = 0;

  private constructor({
    directory,
    root,
    disk = new CountedDisk(Number.POSITIVE_INFINITY),
    limits = defaultArtifactLimits,
  }: DirectoryArtifactsOptions) {
    this.#directory = directory;
    this.#root = root;
    this.#disk = disk;
    this.#limits = limits;
  }

  /** Errors: UNKNOWN where the directory cannot be read or the root not be made. */
  static async open(options: DirectoryArtifactsOptions): Promise<Result<DirectoryArtifacts>> {
    const { directory, root } = options;
    try {
      await readdir(directory);
      await mkdir(root, { recursive: true });
      for (const name of await readdir(root)) {
        if (name.startsWith(PARTIAL)) await rm(join(root, name), { recursive: true, force: true });
      }
    } catch (error) {
      const { message } = asError(error);
      return { ok: false, error: new TritonError("UNKNOWN", `cannot serve model archives: ${message}`) };
    }
    return ok(new DirectoryArtifacts(options));
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
      answer(this.#remove(modelName).catch(asError), () => {
        done();
        next();
      });
    });
  }

  async #find(targetModel: string): Promise<Result<Artifact | null>> {
    if (!isKey(targetModel)) return ok(null);
    try {
      const status = await stat(join(this.#directory, targetModel), { bigint: true });
      if (!status.isFile()) return ok(null);
      return ok({ targetModel, archiveBytes: Number(status.size), etag: version(status) });
    } catch (error) {
      const { code, message } = asError(error);
      if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return ok(null);
      return refusal.failed(targetModel, message);
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
    const archive = await this.#open(targetModel);
    try {
      const before = version(await archive.stat({ bigint: true }));
      const changed = async (): Promise<boolean> => version(await archive.stat({ bigint: true })) !== before;
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
      if (await changed()) throw refusal.changed(targetModel).error;
      if (!whole) throw error;
    } finally {
      await archive.close();
    }
  }

  async #open(targetModel: string): Promise<FileHandle> {
    const found = await this.#find(targetModel);
    if (!found.ok) throw found.error;
    if (found.value === null) throw refusal.missing(targetModel).error;
    return await open(join(this.#directory, targetModel));
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

/** A key of S3 that is also a path below the directory. */
const isKey = (targetModel: string): boolean =>
  !targetModel.includes("\0") &&
  targetModel.split("/").every((part) => part !== "" && part !== "." && part !== "..");

/** Changes when the file is written, or replaced by another one. */
const version = ({
  ino,
  size,
  mtimeNs,
}: {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}): string => `"${ino.toString(16)}-${size.toString(16)}-${mtimeNs.toString(16)}"`;

const asError = (error: unknown): { readonly code: string; readonly message: string } => {
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
