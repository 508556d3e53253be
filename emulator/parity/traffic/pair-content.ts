/** What two servers serve while they are compared. */
export interface PairContent {
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Fills a model repository, and beside it the folder of archives that the container API loads. */
  layOut(repository: string, archives: string): void;
}
