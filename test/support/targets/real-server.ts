import { startServerProcess } from "../../../emulator/parity/targets/server-process.ts";
import type { Target } from "../../../emulator/parity/targets/target.ts";

/** A tritonserver, or a script that becomes one; REAL_SERVER is its path. */
export const realServer = (command: string): Target => ({
  name: command,
  real: true,
  onnxRuntime: process.env.REAL_ORT ?? "1.19.2",
  start: (options) => startServerProcess([command], options),
});
