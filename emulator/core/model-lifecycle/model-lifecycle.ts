import { fail, ok, type Result, TritonError } from "../../common/status.ts";
import type { RequestedVersion } from "../inference-server.ts";
import { configsEqualButInstances } from "../model-config/compare.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import { identifierText, type ModelIdentifier } from "../model-identifier.ts";
import type { MetricsRegistry } from "../statistics/metrics-registry.ts";
import type { ModelFolder } from "../storage.ts";
import type { LoadedVersion } from "./loaded-version.ts";
import { type LifecycleEvent, type ModelState, nextState } from "./transitions.ts";
import type { VersionLoader } from "./version-loader.ts";

interface VersionEntry {
  readonly version: number;
  state: ModelState;
  reason: string;
  /** The copy that serves while the state is READY. */
  serving: LoadedVersion | null;
  /** What that was loaded with, or was last changed to in place; without what its backend completed. */
  config: ModelConfig | null;
}

interface ModelEntry {
  readonly identifier: ModelIdentifier;
  readonly versions: Map<number, VersionEntry>;
  /** The last load found no version to serve: no row in the index, and the server is not ready. */
  withoutVersions: boolean;
}

export interface VersionRow {
  readonly version: number;
  readonly state: ModelState;
  readonly reason: string;
}

/** What a load is to bring about. */
export interface LoadPlan {
  readonly identifier: ModelIdentifier;
  readonly config: ModelConfig;
  readonly folder: ModelFolder;
  /** Versions to serve, ascending; not empty. */
  readonly versions: readonly number[];
  /** Whether the files of a version changed since it was last loaded. One that serves is only told its new instances where not. */
  readonly isNewer: (version: number) => boolean;
  /** Called once, when nothing needs the folder any longer; null = nobody wants to know. */
  readonly whenUnused: (() => void) | null;
}

const UNLOADED = "unloaded";

/** A version that has just come into a state. */
export interface ModelStateChange extends VersionRow {
  readonly identifier: ModelIdentifier;
  /** Names of the repository agents in its configuration, in their order; none as a rule. */
  readonly agents: readonly string[];
}

/**
 * All versions of all models and what state they are in (spec/triton-core.md 1.3, 1.5, 1.8; seen on 2.51.0). Calls about
 * one model must not overlap: the model repository sees to that.
 */
export class ModelLifecycle {
  readonly #loader: VersionLoader;
  readonly #metrics: MetricsRegistry;
  readonly #log: { info(message: string): void; error(message: string): void };
  /** By the text of the identifier. */
  readonly #models = new Map<string, ModelEntry>();
  readonly #loadRetryCount: number;
  readonly #loadThreads: Semaphore;
  readonly #onStateChange: (change: ModelStateChange) => void;
  /** Copies that are being loaded or have not yet given everything back, the unseen ones included. */
  #live = 0;
  /** Of copies that have not yet given everything back: their folder. */
  readonly #needs = new Map<LoadedVersion, Needs>();
  #whenEmpty: (() => void) | null = null;

  constructor(
    loader: VersionLoader,
    metrics: MetricsRegistry,
    log: { info(message: string): void; error(message: string): void },
    options: { readonly loadThreadCount: number; readonly loadRetryCount: number },
    onStateChange: (change: ModelStateChange) => void,
  ) {
    this.#onStateChange = onStateChange;
    this.#loader = loader;
    this.#metrics = metrics;
    this.#log = log;
    this.#loadThreads = new Semaphore(options.loadThreadCount);
    this.#loadRetryCount = options.loadRetryCount;
  }

  /** Rows of a model's known versions, ascending; null when it was never loaded. */
  rows(model: ModelIdentifier): readonly VersionRow[] | null {
    const entry = this.#models.get(identifierText(model));
    if (entry === undefined) return null;
    return sorted(entry).map(({ version, state, reason }) => ({ version, state, reason }));
  }

