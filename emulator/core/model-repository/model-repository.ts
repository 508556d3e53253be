import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { ok, type Result, TritonError } from "../../common/status.ts";
import type { LoadParameter, RepositoryIndexRow } from "../inference-server.ts";
import { configsEqualButInstances } from "../model-config/compare.ts";
import { fitEnsemble } from "../model-config/fit-ensemble.ts";
import type { EnsembleStep, ModelConfig, ModelEnsembling } from "../model-config/model-config.ts";
import { compareIdentifiers, identifierText, type ModelIdentifier } from "../model-identifier.ts";
import type { ModelLifecycle } from "../model-lifecycle/model-lifecycle.ts";
import type { Storage } from "../storage.ts";
import { DependencyGraph, type GraphNode } from "./dependency-graph.ts";
import { GlobalMap } from "./global-map.ts";
import { KeyLocks } from "./key-locks.ts";
import { isUnchanged, ModelPoller, type ModelSource, type Polled } from "./model-poller.ts";
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

/** Every model that a load has to look at: those asked for, and the members of ensembles among them. */
interface Reading {
  readonly polled: readonly { readonly now: Polled; readonly asked: boolean }[];
  /** Names of which a model could not be read, and why: this is only logged. */
  readonly unread: readonly { readonly name: string; readonly cause: string }[];
}

/** What was asked for, by name. */
type LoadRequests = ReadonlyMap<string, readonly LoadParameter[]>;

/** What came of it, by name. */
type LoadResults = ReadonlyMap<string, TritonError | null>;

const pollFailed = (model: string): TritonError =>
  new TritonError("INTERNAL", `failed to load '${model}', failed to poll from model repository`);

/** @param models by the text of the identifier */
const count = (models: Map<string, ListedModel>, identifier: ModelIdentifier): void => {
  const key = identifierText(identifier);
  models.set(key, { identifier, copies: (models.get(key)?.copies ?? 0) + 1 });
};

