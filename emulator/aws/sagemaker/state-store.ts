/** Where the control plane's records outlive the process. Everything is synchronous: what returned is kept. */
export interface StateStore {
  /** What was appended, oldest first; of a process that was killed only what it had finished. */
  read(): readonly unknown[];
  /** @throws what the operating system says; then nothing of it is kept */
  append(entry: object): void;
  /** Puts these in the place of all others, wholly or not at all. */
  replace(entries: readonly object[]): void;
  close(): void;
}

/** For a run that nothing is to remain of. */
export const forgetfulStore: StateStore = {
  read: () => [],
  append: () => {},
  replace: () => {},
  close: () => {},
};
