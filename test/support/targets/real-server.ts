import { startServerProcess } from "./server-process.ts";
import type { Target } from "./target.ts";

/** A tritonserver, or a script that becomes one; REAL_SERVER is its path. */
export const realServer = (command: string): Target => ({
  name: command,
  real: true,
  start: (options) => startServerProcess([command], options),
});
