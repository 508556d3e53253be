/*
 * Loaded into the server by --import, with --expose-gc: at SIGUSR2 it collects all garbage and appends what is then alive
 * to the file in SOAK_LIVE_MEMORY, one line of bytes each time.
 */
import { appendFileSync } from "node:fs";

const file = process.env.SOAK_LIVE_MEMORY;

if (file !== undefined && process.argv[2] === "serve") {
  process.on("SIGUSR2", () => {
    globalThis.gc?.();
    // What the first one found dead may hold more, outside of the heap.
    setImmediate(() => {
      globalThis.gc?.();
      const { heapUsed, external } = process.memoryUsage();
      appendFileSync(file, `${heapUsed + external}\n`);
    });
  });
}
