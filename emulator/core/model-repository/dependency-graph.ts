import { fail, type TritonError } from "../../common/status.ts";
import type { EnsembleStep, ModelConfig } from "../model-config/model-config.ts";
import { identifierText, type ModelIdentifier } from "../model-identifier.ts";

/** A model that could be read, whether it loaded or not. */
export interface GraphNode {
  readonly identifier: ModelIdentifier;
  /** As prepared; the steps of an ensemble name the namespace that their member was found in. */
  readonly config: ModelConfig;
  /** It was asked for by name, not only as a member of an ensemble, when it was last added or changed. */
  readonly explicit: boolean;
  /** Why an ensemble cannot be loaded as its members are. */
  invalid: TritonError | null;
  /** How its last load failed. */
  loadError: TritonError | null;
}

/** Which ensembles consist of which models (spec/triton-core.md 1.10). Every answer is in the order in which nodes came. */
export class DependencyGraph {
  /** By the text of the identifier. */
  readonly #nodes = new Map<string, GraphNode>();
  readonly #named = new Map<string, Set<GraphNode>>();
  /** Ensembles by the names that their steps have. */
  readonly #users = new Map<string, Set<GraphNode>>();

  get(identifier: ModelIdentifier): GraphNode | undefined {
    return this.#nodes.get(identifierText(identifier));
  }

  /** Adds a model or changes it. */
  set(identifier: ModelIdentifier, config: ModelConfig, explicit: boolean): GraphNode {
    this.remove(identifier);
    const node: GraphNode = { identifier, config, explicit, invalid: null, loadError: null };
    this.#nodes.set(identifierText(identifier), node);
    addTo(this.#named, identifier.name, node);
    for (const { model_name } of stepsOf(node)) addTo(this.#users, model_name, node);
    return node;
  }

  remove(identifier: ModelIdentifier): void {
    const node = this.get(identifier);
    if (node === undefined) return;
    this.#nodes.delete(identifierText(identifier));
    this.#named.get(identifier.name)?.delete(node);
    for (const { model_name } of stepsOf(node)) this.#users.get(model_name)?.delete(node);
  }

  /** The member that a step means: in the namespace it names or in the ensemble's, else the only one of its name. */
  member(ensemble: ModelIdentifier, step: EnsembleStep): GraphNode | null {
    const { model_namespace, model_name: name } = step;
    const namespace = ensemble.namespace === "" ? "" : model_namespace || ensemble.namespace;
    const exact = this.get({ namespace, name });
    if (exact !== undefined) return exact;
    const [only, ...others] = this.#named.get(name) ?? [];
    return only === undefined || others.length > 0 ? null : only;
  }

  /** Members that are there, each once. */
  membersOf(node: GraphNode): GraphNode[] {
    const members = stepsOf(node).map((step) => this.member(node.identifier, step));
    return [...new Set(members.filter((member) => member !== null))];
  }

  /** Ensembles that have the model in a step, or would have it if it were there. */
  usersOf({ namespace, name }: ModelIdentifier): GraphNode[] {
    return [...(this.#users.get(name) ?? [])].filter((user) =>
      stepsOf(user).some((step) => {
        if (step.model_name !== name) return false;
        const member = this.member(user.identifier, step);
        return member === null || member.identifier.namespace === namespace;
      }),
    );
  }

  /** All that the models are part of, over any number of ensembles. */
  allUsersOf(identifiers: readonly ModelIdentifier[]): GraphNode[] {
    const users = new Set<GraphNode>();
    const queue = [...identifiers];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      for (const user of this.usersOf(next)) {
        if (users.has(user)) continue;
        users.add(user);
        queue.push(user.identifier);
      }
    }
    return [...users];
  }

  /** The models and those members, over any number of ensembles, that were not asked for by name and serve nobody else. */
  withDependents(identifiers: readonly ModelIdentifier[]): ModelIdentifier[] {
    const going = new Map(identifiers.map((identifier) => [identifierText(identifier), identifier]));
    const queue = [...identifiers];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const node = this.get(next);
      for (const member of node === undefined ? [] : this.membersOf(node)) {
        const text = identifierText(member.identifier);
        const isUsed = this.usersOf(member.identifier).some(
          (user) => !going.has(identifierText(user.identifier)),
        );
        if (member.explicit || isUsed || going.has(text)) continue;
        going.set(text, member.identifier);
        queue.push(member.identifier);
      }
    }
    return [...going.values()];
  }

  /** What is wrong with an ensemble as far as names tell. Errors: INVALID_ARG. */
  problemOf(node: GraphNode): TritonError | null {
    const ensemble = identifierText(node.identifier);
    // Only the first one is named, for all that the text speaks of models (2.51.0).
    const missing = stepsOf(node).find((step) => this.member(node.identifier, step) === null);
    if (missing !== undefined) {
      return fail(
        "INVALID_ARG",
        `ensemble ${ensemble} contains models that are not available or ambiguous: ${missing.model_name}`,
      ).error;
    }
    const last = this.#lastOfCircle(node);
    if (last === null) return null;
    return fail(
      "INVALID_ARG",
      `circular dependency between ensembles: ${ensemble} -> ... -> ${last} -> ${ensemble}`,
    ).error;
  }

  /** The ensemble that a circle comes back from: the user of which the node is a user in turn. */
  #lastOfCircle(node: GraphNode): string | null {
    const seen = new Set<GraphNode>();
    const queue = [node];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      for (const user of this.usersOf(next.identifier)) {
        if (user === node) return identifierText(next.identifier);
        if (seen.has(user)) continue;
        seen.add(user);
        queue.push(user);
      }
    }
    return null;
  }
}

const stepsOf = ({ config }: GraphNode): readonly EnsembleStep[] => config.ensemble_scheduling?.step ?? [];

const addTo = (sets: Map<string, Set<GraphNode>>, name: string, node: GraphNode): void => {
  let set = sets.get(name);
  if (set === undefined) {
    set = new Set();
    sets.set(name, set);
  }
  set.add(node);
};
