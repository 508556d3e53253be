/** What is known of a model before it is loaded. Null = not known. */
export interface Newcomer {
  /** Of the archive, unpacked. */
  readonly artifactBytes: number;
  /** What the memory profile predicts for it. */
  readonly profileBytes: number | null;
  /** What the instance's use grew by at its last load. */
  readonly lastLoadBytes: number | null;
}

/** Bytes a model is expected to need in a pool; where an estimate has nothing to go by, the artifact's own bytes. */
export type Estimate = (newcomer: Newcomer) => number;

const timesArtifact =
  (factor: number): Estimate =>
  ({ artifactBytes }) =>
    Math.ceil(artifactBytes * factor);

/** By name. The factors are those of estimators in use elsewhere; none is known to be SageMaker's. */
export const estimates = {
  "artifact-times-1.2": timesArtifact(1.2),
  "artifact-times-1.25": timesArtifact(1.25),
  "artifact-times-2.75": timesArtifact(2.75),
  profile: ({ profileBytes, artifactBytes }) => profileBytes ?? artifactBytes,
  "last-load": ({ lastLoadBytes, artifactBytes }) => lastLoadBytes ?? artifactBytes,
} satisfies Readonly<Record<string, Estimate>>;

export type EstimateName = keyof typeof estimates;
