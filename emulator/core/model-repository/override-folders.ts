/** Folders with the files of loads, each removed when nothing needs it any longer. */
export class OverrideFolders {
  /** Path -> how many need it. */
  readonly #holds = new Map<string, number>();
  readonly #remove: (path: string) => void;

  constructor(remove: (path: string) => void) {
    this.#remove = remove;
  }

  hold(path: string): void {
    this.#holds.set(path, (this.#holds.get(path) ?? 0) + 1);
  }

  /** As `hold`. @returns lets it go; to be called once */
  holder(path: string): () => void {
    this.hold(path);
    return () => this.release(path);
  }

  release(path: string): void {
    const left = (this.#holds.get(path) ?? 0) - 1;
    if (left > 0) this.#holds.set(path, left);
    else if (this.#holds.delete(path)) this.#remove(path);
  }
}
