import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/*
 * `npm run build`: what the npm package and the image run. Our sources, zod and yaml become a few files, for a third of the
 * start-up time goes into finding and reading many; ONNX Runtime, vitest, testcontainers and the gRPC client of `parity` are left to be installed.
 */

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
rmSync("dist", { recursive: true, force: true });

// Types are checked on the way; only declarations are written.
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "emulator"], { stdio: "inherit" });

const bundle = await rolldown({
  input: {
    main: "emulator/main.ts",
    index: "emulator/index.ts",
    "session-worker": "emulator/backends/onnxruntime/session-worker.ts",
    testing: "emulator/testing/start-emulator.ts",
    "testing-vitest": "emulator/testing/vitest.ts",
    "testing-testcontainers": "emulator/testing/testcontainers.ts",
  },
  platform: "node",
  // Installed with the package, or by its user.
  external: ["onnxruntime-node", "vitest", "testcontainers", "@grpc/grpc-js", "@grpc/proto-loader"],
});
// Chunks lie side by side: `session-worker.js` beside the chunk that starts it, `../../model-repo` in the package.
await bundle.write({ dir: "dist/emulator", format: "esm" });
await bundle.close();

cpSync("emulator/memory-profiles", "dist/memory-profiles", { recursive: true });
cpSync("node_modules/zod/LICENSE", "dist/LICENSE-zod");
cpSync("node_modules/yaml/LICENSE", "dist/LICENSE-yaml");
