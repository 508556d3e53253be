import { readFileSync, statSync } from "node:fs";
import { availableParallelism, constants } from "node:os";
import { fileURLToPath } from "node:url";
import type { ServerLog } from "../common/server-log.ts";
import { ServiceStartError } from "../common/service-start-error.ts";
import { TritonError } from "../common/status.ts";
import { type Config, loadConfig } from "../config/load.ts";
import type { Backend } from "../core/backend.ts";
import type { Emulator } from "../emulator.ts";
import type { Environment } from "./environment.ts";
import { tuneHeap } from "./heap.ts";
import { openServerLog } from "./open-log.ts";
import { removePortsFile, writePortsFile } from "./ports-file.ts";
import { startupReport } from "./startup-report.ts";

/** The build keeps the layout of the checkout, so the models lie at the same place beside the sources and in the package. */
export const sampleModels = (): string => fileURLToPath(new URL("../../model-repo", import.meta.url));

const printLines = (lines: readonly string[]): void => {
  for (const line of lines) process.stderr.write(`${line}\n`);
};

/** setTimeout's longest delay. */
const LONG_MS = 2 ** 31 - 1;

/**
 * Resolves with the first SIGINT or SIGTERM. A second SIGINT ends the process at once. Until then the process lives, even
 * while everything else it waits for would let it end.
 */
const stopSignal = (): Promise<void> =>
  new Promise((resolve) => {
    setInterval(() => {}, LONG_MS);
    let interrupts = 0;
    const received = (signal: "SIGINT" | "SIGTERM"): void => {
      process.stdout.write(`Signal (${constants.signals[signal]}) received.\n`);
      if (signal === "SIGINT" && ++interrupts > 1) process.exit(1);
      resolve();
    };
    process.on("SIGINT", received);
    process.on("SIGTERM", received);
  });

/** Of a process that ended itself with SIGABRT, as the shell tells it. */
const CRASH_EXIT_CODE = 134;

/** The real server looks at this before all else, whatever `--exit-on-error` says. */
const checkRepositories = (paths: readonly string[]): TritonError | null => {
  for (const path of paths) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return new TritonError("INTERNAL", `failed to stat file ${path}`);
    if (!found.isDirectory()) {
      return new TritonError("INVALID_ARG", "repository path is not a valid directory");
    }
  }
  return null;
};

const sayNotCreated = (error: TritonError): void =>
  printLines([`error: creating server: ${error.asString().replace(": ", " - ")}`]);

/** null when the server cannot be started; why has been said then, in the real server's words where it has some. */
export const startOrSay = async (
  config: Config,
  log: ServerLog,
  extraBackends: readonly Backend[],
): Promise<Emulator | null> => {
  const unusable = checkRepositories(config.modelRepository);
  if (unusable !== null) {
    sayNotCreated(unusable);
    return null;
  }
  const { createEmulator } = await import("../emulator.ts");
  try {
    return await createEmulator({ config, log, extraBackends });
  } catch (error) {
    if (error instanceof TritonError) {
      sayNotCreated(error);
    } else if (error instanceof ServiceStartError) {
      log.error(error.message);
    } else {
      throw error;
    }
    return null;
  }
};

/**
 * `triton-local serve`: serves until a signal says to stop. @returns the exit code, 0 or 1, as tritonserver's
 * @param extraBackends beside our own; one of the same name replaces ours
 */
export const serve = async (
  args: readonly string[],
  environment: Environment,
  extraBackends: readonly Backend[] = [],
): Promise<number> => {
  tuneHeap();
  const loaded = loadConfig({
    args,
    environment,
    readFile: (path) => readFileSync(path, "utf8"),
    defaultModelRepository: sampleModels(),
    cores: availableParallelism(),
  });
  if (!loaded.ok) {
    const { failureText } = await import("../config/usage.ts");
    process.stderr.write(failureText(loaded.failure));
    return 1;
  }
  const { config } = loaded;
  printLines(loaded.preamble);
  const log = openServerLog(config.logFile, {
    log_info: config.logInfo,
    log_warning: config.logWarning,
    log_error: config.logError,
    log_verbose_level: config.logVerbose,
    log_format: config.logFormat,
  });
  for (const notice of loaded.notices) log.warning(notice);
  if (config.portsFile !== undefined) removePortsFile(config.portsFile);

  const stopped = stopSignal();
  const emulator = await startOrSay(config, log, extraBackends);
  if (emulator === null) return 1;
  startupReport(emulator, config, log);
  // The log has said everything when the ports are told.
  await Promise.resolve();
  if (config.portsFile !== undefined) writePortsFile(config.portsFile, emulator.ports);

  const died = await Promise.race([stopped, emulator.died]);
  if (died !== undefined) return CRASH_EXIT_CODE;
  const exitCode = await emulator.stop();
  if (exitCode !== 0) {
    log.error("failed to stop server: Internal - Exit timeout expired. Exiting immediately.");
  }
  return exitCode;
};
