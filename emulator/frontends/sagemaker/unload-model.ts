import type { Clock, Timer } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import type { InferenceServer } from "../../core/inference-server.ts";
import type { RepositoryRegistry } from "../../core/repository-registry.ts";
import type { HttpReply } from "../http1/reply.ts";
import { emptyReply, plainErrorReply } from "../kserve-json/reply.ts";
import type { ModelList } from "./model-list.ts";

/** Between two looks at the index. */
const PAUSE_US = 500_000;
/** The platform itself gives up after 360 s. */
const LIMIT_US = 350_000_000;
const SECOND_US = 1_000_000;

export interface UnloadDependencies {
  readonly server: InferenceServer & RepositoryRegistry;
  readonly models: ModelList;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Unloads models and waits until they are gone: until the index says so of the Triton model, looked at every half second,
 * or 350 s have passed, when it is answered as if it were gone. An unload without the TargetModel of the load waits that
 * long for a model that does not exist, and leaves the real one where it is (2.51.0).
 */
export class ModelUnloader {
  readonly #dependencies: UnloadDependencies;
  readonly #pauses = new Set<Timer>();

  constructor(dependencies: UnloadDependencies) {
    this.#dependencies = dependencies;
  }

  /** `DELETE /models/{name}`. @param targetModel the name of the Triton model; undefined = the platform's */
  unload(name: string, targetModel: string | undefined, reply: (reply: HttpReply) => void): void {
    const { server, models, clock, log } = this.#dependencies;
    const repository = models.get(name);
    if (repository === undefined) {
      reply(emptyReply(404));
      return;
    }
    const model = targetModel ?? name;
    log.info(`Unloading SageMaker TargetModel: ${model}\n`);
    server.unloadModel(model, true, (error) => {
      if (error !== null) {
        reply(plainErrorReply(400, error.message));
        return;
      }
      const startUs = clock.now();
      this.#waitUntilGone(model, startUs, (gone) => {
        const seconds = Math.floor((clock.now() - startUs) / SECOND_US);
        log.info(`UNLOAD for model ${model} completed in ${seconds} seconds.`);
        if (!gone) {
          log.error(
            `Error: UNLOAD did not complete within expected ${LIMIT_US / SECOND_US} seconds. This may result in SageMaker UNLOAD timeout.`,
          );
        }
        const refused = server.unregisterRepository(repository);
        models.delete(name);
        reply(refused === null ? emptyReply(200) : plainErrorReply(400, refused.message));
      });
    });
  }

  /** Ends every wait; nothing is answered any more. */
  stop(): void {
    for (const pause of this.#pauses) pause.cancel();
    this.#pauses.clear();
  }

  #waitUntilGone(model: string, startUs: number, done: (gone: boolean) => void): void {
    const { server, clock } = this.#dependencies;
    server.repositoryIndex(false, (rows) => {
      const gone =
        rows.ok &&
        rows.value.some(
          ({ name, state, reason }) => name === model && state === "UNAVAILABLE" && reason === "unloaded",
        );
      const pause = clock.setTimer(PAUSE_US, () => {
        this.#pauses.delete(pause);
        if (gone) done(true);
        else if (clock.now() - startUs >= LIMIT_US) done(false);
        else this.#waitUntilGone(model, startUs, done);
      });
      this.#pauses.add(pause);
    });
  }
}
