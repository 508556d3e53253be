import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail, ok, type Result } from "../../common/status.ts";
import type { Artifact } from "./artifact-store.ts";
import {
  type ArchiveSource,
  asSystemError,
  cannotServe,
  type OpenArchive,
  UnpackedArtifacts,
  type UnpackOptions,
} from "./unpacked-artifacts.ts";

export interface DirectoryArtifactsOptions extends UnpackOptions {
  /** The model data prefix: an archive is at `<directory>/<TargetModel>`. */
  readonly directory: string;
}

/**
 * Archives in a directory of this machine. They are read where they lie, without a copy. The names are those of S3:
 * `team/a.tar.gz` lies in a subfolder, and nothing else than a plain key is found.
 */
export class DirectoryArtifacts extends UnpackedArtifacts {
  /** Errors: INVALID_ARG where the directory cannot be read, UNKNOWN where the root cannot be made. */
  static async open({
    directory,
    ...options
  }: DirectoryArtifactsOptions): Promise<Result<DirectoryArtifacts>> {
    try {
      await readdir(directory);
    } catch (error) {
      const why = asSystemError(error).message;
      return fail(
        "INVALID_ARG",
        `cannot serve model archives: ${why}; name the folder that holds them (*.tar.gz)`,
      );
    }
    try {
      await DirectoryArtifacts.prepare(options.root);
    } catch (error) {
      return cannotServe(error);
    }
    return ok(new DirectoryArtifacts(directorySource(directory), options));
  }
}

const directorySource = (directory: string): ArchiveSource => {
  const find = async (targetModel: string): Promise<Artifact | null> => {
    if (!isKey(targetModel)) return null;
    try {
      const status = await stat(join(directory, targetModel), { bigint: true });
      if (!status.isFile()) return null;
      return { targetModel, archiveBytes: Number(status.size), etag: version(status) };
    } catch (error) {
      const { code } = asSystemError(error);
      if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return null;
      throw error;
    }
  };
  return {
    find,
    open: async (targetModel) =>
      (await find(targetModel)) === null ? null : await openArchive(join(directory, targetModel)),
  };
};

const openArchive = async (path: string): Promise<OpenArchive> => {
  const file = await open(path);
  try {
    const status = await file.stat({ bigint: true });
    return {
      byteSize: Number(status.size),
      content: () => contentOf(file),
      isUnchanged: async () => version(await file.stat({ bigint: true })) === version(status),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
};

const CHUNK = 256 * 1024;

/** From the start; the file stays open. */
const contentOf = async function* (file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
};

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
