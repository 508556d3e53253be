import { renameSync, rmSync, writeFileSync } from "node:fs";
import type { EmulatorPorts } from "../emulator.ts";

/** A file left by an earlier run must not be taken for this one's. */
export const removePortsFile = (path: string): void => rmSync(path, { force: true });

/** Whoever waits for the file never sees half of it. */
export const writePortsFile = (path: string, ports: EmulatorPorts): void => {
  const unfinished = `${path}.${process.pid}.tmp`;
  writeFileSync(unfinished, `${JSON.stringify(ports)}\n`);
  renameSync(unfinished, path);
};
