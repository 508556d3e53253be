import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { ok, type Result, TritonError } from "../../common/status.ts";
import type { LoadParameter, RepositoryIndexRow } from "../inference-server.ts";
import { compareIdentifiers, identifierText, type ModelIdentifier } from "../model-identifier.ts";
import type { ModelLifecycle } from "../model-lifecycle/model-lifecycle.ts";
import type { Storage } from "../storage.ts";
import { DependencyGraph, type GraphUpdate } from "./dependency-graph.ts";
import { noTimes } from "./folder-times.ts";
import { GlobalMap } from "./global-map.ts";
import { ModelPoller, type ModelSource, type Polled } from "./model-poller.ts";
import { OverrideFolders } from "./override-folders.ts";
import { RepositoryRoots } from "./repository-roots.ts";
import { type KnownModel, Settlement } from "./settlement.ts";
import { KeyTurns, Turns } from "./turns.ts";

export type ModelControlMode = "none" | "poll" | "explicit";

export interface RepositoryOptions {
  /** Repository roots, in the order given. */
  readonly roots: readonly string[];
  readonly controlMode: ModelControlMode;
  /** `--model-config-name`; null = `config.pbtxt`. */
  readonly configName: string | null;
  readonly autoComplete: boolean;
  /** `--repoagent-directory`; undefined = where the release has them. */
  readonly repoAgentDirectory?: string | undefined;
  /** `--model-namespacing`: each root is a namespace, so models of one name may stand in several. */
  readonly namespacing: boolean;
}

/** A model folder as a root's listing shows it. */
interface ListedModel {
  readonly identifier: ModelIdentifier;
  /** How many roots hold it: above 1 only without namespacing. */
  readonly copies: number;
}

/** What was found of the models asked for, and of the members of ensembles among them. */
interface Reading {
  /** To be loaded. */
  readonly changed: {
    readonly identifier: ModelIdentifier;
    readonly source: ModelSource;
    readonly asked: boolean;
  }[];
  /** Known before, and nothing new was found, or it could not be read. */
  readonly unchanged: ModelIdentifier[];
  /** Names of which a model could not be read, and why: this is only logged. */
  readonly unread: { readonly name: string; readonly cause: string }[];
}

/** What an operation sets out to do. */
interface Plan {
  readonly removed: readonly ModelIdentifier[];
  readonly reading: Reading;
  /** It is a look at everything: there is nobody beside it. */
  readonly isPoll: boolean;
}

/** What was asked for, by name. */
type LoadRequests = ReadonlyMap<string, readonly LoadParameter[]>;

/** What came of it, by name. */
type LoadResults = ReadonlyMap<string, TritonError | null>;

/** What came of models that something was done about, by the text of the identifier. */
type Outcomes = ReadonlyMap<string, TritonError | null>;

const pollFailed = (model: string): TritonError =>
  new TritonError("INTERNAL", `failed to load '${model}', failed to poll from model repository`);

const nothingRead = (): Reading => ({ changed: [], unchanged: [], unread: [] });

/** @param models by the text of the identifier */
const count = (models: Map<string, ListedModel>, identifier: ModelIdentifier): void => {
  const key = identifierText(identifier);
  models.set(key, { identifier, copies: (models.get(key)?.copies ?? 0) + 1 });
};

/**
 * The model repositories and what is done with the models in them: the control modes, loads with and without overrides,
 * unloads, ensembles with their members, the index (spec/triton-core.md 1.1 to 1.10, seen on 2.51.0). Operations look at
 * models one after the other; one that is about a model that another is about waits for that, then looks again.
 */
