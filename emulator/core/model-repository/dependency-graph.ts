import { TritonError } from "../../common/status.ts";
import type { EnsembleStep, ModelConfig } from "../model-config/model-config.ts";
import { identifierText, type ModelIdentifier } from "../model-identifier.ts";

/** What is known of a model since something was last done about it. */
export interface NodeState {
  /** Why it cannot be loaded as it is: an ensemble. null = nothing is known against it. */
  readonly problem: TritonError | null;
  /** Nothing is to be done about it. One that is not settled is loaded by whatever is done next, with any model (2.51.0). */
  readonly isSettled: boolean;
  /** Versions that serve, as far as the last load of it knows. */
  readonly loaded: ReadonlySet<number>;
  /** How its last load failed. */
  readonly loadError: TritonError | null;
}

/** A model that could be read and was not unloaded since, whether it loaded or not. */
export interface GraphNode {
  readonly identifier: ModelIdentifier;
  /** As prepared. */
  config: ModelConfig;
  /** It was asked for by name, not only as a member of an ensemble, when it was added or changed. */
  explicit: boolean;
  state: NodeState;
  /** Members that are there, in the order of the steps, with the versions that steps ask for. */
  readonly members: Map<GraphNode, Set<number>>;
  /** Ensembles that have it as a member. */
  readonly users: Set<GraphNode>;
  readonly missing: Set<string>;
}

/** A model that is added or changed. */
export interface ModelChange {
  readonly identifier: ModelIdentifier;
  readonly config: ModelConfig;
  readonly explicit: boolean;
}

export interface GraphUpdate {
  readonly removed: readonly ModelIdentifier[];
  readonly changed: readonly ModelChange[];
}

const fresh: NodeState = { problem: null, isSettled: false, loaded: new Set(), loadError: null };

/**
 * Which ensembles consist of which models, and what is to be done about them (spec/triton-core.md 1.10; the order in which
 * 2.51.0 does it, that of its `DependencyGraph`, shows: it is what decides which error is told).
 */
export class DependencyGraph {
  /** By the text of the identifier. */
  readonly #nodes = new Map<string, GraphNode>();
  readonly #named = new Map<string, Set<GraphNode>>();
  /** Name -> texts of ensembles that have been without a member of that name. */
  readonly #awaited = new Map<string, Set<string>>();

  get(identifier: ModelIdentifier): GraphNode | undefined {
    return this.#nodes.get(identifierText(identifier));
  }

  nodes(): Iterable<GraphNode> {
    return this.#nodes.values();
  }

  /** The member that a step means: in the ensemble's namespace, else the only one of its name. */
  member({ identifier }: GraphNode, step: EnsembleStep): GraphNode | null {
    const { model_name: name } = step;
    const exact = this.get({ namespace: identifier.namespace, name });
    if (exact !== undefined) return exact;
    const [only, ...others] = this.#named.get(name) ?? [];
    return only === undefined || others.length > 0 ? null : only;
  }

