import type { Result } from "../../common/status.ts";

/** An archive as it lies under the model data prefix of an endpoint. */
export interface Artifact {
  /** The TargetModel: the key below the prefix. */
  readonly targetModel: string;
  readonly archiveBytes: number;
  /** Changes when the archive is overwritten. */
  readonly etag: string;
}

/** An archive on the disk of an instance. */
export interface UnpackedArtifact {
  /** What a load is told: the folder that holds the archive's content. */
  readonly url: string;
  /** Of the unpacked files. */
  readonly bytes: number;
}

/**
 * Where archives come from, and the folders of one instance they are unpacked into. What is asked for one folder is done in
 * the order it was asked for.
 */
export interface ArtifactStore {
  /** null = there is no such archive. */
  find(targetModel: string, done: (result: Result<Artifact | null>) => void): void;
  /**
   * Downloads and unpacks into the folder of `modelName` (a hash), in the place of what was there. The archive is the one
   * that lies there now, found or not. Where it fails nothing new is left behind, and what was there stays.
   * Errors, with what was wrong and where (docs/artifacts.md): INVALID_ARG for what is no archive, is cut off, or would leave
   * its folder or the limits; NOT_FOUND for what is gone; UNAVAILABLE `No space left on device` for a full disk; UNKNOWN for
   * what the operating system refuses.
   */
  fetch(artifact: Artifact, modelName: string, done: (result: Result<UnpackedArtifact>) => void): void;
  /** Deletes the folder; without one, nothing. */
  remove(modelName: string, done: () => void): void;
}
