import type { Clock, Timer } from "../../common/clock.ts";
import type { FaultSource } from "../../core/faults/fault-source.ts";
import type { EventBody, JournalWriter } from "../../journal/event.ts";
import type { ArtifactStore } from "../artifacts/artifact-store.ts";
import type { Answered, AnswerParts, Container, ContainerAnswer } from "./container.ts";
import { ContainerHealth } from "./container-health.ts";
import { listedNames } from "./container-list.ts";
import { type ArtifactProblem, DiskCache } from "./disk-cache.ts";
import type { EvictionSettings } from "./eviction/presets.ts";
import {
  type Bytes,
  type MemoryReading,
  type ResidentModel,
  utilisation,
} from "./eviction/resident-model.ts";
import { EvictionDecisions, type NamedFiring } from "./eviction-decisions.ts";
import { type MemoryGauge, MemorySampler } from "./memory-sampler.ts";
import { type Dated, PendingInvocations } from "./pending-invocations.ts";
import {
  type AnswerContent,
  type EndpointIdentity,
  fromContainer,
  fromPlatform,
  isSuccess,
  localEndpoint,
  type PlatformAnswer,
  type PlatformError,
  platformErrors,
  textOf,
} from "./platform-answer.ts";
import { type PlatformSettings, sagemakerPlatform } from "./platform-settings.ts";
import { modelNameOf, refuseTargetModel } from "./target-model.ts";

/** A call of InvokeEndpoint. */
export interface Invocation {
  readonly requestId: string;
  readonly targetModel: string;
  /** Those that reach the container, name and value in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  /** Where the answer may come bit by bit. Only containers of one model can, and not all of them. */
  readonly parts?: AnswerParts;
  /** Of containers of one model: how long an asynchronous invocation may take. Default: as long as any. */
  readonly limitUs?: number;
}

export interface AgentOptions {
  /** Its name in the journal. */
  readonly instance: string;
  /** Running, and empty. */
  readonly container: Container;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly gauge: MemoryGauge;
  readonly disk: { readonly capacityBytes: number };
  readonly settings: EvictionSettings;
  /** `ModelCacheSetting`: false = Disabled, which adds `cache-disabled` to the triggers. */
  readonly cacheEnabled: boolean;
  readonly seed: number;
  readonly journal: JournalWriter;
  readonly faults: FaultSource;
  /** Default: SageMaker's, as docs/placement.md has it. */
  readonly platform?: Partial<PlatformSettings>;
  readonly endpoint?: EndpointIdentity;
  /** Models that are never evicted, by TargetModel. */
  readonly pinned?: ReadonlySet<string>;
  /** What the memory profile predicts for a model, for the estimate `profile`. */
  readonly profileBytes?: (targetModel: string) => Bytes | null;
  /** When a model will be used next, for `belady`; null = never again. */
  readonly nextUseUs?: (targetModel: string) => number | null;
}

/** What the platform knows of a model on this instance. */
interface ModelRecord {
  readonly targetModel: string;
  readonly modelName: string;
  /**
   * `absent` from the container; `fetching` its archive, or waiting for the container to start; `loading`, from the decision
   * to make room for it to the last answer; `loaded`; `unloading`.
   */
  state: "absent" | "fetching" | "loading" | "loaded" | "unloading";
  /** Invocations that go on when it is loaded, or end when it cannot be. */
  waiting: Set<Pending>;
  /** Invocations that are not answered yet. */
  callers: number;
  /** Invocations at the container, those whose caller was answered meanwhile among them. */
  inFlight: number;
  artifactBytes: number;
  lastUseUs: number;
  uses: number;
  loadOrder: number;
  loadUs: number;
  inflationAtLastUse: number;
  /** What memory grew by at its last load; null = not measured. */
  lastLoadBytes: Bytes | null;
  /** Its unload failed: no victim again until it has been used. */
  stuck: boolean;
}

interface Pending extends Dated<Pending> {
  readonly call: Invocation;
  readonly answered: (answer: PlatformAnswer) => void;
  readonly record: ModelRecord;
  readonly arrivedUs: number;
  readonly cacheHit: boolean;
  /** `at-container`: asked, or about to be asked again. */
  phase: "waiting" | "at-container" | "answered";
  /** When the container was first asked; null = not yet. */
  servedUs: number | null;
  /** When it was asked what it has not answered yet; null = nothing. */
  askedUs: number | null;
  downloadUs: number;
  loadUs: number;
  unloadUs: number;
  containerUs: number;
  retriesLeft: number;
  /** The container did not know a model that should be loaded, so it was loaded again. */
  reloaded: boolean;
}

