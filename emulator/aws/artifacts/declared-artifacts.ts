import type { Clock } from "../../common/clock.ts";
import { ok, type Result } from "../../common/status.ts";
import { type ArtifactLimits, defaultArtifactLimits } from "./artifact-limits.ts";
import type { Artifact, ArtifactStore, UnpackedArtifact } from "./artifact-store.ts";
import type { DiskSpace } from "./disk-space.ts";
import { FolderTurns } from "./folder-turns.ts";
import { refusal, unpackLimit } from "./refusal.ts";

/** What is wrong with an archive; a bomb is one whose declared sizes break the limits. */
export type ArtifactDamage = "not-gzip" | "truncated" | "leaves-folder";

/** An archive that is stated, not there. */
export interface DeclaredArtifact {
  readonly targetModel: string;
  /** What is downloaded. */
  readonly archiveBytes: number;
  /** What it takes on the disk, whatever `files` holds. */
  readonly unpackedBytes: number;
  /** The texts that somebody reads, such as config.pbtxt, by path in the archive; a path that ends in `/` is a folder. */
  readonly files: ReadonlyMap<string, string>;
  readonly damage?: ArtifactDamage;
}

/** The model data prefix of an endpoint, shared by its instances. */
export class DeclaredArchives {
  readonly #archives = new Map<string, Artifact & DeclaredArtifact>();
  #versions = 0;

  /** Overwrites an archive of the same name, and gives it a new etag. */
  put(declared: DeclaredArtifact): void {
    this.#versions++;
    this.#archives.set(declared.targetModel, { ...declared, etag: `"${this.#versions}"` });
  }

  /** Deletes it; without one, nothing. */
  delete(targetModel: string): void {
    this.#archives.delete(targetModel);
  }

  get(targetModel: string): (Artifact & DeclaredArtifact) | null {
    return this.#archives.get(targetModel) ?? null;
  }
}

/** Where the texts of an unpacked archive are read; `InMemoryStorage` is one. */
export interface UnpackedFiles {
  /** A path that ends in `/` makes a folder. */
  write(path: string, content: string): void;
  /** A file, or a folder with all that is in it. */
  remove(path: string): void;
}

export interface DeclaredArtifactsOptions {
  readonly archives: DeclaredArchives;
  readonly files: UnpackedFiles;
  readonly disk: DiskSpace;
  readonly clock: Clock;
  /** Bytes per second; each download, and each unpacking, has them to itself. */
  readonly downloadBytesPerSecond: number;
  readonly unpackBytesPerSecond: number;
  /** Until it is known whether there is such an archive. Default 0. */
  readonly findUs?: number;
  readonly limits?: ArtifactLimits;
  /** Default `/opt/ml/models`; the folders are `<root>/<hash>/model`. */
  readonly root?: string;
}

/**
 * The archives of a simulated instance: every answer comes on the clock, in a time that follows from the declared sizes.
 * A fetch takes the archive that is there when it begins; first all of it is downloaded, then unpacked. While a folder is
 * replaced the old content keeps its room on the disk, as for real archives.
 */
export class DeclaredArtifacts implements ArtifactStore {
  readonly #options: DeclaredArtifactsOptions;
  readonly #turns = new FolderTurns();
  /** Bytes on the disk, by model name. */
  readonly #unpacked = new Map<string, number>();

  constructor(options: DeclaredArtifactsOptions) {
    this.#options = options;
  }

  find(targetModel: string, done: (result: Result<Artifact | null>) => void): void {
    const { archives, clock, findUs = 0 } = this.#options;
    clock.setTimer(findUs, () => done(ok(archives.get(targetModel))));
  }

  fetch(
    { targetModel }: Artifact,
    modelName: string,
    done: (result: Result<UnpackedArtifact>) => void,
  ): void {
    this.#turns.run(modelName, (next) => {
      this.#fetch(targetModel, modelName, (result) => {
        done(result);
        next();
      });
    });
  }

  remove(modelName: string, done: () => void): void {
    const { clock, disk, files } = this.#options;
    this.#turns.run(modelName, (next) => {
      clock.defer(() => {
        const bytes = this.#unpacked.get(modelName);
        if (bytes !== undefined) {
          this.#unpacked.delete(modelName);
          files.remove(this.#folder(modelName));
          disk.giveBack(bytes);
        }
        done();
        next();
      });
    });
  }

  #fetch(targetModel: string, modelName: string, done: (result: Result<UnpackedArtifact>) => void): void {
    const { archives, clock, downloadBytesPerSecond } = this.#options;
    const archive = archives.get(targetModel);
    if (archive === null) {
      clock.defer(() => done(refusal.missing(targetModel)));
      return;
    }
    clock.setTimer(microseconds(archive.archiveBytes, downloadBytesPerSecond), () =>
      this.#unpack(archive, modelName, done),
    );
  }

  #unpack(
    archive: DeclaredArtifact,
    modelName: string,
    done: (result: Result<UnpackedArtifact>) => void,
  ): void {
    const { clock, disk, files, unpackBytesPerSecond, limits = defaultArtifactLimits } = this.#options;
    const { targetModel, archiveBytes, unpackedBytes } = archive;
    const after = (bytes: number, result: () => Result<UnpackedArtifact>): void => {
      clock.setTimer(microseconds(bytes, unpackBytesPerSecond), () => done(result()));
    };
    const limit = unpackLimit(targetModel, archiveBytes, limits);
    if (archive.damage === "not-gzip") after(0, () => refusal.notGzip(targetModel));
    else if (archive.damage === "leaves-folder") after(0, () => refusal.leaves(targetModel, "../escape"));
    else if (unpackedBytes > limit.bytes) after(limit.bytes, limit.refused);
    else if (!disk.take(unpackedBytes)) after(0, refusal.diskFull);
    else if (archive.damage === "truncated") {
      after(unpackedBytes, () => {
        disk.giveBack(unpackedBytes);
        return refusal.cutOff(targetModel, "in the middle of its gzip stream");
      });
    } else {
      after(unpackedBytes, () => {
        const url = `${this.#folder(modelName)}/model`;
        const replaced = this.#unpacked.get(modelName);
        if (replaced !== undefined) {
          files.remove(this.#folder(modelName));
          disk.giveBack(replaced);
        }
        files.write(`${url}/`, "");
        for (const [path, text] of archive.files) files.write(`${url}/${path}`, text);
        this.#unpacked.set(modelName, unpackedBytes);
        return ok({ url, bytes: unpackedBytes });
      });
    }
  }

  #folder(modelName: string): string {
    return `${this.#options.root ?? "/opt/ml/models"}/${modelName}`;
  }
}

const microseconds = (bytes: number, bytesPerSecond: number): number =>
  Math.ceil((bytes / bytesPerSecond) * 1e6);
