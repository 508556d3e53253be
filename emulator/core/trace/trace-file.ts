/** Where trace files are written. A file that cannot be written is the sink's affair: nobody waits for it. */
export interface TraceSink {
  /** Makes a file, or replaces it. */
  write(path: string, content: Uint8Array): void;
  append(path: string, content: Uint8Array): void;
}

/** The file of the trace settings and its numbered siblings `<file>.0`, `<file>.1` ... Each is one JSON array. */
export class TraceFile {
  readonly #path: string;
  readonly #sink: TraceSink;
  #nextIndex = 0;
  #started = false;

  constructor(path: string, sink: TraceSink) {
    this.#path = path;
    this.#sink = sink;
  }

  /** @param text traces as a byte string, joined by commas */
  saveIndexed(text: string): void {
    this.#sink.write(`${this.#path}.${this.#nextIndex++}`, bytes(`[${text}]`));
  }

  /** Adds to the file itself, whose array ends with `close`. */
  save(text: string): void {
    if (this.#started) this.#sink.append(this.#path, bytes(`,${text}`));
    else this.#sink.write(this.#path, bytes(`[${text}`));
    this.#started = true;
  }

  close(): void {
    if (this.#started) this.#sink.append(this.#path, bytes("]"));
    this.#started = false;
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