/** An answer; nobody there; or none within the limit. */
type Heard = ContainerAnswer | "refused" | "late";

const noBytes: Bytes = { host: 0, gpu: 0, disk: 0 };

/**
 * The platform on one instance: it brings models into the container, unloads others when memory is short, and starts the
 * container anew when it dies. An invocation of a loaded model costs the same however many models there are.
 */
export class InstanceAgent {
  readonly instance: string;
  readonly #options: AgentOptions;
  readonly #clock: Clock;
  readonly #settings: EvictionSettings;
  readonly #platform: PlatformSettings;
  readonly #endpoint: EndpointIdentity;
  readonly #health: ContainerHealth;
  readonly #sampler: MemorySampler;
  readonly #evictions: EvictionDecisions;
  readonly #cache: DiskCache;
  readonly #pending: PendingInvocations<Pending>;
  /** By TargetModel: in the container, on the disk, or asked for. */
  readonly #records = new Map<string, ModelRecord>();
  /** Those that are `loading`, `loaded` or `unloading`. */
  readonly #residents = new Set<ModelRecord>();
  /** Models that the container has of itself, by its name, while they are unloaded. */
  readonly #strays = new Set<string>();
  /** How many records are `fetching`. */
  #fetching = 0;
  #loads = 0;
  /** Changes when the container dies: what was asked before then is not waited for. */
  #life = 0;
  #idleTimer: Timer | null = null;
  #state: "open" | "draining" | "stopped" = "open";
  #drained: (() => void)[] = [];

