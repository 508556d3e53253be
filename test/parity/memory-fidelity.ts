import { parseArgs } from "node:util";
import { totalsOf, totalsText } from "../../emulator/parity/memory/report.ts";
import {
  recordedMemoryFidelity,
  runMemoryFidelity,
  writeMemoryFidelityPage,
} from "../../emulator/parity/memory/run.ts";
import { runningOrOwnEngine } from "../../emulator/parity/real-triton/engine.ts";
import { Unavailable } from "../../emulator/parity/real-triton/unavailable.ts";

/**
 * `npm run parity -- --memory [--fleets=20] [--seed=1] [--instances=6]`: random fleets, and so many of a
 * model whose two instances do not fit, on a real server in containers with a memory limit, and
 * through the ledger; docs/memory-fidelity.md is made anew from these recordings and earlier ones. With `--recorded`, and where
 * there can be no Docker engine, from earlier ones alone.
 * @returns the exit code: 1 = a difference without a reason
 */
export const memoryFidelity = async (args: readonly string[]): Promise<number> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      memory: { type: "boolean" },
      fleets: { type: "string", default: "20" },
      seed: { type: "string", default: "1" },
      instances: { type: "string", default: "6" },
      recorded: { type: "boolean", default: false },
    },
  });
  if (!values.recorded) await play(Number(values.fleets), Number(values.seed), Number(values.instances));
  const report = recordedMemoryFidelity();
  if (report === null)
    throw new Error("no fleets are recorded; on a machine with Docker: npm run parity -- --memory");
  writeMemoryFidelityPage(report);
  const totals = totalsOf(report);
  for (const line of totalsText(totals)) say(line);
  return totals.unexplained > 0 || totals.fitWithinOne < totals.fleets ? 1 : 0;
};

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const play = async (fleets: number, seed: number, instancesFleets: number): Promise<void> => {
  if (!Number.isInteger(fleets) || fleets < 0) throw new Error("--fleets takes a number");
  if (!Number.isInteger(seed) || seed < 0) throw new Error("--seed takes a number of 0 or more");
  if (!Number.isInteger(instancesFleets) || instancesFleets < 0)
    throw new Error("--instances takes a number");
  try {
    say(`seed ${seed}, ${fleets} fleets`);
    const engine = await runningOrOwnEngine(say);
    try {
      await runMemoryFidelity(engine, { fleets, seed, instancesFleets, say });
    } finally {
      await engine.stop();
    }
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    say(`not on a real server: ${error.message}; to do so: ${error.remedy}. From recordings instead:`);
  }
};
