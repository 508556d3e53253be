import { defineConfig } from "vitest/config";
import { CiReporter } from "./test/support/ci-reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    chaiConfig: { truncateThreshold: 0 },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ["default", new CiReporter()],
  },
});
