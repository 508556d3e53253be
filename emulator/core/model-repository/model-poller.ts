import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { fail, ok, type Result, TritonError } from "../../common/status.ts";
import type { LoadParameter } from "../inference-server.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import { type ConfigSource, prepareConfig } from "../model-config/prepare.ts";
import { compareIdentifiers, identifierText, type ModelIdentifier } from "../model-identifier.ts";
import type { ModelFolder, Storage } from "../storage.ts";
import { type FolderTimes, isNewer, noTimes, timesOf, withConfigTime } from "./folder-times.ts";
import type { RepositoryRoots } from "./repository-roots.ts";

/** What a model is made from. */
export interface ModelSource {
  readonly folder: ModelFolder;
  /** As prepared, before the backend completes it. */
  readonly config: ModelConfig;
  readonly times: FolderTimes;
  /** Made by `createOverrideFolder`. */
  readonly temporary: boolean;
}

/** What a look at a model found. */
export interface Polled {
  /** null = no folder of that name. */
  readonly identifier: ModelIdentifier | null;
  /** An error is only logged. */
  readonly outcome: ModelSource | "unchanged" | TritonError;
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
const unreadable = (model: string, cause: string): TritonError =>
  new TritonError("INTERNAL", `Poll failed for model directory '${model}': ${cause}`);

/** Reads models from the repositories, or from what a load brings with it: the poll stage (spec/triton-core.md 1.6, 1.9). */
export class ModelPoller {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #roots: RepositoryRoots;
  readonly #options: PollerOptions;
  readonly #timesBefore: (identifier: ModelIdentifier) => FolderTimes | null;

  /** @param timesBefore of a model that was read before and loaded, or of one that failed: it is read again if anything is newer */
  constructor(
    storage: Storage,
    clock: Clock,
    log: Log,
    roots: RepositoryRoots,
    options: PollerOptions,
    timesBefore: (identifier: ModelIdentifier) => FolderTimes | null,
  ) {
    this.#storage = storage;
    this.#clock = clock;
    this.#log = log;
    this.#roots = roots;
    this.#options = options;
    this.#timesBefore = timesBefore;
  }

  identifier(name: string, root: string): ModelIdentifier {
    return { namespace: this.#options.namespacing ? root : "", name };
  }

  /** Looks at every model of the name; at least one result. */
  poll(name: string, parameters: readonly LoadParameter[], done: (results: readonly Polled[]) => void): void {
    const override = parameters.find((parameter) => parameter.kind === "config");
    const files = parameters.filter((parameter) => parameter.kind === "file");
    if (files.length === 0) {
      this.#findFolders(name, (found) => {
        if (!found.ok) done([{ identifier: null, outcome: found.error }]);
        else {
          done(
            found.value.map(({ identifier, folder }) => ({
              identifier,
              outcome: this.#pollFolder(identifier, override?.json ?? null, folder),
            })),
          );
        }
      });
      return;
    }
    const identifier: ModelIdentifier = { namespace: "", name };
    if (override === undefined) {
      const cause = "Load parameter 'config' must be specified for model file override";
      done([{ identifier, outcome: unreadable(name, cause) }]);
      return;
    }
    const contents = new Map(files.map(({ path, content }) => [path, content]));
    this.#storage.createOverrideFolder(contents, (made) => {
      if (!made.ok) {
        done([{ identifier, outcome: unreadable(name, made.error.message) }]);
        return;
      }
      const outcome = this.#prepare(identifier, { json: override.json }, made.value, noTimes, true);
      if (outcome instanceof TritonError) this.#storage.removeOverrideFolder(made.value.path);
      done([{ identifier, outcome }]);
    });
  }

  /** The folder of a model as it is now, in a repository or not any more; null = there is none. */
  readFolder(path: string, done: (folder: ModelFolder | null) => void): void {
    this.#storage.readModelFolder(path, "", this.#options.configName, (read) =>
      done(read.ok ? read.value : null),
    );
  }

  #pollFolder(identifier: ModelIdentifier, override: string | null, folder: ModelFolder): Polled["outcome"] {
    const times = timesOf(folder, folder.config?.path ?? "config.pbtxt");
    if (override !== null) {
      const now = withConfigTime(times, this.#clock.epochMs());
      return this.#prepare(identifier, { json: override }, folder, now, false);
    }
    const before = this.#timesBefore(identifier);
    if (before !== null && !isNewer(times, before)) return "unchanged";
    const text = folder.config === null ? null : { text: folder.config.text };
    return this.#prepare(identifier, text, folder, times, false);
  }

  #prepare(
    identifier: ModelIdentifier,
    source: ConfigSource | null,
    folder: ModelFolder,
    times: FolderTimes,
    temporary: boolean,
  ): ModelSource | TritonError {
    const { name } = identifier;
    const prepared = prepareConfig(source, name, folder, {
      autoComplete: this.#options.autoComplete,
      repoAgentDirectory: this.#options.repoAgentDirectory,
      renamed: this.#roots.isMapped(name),
      log: this.#log,
    });
    if (!prepared.ok) return unreadable(identifierText(identifier), prepared.error.message);
    return { folder, config: prepared.value, times, temporary };
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
