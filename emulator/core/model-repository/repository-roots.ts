import { TritonError } from "../../common/status.ts";

/** A folder of models, in the repository root it lies in. */
export interface ModelPlace {
  readonly root: string;
  /** Empty = the root itself, which a mapping may name. */
  readonly folder: string;
}

interface Root {
  /** Subfolder -> the name it is served by. */
  readonly served: ReadonlyMap<string, string>;
}

/** The repository roots and the names that some of their subfolders are served by instead of their own. */
export class RepositoryRoots {
  /** In the order they came. */
  readonly #roots = new Map<string, Root>();
  readonly #places = new Map<string, ModelPlace>();

  constructor(roots: readonly string[]) {
    for (const root of roots) this.#roots.set(root, { served: new Map() });
  }

  get paths(): readonly string[] {
    return [...this.#roots.keys()];
  }

  /** Errors: ALREADY_EXISTS. */
  add(path: string, served: ReadonlyMap<string, string>): TritonError | null {
    if (this.#roots.has(path)) {
      return new TritonError("ALREADY_EXISTS", `model repository '${path}' has already been registered`);
    }
    const taken = [...served.values()].find((name) => this.#places.has(name));
    if (taken !== undefined) {
      return new TritonError(
        "ALREADY_EXISTS",
        `failed to register '${taken}', there is a conflicting mapping for '${taken}'`,
      );
    }
    this.#roots.set(path, { served });
    for (const [folder, name] of served) this.#places.set(name, { root: path, folder });
    return null;
  }

  /** Error: INVALID_ARG. */
  remove(path: string): TritonError | null {
    const root = this.#roots.get(path);
    if (root === undefined) {
      return new TritonError("INVALID_ARG", `failed to unregister '${path}', repository not found`);
    }
    for (const name of root.served.values()) this.#places.delete(name);
    this.#roots.delete(path);
    return null;
  }

  /** The name that a subfolder of a root is served by. */
  servedName(root: string, folder: string): string {
    return this.#roots.get(root)?.served.get(folder) ?? folder;
  }

  isMapped(name: string): boolean {
    return this.#places.has(name);
  }

  /** Where the model of a name may lie: at its mapping, or in any root that does not serve that folder by another name. */
  placesOf(name: string): ModelPlace[] {
    const mapped = this.#places.get(name);
    if (mapped !== undefined) return [mapped];
    if (name === "") return [];
    return [...this.#roots]
      .filter(([, { served }]) => !served.has(name))
      .map(([root]) => ({ root, folder: name }));
  }
}
