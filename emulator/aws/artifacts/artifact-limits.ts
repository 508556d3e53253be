/** What an archive may hold; docs/artifacts.md tells what they are for. */
export interface ArtifactLimits {
  /** Files, folders and links together. */
  readonly entries: number;
  readonly unpackedBytes: number;
  /** Unpacked bytes for each byte of the archive; the first `freeBytes` unpacked bytes do not count. */
  readonly ratio: number;
  readonly freeBytes: number;
  /** Characters of a whole path below the folder, and bytes of one part of it. */
  readonly pathLength: number;
  readonly nameBytes: number;
  /** Parts of a path. */
  readonly depth: number;
}

/** Ours: AWS documents none but the size of the disk. */
export const defaultArtifactLimits: ArtifactLimits = {
  entries: 20_000,
  unpackedBytes: 100 * 2 ** 30,
  ratio: 200,
  freeBytes: 256 * 2 ** 20,
  pathLength: 1024,
  nameBytes: 255,
  depth: 32,
};
