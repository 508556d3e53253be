import { fail, ok, type Result } from "../../common/status.ts";
import { compareIdentifiers, identifierText, type ModelIdentifier } from "../model-identifier.ts";

/** The models that were asked for, could be read and were not unloaded since, whether they loaded or not; by name. */
export class GlobalMap {
  /** Name -> identifiers by their text. A name stays when its last identifier goes: its message is another then. */
  readonly #names = new Map<string, Map<string, ModelIdentifier>>();

  add(identifier: ModelIdentifier): void {
    let identifiers = this.#names.get(identifier.name);
    if (identifiers === undefined) {
      identifiers = new Map();
      this.#names.set(identifier.name, identifiers);
    }
    identifiers.set(identifierText(identifier), identifier);
  }

  remove(identifier: ModelIdentifier): void {
    this.#names.get(identifier.name)?.delete(identifierText(identifier));
  }

  all(): ModelIdentifier[] {
    return [...this.#names.keys()].flatMap((name) => this.named(name));
  }

  named(name: string): ModelIdentifier[] {
    return [...(this.#names.get(name)?.values() ?? [])].sort(compareIdentifiers);
  }

  /** The one model of a name. Errors: INVALID_ARG when there are several or never was one, NOT_FOUND when it was unloaded. */
  resolve(name: string): Result<ModelIdentifier> {
    const identifiers = this.#names.get(name);
    if (identifiers === undefined)
      return fail("INVALID_ARG", `Request for unknown model: '${name}' is not found`);
    if (identifiers.size > 1) {
      return fail(
        "INVALID_ARG",
        `There are ${identifiers.size} identifiers of model '${name}' in global map, model namespace must be provided to resolve ambiguity.`,
      );
    }
    const [only] = identifiers.values();
    return only === undefined
      ? fail("NOT_FOUND", `Identifier of model '${name}' is not found in global map`)
      : ok(only);
  }
}