/**
 * The model repositories and what is done with the models in them: the control modes, loads with and without overrides,
 * unloads, ensembles with their members, the index (spec/triton-core.md 1.1 to 1.10, seen on 2.51.0). Operations on the same
 * or related models run one after the other.
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
  /** By the text of the identifier: of models that were loaded, and of ensembles also where that failed for their members. */
  readonly #sources = new Map<string, ModelSource>();
  /** By name asked for, and by the text of the identifier. */
  readonly #locks = new KeyLocks();
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
    this.#poller = new ModelPoller(storage, clock, log, this.#roots, options, (identifier) =>
      this.#inForce(identifier),
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
      .map(({ root, folder }) => ({ root, folder, identifier: this.#poller.identifier(name, root) }))
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
    this.#load(new Map([[model, parameters]]), (results) => done(results.get(model) ?? null));
  }

  /**
   * Answers when the versions are marked; they are gone later. Ensembles that have the model as a member go too.
   * @param dependents members go as well that were loaded for the model only
   */
  unload(model: string, dependents: boolean, done: () => void): void {
    const find = (): readonly ModelIdentifier[] => {
      const named = this.#globalMap.named(model);
      return dependents ? this.#graph.withDependents(named) : named;
    };
    this.#whenFree<readonly ModelIdentifier[]>(
      [model],
      (goOn) => goOn(find()),
      (going) => this.#around(going),
      (going, release) => {
        this.#remove(going, () => {
          done();
          release();
        });
      },
    );
  }

  /** Text of a model that is being loaded, or taken from the list; null = none is. */
  inOperation(): string | null {
    const busy = this.#globalMap
      .all()
      .find((known) => this.#locks.isHeld(known.name) || this.#locks.isHeld(identifierText(known)));
    return busy === undefined ? null : identifierText(busy);
  }

  /** Refuses loads that have not begun. */
  close(): void {
    this.#stopped = true;
  }

  /** Unloads everything: each model after what is under way for it. */
  stop(): void {
    this.close();
    for (const identifier of this.#globalMap.all()) {
      const keys = [...new Set([identifier.name, identifierText(identifier)])];
      this.#locks.acquire(keys, () => {
        this.#forgetModel(identifier);
        this.#locks.release(keys);
      });
    }
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
      const gone = this.#globalMap.all().filter((identifier) => !present.has(identifierText(identifier)));
      for (const identifier of gone) this.#removeInTurn(identifier);
      this.#load(new Map(listed.value.map(({ identifier }) => [identifier.name, []])), (results) => {
        done([...results.values()].find((error) => error !== null) ?? null);
      });
    });
  }

  /**
   * Does something about models that nothing else is being done about. What it concerns is only known when it was looked
   * at, so it is looked at again after waiting for anybody.
   * @param names held from the first look on
   * @param look called once or more; what it found is given to `run` or to `discard`
   * @param concerns texts of the identifiers that must be held, by what was found
   */
  #whenFree<T>(
    names: readonly string[],
    look: (goOn: (found: T) => void) => void,
    concerns: (found: T) => readonly string[],
    run: (found: T, release: () => void) => void,
    discard: (found: T) => void = () => {},
  ): void {
    const attempt = (keys: readonly string[], again: boolean): void => {
      this.#locks.acquire(
        keys,
        () =>
          look((found) => {
            const held = new Set(keys);
            const more = [...new Set(concerns(found))].filter((key) => !held.has(key));
            const all = [...keys, ...more];
            if (this.#locks.extend(more)) {
              run(found, () => this.#locks.release(all));
              return;
            }
            discard(found);
            attempt(all, true);
            this.#locks.release(keys);
          }),
        again,
      );
    };
    attempt([...new Set(names)], false);
  }

  /** Texts of the models, of the ensembles they are part of, and of the members of those. */
  #around(identifiers: readonly ModelIdentifier[]): string[] {
    const users = this.#graph.allUsersOf(identifiers);
    const members = users.flatMap((user) => this.#graph.membersOf(user));
    return [...identifiers, ...[...users, ...members].map(({ identifier }) => identifier)].map(
      identifierText,
    );
  }

  #removeInTurn(identifier: ModelIdentifier): void {
    this.#whenFree<readonly ModelIdentifier[]>(
      [identifier.name],
      (goOn) => goOn([identifier]),
      (going) => this.#around(going),
      (going, release) => this.#remove(going, release),
    );
  }

  /** Unloads models; ensembles that then lack a member follow. */
  #remove(going: readonly ModelIdentifier[], done: () => void): void {
    const users = this.#graph.allUsersOf(going);
    for (const identifier of going) this.#forgetModel(identifier);
    this.#bringAll(
      users.filter(({ identifier }) => this.#graph.get(identifier) !== undefined),
      new Map(),
      done,
    );
  }

  #forgetModel(identifier: ModelIdentifier): void {
    this.#lifecycle.unload(identifier);
    this.#globalMap.remove(identifier);
    this.#graph.remove(identifier);
    this.#replaceSource(identifier, null);
  }

  #replaceSource(identifier: ModelIdentifier, source: ModelSource | null): void {
    const key = identifierText(identifier);
    const before = this.#sources.get(key);
    if (before?.temporary === true && before.folder !== source?.folder) {
      this.#storage.removeOverrideFolder(before.folder.path);
    }
    if (source === null) this.#sources.delete(key);
    else this.#sources.set(key, source);
  }

  /** A model that serves; of an ensemble also one that does not, since that is for its members to change. */
  #inForce(identifier: ModelIdentifier): ModelSource | null {
    const source = this.#sources.get(identifierText(identifier));
    if (source === undefined) return null;
    const waits = source.config.ensemble_scheduling !== undefined;
    return waits || this.#lifecycle.servingOf(identifier).length > 0 ? source : null;
  }

  #load(requests: LoadRequests, done: (results: LoadResults) => void): void {
    this.#whenFree<Reading>(
      [...requests.keys()],
      (goOn) => this.#read(requests, goOn),
      ({ polled }) => [
        ...polled.map(({ now }) => identifierText(now.identifier)),
        ...this.#around(polled.filter(({ now }) => !this.#isUnchanged(now)).map(({ now }) => now.identifier)),
      ],
      (reading, release) => {
        if (this.#stopped) {
          this.#discard(reading);
          const refused = new TritonError("UNAVAILABLE", "Server exiting");
          done(new Map([...requests.keys()].map((name) => [name, refused])));
          release();
          return;
        }
        this.#bringWhatWasRead(reading, (affected) => {
          done(this.#results(requests, reading, affected));
          release();
        });
      },
      (reading) => this.#discard(reading),
    );
  }

  /** Reads every model of the names, then the members of ensembles among them, and so on. */
  #read(requests: LoadRequests, done: (reading: Reading) => void): void {
    const polled: { readonly now: Polled; readonly asked: boolean }[] = [];
    const unread: { readonly name: string; readonly cause: string }[] = [];
    const checked = new Set<string>();
    const round = (names: readonly string[], asked: boolean): void => {
      if (names.length === 0) {
        done({ polled, unread });
        return;
      }
      for (const name of names) checked.add(name);
      const found = new Array<readonly Result<Polled>[]>(names.length);
      let left = names.length;
      const conclude = (): void => {
        const members = new Set<string>();
        for (const [index, results] of found.entries()) {
          for (const result of results) {
            if (!result.ok) {
              unread.push({ name: names[index]!, cause: result.error.message });
              continue;
            }
            polled.push({ now: result.value, asked });
            for (const { model_name } of result.value.config.ensemble_scheduling?.step ?? []) {
              if (!checked.has(model_name)) members.add(model_name);
            }
          }
        }
        round([...members], false);
      };
      for (const [index, name] of names.entries()) {
        this.#poller.poll(name, requests.get(name) ?? [], (results) => {
          found[index] = results;
          if (--left === 0) conclude();
        });
      }
    };
    round([...requests.keys()], true);
  }

  #isUnchanged(now: Polled): boolean {
    const source = this.#inForce(now.identifier);
    return source !== null && isUnchanged(source, now);
  }

  #discard({ polled }: Reading): void {
    for (const { now } of polled) this.#dropTemporary(now);
  }

  #dropTemporary(now: Polled): void {
    if (now.temporary && this.#sources.get(identifierText(now.identifier))?.folder !== now.folder) {
      this.#storage.removeOverrideFolder(now.folder.path);
    }
  }

  /** Brings what changed, and the ensembles it is part of, to what was just read. @param done called with all of these */
  #bringWhatWasRead(reading: Reading, done: (affected: readonly GraphNode[]) => void): void {
    for (const { cause } of reading.unread) this.#log.error(cause);
    const changed = reading.polled.filter(({ now }) => !this.#isUnchanged(now));
    const identifiers = changed.map(({ now }) => now.identifier);
    const isChanged = new Set(identifiers);
    const users = this.#graph.allUsersOf(identifiers);
    for (const { now } of reading.polled) {
      this.#globalMap.add(now.identifier);
      if (!isChanged.has(now.identifier)) this.#dropTemporary(now);
    }
    const read = new Map<string, Polled>();
    for (const { now, asked } of changed) {
      read.set(identifierText(now.identifier), now);
      this.#graph.set(now.identifier, now.config, asked);
    }
    const affected = new Map<string, GraphNode>();
    for (const identifier of [
      ...identifiers,
      ...[...users, ...this.#graph.allUsersOf(identifiers)].map((user) => user.identifier),
    ]) {
      const node = this.#graph.get(identifier);
      if (node !== undefined) affected.set(identifierText(identifier), node);
    }
    const nodes = [...affected.values()];
    this.#bringAll(nodes, read, () => done(nodes));
  }

  #results(requests: LoadRequests, reading: Reading, affected: readonly GraphNode[]): LoadResults {
    const byName = new Map<string, GraphNode[]>();
    for (const node of affected) {
      const { name } = node.identifier;
      byName.set(name, [...(byName.get(name) ?? []), node]);
    }
    const unread = new Set(reading.unread.map(({ name }) => name));
    const results = new Map<string, TritonError | null>();
    for (const name of requests.keys()) {
      results.set(name, this.#resultOf(name, byName.get(name) ?? [], unread, requests.size === 1));
    }
    return results;
  }

  /** @param alone the load was about this model: then a member that could not be read counts as well */
  #resultOf(
    name: string,
    affected: readonly GraphNode[],
    unread: ReadonlySet<string>,
    alone: boolean,
  ): TritonError | null {
    const failures = affected.flatMap(({ identifier, invalid, loadError }) => {
      const error = invalid ?? loadError;
      return error === null
        ? []
        : [`load failed for model '${identifierText(identifier)}': ${error.message}\n`];
    });
    if (failures.length > 0) return new TritonError("INVALID_ARG", failures.join(""));
    if (unread.has(name) || (alone && unread.size > 0)) return pollFailed(name);
    const serves = this.#globalMap
      .named(name)
      .some((identifier) => this.#lifecycle.servingOf(identifier).length > 0);
    if (serves) return null;
    return new TritonError("INTERNAL", `failed to load '${name}', no version is available`);
  }

  /** Brings models to what is known of them, members before the ensembles they are part of. @param read what was just read of them */
  #bringAll(nodes: readonly GraphNode[], read: ReadonlyMap<string, Polled>, done: () => void): void {
    let left = nodes.length;
    if (left === 0) {
      done();
      return;
    }
    const all = new Set(nodes);
    const waitsFor = new Map<GraphNode, number>();
    for (const node of nodes) node.invalid = this.#graph.problemOf(node);
    const bring = (node: GraphNode): void => {
      this.#bring(node, read.get(identifierText(node.identifier)) ?? null, () => {
        for (const user of this.#graph.usersOf(node.identifier)) {
          const waits = waitsFor.get(user) ?? 0;
          if (waits === 0) continue;
          waitsFor.set(user, waits - 1);
          if (waits === 1) bring(user);
        }
        if (--left === 0) done();
      });
    };
    for (const node of nodes) {
      const isHopeless = node.invalid !== null;
      const members = isHopeless ? [] : this.#graph.membersOf(node).filter((member) => all.has(member));
      waitsFor.set(node, members.length);
    }
    const ready = nodes.filter((node) => waitsFor.get(node) === 0);
    for (const node of ready) bring(node);
  }

  /** @param polled what was just read; null = nothing changed but its members */
  #bring(node: GraphNode, polled: Polled | null, done: () => void): void {
    const { identifier } = node;
    const model = identifierText(identifier);
    const source = this.#sources.get(model);
    const now: ModelSource | undefined = polled ?? source;
    if (now === undefined) {
      done();
      return;
    }
    const scheduling = node.config.ensemble_scheduling;
    const config = scheduling === undefined ? now.config : this.#fit(node, scheduling);
    if (scheduling !== undefined) this.#replaceSource(identifier, now);
    if (config === null) {
      // One that served until its members changed is read again at the next load, and that says why it cannot serve.
      if (polled === null && this.#lifecycle.servingOf(identifier).length > 0)
        this.#replaceSource(identifier, { ...now, configChangedMs: Number.NEGATIVE_INFINITY });
      this.#lifecycle.unload(identifier);
      this.#log.error(node.invalid?.asString() ?? "");
      done();
      return;
    }
    const fail = (error: TritonError): void => {
      node.loadError = error;
      if (scheduling !== undefined) this.#replaceSource(identifier, null);
      else if (now.temporary) this.#storage.removeOverrideFolder(now.folder.path);
      done();
    };
    const versions = this.#versions(model, now);
    if (versions.length === 0) {
      this.#lifecycle.noteWithoutVersions(identifier);
      const reason = `at least one version must be available under the version policy of model '${model}'`;
      this.#log.error(`failed to load model '${model}': ${reason}`);
      fail(new TritonError("INVALID_ARG", reason));
      return;
    }
    const inPlace =
      scheduling === undefined &&
      source !== undefined &&
      this.#lifecycle.servingOf(identifier).length > 0 &&
      !now.temporary &&
      now.filesChangedMs <= source.filesChangedMs &&
      configsEqualButInstances(source.config, now.config);
    this.#lifecycle.load({ identifier, config, folder: now.folder, versions, inPlace }, (error) => {
      if (error !== null) {
        fail(error);
        return;
      }
      node.loadError = null;
      this.#replaceSource(identifier, now);
      done();
    });
  }

  /** The configuration that an ensemble is loaded with; null = it cannot be, and the node says why. */
  #fit(node: GraphNode, scheduling: ModelEnsembling): ModelConfig | null {
    node.invalid ??= this.#membersProblem(node, scheduling);
    if (node.invalid !== null) return null;
    const memberOf = (step: EnsembleStep): ModelIdentifier =>
      this.#graph.member(node.identifier, step)!.identifier;
    const step = scheduling.step.map((one) => ({ ...one, model_namespace: memberOf(one).namespace }));
    const fitted = fitEnsemble(
      identifierText(node.identifier),
      { ...node.config, ensemble_scheduling: { step } },
      { step },
      (one) => this.#lifecycle.servingOf(memberOf(one)).at(-1)!.config,
    );
    if (fitted.ok) return fitted.value;
    node.invalid = fitted.error;
    return null;
  }

  /** Members that do not serve, or not the version that a step asks for. */
  #membersProblem(node: GraphNode, scheduling: ModelEnsembling): TritonError | null {
    const ensemble = identifierText(node.identifier);
    for (const step of scheduling.step) {
      const member = this.#graph.member(node.identifier, step)!;
      const depends = `ensemble '${ensemble}' depends on '${identifierText(member.identifier)}'`;
      const failed = `Model '${identifierText(member.identifier)}'`;
      const invalid = (text: string): TritonError => new TritonError("INVALID_ARG", `${depends} ${text}`);
      if (member.invalid !== null) {
        return invalid(`which is not valid. ${failed} failed with error: ${member.invalid.message}`);
      }
      const serving = this.#lifecycle.servingOf(member.identifier);
      if (serving.length === 0) {
        const { loadError } = member;
        const reason = loadError === null ? "" : ` ${failed} loading failed with error: ${loadError.message}`;
        return invalid(`which has no loaded version.${reason}`);
      }
      const { model_version: wanted } = step;
      if (wanted !== -1 && !serving.some(({ version }) => version === wanted)) {
        return invalid(`whose required version ${wanted} is not loaded.`);
      }
    }
    return null;
  }

  #versions(model: string, source: ModelSource): readonly number[] {
    const { versions, warnings } = selectVersions(model, source.folder, source.config.version_policy);
    for (const warning of warnings) this.#log.warning(warning);
    return versions;
  }
}
