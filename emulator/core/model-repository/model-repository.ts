import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { fail, ok, type Result, TritonError } from "../../common/status.ts";
import type { LoadParameter, RepositoryIndexRow } from "../inference-server.ts";
import { configsEqual, configsEqualButInstances } from "../model-config/compare.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import { type ConfigSource, prepareConfig } from "../model-config/prepare.ts";
import type { ModelLifecycle } from "../model-lifecycle/model-lifecycle.ts";
import type { ModelFolder, Storage } from "../storage.ts";
import { selectVersions } from "./version-policy.ts";

export type ModelControlMode = "none" | "poll" | "explicit";

export interface RepositoryOptions {
  /** Repository roots, in the order given. */
  readonly roots: readonly string[];
  readonly controlMode: ModelControlMode;
  /** `--model-config-name`; null = `config.pbtxt`. */
  readonly configName: string | null;
  readonly autoComplete: boolean;
}

/** What a loaded model was made from, to see at the next load whether anything changed. */
interface LoadedSource {
  readonly folder: ModelFolder;
  /** As prepared, before the backend completed it. */
  readonly config: ModelConfig;
  /** Milliseconds since 1970; -Infinity makes the next plain load start over. */
  readonly configChangedMs: number;
  readonly filesChangedMs: number;
  /** Made by `createOverrideFolder`: to be removed with the source. */
  readonly temporary: boolean;
}

/** A folder and its configuration as they are now. */
interface Polled {
  readonly folder: ModelFolder;
  readonly config: ModelConfig;
  readonly configChangedMs: number;
  readonly filesChangedMs: number;
  readonly temporary: boolean;
  readonly overridden: boolean;
}

const pollFailed = (model: string): TritonError =>
  new TritonError("INTERNAL", `failed to load '${model}', failed to poll from model repository`);

/** Why a model could not be read: this is only logged. */
const unreadable = (model: string, cause: string) =>
  fail("INTERNAL", `Poll failed for model directory '${model}': ${cause}`);

/**
 * The model repositories and what is done with the models in them: the control modes, loads with and without overrides,
 * unloads, the index (spec/triton-core.md 1.1 to 1.9, seen on 2.51.0). Operations on one model run one after the other.
 */
export class ModelRepository {
  readonly #storage: Storage;
  readonly #lifecycle: ModelLifecycle;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: RepositoryOptions;
  readonly #sources = new Map<string, LoadedSource>();
  /** Operations waiting for the one that runs, by model; present while one runs. */
  readonly #running = new Map<string, (() => void)[]>();
  #stopped = false;

  constructor(
    storage: Storage,
    lifecycle: ModelLifecycle,
    clock: Clock,
    log: Log,
    options: RepositoryOptions,
  ) {
    this.#storage = storage;
    this.#lifecycle = lifecycle;
    this.#clock = clock;
    this.#log = log;
    this.#options = options;
  }