  /** All models that were ever loaded or tried to. */
  models(): ModelIdentifier[] {
    return this.#sortedModels().map(({ identifier }) => identifier);
  }

  /** Strict readiness: every known version is READY or was unloaded in good order. */
  allReady(): boolean {
    for (const { versions, withoutVersions } of this.#models.values()) {
      if (withoutVersions) return false;
      for (const { state, reason } of versions.values()) {
        if (state !== "READY" && !(state === "UNAVAILABLE" && reason === UNLOADED)) return false;
      }
    }
    return true;
  }

  /** All copies that serve, by text of the identifier and version. */
  serving(): LoadedVersion[] {
    return this.#sortedModels().flatMap(({ identifier }) => this.servingOf(identifier));
  }

  #sortedModels(): ModelEntry[] {
    return [...this.#models].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  }

  servingOf(model: ModelIdentifier): LoadedVersion[] {
    const entry = this.#models.get(identifierText(model));
    if (entry === undefined) return [];
    return sorted(entry).flatMap(({ state, serving }) =>
      state === "READY" && serving !== null ? [serving] : [],
    );
  }

  /** @param version -1 = the highest that is ready, unless the model has a version of that number (2.51.0) */
  find(identifier: ModelIdentifier, version: RequestedVersion): Result<LoadedVersion> {
    const model = identifierText(identifier);
    const entry = this.#models.get(model);
    if (entry === undefined) return fail("NOT_FOUND", `Request for unknown model: '${model}' is not found`);
    const found = typeof version === "bigint" ? undefined : entry.versions.get(version);
    if (found === undefined && version === -1) {
      let latest: LoadedVersion | null = null;
      for (const { state, serving } of entry.versions.values()) {
        if (state === "READY" && serving !== null && (latest === null || serving.version > latest.version)) {
          latest = serving;
        }
      }
      if (latest !== null) return ok(latest);
      return fail("NOT_FOUND", `Request for unknown model: '${model}' has no available versions`);
    }
    if (found === undefined) {
      return fail("NOT_FOUND", `Request for unknown model: '${model}' version ${version} is not found`);
    }
    if (found.state === "READY" && found.serving !== null) return ok(found.serving);
    return fail(
      "UNAVAILABLE",
      `Request for unknown model: '${model}' version ${version} is not at ready state`,
    );
  }

  /** A load that found nothing to serve. A model that was loaded before keeps its versions. */
  noteWithoutVersions(identifier: ModelIdentifier): void {
    const key = identifierText(identifier);
    if (!this.#models.has(key))
      this.#models.set(key, { identifier, versions: new Map(), withoutVersions: true });
  }

  /**
   * Loads all versions of the plan, beside what serves now, then swaps; when one fails, all new ones are dropped and the
   * old ones stay. A version that serves and of which only instances or the version policy change is changed in place.
   * Versions outside the plan are unloaded after a good load.
   */
  load(plan: LoadPlan, done: (error: TritonError | null) => void): void {
    const { identifier } = plan;
    const key = identifierText(identifier);
    let entry = this.#models.get(key);
    if (entry === undefined) {
      entry = { identifier, versions: new Map(), withoutVersions: false };
      this.#models.set(key, entry);
    }
    entry.withoutVersions = false;
    const model = entry;
    const outcomes = new Map<number, Result<LoadedVersion | null>>();
    const settle = (version: number, result: Result<LoadedVersion | null>): void => {
      outcomes.set(version, result);
      if (outcomes.size < plan.versions.length) return;
      this.#conclude(plan, model, outcomes, done);
      needs.release();
    };
    const needs = new Needs(plan.whenUnused);
    for (const version of plan.versions) {
      let known = model.versions.get(version);
      if (known === undefined) {
        known = { version, state: "UNKNOWN", reason: "", serving: null, config: null };
        model.versions.set(version, known);
      }
      const current = known;
      // An old copy that still unloads lives on unseen.
      if (current.state === "UNLOADING") current.serving = null;
      this.#log.info(`loading: ${key}:${version}`);
      if (current.serving !== null && canChangeInPlace(plan, current)) {
        this.#loader.updateInstances(current.serving, plan.config, (result) => {
          current.reason = result.ok ? "" : result.error.asString();
          if (result.ok) current.config = plan.config;
          settle(version, result);
        });
        continue;
      }
      if (current.serving === null) {
        this.#move(identifier, current, plan.config, "load");
      }
      this.#live++;
      needs.hold();
      this.#loadThreads.run((release) => {
        this.#tryToLoad(plan, version, this.#loadRetryCount, (result) => {
          release();
          if (result.ok) this.#needs.set(result.value, needs);
          else {
            needs.release();
            this.#countGone();
          }
          settle(version, result);
        });
      });
    }
  }

  /** @param retries how often a failure is followed by another try, at once and from the start */
  #tryToLoad(
    plan: LoadPlan,
    version: number,
    retries: number,
    done: (result: Result<LoadedVersion>) => void,
  ): void {
    const { identifier, config, folder } = plan;
    this.#loader.load(identifier, config, version, folder, (result) => {
      if (!result.ok) {
        const model = identifierText(identifier);
        this.#log.error(`failed to load '${model}' version ${version}: ${result.error.asString()}`);
        if (retries > 0) {
          this.#tryToLoad(plan, version, retries - 1, done);
          return;
        }
      }
      done(result);
    });
  }

  /** Marks every version UNLOADING and answers; each is gone when its last request is. Unknown models are fine. */
  unload(identifier: ModelIdentifier): void {
    const entry = this.#models.get(identifierText(identifier));
    if (entry === undefined) return;
    for (const version of entry.versions.values()) this.#unloadVersion(identifier, version);
  }

  /** Refuses new requests everywhere; what was accepted is still served. */
  stopSchedulers(): void {
    for (const version of this.serving()) version.scheduler.stop();
  }

  /** Versions whose schedulers still hold requests, for the countdown of a shutdown. */
  queued(): { readonly model: string; readonly version: number; readonly count: number }[] {
    return this.serving()
      .map(({ identifier, version, scheduler }) => ({
        model: identifierText(identifier),
        version,
        count: scheduler.waiting,
      }))
      .filter(({ count }) => count > 0);
  }

  /** Calls back once when every copy has given everything back. */
  whenEmpty(run: () => void): void {
    if (this.#live === 0) run();
    else this.#whenEmpty = run;
  }

  get liveCopies(): number {
    return this.#live;
  }

  #conclude(
    plan: LoadPlan,
    entry: ModelEntry,
    outcomes: ReadonlyMap<number, Result<LoadedVersion | null>>,
    done: (error: TritonError | null) => void,
  ): void {
    const model = identifierText(plan.identifier);
    let failures = "";
    for (const version of plan.versions) {
      const outcome = outcomes.get(version)!;
      if (outcome.ok) continue;
      // One that could not be changed in place serves on.
      const known = entry.versions.get(version)!;
      const isServing = known.serving !== null && canChangeInPlace(plan, known);
      const state: ModelState = isServing ? "READY" : "UNAVAILABLE";
      failures += `version ${version} is at ${state} state: ${outcome.error.asString()};`;
    }
    if (failures !== "") {
      this.#dropNew(plan, entry, outcomes);
      this.#log.info(`failed to load '${model}'`);
      done(new TritonError("INVALID_ARG", failures));
      return;
    }
    for (const version of plan.versions) {
      const outcome = outcomes.get(version)!;
      const loaded = outcome.ok ? outcome.value : null;
      if (loaded === null) continue;
      const known = entry.versions.get(version)!;
      const old = known.serving;
      known.serving = loaded;
      known.config = plan.config;
      if (old === null) this.#move(plan.identifier, known, plan.config, "loaded");
      else this.#retire(old, () => {});
      known.reason = "";
    }
    this.#log.info(`successfully loaded '${model}'`);
    const planned = new Set(plan.versions);
    for (const version of entry.versions.values()) {
      if (!planned.has(version.version)) this.#unloadVersion(plan.identifier, version);
    }
    done(null);
  }

  #dropNew(
    plan: LoadPlan,
    entry: ModelEntry,
    outcomes: ReadonlyMap<number, Result<LoadedVersion | null>>,
  ): void {
    for (const version of plan.versions) {
      const outcome = outcomes.get(version)!;
      const known = entry.versions.get(version)!;
      if (!outcome.ok) {
        if (known.serving !== null) continue;
        this.#move(plan.identifier, known, plan.config, "failed", outcome.error.asString());
      } else if (outcome.value !== null) {
        const loaded = outcome.value;
        if (known.serving !== null) this.#retire(loaded, () => {});
        else {
          known.serving = loaded;
          this.#unloadVersion(plan.identifier, known);
        }
      }
    }
  }

  #unloadVersion(identifier: ModelIdentifier, version: VersionEntry): void {
    if (version.state === "UNLOADING" || version.serving === null) return;
    const loaded = version.serving;
    this.#move(identifier, version, loaded.config, "unload", version.reason);
    this.#retire(loaded, () => this.#markUnloaded(identifier, version, loaded));
  }

  /** A version that was loaded again meanwhile is left alone: the old copy went unseen. */
  #markUnloaded(identifier: ModelIdentifier, version: VersionEntry, gone: LoadedVersion): void {
    this.#log.info(`successfully unloaded '${identifierText(identifier)}' version ${version.version}`);
    if (version.state !== "UNLOADING" || version.serving !== gone) return;
    version.serving = null;
    this.#move(identifier, version, gone.config, "unloaded", UNLOADED);
  }

  #move(
    identifier: ModelIdentifier,
    entry: VersionEntry,
    { model_repository_agents }: ModelConfig,
    event: LifecycleEvent,
    reason = "",
  ): void {
    entry.state = nextState(entry.state, event);
    entry.reason = reason;
    const agents = model_repository_agents?.agents.map(({ name }) => name) ?? [];
    this.#onStateChange({ identifier, version: entry.version, state: entry.state, reason, agents });
  }

  #retire(loaded: LoadedVersion, done: () => void): void {
    loaded.retire(() => {
      this.#metrics.release(loaded.statistics.metrics);
      this.#needs.get(loaded)?.release();
      this.#needs.delete(loaded);
      done();
      this.#countGone();
    });
  }

  #countGone(): void {
    this.#live--;
    if (this.#live === 0) this.#whenEmpty?.();
  }
}

