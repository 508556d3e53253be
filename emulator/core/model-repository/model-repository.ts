import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { fail, ok, type Result, TritonError } from "../../common/status.ts";
import type { LoadParameter, RepositoryIndexRow } from "../inference-server.ts";
import { configsEqual, configsEqualButInstances } from "../model-config/compare.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import { type ConfigSource, prepareConfig } from "../model-config/prepare.ts";
import { compareIdentifiers, identifierText, type ModelIdentifier } from "../model-identifier.ts";
import type { ModelLifecycle } from "../model-lifecycle/model-lifecycle.ts";
import type { ModelFolder, Storage } from "../storage.ts";
import { GlobalMap } from "./global-map.ts";
import { RepositoryRoots } from "./repository-roots.ts";
import { selectVersions } from "./version-policy.ts";

export type ModelControlMode = "none" | "poll" | "explicit";

export interface RepositoryOptions {
  /** Repository roots, in the order given. */
  readonly roots: readonly string[];
  readonly controlMode: ModelControlMode;
  /** `--model-config-name`; null = `config.pbtxt`. */
  readonly configName: string | null;
  readonly autoComplete: boolean;
  /** `--model-namespacing`: each root is a namespace, so models of one name may stand in several. */
  readonly namespacing: boolean;
}

/** A model folder as a root's listing shows it. */
interface ListedModel {
  readonly identifier: ModelIdentifier;
  /** How many roots hold it: above 1 only without namespacing. */
  readonly copies: number;
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

/** A model's folder in one of the roots. */
interface FoundFolder {
  readonly identifier: ModelIdentifier;
  readonly folder: ModelFolder;
}

/** A folder and its configuration as they are now. */
interface Polled {
  readonly identifier: ModelIdentifier;
  readonly folder: ModelFolder;
  readonly config: ModelConfig;
  readonly configChangedMs: number;
  readonly filesChangedMs: number;
  readonly temporary: boolean;
  readonly overridden: boolean;
}

const pollFailed = (model: string): TritonError =>
  new TritonError("INTERNAL", `failed to load '${model}', failed to poll from model repository`);

/** @param models by the text of the identifier */
const count = (models: Map<string, ListedModel>, identifier: ModelIdentifier): void => {
  const key = identifierText(identifier);
  models.set(key, { identifier, copies: (models.get(key)?.copies ?? 0) + 1 });
};

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
  readonly #roots: RepositoryRoots;
  readonly #globalMap = new GlobalMap();
  /** By the text of the identifier. */
  readonly #sources = new Map<string, LoadedSource>();
  /** Operations waiting for the one that runs, by name; present while one runs. */
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
    this.#roots = new RepositoryRoots(options.roots);
  }

  /** The model that a client means by a name. Errors only with namespacing. */
  identify(name: string): Result<ModelIdentifier> {
    return this.#options.namespacing ? this.#globalMap.resolve(name) : ok(this.#identifier(name, ""));
  }

  #identifier(name: string, root: string): ModelIdentifier {
    return { namespace: this.#options.namespacing ? root : "", name };
  }

  /** As `RepositoryRegistry.registerRepository`. */
  register(
    path: string,
    served: ReadonlyMap<string, string>,
    done: (error: TritonError | null) => void,
  ): void {
    this.#storage.listModels(path, (listed) => {
      if (!listed.ok) {
        done(new TritonError("INVALID_ARG", `failed to register '${path}', repository not found`));
        return;
      }
      const error = this.#roots.add(path, served);
      if (error === null) this.#log.info(`Model repository registered: ${path}`);
      done(error);
    });
  }

  /** As `RepositoryRegistry.unregisterRepository`. */
  unregister(path: string): TritonError | null {
    const error = this.#roots.remove(path);
    if (error === null) this.#log.info(`Model repository unregistered: ${path}`);
    return error;
  }

  /** All model folders, by namespace and name. */
  listModels(done: (result: Result<readonly ListedModel[]>) => void): void {
    const models = new Map<string, ListedModel>();
    const roots = this.#roots.paths;
    const next = (index: number): void => {
      const root = roots[index];
      if (root === undefined) {
        done(ok([...models.values()].sort((a, b) => compareIdentifiers(a.identifier, b.identifier))));
        return;
      }
      this.#storage.listModels(root, (listed) => {
        if (!listed.ok) {
          done(listed);
          return;
        }
        for (const folder of listed.value) {
          count(models, this.#identifier(this.#roots.servedName(root, folder), root));
        }
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
      done(ok(listed.value.flatMap((model) => this.#indexRows(model, readyOnly))));
    });
  }

  /** As `RepositoryRegistry.repositoryIndexOf`: looks only into roots that may hold a model of that name that was ever loaded. */
  indexOf(name: string, done: (result: Result<readonly RepositoryIndexRow[]>) => void): void {
    const places = this.#roots
      .placesOf(name)
      .map(({ root, folder }) => ({ root, folder, identifier: this.#identifier(name, root) }))
      .filter(({ identifier }) => this.#lifecycle.rows(identifier) !== null);
    const models = new Map<string, ListedModel>();
    const next = (index: number): void => {
      const place = places[index];
      if (place === undefined) {
        done(ok([...models.values()].flatMap((model) => this.#indexRows(model, false))));
        return;
      }
      this.#storage.listModels(place.root, (listed) => {
        if (!listed.ok) {
          done(listed);
          return;
        }
        if (listed.value.includes(place.folder)) count(models, place.identifier);
        next(index + 1);
      });
    };
    next(0);
  }

  #indexRows({ identifier, copies }: ListedModel, readyOnly: boolean): RepositoryIndexRow[] {
    const { name } = identifier;
    if (copies > 1) {
      return [{ name, state: "UNAVAILABLE", reason: "model appears in two or more repositories" }];
    }
    const versions = this.#lifecycle.rows(identifier);
    if (versions === null) return readyOnly ? [] : [{ name }];
    return versions
      .filter(({ state }) => !readyOnly || state === "READY")
      .map(({ version, state, reason }) => ({
        name,
        version: String(version),
        state,
        ...(reason === "" ? {} : { reason }),
      }));
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
      for (const identifier of this.#globalMap.named(model)) this.#unloadNow(identifier);
      done();
      finish();
    });
  }

  /** Unloads everything: each model after what is under way for it. Loads that have not begun are refused. */
  stop(): void {
    this.#stopped = true;
    for (const identifier of this.#globalMap.all()) this.#unloadInTurn(identifier);
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
      const present = new Set(listed.value.map(({ identifier }) => identifierText(identifier)));
      for (const identifier of this.#globalMap.all()) {
        if (!present.has(identifierText(identifier))) this.#unloadInTurn(identifier);
      }
      const names = new Set(listed.value.map(({ identifier }) => identifier.name));
      let first: TritonError | null = null;
      let left = names.size;
      if (left === 0) done(null);
      for (const model of names) {
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

  #unloadInTurn(identifier: ModelIdentifier): void {
    this.#serialise(identifier.name, (finish) => {
      this.#unloadNow(identifier);
      finish();
    });
  }

  #unloadNow(identifier: ModelIdentifier): void {
    this.#lifecycle.unload(identifier);
    this.#globalMap.remove(identifier);
    this.#forget(identifier);
  }

  #forget(identifier: ModelIdentifier): void {
    const key = identifierText(identifier);
    const source = this.#sources.get(key);
    if (source?.temporary === true) this.#storage.removeOverrideFolder(source.folder.path);
    this.#sources.delete(key);
  }

  /** Loads every model of the name: with namespacing there may be several, which succeed or fail on their own. */
  #loadNow(
    name: string,
    parameters: readonly LoadParameter[],
    done: (error: TritonError | null) => void,
  ): void {
    this.#pollModels(name, parameters, (polled) => {
      const readable: Polled[] = [];
      for (const one of polled) {
        if (one.ok) readable.push(one.value);
        else this.#log.error(one.error.message);
      }
      const outcomes = new Array<TritonError | null>(readable.length).fill(null);
      let left = readable.length;
      const conclude = (): void => {
        const failures = outcomes.filter((outcome) => outcome !== null);
        if (failures.length === 0) done(readable.length < polled.length ? pollFailed(name) : null);
        else {
          done(new TritonError(failures[0]!.code, failures.map(({ message }) => message).join("")));
        }
      };
      if (left === 0) conclude();
      for (const [index, now] of readable.entries()) {
        this.#bring(now, (error) => {
          outcomes[index] = error;
          if (--left === 0) conclude();
        });
      }
    });
  }

  /** Brings a model to what was just read. */
  #bring(now: Polled, done: (error: TritonError | null) => void): void {
    const { identifier } = now;
    const model = identifierText(identifier);
    if (this.#stopped) {
      if (now.temporary) this.#storage.removeOverrideFolder(now.folder.path);
      done(new TritonError("UNAVAILABLE", "Server exiting"));
      return;
    }
    this.#globalMap.add(identifier);
    const source = this.#sources.get(model);
    const ready = this.#lifecycle.servingOf(identifier).length > 0;
    if (ready && source !== undefined && isUnchanged(source, now)) {
      if (now.temporary) this.#storage.removeOverrideFolder(now.folder.path);
      done(null);
      return;
    }
    const versions = this.#versions(model, now);
    if (versions.length === 0) {
      this.#lifecycle.noteWithoutVersions(identifier);
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
    this.#lifecycle.load(
      { identifier, config: now.config, folder: now.folder, versions, inPlace },
      (error) => {
        if (error !== null) {
          if (now.temporary) this.#storage.removeOverrideFolder(now.folder.path);
          done(error);
          return;
        }
        this.#forget(identifier);
        this.#sources.set(model, now);
        done(null);
      },
    );
  }

  #versions(model: string, polled: Polled): readonly number[] {
    const { versions, warnings } = selectVersions(model, polled.folder, polled.config.version_policy);
    for (const warning of warnings) this.#log.warning(warning);
    return versions;
  }

  /** Reads every model of the name; at least one result. */
  #pollModels(
    name: string,
    parameters: readonly LoadParameter[],
    done: (results: readonly Result<Polled>[]) => void,
  ): void {
    const override = parameters.find((parameter) => parameter.kind === "config");
    const files = parameters.filter((parameter) => parameter.kind === "file");
    if (files.length === 0) {
      this.#findFolders(name, (found) => {
        if (!found.ok) done([found]);
        else {
          done(
            found.value.map(({ identifier, folder }) =>
              override === undefined
                ? this.#pollFolder(identifier, folder)
                : this.#pollOverride(identifier, override.json, folder, false),
            ),
          );
        }
      });
      return;
    }
    const identifier: ModelIdentifier = { namespace: "", name };
    if (override === undefined) {
      done([unreadable(name, "Load parameter 'config' must be specified for model file override")]);
      return;
    }
    const contents = new Map(files.map(({ path, content }) => [path, content]));
    this.#storage.createOverrideFolder(contents, (made) => {
      if (!made.ok) {
        done([unreadable(name, made.error.message)]);
        return;
      }
      const polled = this.#pollOverride(identifier, override.json, made.value, true);
      if (!polled.ok) this.#storage.removeOverrideFolder(made.value.path);
      done([polled]);
    });
  }

  #pollOverride(
    identifier: ModelIdentifier,
    json: string,
    folder: ModelFolder,
    temporary: boolean,
  ): Result<Polled> {
    const prepared = this.#prepare(identifier, { json }, folder);
    if (!prepared.ok) return prepared;
    return ok({
      identifier,
      folder,
      config: prepared.value,
      configChangedMs: temporary ? Number.NEGATIVE_INFINITY : this.#clock.epochMs(),
      filesChangedMs: temporary ? Number.NEGATIVE_INFINITY : newestFileMs(folder),
      temporary,
      overridden: true,
    });
  }

  #pollFolder(identifier: ModelIdentifier, folder: ModelFolder): Result<Polled> {
    const configChangedMs = configMs(folder);
    const filesChangedMs = newestFileMs(folder);
    const source = this.#sources.get(identifierText(identifier));
    // Nothing newer than what is loaded: an override that was loaded stays in force.
    if (
      source !== undefined &&
      configChangedMs <= source.configChangedMs &&
      filesChangedMs <= source.filesChangedMs &&
      this.#lifecycle.servingOf(identifier).length > 0
    ) {
      return ok({ ...source, identifier, overridden: false });
    }
    const text = folder.config === null ? null : { text: folder.config.text };
    const prepared = this.#prepare(identifier, text, folder);
    if (!prepared.ok) return prepared;
    return ok({
      identifier,
      folder,
      config: prepared.value,
      configChangedMs,
      filesChangedMs,
      temporary: false,
      overridden: false,
    });
  }

  #prepare(
    identifier: ModelIdentifier,
    source: ConfigSource | null,
    folder: ModelFolder,
  ): Result<ModelConfig> {
    const { name } = identifier;
    const prepared = prepareConfig(source, name, folder, {
      autoComplete: this.#options.autoComplete,
      renamed: this.#roots.isMapped(name),
      log: this.#log,
    });
    return prepared.ok ? prepared : unreadable(identifierText(identifier), prepared.error.message);
  }

  /** The folders of the name, at least one; without namespacing it must be in exactly one root. */
  #findFolders(name: string, done: (result: Result<readonly FoundFolder[]>) => void): void {
    const found: FoundFolder[] = [];
    const places = this.#roots.placesOf(name);
    const next = (index: number): void => {
      const place = places[index];
      if (place === undefined) {
        if (found.length === 0) {
          done(
            fail("INVALID_ARG", `failed to poll model '${name}': model not found in any model repository.`),
          );
        } else if (found.length > 1 && !this.#options.namespacing) {
          done(
            fail("INVALID_ARG", `failed to poll model '${name}': not unique across all model repositories`),
          );
        } else {
          done(ok(found.sort((a, b) => compareIdentifiers(a.identifier, b.identifier))));
        }
        return;
      }
      const { root, folder } = place;
      this.#storage.readModelFolder(root, folder, this.#options.configName, (read) => {
        if (!read.ok) {
          done(read);
          return;
        }
        if (read.value !== null) found.push({ identifier: this.#identifier(name, root), folder: read.value });
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