  constructor(options: AgentOptions) {
    const { instance, container, artifacts, clock, gauge, disk, settings, seed, journal, faults } = options;
    this.instance = instance;
    this.#options = options;
    this.#clock = clock;
    this.#settings =
      options.cacheEnabled || settings.triggers.includes("cache-disabled")
        ? settings
        : { ...settings, triggers: [...settings.triggers, "cache-disabled"] };
    this.#platform = { ...sagemakerPlatform, ...options.platform };
    this.#endpoint = options.endpoint ?? localEndpoint;
    this.#health = new ContainerHealth({
      instance,
      container,
      clock,
      settings: this.#platform,
      journal,
      onDied: () => this.#forgetContainer(),
      onListed: (list) => this.#unloadStrays(listedNames(list)),
    });
    this.#sampler = new MemorySampler(gauge, clock, settings.sampleEveryUs);
    this.#evictions = new EvictionDecisions({
      instance,
      settings: this.#settings,
      sampler: this.#sampler,
      clock,
      seed,
      journal,
    });
    this.#cache = new DiskCache({
      instance,
      artifacts,
      clock,
      capacityBytes: disk.capacityBytes,
      settings: this.#settings,
      seed,
      journal,
      faults,
      inUse: (targetModel) => {
        const record = this.#records.get(targetModel);
        return record !== undefined && (record.state !== "absent" || record.inFlight > 0);
      },
    });
    this.#pending = new PendingInvocations(clock, (pending) => this.#expire(pending));
  }

  /** Begins to ping the container and to sample memory; from now on there is always a timer on the clock. */
  start(): void {
    if (this.#state === "stopped") return;
    this.#health.start();
    this.#sampler.start();
  }

  /** Ends all timers, for good; what waits is answered with 503. */
  stop(): void {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#life++;
    this.#health.stop();
    this.#sampler.stop();
    this.#pending.stop();
    this.#idleTimer?.cancel();
    for (const pending of this.#pending.all()) this.#answer(pending, fromPlatform(this.#leaving()));
    for (const done of this.#drained) done();
  }

  /** New calls get 503; it stops when those it has are answered. */
  drain(done: () => void): void {
    if (this.#state === "stopped") {
      done();
      return;
    }
    this.#drained.push(done);
    this.#state = "draining";
    this.#stopIfDrained();
  }

  /** Whether new calls can be served: not while the container is started anew, nor when it does not come back. */
  get healthy(): boolean {
    return this.#health.running && this.#state === "open";
  }

  /** How many models are in memory, or on their way in or out; those that are still downloaded among them. */
  get modelCount(): number {
    return this.#residents.size + this.#fetching;
  }

  /** How many models the container has loaded, and is not asked to unload: LoadedModelCount. Costs a pass over them. */
  get loadedCount(): number {
    let count = 0;
    for (const { state } of this.#residents) if (state === "loaded") count++;
    return count;
  }

  /** Invocations that are not answered yet. */
  get requestCount(): number {
    return this.#pending.size;
  }

  /** Share of the memory that counts for eviction which was free at the last sample, 0 to 1; null = it cannot be read. */
  get freeShare(): number | null {
    const sample = this.#sampler.sample();
    return sample === null ? null : 1 - utilisation(sample.reading, this.#settings.measure);
  }

  /** `coming`: an invocation waits for it. */
  holds(targetModel: string): "loaded" | "coming" | "absent" {
    const record = this.#records.get(targetModel);
    if (record?.state === "loaded") return "loaded";
    return record === undefined || record.waiting.size === 0 ? "absent" : "coming";
  }

  /** Models in memory, those on their way in or out (busy) among them. Costs a pass over them. */
  residents(): readonly ResidentModel[] {
    return [...this.#residents].map((record) => this.#resident(record));
  }

  /** Answers each call once, in this turn or later. */
  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    const { targetModel, requestId } = call;
    const record = this.#records.get(targetModel) ?? newRecord(targetModel);
    const nowUs = this.#clock.now();
    const pending: Pending = {
      call,
      answered,
      record,
      arrivedUs: nowUs,
      deadlineUs: nowUs + this.#platform.invocationLimitUs,
      earlier: null,
      later: null,
      cacheHit: record.state === "loaded",
      phase: "waiting",
      servedUs: null,
      askedUs: null,
      downloadUs: 0,
      loadUs: 0,
      unloadUs: 0,
      containerUs: 0,
      retriesLeft: this.#platform.invocationRetries,
      reloaded: false,
    };
    this.#write(record, requestId, { event: "invocation", cacheHit: pending.cacheHit });
    const refused = this.#state === "open" ? refuseTargetModel(targetModel, requestId) : this.#leaving();
    if (refused !== null) {
      this.#tell(pending, fromPlatform(refused));
      return;
    }
    this.#records.set(targetModel, record);
    this.#pending.add(pending);
    record.callers++;
    this.#admit(pending);
  }

  // A model comes in.

  #admit(pending: Pending): void {
    const { record } = pending;
    if (record.state === "loaded") {
      this.#serve(pending);
      return;
    }
    record.waiting.add(pending);
    if (record.state === "absent") this.#bringIn(record, pending);
  }

  #admitWaiting(record: ModelRecord): void {
    for (const pending of takeWaiting(record)) {
      if (pending.phase === "waiting") this.#admit(pending);
    }
  }

  /** @param cause the invocation that its times and its lines in the journal belong to */
  #bringIn(record: ModelRecord, cause: Pending): void {
    const { targetModel } = record;
    record.state = "fetching";
    this.#fetching++;
    const cached = this.#cache.get(targetModel);
    if (cached !== null) {
      this.#makeRoomAndLoad(record, cause, cached.url);
      return;
    }
    const startUs = this.#clock.now();
    this.#cache.bring(targetModel, cause.call.requestId, (brought) => {
      if (this.#state === "stopped") return;
      cause.downloadUs += this.#clock.now() - startUs;
      if (brought.ok) {
        record.artifactBytes = brought.archive.bytes;
        this.#makeRoomAndLoad(record, cause, brought.archive.url);
      } else {
        this.#failLoad(record, fromPlatform(this.#artifactError(targetModel, brought.problem, brought.text)));
      }
    });
  }

  #makeRoomAndLoad(record: ModelRecord, cause: Pending, url: string): void {
    this.#health.whenRunning((running) => {
      if (!running) {
        this.#failLoad(record, fromPlatform(this.#containerGone()));
        return;
      }
      record.state = "loading";
      this.#fetching--;
      this.#residents.add(record);
      const firing = this.#evictions.fire({ kind: "load-needed" }, []);
      const load = (): void => this.#load(record, cause, url, this.#settings.retries);
      if (firing === null) load();
      else this.#evict(firing, record, this.#estimate(record), cause, load);
    });
  }

  #load(record: ModelRecord, cause: Pending, url: string, retriesLeft: number): void {
    const { targetModel, modelName } = record;
    const { requestId } = cause.call;
    const startUs = this.#clock.now();
    const measured = this.#settings.estimate === "last-load";
    const before = measured ? this.#sampler.readNow() : null;
    this.#write(record, requestId, { event: "load" });
    this.#ask(
      this.#platform.loadLimitUs,
      (answered) => this.#options.container.load({ modelName, targetModel, url }, answered),
      (heard) => {
        const durationUs = this.#clock.now() - startUs;
        cause.loadUs += durationUs;
        this.#write(record, requestId, {
          event: "load-answer",
          status: statusOf(heard),
          durationUs,
          ...(typeof heard === "string" || isSuccess(heard.status) ? {} : { text: textOf(heard) }),
        });
        if (heard === "late") {
          this.#failLoad(record, fromPlatform(this.#notReady(record)));
        } else if (heard === "refused") {
          this.#failLoad(record, fromPlatform(platformErrors.noResponse(this.#endpoint)));
          this.#health.suspect();
        } else if (isSuccess(heard.status) || heard.status === 409) {
          if (before !== null) record.lastLoadBytes = growth(before, this.#sampler.readNow());
          this.#loaded(record, durationUs);
        } else {
          this.#retryLoad(record, cause, url, retriesLeft, heard);
        }
      },
    );
  }

  #retryLoad(
    record: ModelRecord,
    cause: Pending,
    url: string,
    retriesLeft: number,
    answer: ContainerAnswer,
  ): void {
    const giveUp = (): void => this.#failLoad(record, fromContainer(answer, this.#endpoint));
    const firing =
      retriesLeft > 0 ? this.#evictions.fire({ kind: "answer", status: answer.status }, []) : null;
    if (firing === null) {
      giveUp();
      return;
    }
    this.#evict(firing, record, this.#estimate(record), cause, (victims) => {
      // Where nobody went and nobody is about to become free, the next attempt would end as this one did.
      if (victims === 0 && !this.#othersAreBusy(record)) giveUp();
      else this.#later(this.#settings.retryWaitUs, () => this.#load(record, cause, url, retriesLeft - 1));
    });
  }

  #loaded(record: ModelRecord, loadUs: number): void {
    record.state = "loaded";
    record.stuck = false;
    record.uses = 0;
    record.loadOrder = ++this.#loads;
    record.loadUs = loadUs;
    this.#use(record);
    this.#admitWaiting(record);
    this.#idle(record);
  }

  #failLoad(record: ModelRecord, content: AnswerContent): void {
    if (record.state === "fetching") this.#fetching--;
    this.#leaveMemory(record);
    for (const pending of takeWaiting(record)) this.#answer(pending, content);
  }

  /** Names that were only asked for leave nothing behind. */
  #forgetUnused(record: ModelRecord): void {
    const { targetModel, state, callers, inFlight } = record;
    if (state !== "absent" || callers > 0 || inFlight > 0 || this.#cache.get(targetModel) !== null) return;
    this.#records.delete(targetModel);
  }

  #leaveMemory(record: ModelRecord): void {
    record.state = "absent";
    this.#residents.delete(record);
  }

  // An invocation is served.

  #serve(pending: Pending): void {
    const { record, call } = pending;
    const { modelName, targetModel } = record;
    const nowUs = this.#clock.now();
    pending.phase = "at-container";
    pending.servedUs ??= nowUs;
    pending.askedUs = nowUs;
    record.inFlight++;
    record.uses++;
    record.stuck = false;
    this.#use(record);
    this.#cache.used(targetModel);
    this.#ask(
      null,
      (answered) =>
        this.#options.container.invoke(
          { modelName, targetModel, headers: call.headers, body: call.body },
          answered,
        ),
      (heard) => {
        endAsking(pending, this.#clock.now());
        this.#use(record);
        this.#served(pending, heard);
      },
    );
  }

  #served(pending: Pending, heard: Heard): void {
    const { record } = pending;
    if (pending.phase === "answered") {
      this.#release(record);
    } else if (typeof heard === "string") {
      this.#answer(pending, fromPlatform(platformErrors.noResponse(this.#endpoint)));
      this.#release(record);
      this.#health.suspect();
    } else if (heard.status === 404 && !pending.reloaded) {
      record.inFlight--;
      pending.reloaded = true;
      pending.phase = "waiting";
      if (record.state === "loaded") this.#leaveMemory(record);
      this.#admit(pending);
    } else {
      const firing =
        isSuccess(heard.status) || pending.retriesLeft === 0
          ? null
          : this.#evictions.fire({ kind: "answer", status: heard.status }, []);
      if (firing !== null) {
        this.#retryInvocation(pending, firing, heard);
        return;
      }
      this.#answer(pending, fromContainer(heard, this.#endpoint));
      this.#release(record);
    }
  }

  /** The model counts as in use meanwhile, so that it is no victim of its own request. */
  #retryInvocation(pending: Pending, firing: NamedFiring, answer: ContainerAnswer): void {
    const { record } = pending;
    this.#evict(firing, record, noBytes, pending, (victims) => {
      if (victims === 0) {
        this.#answer(pending, fromContainer(answer, this.#endpoint));
        this.#release(record);
        return;
      }
      this.#later(this.#settings.retryWaitUs, () => {
        if (pending.phase === "answered") {
          this.#release(record);
          return;
        }
        record.inFlight--;
        pending.retriesLeft--;
        pending.phase = "waiting";
        this.#admit(pending);
      });
    });
  }

  /** An invocation has left the container for good. */
  #release(record: ModelRecord): void {
    record.inFlight--;
    this.#idle(record);
    this.#forgetUnused(record);
  }

  #use(record: ModelRecord): void {
    record.lastUseUs = this.#clock.now();
    record.inflationAtLastUse = this.#evictions.inflation;
  }

  #expire(pending: Pending): void {
    const { record } = pending;
    record.waiting.delete(pending);
    this.#leave(pending);
    const error =
      pending.phase === "waiting" ? this.#notReady(record) : platformErrors.timedOut(this.#endpoint);
    this.#tell(pending, fromPlatform(error));
  }

  #answer(pending: Pending, content: AnswerContent): void {
    if (pending.phase === "answered") return;
    this.#pending.remove(pending);
    this.#leave(pending);
    this.#tell(pending, content);
  }

  #leave(pending: Pending): void {
    endAsking(pending, this.#clock.now());
    pending.record.callers--;
    this.#forgetUnused(pending.record);
  }

  /** @param pending no longer in the list of those */
  #tell(pending: Pending, content: AnswerContent): void {
    const { call, record, arrivedUs, servedUs, downloadUs, loadUs, unloadUs, containerUs } = pending;
    const nowUs = this.#clock.now();
    pending.phase = "answered";
    this.#write(record, call.requestId, {
      event: "answer",
      status: content.status,
      from: content.from,
      durationUs: nowUs - arrivedUs,
      ...(content.error === null ? {} : { text: content.error.message }),
    });
    pending.answered({
      ...content,
      cacheHit: pending.cacheHit,
      times: { waitUs: (servedUs ?? nowUs) - arrivedUs, downloadUs, loadUs, unloadUs, containerUs },
    });
    this.#stopIfDrained();
  }

  // A model goes.

  /** What is due when a model has nothing to do. */
  #idle(record: ModelRecord): void {
    if (record.state !== "loaded" || record.inFlight > 0 || this.#state === "stopped") return;
    const { targetModel } = record;
    const { triggers } = this.#settings;
    // A model that nobody waited for in the end stays for the first who asks again.
    if (triggers.includes("cache-disabled") && record.uses > 0) {
      const occasion = { kind: "invocation-done", model: targetModel } as const;
      const firing = this.#evictions.fire(occasion, [this.#resident(record)]);
      if (firing !== null) {
        this.#unload(record, undefined, firing.because, () => {
          if (record.state !== "absent") return;
          this.#cache.delete(targetModel, undefined, firing.because, () => {});
          this.#forgetUnused(record);
        });
        return;
      }
    }
    if (triggers.includes("idle-timeout")) this.#watchIdle(record.lastUseUs);
  }

  /** Looks at who is idle when the longest unused may be due. @param sinceUs its last use */
  #watchIdle(sinceUs: number): void {
    const { idleTimeoutUs } = this.#settings;
    if (this.#idleTimer !== null || idleTimeoutUs === 0) return;
    const dueUs = sinceUs + idleTimeoutUs;
    this.#idleTimer = this.#clock.setTimer(Math.max(1, dueUs - this.#clock.now()), () => {
      this.#idleTimer = null;
      const occasion = { kind: "time-passed", nowUs: this.#clock.now() } as const;
      const firing = this.#evictions.fire(occasion, this.residents());
      if (firing?.action === "unload") {
        for (const model of firing.models) {
          const record = this.#records.get(model);
          if (record?.state === "loaded") this.#unload(record, undefined, firing.because, () => {});
        }
      }
      const idle = this.residents().filter(({ busy, pinned }) => !busy && !pinned);
      if (idle.length > 0) this.#watchIdle(Math.min(...idle.map(({ lastUseUs }) => lastUseUs)));
    });
  }

  /** Unloads whom the rules choose, all at once. @param done with their number, when all unloads have ended */
  #evict(
    firing: NamedFiring,
    newcomer: ModelRecord,
    need: Bytes,
    cause: Pending,
    done: (victims: number) => void,
  ): void {
    const { requestId } = cause.call;
    const { targetModel } = newcomer;
    const victims = this.#evictions.choose(firing, this.residents(), { model: targetModel, need }, requestId);
    const startUs = this.#clock.now();
    let left = victims.length;
    if (left === 0) done(0);
    for (const { name } of victims) {
      const record = this.#records.get(name);
      if (record === undefined) throw new Error(`the victim ${name} is not known`);
      this.#unload(record, requestId, `to make room for ${targetModel}: ${firing.because}`, () => {
        left--;
        if (left > 0) return;
        cause.unloadUs += this.#clock.now() - startUs;
        done(victims.length);
      });
    }
  }

  /** @param done when the container has answered, or has had its time: the model is `absent`, or `loaded` still */
  #unload(record: ModelRecord, request: string | undefined, because: string, done: () => void): void {
    const { targetModel, modelName } = record;
    const startUs = this.#clock.now();
    record.state = "unloading";
    this.#write(record, request, { event: "unload", because });
    this.#ask(
      this.#platform.unloadLimitUs,
      (answered) => this.#options.container.unload({ modelName, targetModel }, answered),
      (heard) => {
        const status = statusOf(heard);
        this.#write(record, request, {
          event: "unload-answer",
          status,
          durationUs: this.#clock.now() - startUs,
        });
        if (status !== null && (isSuccess(status) || status === 404)) {
          this.#leaveMemory(record);
        } else {
          record.state = "loaded";
          record.stuck = true;
        }
        done();
        this.#admitWaiting(record);
        if (heard === "refused") this.#health.suspect();
      },
    );
  }

  /** The platform owns the list of models: what a container loaded of itself goes (awslabs/multi-model-server#1001). */
  #unloadStrays(names: readonly string[]): void {
    if (names.length === 0) return;
    const { instance, journal, container } = this.#options;
    const own = new Set([...this.#residents].map(({ modelName }) => modelName));
    for (const name of names) {
      if (own.has(name) || this.#strays.has(name)) continue;
      this.#strays.add(name);
      const startUs = this.#clock.now();
      journal.write({
        instance,
        model: name,
        event: "unload",
        because: "the container lists it, and nobody asked for it",
      });
      this.#ask(
        this.#platform.unloadLimitUs,
        (answered) => container.unload({ modelName: name, targetModel: name }, answered),
        (heard) => {
          this.#strays.delete(name);
          journal.write({
            instance,
            model: name,
            event: "unload-answer",
            status: statusOf(heard),
            durationUs: this.#clock.now() - startUs,
          });
        },
      );
    }
  }

  /** The container has died: nothing is loaded any more, and who was at it or waited for a load of its gets an error. */
  #forgetContainer(): void {
    this.#life++;
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
    this.#strays.clear();
    const lost = this.#pending.all().filter(({ phase }) => phase === "at-container");
    for (const record of this.#residents) {
      record.state = "absent";
      lost.push(...takeWaiting(record));
    }
    this.#residents.clear();
    for (const record of this.#records.values()) {
      record.inFlight = 0;
      record.stuck = false;
    }
    const content = fromPlatform(platformErrors.noResponse(this.#endpoint));
    for (const pending of lost) this.#answer(pending, content);
  }

  // Small parts.

  /**
   * Asks the container. `heard` is called once, and not at all when the container or the agent has ended meanwhile.
   * @param limitUs null = the caller has a limit of its own
   */
  #ask(limitUs: number | null, ask: (answered: Answered) => void, heard: (heard: Heard) => void): void {
    const life = this.#life;
    let open = true;
    const end = (what: Heard): void => {
      if (!open) return;
      open = false;
      timer?.cancel();
      if (life === this.#life) heard(what);
    };
    const timer = limitUs === null ? null : this.#clock.setTimer(limitUs, () => end("late"));
    ask((answer) => end(answer ?? "refused"));
  }

  #later(waitUs: number, run: () => void): void {
    const life = this.#life;
    this.#clock.setTimer(waitUs, () => {
      if (life === this.#life) run();
    });
  }

  #resident(record: ModelRecord): ResidentModel {
    const { targetModel, lastUseUs, uses, loadOrder, loadUs, inflationAtLastUse } = record;
    const { pinned, nextUseUs } = this.#options;
    return {
      name: targetModel,
      bytes: this.#estimate(record),
      lastUseUs,
      uses,
      loadOrder,
      loadUs,
      inflationAtLastUse,
      nextUseUs: nextUseUs?.(targetModel) ?? null,
      pinned: pinned?.has(targetModel) ?? false,
      busy: record.state !== "loaded" || record.inFlight > 0 || record.stuck,
    };
  }

  #estimate({ targetModel, artifactBytes, lastLoadBytes }: ModelRecord): Bytes {
    const profileBytes = this.#options.profileBytes?.(targetModel) ?? null;
    return this.#evictions.estimate({ artifactBytes, profileBytes, lastLoadBytes });
  }

  #othersAreBusy(record: ModelRecord): boolean {
    return [...this.#residents].some(
      (other) => other !== record && (other.state !== "loaded" || other.inFlight > 0),
    );
  }

  #stopIfDrained(): void {
    if (this.#state === "draining" && this.#pending.isEmpty) this.stop();
  }

  #write(record: ModelRecord, request: string | undefined, body: EventBody): void {
    const { instance, journal } = this.#options;
    if (!journal.enabled) return;
    const model = record.targetModel;
    journal.write(
      request === undefined ? { instance, model, ...body } : { instance, model, request, ...body },
    );
  }

  #notReady({ targetModel }: ModelRecord): PlatformError {
    return platformErrors.notReady(targetModel);
  }

  #leaving(): PlatformError {
    return platformErrors.unavailable(
      `Instance ${this.instance} takes no more requests: it is being removed.`,
    );
  }

  #containerGone(): PlatformError {
    return platformErrors.unavailable(
      `The container of instance ${this.instance} died and did not come back.`,
    );
  }

  #artifactError(targetModel: string, problem: ArtifactProblem, text: string): PlatformError {
    switch (problem) {
      case "missing":
        return platformErrors.artifactMissing(targetModel, this.#endpoint);
      case "refused":
        return platformErrors.artifactRefused(targetModel, text, this.#endpoint);
      case "disk-full":
        return platformErrors.diskFull(targetModel, text);
      case "failed":
        return platformErrors.artifactFailed(targetModel, text);
    }
  }
}

