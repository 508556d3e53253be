import type { Log } from "../../common/log.ts";
import { ok, type Result, TritonError } from "../../common/status.ts";
import { fitEnsemble } from "../model-config/fit-ensemble.ts";
import type { EnsembleStep, ModelConfig, ModelEnsembling } from "../model-config/model-config.ts";
import { parseConfigText } from "../model-config/text-format.ts";
import { identifierText } from "../model-identifier.ts";
import type { ModelLifecycle } from "../model-lifecycle/model-lifecycle.ts";
import type { ModelFolder } from "../storage.ts";
import { type DependencyGraph, type GraphNode, membersInTurn, type NodeState } from "./dependency-graph.ts";
import { type FolderTimes, isVersionNewer } from "./folder-times.ts";
import type { ModelSource } from "./model-poller.ts";
import type { OverrideFolders } from "./override-folders.ts";
import type { KeyTurns } from "./turns.ts";
import { selectVersions } from "./version-policy.ts";

/** A model that was read and not unloaded since, whether it loaded or not. */
export interface KnownModel {
  readonly source: ModelSource;
  /** The next load reads it again where something is newer than this. */
  times: FolderTimes;
  /** As they were before it was read; they hold again where it does not load. */
  readonly timesBefore: FolderTimes;
}

export interface SettlementParts {
  readonly graph: DependencyGraph;
  readonly lifecycle: ModelLifecycle;
  /** By the text of the identifier: one thing at a time is done with the versions of a model. */
  readonly turns: KeyTurns;
  readonly folders: OverrideFolders;
  readonly log: Log;
  /** By the text of the identifier. */
  readonly known: ReadonlyMap<string, KnownModel>;
  /** Whether another operation is about the model, by the text of the identifier. */
  readonly isElsewhere: (key: string) => boolean;
  /** Texts of models that were just read; the folders of others are looked at again. */
  readonly justRead: ReadonlySet<string>;
  readonly readFolder: (path: string, done: (folder: ModelFolder | null) => void) => void;
}

/**
 * Loads what is not settled, members before the ensembles around them, and unloads ensembles that cannot be as their
 * members are. What it finds out of a model it keeps to itself: whoever began it notes that for the models it is about
 * (2.51.0: `LoadModelByDependency`).
 */
export class Settlement {
  readonly #parts: SettlementParts;
  readonly #states = new Map<GraphNode, NodeState>();
  readonly #ensembles = new Map<GraphNode, ModelConfig>();
  /** What came of each model that was done about, by the text of the identifier; null = it loaded. */
  readonly outcomes = new Map<string, TritonError | null>();
  /** Texts of models whose versions did not load. */
  readonly notLoaded = new Set<string>();

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  /** Models that were done about. */
  nodes(): Iterable<GraphNode> {
    return this.#states.keys();
  }

  stateOf(node: GraphNode): NodeState {
    return this.#states.get(node) ?? node.state;
  }

  run(done: () => void): void {
    this.#round(this.#parts.graph.nodes(), done);
  }

