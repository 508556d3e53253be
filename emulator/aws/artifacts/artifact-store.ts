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

/** Where archives come from, and the folders of one instance they are unpacked into. Time passes on the clock it was made with. */
export interface ArtifactStore {
  /** null = there is no such archive. */
  find(targetModel: string, done: (result: Result<Artifact | null>) => void): void;
  /**
   * Downloads and unpacks into the folder of `modelName` (a hash). Where it fails nothing is left behind.
   * Errors, with what was wrong and where: INVALID_ARG for what is no archive, is cut off, or would leave its folder or the
   * limits; RESOURCE_EXHAUSTED-like UNAVAILABLE `No space left on device` for a full disk.
   */
  fetch(artifact: Artifact, modelName: string, done: (result: Result<UnpackedArtifact>) => void): void;
  /** Deletes the folder; without one, nothing. */
  remove(modelName: string, done: () => void): void;
}
