import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The GPUs that ONNX Runtime can use here, and why there are none. */
export interface UsableGpus {
  readonly count: number;
  /** For the log. */
  readonly reason: string;
}

/**
 * Asks what can be used: the CUDA libraries of onnxruntime-node first, as they are not installed by default, then the driver.
 * @param visible `CUDA_VISIBLE_DEVICES`; null = every GPU
 */
export const findGpus = async (visible: string | null): Promise<UsableGpus> => {
  if (!hasCudaProvider())
    return { count: 0, reason: "onnxruntime-node is installed without its CUDA libraries" };
  const listed = await listGpus();
  if (listed === null) return { count: 0, reason: "nvidia-smi does not answer" };
  const count = visible === null ? listed : Math.min(listed, countVisible(visible));
  return { count, reason: count === 0 ? "no GPU is visible" : `${count} found` };
};

/** Entries of CUDA_VISIBLE_DEVICES up to the first that is no device, as the driver reads it. */
export const countVisible = (text: string): number => {
  const entries = text.split(",").map((entry) => entry.trim());
  const end = entries.findIndex((entry) => entry === "" || entry.startsWith("-"));
  return end < 0 ? entries.length : end;
};

const hasCudaProvider = (): boolean => {
  const bin = join(dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json")), "bin");
  const library =
    process.platform === "win32" ? "onnxruntime_providers_cuda.dll" : "libonnxruntime_providers_cuda.so";
  return readdirSync(bin).some((api) => existsSync(join(bin, api, process.platform, process.arch, library)));
};

/** Null = there is no driver that answers. */
const listGpus = (): Promise<number | null> =>
  new Promise((resolve) => {
    execFile(
      "nvidia-smi",
      ["--query-gpu=index", "--format=csv,noheader"],
      { timeout: 10_000 },
      (error, stdout) => {
        resolve(error === null ? stdout.split("\n").filter((line) => line.trim() !== "").length : null);
      },
    );
  });
