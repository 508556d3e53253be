import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { Unavailable } from "./unavailable.ts";

/** Called with one line about what goes on. */
export type Say = (line: string) => void;

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class ProgramFailure extends Error {
  constructor(program: string, output: string) {
    super(`${program} failed: ${lastLines(output)}`);
    this.name = "ProgramFailure";
  }
}

/** What the program wrote to standard output. Rejects with ProgramFailure unless it ends with 0. */
export const run = (
  program: string,
  args: readonly string[],
  { cwd, env }: ProgramOptions = {},
): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(
      program,
      [...args],
      { cwd, env: { ...process.env, ...env }, maxBuffer: 64 * 2 ** 20 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else {
          const said = `${stdout}${stderr}`;
          reject(new ProgramFailure(program, said === "" ? error.message : said));
        }
      },
    );
  });

const lastLines = (output: string): string => output.trim().split("\n").slice(-2).join(" / ");

/** Where PATH has it; null = nowhere. */
export const programPath = (name: string): string | null => {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    if (folder === "") continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
};

export const isRoot = (): boolean => process.getuid?.() === 0;

/** Whether apt installs here: Debian and what descends from it. */
export const hasApt = (): boolean => programPath("apt-get") !== null;

/** Installs packages of the system where that is possible without a question: as root, with apt. */
export const installPackages = async (packages: readonly string[], what: string, say: Say): Promise<void> => {
  const command = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  if (!hasApt()) throw new Unavailable(`${what} is missing, and this system has no apt`, `install ${what}`);
  if (!isRoot()) throw new Unavailable(`${what} is missing`, `sudo ${command}`);
  say(`installing ${packages.join(", ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  try {
    // Somebody else may be installing something.
    const patient = ["-qq", "-o", "DPkg::Lock::Timeout=120"];
    await run("apt-get", [...patient, "update"], { env });
    await run("apt-get", [...patient, "install", "-y", "--no-install-recommends", ...packages], { env });
  } catch (error) {
    if (!(error instanceof ProgramFailure)) throw error;
    throw new Unavailable(`${what} could not be installed (${error.message})`, command);
  }
};
