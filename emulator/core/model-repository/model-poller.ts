import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { fail, ok, type Result } from "../../common/status.ts";
import type { LoadParameter } from "../inference-server.ts";
import { configsEqual } from "../model-config/compare.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import { type ConfigSource, prepareConfig } from "../model-config/prepare.ts";
import { compareIdentifiers, identifierText, type ModelIdentifier } from "../model-identifier.ts";
import type { ModelFolder, Storage } from "../storage.ts";
import type { RepositoryRoots } from "./repository-roots.ts";

/** What a model was made from, to see at the next load whether anything changed. */
export interface ModelSource {
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
export interface Polled extends ModelSource {
  readonly identifier: ModelIdentifier;
  readonly overridden: boolean;
}

export interface PollerOptions {
  readonly configName: string | null;
  readonly autoComplete: boolean;
  readonly repoAgentDirectory?: string | undefined;
  readonly namespacing: boolean;
}

/** A model's folder in one of the roots. */
interface FoundFolder {
  readonly identifier: ModelIdentifier;
  readonly folder: ModelFolder;
}

/** Why a model could not be read: this is only logged. */
const unreadable = (model: string, cause: string) =>
  fail("INTERNAL", `Poll failed for model directory '${model}': ${cause}`);

/** Reads models from the repositories, or from what a load brings with it: the poll stage (spec/triton-core.md 1.6, 1.9). */
export class ModelPoller {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #roots: RepositoryRoots;
  readonly #options: PollerOptions;
  readonly #inForce: (identifier: ModelIdentifier) => ModelSource | null;

  /** @param inForce the source of a model that need not be read again if nothing is newer; null = it must */
  constructor(
    storage: Storage,
    clock: Clock,
    log: Log,
    roots: RepositoryRoots,
    options: PollerOptions,
    inForce: (identifier: ModelIdentifier) => ModelSource | null,
  ) {
    this.#storage = storage;
    this.#clock = clock;
    this.#log = log;
    this.#roots = roots;
    this.#options = options;
    this.#inForce = inForce;
  }

  identifier(name: string, root: string): ModelIdentifier {
    return { namespace: this.#options.namespacing ? root : "", name };
  }

  /** Reads every model of the name; at least one result. */
  poll(
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
    const source = this.#inForce(identifier);
    // Nothing newer than what is loaded: an override that was loaded stays in force.
    if (source !== null && isNoNewer({ configChangedMs, filesChangedMs }, source)) {
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
      repoAgentDirectory: this.#options.repoAgentDirectory,
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
        if (read.value !== null) found.push({ identifier: this.identifier(name, root), folder: read.value });
        next(index + 1);
      });
    };
    next(0);
  }
}

/** The override that is active again, or a folder in which nothing is newer than what was read. */
export const isUnchanged = (source: ModelSource, now: Polled): boolean => {
  if (!now.overridden) return isNoNewer(now, source);
  if (!configsEqual(source.config, now.config)) return false;
  // Files of an override have no age: others in their place are only noticed where they make other versions (2.51.0).
  if (now.temporary !== source.temporary) return versionFolders(source.folder) === versionFolders(now.folder);
  // The same override once more is newer than what was written meanwhile, and so stays in force at a plain load (2.51.0).
  return now.temporary || isNoNewer({ ...now, configChangedMs: configMs(now.folder) }, source);
};

type Ages = Pick<ModelSource, "configChangedMs" | "filesChangedMs">;

const isNoNewer = (now: Ages, before: Ages): boolean =>
  now.configChangedMs <= before.configChangedMs && now.filesChangedMs <= before.filesChangedMs;

const versionFolders = ({ entries }: ModelFolder): string =>
  [...new Set(entries.flatMap(({ path }) => /^\d+(?=\/|$)/.exec(path) ?? []))].sort().join();

const configMs = (folder: ModelFolder): number =>
  folder.entries.find(({ path }) => path === folder.config?.path)?.changedMs ?? Number.NEGATIVE_INFINITY;

/** Newest change of everything but the configuration file, the model folder itself included. */
const newestFileMs = (folder: ModelFolder): number =>
  folder.entries.reduce(
    (newest, { path, changedMs }) => (path === folder.config?.path ? newest : Math.max(newest, changedMs)),
    folder.changedMs,
  );
