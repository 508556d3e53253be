import type { Clock, Timer } from "../../common/clock.ts";
import { type Linked, LinkedList } from "../../common/linked-list.ts";
import type { Log } from "../../common/log.ts";
import type { FaultSource } from "../../core/faults/fault-source.ts";
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
  readonly faults: FaultSource;
}

/** An invocation whose answer has not left. */
interface OpenInvocation extends Linked<OpenInvocation> {
  /** The name of the Triton model. */
  readonly model: string;
  /** Answers that an unload holds back, this one's among them; null = none does. */
  heldBack: (() => void)[] | null;
}

/**
 * Unloads models and waits until they are gone: until the index says so of the Triton model, looked at every half second,
 * or 350 s have passed, when it is answered as if it were gone. An unload without the TargetModel of the load waits that
 * long for a model that does not exist, and leaves the real one where it is (2.51.0).
 *
 * Invocations that run have their answers waited for, unless `unload-during-invoke-hang` is imitated: in the real server the
 * unload takes the thread that would answer them, so that both wait for the 350 s to pass.
 */
export class ModelUnloader {
  readonly #dependencies: UnloadDependencies;
  readonly #pauses = new Set<Timer>();
  readonly #invocations = new LinkedList<OpenInvocation>();
  #hanging = 0;

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
      const heldBack = this.#holdInvocations(model);
      const wait = heldBack === null ? this.#waitUntilGone(model, startUs) : this.#waitForLimit(heldBack);
      wait((gone) => {
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

  /** Notes an invocation. @returns to be called with what sends its answer, at once or when the unload lets it go */
  beginInvocation(model: string): (deliver: () => void) => void {
    const invocation: OpenInvocation = { model, heldBack: null, earlier: null, later: null };
    this.#invocations.add(invocation);
    return (deliver) => {
      this.#invocations.remove(invocation);
      if (invocation.heldBack === null) deliver();
      else invocation.heldBack.push(deliver);
    };
  }

  /** An unload and an invocation of the same model wait for each other. */
  get holdsInvocations(): boolean {
    return this.#hanging > 0;
  }

  /** Ends every wait; nothing is answered any more. */
  stop(): void {
    for (const pause of this.#pauses) pause.cancel();
    this.#pauses.clear();
  }

  /** Null = none runs, or the real server's hang is not imitated. */
  #holdInvocations(model: string): (() => void)[] | null {
    const open = this.#invocations.all().filter((invocation) => invocation.model === model);
    if (open.length === 0 || !this.#dependencies.faults.imitates("unload-during-invoke-hang")) return null;
    const heldBack: (() => void)[] = [];
    for (const invocation of open) invocation.heldBack = heldBack;
    return heldBack;
  }

  #waitForLimit(heldBack: (() => void)[]) {
    return (done: (gone: boolean) => void): void => {
      this.#hanging++;
      this.#pause(LIMIT_US, () => {
        this.#hanging--;
        done(false);
        for (const deliver of heldBack.splice(0)) deliver();
      });
    };
  }

  #waitUntilGone(model: string, startUs: number) {
    const { server, clock } = this.#dependencies;
    const look = (done: (gone: boolean) => void): void =>
      server.repositoryIndexOf(model, (rows) => {
        // The real server dies where the index cannot be read, as when the archive is not there any more.
        const gone =
          !rows.ok ||
          rows.value.some(({ state, reason }) => state === "UNAVAILABLE" && reason === "unloaded");
        this.#pause(PAUSE_US, () => {
          if (gone) done(true);
          else if (clock.now() - startUs >= LIMIT_US) done(false);
          else look(done);
        });
      });
    return look;
  }

  #pause(us: number, run: () => void): void {
    const pause = this.#dependencies.clock.setTimer(us, () => {
      this.#pauses.delete(pause);
      run();
    });
    this.#pauses.add(pause);
  }
}
