type Work = (done: () => void) => void;

/** What is done to one folder is done one after the other, in the order it was asked for; folders do not wait for each other. */
export class FolderTurns {
  /** What waits behind the work in progress. */
  readonly #waiting = new Map<string, Work[]>();

  run(folder: string, work: Work): void {
    const waiting = this.#waiting.get(folder);
    if (waiting !== undefined) {
      waiting.push(work);
      return;
    }
    this.#waiting.set(folder, []);
    this.#start(folder, work);
  }

  #start(folder: string, work: Work): void {
    work(() => {
      const next = this.#waiting.get(folder)?.shift();
      if (next === undefined) this.#waiting.delete(folder);
      else this.#start(folder, next);
    });
  }
}
