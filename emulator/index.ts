/* What the npm package offers to programs. */

export type { Config, ConfigSources, LoadedConfig } from "./config/load.ts";
export { loadConfig } from "./config/load.ts";
export type { Emulator, EmulatorOptions, EmulatorPorts, MemorySummary, ModelSummary } from "./emulator.ts";
export { createEmulator } from "./emulator.ts";