/** Whether a version that serves has its files and, but for what can be changed in place, its configuration. */
const canChangeInPlace = (
  { config, isNewer }: LoadPlan,
  { version, config: before }: VersionEntry,
): boolean =>
  before !== null &&
  before.ensemble_scheduling === undefined &&
  !isNewer(version) &&
  configsEqualButInstances(before, config);

/** Counts who needs something; from the start whoever made it does. */
class Needs {
  #count = 1;
  readonly #whenNone: (() => void) | null;

  constructor(whenNone: (() => void) | null) {
    this.#whenNone = whenNone;
  }

  hold(): void {
    this.#count++;
  }

  release(): void {
    if (--this.#count === 0) this.#whenNone?.();
  }
}

const sorted = (entry: ModelEntry): VersionEntry[] =>
  [...entry.versions.values()].sort((a, b) => a.version - b.version);

/** Lets `limit` tasks run at a time, in order of arrival. */
class Semaphore {
  readonly #waiting: ((release: () => void) => void)[] = [];
  #free: number;

  constructor(limit: number) {
    this.#free = limit;
  }

  run(task: (release: () => void) => void): void {
    if (this.#free > 0) {
      this.#free--;
      task(() => this.#release());
    } else this.#waiting.push(task);
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next(() => this.#release());
  }
}
