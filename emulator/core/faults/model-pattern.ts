/** Names of models: exact, or with `*` (any characters) and `?` (one). */
export class ModelPattern {
  readonly text: string;
  readonly #expression: RegExp | null;

  constructor(text: string) {
    this.text = text;
    this.#expression = /[*?]/.test(text)
      ? new RegExp(
          `^${text
            .replace(/[.+^${}()|[\]\\]/g, "\\$&")
            .replace(/\*/g, ".*")
            .replace(/\?/g, ".")}$`,
          "s",
        )
      : null;
  }

  matches(model: string): boolean {
    return this.#expression === null ? model === this.text : this.#expression.test(model);
  }
}
