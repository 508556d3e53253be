import type { ArtifactStore } from "../aws/artifacts/artifact-store.ts";
import type { Clock } from "../common/clock.ts";

/** The same archives; the clock is held while they are looked for, fetched and removed. */
export const heldArtifacts = (store: ArtifactStore, clock: Pick<Clock, "hold">): ArtifactStore => {
  const releasing = <T extends readonly unknown[]>(
    done: (...result: T) => void,
  ): ((...result: T) => void) => {
    const release = clock.hold();
    return (...result) => {
      release();
      done(...result);
    };
  };
  return {
    find: (targetModel, done) => store.find(targetModel, releasing(done)),
    fetch: (artifact, modelName, done) => store.fetch(artifact, modelName, releasing(done)),
    remove: (modelName, done) => store.remove(modelName, releasing(done)),
  };
};