const newRecord = (targetModel: string): ModelRecord => ({
  targetModel,
  modelName: modelNameOf(targetModel),
  state: "absent",
  waiting: new Set(),
  callers: 0,
  inFlight: 0,
  artifactBytes: 0,
  lastUseUs: 0,
  uses: 0,
  loadOrder: 0,
  loadUs: 0,
  inflationAtLastUse: 0,
  lastLoadBytes: null,
  stuck: false,
});

/** Those who join meanwhile wait for what comes next. */
const takeWaiting = (record: ModelRecord): ReadonlySet<Pending> => {
  const { waiting } = record;
  record.waiting = new Set();
  return waiting;
};

const endAsking = (pending: Pending, nowUs: number): void => {
  if (pending.askedUs === null) return;
  pending.containerUs += nowUs - pending.askedUs;
  pending.askedUs = null;
};

const statusOf = (heard: Heard): number | null => (typeof heard === "string" ? null : heard.status);

/** What a load has added to what is used; others may have come and gone meanwhile. */
const growth = (before: MemoryReading, after: MemoryReading | null): Bytes | null => {
  if (after === null) return null;
  const pool = (name: keyof Bytes): number => Math.max(0, after.used[name] - before.used[name]);
  return { host: pool("host"), gpu: pool("gpu"), disk: 0 };
};