export class ModelRepository {
  readonly #storage: Storage;
  readonly #lifecycle: ModelLifecycle;
  readonly #log: Log;
  readonly #options: RepositoryOptions;
  readonly #roots: RepositoryRoots;
  readonly #poller: ModelPoller;
  readonly #globalMap = new GlobalMap();
  readonly #graph = new DependencyGraph();
  /** By the text of the identifier. */
  readonly #known = new Map<string, KnownModel>();
  readonly #folders: OverrideFolders;
  /** Looking at models, and noting what came of it. */
  readonly #turns = new Turns();
  readonly #versionTurns = new KeyTurns();
  /** Texts of models that an operation is about. */
  readonly #held = new Set<string>();
  /** What waits until the model of that text is not held. */
  #waiting: { readonly key: string; readonly goOn: () => void }[] = [];
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
    this.#log = log;
    this.#options = options;
    this.#roots = new RepositoryRoots(options.roots);
    this.#folders = new OverrideFolders((path) => storage.removeOverrideFolder(path));
    this.#poller = new ModelPoller(
      storage,
      clock,
      log,
      this.#roots,
      options,
      (identifier) => this.#known.get(identifierText(identifier))?.times ?? null,
    );
  }

  /** The model that a client means by a name. Errors only with namespacing. */
  identify(name: string): Result<ModelIdentifier> {
    return this.#options.namespacing ? this.#globalMap.resolve(name) : ok(this.#poller.identifier(name, ""));
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
          count(models, this.#poller.identifier(this.#roots.servedName(root, folder), root));
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
      .map(({ root }) => ({ root, identifier: this.#poller.identifier(name, root) }))
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
        for (const folder of listed.value)
          if (this.#roots.servedName(place.root, folder) === name) count(models, place.identifier);
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
        ...(version < 0 ? {} : { version: String(version) }),
        state,
        ...(reason === "" ? {} : { reason }),
      }));
  }

  load(model: string, parameters: readonly LoadParameter[], done: (error: TritonError | null) => void): void {
    this.#load(new Map([[model, parameters]]), (results) => done(results.get(model) ?? null));
  }

  /** Loads several models in one operation, as at the start. Answers what failed of them, of all together. */
  loadAll(models: readonly string[], done: (error: TritonError | null) => void): void {
    this.#load(new Map(models.map((model) => [model, []])), (results) => {
      const errors = [...results.values()].filter((error) => error !== null);
      const failures = errors.filter(({ code }) => code === "INVALID_ARG");
      if (failures.length === 0) done(errors[0] ?? null);
      else done(new TritonError("INVALID_ARG", failures.map(({ message }) => message).join("")));
    });
  }

  /**
   * Answers when the versions are marked; they are gone later. Ensembles that have the model as a member go too.
   * @param dependents members go as well that were loaded for the model only
   * @param done error: INTERNAL, where a load came between
   */
  unload(model: string, dependents: boolean, done: (error: TritonError | null) => void): void {
    const meant = this.#globalMap.named(model);
    const attempt = (): void =>
      this.#turns.take((leave) => {
        const named = this.#globalMap.named(model);
        const removed = dependents ? this.#graph.withDependents(named) : named;
        this.#begin({ removed, reading: nothingRead(), isPoll: false }, leave, attempt, () =>
          done(
            stillReady(
              model,
              meant.flatMap((identifier) => this.#lifecycle.servingOf(identifier)),
            ),
          ),
        );
      });
    attempt();
  }

  /** Text of a model that is being loaded, or taken from the list; null = none is. */
  inOperation(): string | null {
    const busy = this.#globalMap.all().find((known) => this.#held.has(identifierText(known)));
    return busy === undefined ? null : identifierText(busy);
  }

  /** Refuses loads that have not begun. */
  close(): void {
    this.#stopped = true;
  }

  /** Unloads everything: each model after what is under way for it. */
  stop(): void {
    this.close();
    for (const identifier of this.#globalMap.all()) this.#stopModel(identifier);
  }

  #stopModel(identifier: ModelIdentifier): void {
    const key = identifierText(identifier);
    if (this.#held.has(key)) {
      this.#waiting.push({ key, goOn: () => this.#stopModel(identifier) });
      return;
    }
    this.#graph.update({ removed: [identifier], changed: [] });
    this.#forget(identifier);
    this.#unloadVersions(identifier, () => {});
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
      const unique = listed.value.filter(({ copies }) => copies === 1);
      const present = new Set(unique.map(({ identifier }) => identifierText(identifier)));
      this.#load(
        new Map(listed.value.map(({ identifier }) => [identifier.name, []])),
        (results) => done([...results.values()].find((error) => error !== null) ?? null),
        present,
      );
    });
  }

  /** @param present where everything is looked at: texts of the models that are there; others go */
  #load(
    requests: LoadRequests,
    done: (results: LoadResults) => void,
    present: ReadonlySet<string> | null = null,
  ): void {
    const attempt = (): void =>
      this.#turns.take((leave) => {
        this.#read(requests, (reading) => {
          if (this.#stopped) {
            this.#discard(reading);
            leave();
            const refused = new TritonError("UNAVAILABLE", "Server exiting");
            done(new Map([...requests.keys()].map((name) => [name, refused])));
            return;
          }
          const removed =
            present === null
              ? []
              : this.#globalMap.all().filter((identifier) => !present.has(identifierText(identifier)));
          this.#begin({ removed, reading, isPoll: present !== null }, leave, attempt, (outcomes) =>
            done(this.#results(requests, reading, outcomes)),
          );
        });
      });
    attempt();
  }

  /** Looks at every model of the names, then at the members of ensembles among them, and so on. */
  #read(requests: LoadRequests, done: (reading: Reading) => void): void {
    const reading = nothingRead();
    const checked = new Set<string>();
    const round = (names: readonly string[]): void => {
      if (names.length === 0) {
        done(reading);
        return;
      }
      for (const name of names) checked.add(name);
      const found = new Array<readonly Polled[]>(names.length);
      let left = names.length;
      const conclude = (): void => {
        const members = new Set<string>();
        for (const [index, name] of names.entries())
          for (const polled of found[index] ?? [])
            for (const member of this.#note(polled, name, requests.has(name), reading))
              if (!checked.has(member)) members.add(member);
        round([...members]);
      };
      for (const [index, name] of names.entries()) {
        this.#poller.poll(name, requests.get(name) ?? [], (results) => {
          found[index] = results;
          if (--left === 0) conclude();
        });
      }
    };
    round([...requests.keys()]);
  }

  /** Answers the names of the members of an ensemble. */
  #note({ identifier, outcome }: Polled, name: string, asked: boolean, reading: Reading): readonly string[] {
    if (outcome instanceof TritonError) reading.unread.push({ name, cause: outcome.message });
    if (identifier === null) return [];
    const known = this.#known.get(identifierText(identifier));
    const isChanged = outcome !== "unchanged" && !(outcome instanceof TritonError);
    if (isChanged) {
      if (outcome.temporary) this.#folders.hold(outcome.folder.path);
      reading.changed.push({ identifier, source: outcome, asked });
    } else if (known !== undefined) reading.unchanged.push(identifier);
    const config = isChanged ? outcome.config : known?.source.config;
    return config?.ensemble_scheduling?.step.map(({ model_name }) => model_name) ?? [];
  }

  /** Lets go of the folders of overrides; whoever still needs one has it held. */
  #discard({ changed }: Reading): void {
    for (const { source } of changed) if (source.temporary) this.#folders.release(source.folder.path);
  }

  /**
   * Begins an operation, if none is about the same models.
   * @param leave of the turn of looking at models
   * @param again called when the models are free, if they are not
   */
  #begin(
    { removed, reading, isPoll }: Plan,
    leave: () => void,
    again: () => void,
    done: (outcomes: Outcomes) => void,
  ): void {
    const changed = reading.changed.map(({ identifier, source, asked }) => ({
      identifier,
      config: source.config,
      explicit: asked || this.#graph.get(identifier)?.explicit === true,
    }));
    const update: GraphUpdate = { removed, changed };
    const affected = new Set([...this.#graph.affected(update), ...reading.unchanged.map(identifierText)]);
    const conflict = [...affected].find((key) => this.#held.has(key));
    if (conflict !== undefined) {
      this.#discard(reading);
      this.#waiting.push({ key: conflict, goOn: again });
      leave();
      return;
    }
    for (const key of affected) this.#held.add(key);
    for (const { cause } of reading.unread) this.#log.error(cause);
    this.#graph.update(update);
    for (const identifier of removed) this.#forget(identifier);
    for (const { identifier, source } of reading.changed) this.#learn(identifier, source);
    leave();
    const conclude = (outcomes: Outcomes): void => {
      this.#discard(reading);
      this.#release(affected, () => done(outcomes));
    };
    if (isPoll && removed.length === 0 && changed.length === 0) {
      conclude(new Map());
      return;
    }
    const justRead = new Set(changed.map(({ identifier }) => identifierText(identifier)));
    this.#unloadAll(removed, () => this.#settle(affected, justRead, isPoll, conclude));
  }

  #learn(identifier: ModelIdentifier, source: ModelSource): void {
    const key = identifierText(identifier);
    const before = this.#known.get(key);
    // An ensemble is loaded again from its folder when its members change.
    if (source.temporary && source.config.ensemble_scheduling !== undefined)
      this.#folders.hold(source.folder.path);
    this.#releaseFolder(before);
    this.#known.set(key, { source, times: source.times, timesBefore: before?.times ?? noTimes });
    this.#globalMap.add(identifier);
  }

  #forget(identifier: ModelIdentifier): void {
    const key = identifierText(identifier);
    this.#releaseFolder(this.#known.get(key));
    this.#known.delete(key);
    this.#globalMap.remove(identifier);
  }

  #releaseFolder(known: KnownModel | undefined): void {
    if (known?.source.temporary === true && known.source.config.ensemble_scheduling !== undefined)
      this.#folders.release(known.source.folder.path);
  }

  #unloadAll(identifiers: readonly ModelIdentifier[], done: () => void): void {
    let left = identifiers.length;
    if (left === 0) done();
    for (const identifier of identifiers)
      this.#unloadVersions(identifier, () => {
        if (--left === 0) done();
      });
  }

  #unloadVersions(identifier: ModelIdentifier, done: () => void): void {
    this.#versionTurns.take(identifierText(identifier), (leave) => {
      this.#lifecycle.unload(identifier);
      leave();
      done();
    });
  }

  /** @param affected texts of the models that what comes of it is noted for, but where all are */
  #settle(
    affected: ReadonlySet<string>,
    justRead: ReadonlySet<string>,
    isPoll: boolean,
    done: (outcomes: Outcomes) => void,
  ): void {
    const settlement = new Settlement({
      graph: this.#graph,
      lifecycle: this.#lifecycle,
      turns: this.#versionTurns,
      folders: this.#folders,
      log: this.#log,
      known: this.#known,
      isElsewhere: (key) => this.#held.has(key) && !affected.has(key),
      justRead,
      readFolder: (path, found) => this.#poller.readFolder(path, found),
    });
    settlement.run(() =>
      this.#turns.takeFirst((leave) => {
        for (const node of settlement.nodes()) {
          const key = identifierText(node.identifier);
          // An ensemble around a model that was loaded is not noted, and so is loaded by each operation to come (2.51.0).
          if (!isPoll && !affected.has(key)) continue;
          node.state = settlement.stateOf(node);
          const known = this.#known.get(key);
          if (known !== undefined && settlement.notLoaded.has(key)) known.times = known.timesBefore;
        }
        leave();
        done(settlement.outcomes);
      }),
    );
  }

  /** @param answer called before what waited goes on, and while the models still count as being loaded */
  #release(affected: ReadonlySet<string>, answer: () => void): void {
    answer();
    for (const key of affected) this.#held.delete(key);
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ key }) => !affected.has(key));
    for (const { key, goOn } of waiting) if (affected.has(key)) goOn();
  }

  #results(requests: LoadRequests, { unread }: Reading, outcomes: Outcomes): LoadResults {
    const names = new Set(unread.map(({ name }) => name));
    const results = new Map<string, TritonError | null>();
    for (const name of requests.keys()) {
      // Of a load of one model a member that could not be read counts as well.
      const isUnread = requests.size === 1 ? names.size > 0 : names.has(name);
      results.set(name, this.#resultOf(name, isUnread, outcomes));
    }
    return results;
  }

  #resultOf(name: string, isUnread: boolean, outcomes: Outcomes): TritonError | null {
    const keys = this.#globalMap.named(name).map(identifierText);
    const failures = keys.flatMap((key) => {
      const error = outcomes.get(key) ?? null;
      return error === null ? [] : [`load failed for model '${key}': ${error.message}\n`];
    });
    if (failures.length > 0) return new TritonError("INVALID_ARG", failures.join(""));
    if (isUnread) return pollFailed(name);
    // One that has had versions is not looked at more closely (2.51.0).
    const isEmpty = this.#globalMap
      .named(name)
      .some((identifier) => (this.#lifecycle.rows(identifier) ?? []).length === 0);
    return isEmpty ? new TritonError("INTERNAL", `failed to load '${name}', no version is available`) : null;
  }
}

/** @param serving versions that should be gone */
const stillReady = (model: string, serving: readonly { readonly version: number }[]): TritonError | null => {
  if (serving.length === 0) return null;
  const versions = serving.map(({ version }) => version).join(",");
  return new TritonError(
    "INTERNAL",
    `failed to unload '${model}', versions that are still available: ${versions}`,
  );
};
