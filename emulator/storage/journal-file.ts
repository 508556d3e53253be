import { closeSync, openSync, writeSync } from "node:fs";
import type { Log } from "../common/log.ts";
import { eventText } from "../journal/event-text.ts";
import type { Journal } from "../journal/journal.ts";

/** Characters that are gathered before they are written; and whatever there is at the end of a turn. */
const PIECE = 65_536;

/**
 * A journal as a file, complete from its first line on. Lines are written together at the end of the turn they came in; a
 * file that cannot be written any more is an error in the log, once.
 */
export class JournalFile {
  readonly #path: string;
  readonly #log: Log;
  /** Null = closed. */
  #file: number | null;
  #waiting = "";
  #flush: NodeJS.Immediate | null = null;
  readonly #unlisten: () => void;

  /** Replaces a file of that name. Throws the error of opening it. */
  constructor(path: string, journal: Journal, log: Log) {
    this.#path = path;
    this.#log = log;
    this.#file = openSync(path, "w");
    for (const event of journal.events()) this.#add(eventText(event));
    this.#unlisten = journal.listen((event) => this.#add(eventText(event)));
  }

  /** Writes what is left. */
  close(): void {
    this.#unlisten();
    this.#write();
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #add(line: string): void {
    this.#waiting += `${line}\n`;
    if (this.#waiting.length >= PIECE) this.#write();
    else this.#flush ??= setImmediate(() => this.#write());
  }

  #write(): void {
    if (this.#flush !== null) clearImmediate(this.#flush);
    this.#flush = null;
    const text = this.#waiting;
    this.#waiting = "";
    if (this.#file === null || text === "") return;
    try {
      writeSync(this.#file, text);
    } catch (error) {
      this.#log.error(
        `cannot write the journal to ${this.#path}: ${error instanceof Error ? error.message : error}`,
      );
      this.#unlisten();
      closeSync(this.#file);
      this.#file = null;
    }
  }
}