  #round(candidates: Iterable<GraphNode>, done: () => void): void {
    const open = [...new Set(candidates)].filter(
      (node) => !this.stateOf(node).isSettled && !this.#parts.isElsewhere(identifierText(node.identifier)),
    );
    const nodes = open.filter((node) => this.#canBeTold(node));
    if (nodes.length === 0) {
      done();
      return;
    }
    for (const node of nodes) this.#note(node, { isSettled: true });
    let left = nodes.length;
    const conclude = (): void => {
      if (--left === 0)
        this.#round(
          nodes.flatMap(({ users }) => [...users]),
          done,
        );
    };
    const isValid = (node: GraphNode): boolean => this.stateOf(node).problem === null;
    for (const node of nodes) if (!isValid(node)) this.#unload(node, conclude);
    for (const node of nodes) if (isValid(node)) this.#load(node, conclude);
  }

  #note(node: GraphNode, found: Partial<NodeState>): void {
    this.#states.set(node, { ...this.stateOf(node), ...found });
  }

  /** Whether its members are settled as far as they tell what becomes of it; notes what is wrong with it. */
  #canBeTold(node: GraphNode): boolean {
    if (this.stateOf(node).problem !== null) return true;
    for (const member of membersInTurn(node)) {
      const state = this.stateOf(member);
      if (!state.isSettled) return false;
      const problem = this.#problemWith(node, member, state);
      if (problem === null) continue;
      this.#note(node, { problem });
      return true;
    }
    const { ensemble_scheduling: scheduling } = node.config;
    if (scheduling === undefined) return true;
    const fitted = this.#fit(node, scheduling);
    if (fitted.ok) this.#ensembles.set(node, fitted.value);
    else this.#note(node, { problem: fitted.error });
    return true;
  }

  #problemWith(node: GraphNode, member: GraphNode, state: NodeState): TritonError | null {
    const name = identifierText(member.identifier);
    const depends = `ensemble '${identifierText(node.identifier)}' depends on '${name}'`;
    const invalid = (text: string): TritonError => new TritonError("INVALID_ARG", `${depends} ${text}`);
    if (state.problem !== null)
      return invalid(`which is not valid. Model '${name}' failed with error: ${state.problem.message}`);
    if (state.loaded.size === 0) {
      const outcome = this.outcomes.get(name);
      if (outcome === null) return invalid("which has no loaded version.");
      // One that nothing was done about just now has no error there: 2.51.0 then reads memory that is none of its own.
      const reason = (outcome ?? state.loadError)?.message ?? "";
      return invalid(`which has no loaded version. Model '${name}' loading failed with error: ${reason}`);
    }
    const wanted = [...(node.members.get(member) ?? [])].sort((a, b) => a - b);
    const missing = wanted.filter((version) => version !== -1 && !state.loaded.has(version)).at(-1);
    return missing === undefined ? null : invalid(`whose required version ${missing} is not loaded.`);
  }

  /** The configuration that an ensemble is loaded with. */
  #fit(node: GraphNode, scheduling: ModelEnsembling): Result<ModelConfig> {
    const { graph, lifecycle } = this.#parts;
    const step = scheduling.step.map((one) => ({
      ...one,
      model_namespace: graph.member(node, one)?.identifier.namespace ?? "",
    }));
    const configOf = (one: EnsembleStep): Result<ModelConfig> => {
      const member = graph.member(node, one);
      // Of one that is missing it knows nothing (2.51.0).
      if (member === null || !node.members.has(member)) return parseConfigText("");
      const found = lifecycle.find(member.identifier, -1);
      return found.ok ? ok(found.value.config) : found;
    };
    const config = { ...node.config, ensemble_scheduling: { step } };
    return fitEnsemble(identifierText(node.identifier), config, { step }, configOf);
  }

  #unload(node: GraphNode, done: () => void): void {
    const { lifecycle, turns, log } = this.#parts;
    const key = identifierText(node.identifier);
    const { problem } = this.stateOf(node);
    turns.take(key, (leave) => {
      lifecycle.unload(node.identifier);
      this.outcomes.set(key, problem);
      log.error(problem?.asString() ?? "");
      this.#note(node, { loaded: new Set() });
      leave();
      done();
    });
  }

  #load(node: GraphNode, done: () => void): void {
    const { graph, turns, known, justRead, readFolder } = this.#parts;
    const { identifier } = node;
    const key = identifierText(identifier);
    turns.take(key, (leave) => {
      const leaveAndGoOn = (): void => {
        leave();
        done();
      };
      const model = known.get(key);
      // It was unloaded by somebody else meanwhile.
      if (model === undefined || graph.get(identifier) !== node) leaveAndGoOn();
      else if (justRead.has(key) || model.source.temporary)
        this.#loadFrom(model.source.folder, node, model, leaveAndGoOn);
      else
        readFolder(model.source.folder.path, (folder) => {
          if (folder !== null) this.#loadFrom(folder, node, model, leaveAndGoOn);
          else {
            const cause = `failed to open directory ${model.source.folder.path}`;
            this.#refuse(node, new TritonError("INTERNAL", cause));
            leaveAndGoOn();
          }
        });
    });
  }

  #loadFrom(folder: ModelFolder, node: GraphNode, model: KnownModel, done: () => void): void {
    const { lifecycle, folders, log } = this.#parts;
    const { identifier } = node;
    const key = identifierText(identifier);
    const { versions, warnings } = selectVersions(key, folder, node.config.version_policy);
    for (const warning of warnings) log.warning(warning);
    if (versions.length === 0) {
      lifecycle.noteWithoutVersions(identifier);
      const reason = `at least one version must be available under the version policy of model '${key}'`;
      this.#refuse(node, new TritonError("INVALID_ARG", reason));
      done();
      return;
    }
    lifecycle.load(
      {
        identifier,
        config: this.#ensembles.get(node) ?? node.config,
        folder,
        versions,
        isNewer: (version) => isVersionNewer(model.times, model.timesBefore, version),
        // What a loaded version keeps must not keep whoever waits for the load.
        whenUnused: model.source.temporary ? folders.holder(folder.path) : null,
      },
      (error) => {
        this.#conclude(node, error);
        done();
      },
    );
  }

  #refuse(node: GraphNode, error: TritonError): void {
    this.#parts.log.error(`failed to load model '${identifierText(node.identifier)}': ${error.message}`);
    this.#conclude(node, error);
  }

  #conclude(node: GraphNode, error: TritonError | null): void {
    const key = identifierText(node.identifier);
    this.outcomes.set(key, error);
    if (error !== null) this.notLoaded.add(key);
    const serving = this.#parts.lifecycle.servingOf(node.identifier);
    this.#note(node, { loaded: new Set(serving.map(({ version }) => version)), loadError: error });
  }
}
