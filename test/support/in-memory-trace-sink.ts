import type { TraceSink } from "../../emulator/core/trace/trace-file.ts";

/** Trace files by path; each character is one byte. */
export class InMemoryTraceSink implements TraceSink {
  readonly files = new Map<string, string>();

  write(path: string, content: Uint8Array): void {
    this.files.set(path, Buffer.from(content).toString("latin1"));
  }

  append(path: string, content: Uint8Array): void {
    this.files.set(path, (this.files.get(path) ?? "") + Buffer.from(content).toString("latin1"));
  }
}