  /** Names of all model folders with the number of roots that hold them, sorted. */
  listModels(done: (result: Result<ReadonlyMap<string, number>>) => void): void {
    const counts = new Map<string, number>();
    const next = (index: number): void => {
      const root = this.#options.roots[index];
      if (root === undefined) {
        done(ok(new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))));
        return;
      }
      this.#storage.listModels(root, (listed) => {
        if (!listed.ok) {
          done(listed);
          return;
        }
        for (const name of listed.value) counts.set(name, (counts.get(name) ?? 0) + 1);
        next(index + 1);
      });
    };
    next(0);
  }

  index(readyOnly: boolean, done: (result: Result<readonly RepositoryIndexRow[]>) => void): void {
    this.listModels((listed) => {
      if (!listed.ok) {
        done(listed);
        return;
      }
      const rows: RepositoryIndexRow[] = [];
      for (const [name, count] of listed.value) {
        if (count > 1) {
          rows.push({ name, state: "UNAVAILABLE", reason: "model appears in two or more repositories" });
          continue;
        }
        const versions = this.#lifecycle.rows(name);
        if (versions === null) {
          if (!readyOnly) rows.push({ name });
          continue;
        }
        for (const { version, state, reason } of versions) {
          if (readyOnly && state !== "READY") continue;
          rows.push({ name, version: String(version), state, ...(reason === "" ? {} : { reason }) });
        }
      }
      done(ok(rows));
    });
  }

  load(model: string, parameters: readonly LoadParameter[], done: (error: TritonError | null) => void): void {
    this.#serialise(model, (finish) => {
      this.#loadNow(model, parameters, (error) => {
        done(error);
        finish();
      });
    });
  }

  /** Answers when the versions are marked; they are gone later. */
  unload(model: string, done: () => void): void {
    this.#serialise(model, (finish) => {
      this.#unloadNow(model);
      done();
      finish();
    });
  }

  /** Unloads everything: each model after what is under way for it. Loads that have not begun are refused. */
  stop(): void {
    this.#stopped = true;
    for (const model of this.#lifecycle.knownModels()) this.unload(model, () => {});
  }

  /**
   * One look at all roots, as poll mode makes it: new and changed models load, those whose folder is gone unload.
   * Also the start of the modes `none` and `poll`. Answers the first error.
   */
  poll(done: (error: TritonError | null) => void): void {
    this.listModels((listed) => {
      if (!listed.ok) {
        done(listed.error);
        return;
      }
      for (const model of this.#sources.keys()) if (!listed.value.has(model)) this.unload(model, () => {});
      let first: TritonError | null = null;
      let left = listed.value.size;
      if (left === 0) done(null);
      for (const model of listed.value.keys()) {
        this.load(model, [], (error) => {
          first ??= error;
          if (--left === 0) done(first);
        });
      }
    });
  }

  #serialise(model: string, run: (finish: () => void) => void): void {
    const finish = (): void => {
      const next = this.#running.get(model)!.shift();
      if (next === undefined) this.#running.delete(model);
      else next();
    };
    const waiting = this.#running.get(model);
    if (waiting === undefined) {
      this.#running.set(model, []);
      run(finish);
    } else waiting.push(() => run(finish));
  }

  #unloadNow(model: string): void {
    this.#lifecycle.unload(model);
    this.#forget(model);
  }

  #forget(model: string): void {
    const source = this.#sources.get(model);
    if (source?.temporary === true) this.#storage.removeOverrideFolder(source.folder.path);
    this.#sources.delete(model);
  }

  #loadNow(
    model: string,
    parameters: readonly LoadParameter[],
    done: (error: TritonError | null) => void,
  ): void {
    this.#pollModel(model, parameters, (polled) => {
      if (!polled.ok) {
        this.#log.error(polled.error.message);
        done(pollFailed(model));
        return;
      }
      const now = polled.value;
      if (this.#stopped) {
        if (now.temporary) this.#storage.removeOverrideFolder(now.folder.path);
        done(new TritonError("UNAVAILABLE", "Server exiting"));
        return;
      }
      const source = this.#sources.get(model);
      const ready = this.#lifecycle.servingOf(model).length > 0;
      if (ready && source !== undefined && isUnchanged(source, now)) {
        if (now.temporary) this.#storage.removeOverrideFolder(now.folder.path);
        done(null);
        return;
      }
      const versions = this.#versions(model, now);
      if (versions.length === 0) {
        this.#lifecycle.noteWithoutVersions(model);
        const reason = `at least one version must be available under the version policy of model '${model}'`;
        this.#log.error(`failed to load model '${model}': ${reason}`);
        done(new TritonError("INVALID_ARG", `load failed for model '${model}': ${reason}\n`));
        return;
      }
      const inPlace =
        ready &&
        source !== undefined &&
        !now.temporary &&
        now.filesChangedMs <= source.filesChangedMs &&
        configsEqualButInstances(source.config, now.config);
      this.#lifecycle.load({ model, config: now.config, folder: now.folder, versions, inPlace }, (error) => {
        if (error !== null) {
          if (now.temporary) this.#storage.removeOverrideFolder(now.folder.path);
          done(error);
          return;
        }
        this.#forget(model);
        this.#sources.set(model, now);
        done(null);
      });
    });
  }

  #versions(model: string, polled: Polled): readonly number[] {
    const { versions, warnings } = selectVersions(model, polled.folder, polled.config.version_policy);
    for (const warning of warnings) this.#log.warning(warning);
    return versions;
  }

  #pollModel(
    model: string,
    parameters: readonly LoadParameter[],
    done: (result: Result<Polled>) => void,
  ): void {
    const override = parameters.find((parameter) => parameter.kind === "config");
    const files = parameters.filter((parameter) => parameter.kind === "file");
    if (files.length > 0) {
      if (override === undefined) {
        done(unreadable(model, "Load parameter 'config' must be specified for model file override"));
        return;
      }
      const contents = new Map(files.map(({ path, content }) => [path, content]));
      this.#storage.createOverrideFolder(contents, (made) => {
        if (!made.ok) {
          done(unreadable(model, made.error.message));
          return;
        }
        const prepared = this.#prepare(model, { json: override.json }, made.value);
        if (!prepared.ok) {
          this.#storage.removeOverrideFolder(made.value.path);
          done(prepared);
          return;
        }
        done(
          ok({
            folder: made.value,
            config: prepared.value,
            configChangedMs: Number.NEGATIVE_INFINITY,
            filesChangedMs: Number.NEGATIVE_INFINITY,
            temporary: true,
            overridden: true,
          }),
        );
      });
      return;
    }
    this.#findFolder(model, (found) => {
      if (!found.ok) {
        done(found);
        return;
      }
      const folder = found.value;
      const filesChangedMs = newestFileMs(folder);
      if (override !== undefined) {
        const prepared = this.#prepare(model, { json: override.json }, folder);
        if (!prepared.ok) done(prepared);
        else {
          done(
            ok({
              folder,
              config: prepared.value,
              configChangedMs: this.#clock.epochMs(),
              filesChangedMs,
              temporary: false,
              overridden: true,
            }),
          );
        }
        return;
      }
      const configChangedMs = configMs(folder);
      const source = this.#sources.get(model);
      // Nothing newer than what is loaded: an override that was loaded stays in force.
      if (
        source !== undefined &&
        configChangedMs <= source.configChangedMs &&
        filesChangedMs <= source.filesChangedMs &&
        this.#lifecycle.servingOf(model).length > 0
      ) {
        done(ok({ ...source, overridden: false }));
        return;
      }
      const prepared = this.#prepare(
        model,
        folder.config === null ? null : { text: folder.config.text },
        folder,
      );
      if (!prepared.ok) done(prepared);
      else {
        done(
          ok({
            folder,
            config: prepared.value,
            configChangedMs,
            filesChangedMs,
            temporary: false,
            overridden: false,
          }),
        );
      }
    });
  }

  #prepare(model: string, source: ConfigSource | null, folder: ModelFolder): Result<ModelConfig> {
    const prepared = prepareConfig(source, model, folder, {
      autoComplete: this.#options.autoComplete,
      log: this.#log,
    });
    return prepared.ok ? prepared : unreadable(model, prepared.error.message);
  }

  /** The model's folder, which must be in exactly one root. */
  #findFolder(model: string, done: (result: Result<ModelFolder>) => void): void {
    const found: ModelFolder[] = [];
    const next = (index: number): void => {
      const root = this.#options.roots[index];
      if (root === undefined) {
        if (found.length === 1) done(ok(found[0]!));
        else if (found.length === 0) {
          done(
            fail("INVALID_ARG", `failed to poll model '${model}': model not found in any model repository.`),
          );
        } else {
          done(
            fail("INVALID_ARG", `failed to poll model '${model}': not unique across all model repositories`),
          );
        }
        return;
      }
      this.#storage.readModelFolder(root, model, this.#options.configName, (read) => {
        if (!read.ok) {
          done(read);
          return;
        }
        if (read.value !== null) found.push(read.value);
        next(index + 1);
      });
    };
    next(0);
  }
}

/** The override that is active again, or a folder in which nothing is newer than what is loaded. */
const isUnchanged = (source: LoadedSource, now: Polled): boolean => {
  if (now.overridden) return configsEqual(source.config, now.config);
  return now.configChangedMs <= source.configChangedMs && now.filesChangedMs <= source.filesChangedMs;
};

const configMs = (folder: ModelFolder): number =>
  folder.entries.find(({ path }) => path === folder.config?.path)?.changedMs ?? Number.NEGATIVE_INFINITY;

/** Newest change of everything but the configuration file, the model folder itself included. */
const newestFileMs = (folder: ModelFolder): number =>
  folder.entries.reduce(
    (newest, { path, changedMs }) => (path === folder.config?.path ? newest : Math.max(newest, changedMs)),
    folder.changedMs,
  );
