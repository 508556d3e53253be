/** What a model is known by inside the core. Clients only know names. */
export interface ModelIdentifier {
  /** The repository root as given on the command line with `--model-namespacing`; else, and for a model whose files came with its load, "". */
  readonly namespace: string;
  readonly name: string;
}

/** `<namespace>::<name>`, or the bare name: how logs and messages print it, and the key to keep things by. */
export const identifierText = ({ namespace, name }: ModelIdentifier): string =>
  namespace === "" ? name : `${namespace}::${name}`;

/** By namespace, then by name. */
export const compareIdentifiers = (a: ModelIdentifier, b: ModelIdentifier): number => {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
};
