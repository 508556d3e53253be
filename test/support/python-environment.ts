import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

export type PythonEnvironment =
  | { readonly available: true; readonly python: string }
  /** `reason` is one line for the log: what is missing and what is therefore not checked. */
  | { readonly available: false; readonly reason: string };

const CACHE = resolve(import.meta.dirname, "..", "..", ".cache", "python");
const INSTALL_TIMEOUT_MS = 240_000;

/**
 * A virtual environment with the packages of a requirements file, made on first use and kept in `.cache/`. Another
 * file content is another environment.
 */
export function pythonEnvironment(requirementsFile: string): PythonEnvironment {
  const version = spawnSync("python3", ["-c", "import sys, venv; print(sys.version)"], { encoding: "utf8" });
  if (version.status !== 0) return { available: false, reason: "python3 with its venv module is missing" };

  const requirements = readFileSync(requirementsFile, "utf8");
  const key = createHash("sha256").update(version.stdout).update(requirements).digest("hex").slice(0, 16);
  const folder = join(CACHE, key);
  const python = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const stamp = join(folder, "complete");
  if (existsSync(stamp)) return { available: true, python };

  // Made aside and renamed, so that of two that make it at the same time the first one wins.
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(CACHE, { recursive: true });
  const failure =
    failureOf("python3", ["-m", "venv", unfinished]) ??
    failureOf(python.replace(folder, unfinished), [
      ...["-m", "pip", "install", "--quiet", "--disable-pip-version-check"],
      ...["--requirement", requirementsFile],
    ]);
  if (failure !== null) {
    rmSync(unfinished, { recursive: true, force: true });
    return { available: false, reason: `the Python packages cannot be installed: ${failure}` };
  }
  writeFileSync(join(unfinished, "complete"), "");
  try {
    renameSync(unfinished, folder);
  } catch {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return { available: true, python };
}

/** Last line of what a command said when it failed; null when it did not. */
function failureOf(program: string, args: readonly string[]): string | null {
  const run = spawnSync(program, args, { encoding: "utf8", timeout: INSTALL_TIMEOUT_MS });
  if (run.status === 0) return null;
  const output = `${run.stdout ?? ""}${run.stderr ?? ""}`.trim();
  return output.split("\n").at(-1) || `${program} ended with ${run.status ?? run.signal}`;
}
