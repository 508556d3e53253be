import { appendFileSync, writeFileSync } from "node:fs";
import type { Log } from "../common/log.ts";
import type { TraceSink } from "../core/trace/trace-file.ts";

/**
 * Trace files on this machine. They are written in the turn that ends a trace, as the real server writes them in the
 * thread that does: a file is complete when the next request is answered. One that cannot be written is an error in the
 * log, which the real server does not give.
 */
export class DiskTraceSink implements TraceSink {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  write(path: string, content: Uint8Array): void {
    this.#attempt(path, () => writeFileSync(path, content));
  }

  append(path: string, content: Uint8Array): void {
    this.#attempt(path, () => appendFileSync(path, content));
  }

  #attempt(path: string, write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#log.error(
        `cannot write trace file ${path}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
