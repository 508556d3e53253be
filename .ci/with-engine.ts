import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Engine, runningOrOwnEngine } from "../emulator/parity/real-triton/engine.ts";
import { Unavailable } from "../emulator/parity/real-triton/unavailable.ts";

/*
 * Runs a command with a Docker engine that it can find: the one of this machine, else one started for it (Debian, root).
 * Where there can be none the command runs all the same, and what needs one says that it was skipped.
 *
 *   npx node .ci/with-engine.ts npx vitest run test/image.test.ts
 */

const say = (line: string): void => console.error(line);

const found = async (): Promise<Engine | null> => {
  try {
    return await runningOrOwnEngine(say);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    say(`without a Docker engine: ${error.message}. To have one: ${error.remedy}`);
    return null;
  }
};

const [command = "", ...args] = process.argv.slice(2);
const engine = await found();
const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...engine?.env } });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => child.kill(signal));
const [code] = await once(child, "exit");
await engine?.stop();
process.exit(typeof code === "number" ? code : 1);