  /** The models and those members, over any number of ensembles, that were not asked for by name and serve nobody else. */
  withDependents(identifiers: readonly ModelIdentifier[]): ModelIdentifier[] {
    const going = new Map(identifiers.map((identifier) => [identifierText(identifier), identifier]));
    const queue = [...identifiers];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      for (const member of this.get(next)?.members.keys() ?? []) {
        const key = identifierText(member.identifier);
        const isUsed = [...member.users].some((user) => !going.has(identifierText(user.identifier)));
        if (member.explicit || isUsed || going.has(key)) continue;
        going.set(key, member.identifier);
        queue.push(member.identifier);
      }
    }
    return [...going.values()];
  }

  /** Texts of the models that an update is about: nothing else may be done about these at the same time. */
  affected({ removed, changed }: GraphUpdate): Set<string> {
    const affected = new Set(removed.map(identifierText));
    for (const identifier of removed)
      for (const user of this.get(identifier)?.users ?? []) affected.add(identifierText(user.identifier));
    for (const { identifier } of changed) {
      const key = identifierText(identifier);
      affected.add(key);
      if (this.#nodes.has(key)) continue;
      for (const user of this.#awaited.get(identifier.name) ?? [])
        if (this.#nodes.has(user)) affected.add(user);
    }
    return affected;
  }

  /** Removes, changes and adds models. */
  update({ removed, changed }: GraphUpdate): void {
    const again = new Set<GraphNode>();
    for (const identifier of removed)
      for (const user of this.#remove(identifierText(identifier))) again.add(user);
    const added = changed.filter(({ identifier }) => this.get(identifier) === undefined);
    for (const change of changed) {
      const node = this.get(change.identifier);
      if (node === undefined) continue;
      this.#change(node, change);
      again.add(node);
    }
    for (const change of added) for (const node of this.#add(change)) again.add(node);
    const left = [...again].filter((node) => this.get(node.identifier) === node);
    for (const node of left) this.#connect(node);
    for (const node of left) if (node.state.problem === null) note(node, this.#circle(node, node, new Set()));
  }

  /** Answers the ensembles that it was a member of. */
  #remove(key: string): readonly GraphNode[] {
    const node = this.#nodes.get(key);
    if (node === undefined) return [];
    for (const member of node.members.keys()) member.users.delete(node);
    const users = [...node.users];
    unsettle(users);
    for (const user of users) user.members.delete(node);
    this.#named.get(node.identifier.name)?.delete(node);
    for (const name of node.missing) this.#awaited.get(name)?.delete(key);
    this.#nodes.delete(key);
    return users;
  }

  #change(node: GraphNode, { config, explicit }: ModelChange): void {
    unsettle(node.users);
    for (const member of node.members.keys()) member.users.delete(node);
    for (const name of node.missing) this.#awaited.get(name)?.delete(identifierText(node.identifier));
    node.members.clear();
    node.config = config;
    node.explicit = explicit;
    node.state = { ...node.state, problem: null, isSettled: false };
  }

  /** Answers the model, and the ensembles that may have waited for it. */
  #add({ identifier, config, explicit }: ModelChange): readonly GraphNode[] {
    const node: GraphNode = {
      identifier,
      config,
      explicit,
      state: fresh,
      members: new Map(),
      users: new Set(),
      missing: new Set(),
    };
    const waited = [...(this.#awaited.get(identifier.name) ?? [])].flatMap(
      (key) => this.#nodes.get(key) ?? [],
    );
    unsettle(waited);
    this.#nodes.set(identifierText(identifier), node);
    const named = this.#named.get(identifier.name) ?? new Set();
    this.#named.set(identifier.name, named.add(node));
    return [...waited, node];
  }

  #connect(node: GraphNode): void {
    node.members.clear();
    node.missing.clear();
    for (const step of node.config.ensemble_scheduling?.step ?? []) {
      const { model_name: name, model_version: version } = step;
      const member = this.member(node, step);
      if (member === null) node.missing.add(name);
      else {
        member.users.add(node);
        node.members.set(member, (node.members.get(member) ?? new Set()).add(version));
      }
      if (member === null || member.identifier.namespace !== node.identifier.namespace) {
        const awaiting = this.#awaited.get(name) ?? new Set();
        this.#awaited.set(name, awaiting.add(identifierText(node.identifier)));
      }
      // Noted at the first one, for all that the text speaks of models (2.51.0).
      if (node.missing.size > 0 && node.state.problem === null) {
        const ensemble = identifierText(node.identifier);
        const missing = [...node.missing].join(", ");
        note(
          node,
          invalid(`ensemble ${ensemble} contains models that are not available or ambiguous: ${missing}`),
        );
      }
    }
  }

  /** What is wrong with an ensemble that is part of itself; noted with those on the way too. */
  #circle(node: GraphNode, start: GraphNode, seen: Set<GraphNode>): TritonError | null {
    // 2.51.0 goes round for ever in a circle that the start is no part of.
    if (seen.has(node)) return null;
    seen.add(node);
    for (const member of membersInTurn(node)) {
      if (member === start) {
        const [first, last] = [identifierText(start.identifier), identifierText(node.identifier)];
        return invalid(`circular dependency between ensembles: ${first} -> ... -> ${last} -> ${first}`);
      }
      const problem = this.#circle(member, start, seen);
      if (problem === null) continue;
      note(node, problem);
      return problem;
    }
    return null;
  }
}

/** The members of an ensemble as 2.51.0 goes through them: its hash map of two has the last one first. */
export const membersInTurn = (node: GraphNode): readonly GraphNode[] => [...node.members.keys()].reverse();

const invalid = (text: string): TritonError => new TritonError("INVALID_ARG", text);

const note = (node: GraphNode, problem: TritonError | null): void => {
  if (problem !== null) node.state = { ...node.state, problem };
};

/** Has ensembles, and those around them, looked at again. */
const unsettle = (nodes: Iterable<GraphNode>): void => {
  for (const node of nodes) {
    if (!node.state.isSettled) continue;
    node.state = { ...node.state, problem: null, isSettled: false };
    unsettle(node.users);
  }
};
