import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";

/** Where figures come from: a figure without it says nothing. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly onnxRuntime: string;
  /** Processes that wanted a core in the last minute, before the first scenario: what else the machine was doing. */
  readonly loadBefore: number;
}

export function describeMachine(): Machine {
  const packageFile = join(import.meta.dirname, "..", "node_modules", "onnxruntime-node", "package.json");
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    onnxRuntime: JSON.parse(readFileSync(packageFile, "utf8")).version,
    loadBefore: loadavg()[0] ?? 0,
  };
}
