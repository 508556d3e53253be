import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { CiReporter } from "./test/support/ci-reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // Many of them wait for servers most of the time: one worker, vitest's choice on two cores, would leave these idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    chaiConfig: { truncateThreshold: 0 },
    // A server that a test starts finds no GPU, wherever it runs; test/cuda.test.ts is for those.
    env: { CUDA_VISIBLE_DEVICES: "" },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ["default", new CiReporter()],
  },
});
