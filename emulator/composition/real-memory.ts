import { execFile } from "node:child_process";
import type { RealReadings } from "../frontends/control/target.ts";

/** Runs `nvidia-smi`. @param done its output; null = it is not there, or does not answer */
export type AskDriver = (args: readonly string[], done: (output: string | null) => void) => void;

const DRIVER_TIMEOUT_MS = 5_000;
const MIB = 2 ** 20;

const askDriver: AskDriver = (args, done) => {
  execFile("nvidia-smi", args, { timeout: DRIVER_TIMEOUT_MS }, (error, stdout) =>
    done(error === null ? stdout : null),
  );
};

/** Measures this process and the machine's GPUs, to be shown beside the ledger. Where no driver answers it is asked once only. */
export class RealMemory {
  readonly #ask: AskDriver;
  #driver = true;

  constructor(ask: AskDriver = askDriver) {
    this.#ask = ask;
  }

  read(done: (readings: RealReadings) => void): void {
    const rssBytes = process.memoryUsage.rss();
    if (!this.#driver) {
      done({ rssBytes, gpus: [] });
      return;
    }
    const query = ["--query-gpu=index,memory.used,memory.total", "--format=csv,noheader,nounits"];
    this.#ask(query, (output) => {
      this.#driver = output !== null;
      done({ rssBytes, gpus: output === null ? [] : parseGpus(output) });
    });
  }
}

/** Lines of `<index>, <used MiB>, <total MiB>`; a GPU that does not tell its memory is left out. */
const parseGpus = (output: string): RealReadings["gpus"] =>
  output.split("\n").flatMap((line) => {
    const numbers = line.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    const [gpu, used, total] = numbers;
    if (gpu === undefined || used === undefined || total === undefined || numbers.some(Number.isNaN))
      return [];
    return [{ gpu, usedBytes: used * MIB, totalBytes: total * MIB }];
  });
