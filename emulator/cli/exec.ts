import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, constants } from "node:os";
import { type Config, loadConfig } from "../config/load.ts";
import { failureText } from "../config/usage.ts";
import { environmentOf, misleadingVariables, urlsOf } from "../testing/environment.ts";
import type { Environment } from "./environment.ts";
import { openServerLog } from "./open-log.ts";
import { sampleModels, startOrSay } from "./serve.ts";

export const EXEC_USAGE = `Usage: triton-local exec [options] -- <command> [arguments]

Starts the server on free ports, runs the command with the variables of its environment that clients read, and stops the
server when the command has ended.

  options   those of triton-local serve; ports are free ones unless they are given, and the log has warnings and
            errors only unless --log-info=true is given
  --help    print this

The command is given AWS_ENDPOINT_URL, AWS_REGION, credentials that are made up, TRITON_HTTP_URL, TRITON_GRPC_URL,
TRITON_METRICS_URL and TRITON_SAGEMAKER_URL. SIGINT, SIGTERM and SIGHUP are passed on to it.

Exit codes: that of the command, 128 and the number of the signal that ended it, 127 = no such command, 126 = it cannot be
run, 2 = no command was given, 1 = the server cannot be started.
`;

/** Those of `serve` that differ here. */
const standardFlags: readonly string[] = [
  "--http-port=0",
  "--grpc-port=0",
  "--metrics-port=0",
  "--allow-sagemaker=true",
  "--sagemaker-port=0",
  "--emulator-port=0",
  "--log-info=false",
  "--exit-timeout-secs=1",
];

/** `triton-local exec`. @returns the exit code */
export const exec = async (args: readonly string[], environment: Environment): Promise<number> => {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  const [program, ...programArgs] = end < 0 ? [] : args.slice(end + 1);
  if (options.includes("--help")) {
    process.stdout.write(EXEC_USAGE);
    return 0;
  }
  if (program === undefined || program === "") {
    process.stderr.write(`exec takes a command after --\n\n${EXEC_USAGE}`);
    return 2;
  }
  const config = configOf(options, environment);
  if (config === null) return 1;
  const signals = new SignalRelay();
  const log = openServerLog(config.logFile, {
    log_info: config.logInfo,
    log_warning: config.logWarning,
    log_error: config.logError,
    log_verbose_level: config.logVerbose,
    log_format: config.logFormat,
  });
  const emulator = await startOrSay(config, log, []);
  if (emulator === null) return 1;
  // Where tritonserver would be dead and nobody starts it anew, nobody answers.
  void emulator.died.then(() => emulator.stop());
  const kept = Object.entries(environment).filter(([name]) => !misleadingVariables.includes(name));
  const variables = environmentOf(urlsOf(config.httpAddress, emulator.ports), config.awsCredentials);
  const exitCode = await run(program, programArgs, { ...Object.fromEntries(kept), ...variables }, signals);
  await emulator.stop();
  return exitCode;
};

/** Null = why not has been said. */
const configOf = (options: readonly string[], environment: Environment): Config | null => {
  const loaded = loadConfig({
    args: [...standardFlags, ...options],
    environment,
    readFile: (path) => readFileSync(path, "utf8"),
    defaultModelRepository: sampleModels(),
    cores: availableParallelism(),
  });
  if (loaded.ok) {
    for (const line of loaded.preamble) process.stderr.write(`${line}\n`);
    return loaded.config;
  }
  process.stderr.write(failureText(loaded.failure));
  return null;
};

const relayed = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Passes signals on, from the moment it is made; the first that comes before there is a command is kept for it. */
class SignalRelay {
  #pass: ((signal: NodeJS.Signals) => void) | null = null;
  #early: NodeJS.Signals | null = null;

  constructor() {
    for (const signal of relayed) process.on(signal, () => this.#received(signal));
  }

  to(pass: (signal: NodeJS.Signals) => void): void {
    this.#pass = pass;
    if (this.#early !== null) pass(this.#early);
  }

  #received(signal: NodeJS.Signals): void {
    // A terminal sends it to the command as well.
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    if (this.#pass === null) this.#early ??= signal;
    else this.#pass(signal);
  }
}

/** @returns the exit code as a shell has it */
const run = (
  program: string,
  args: readonly string[],
  environment: Environment,
  signals: SignalRelay,
): Promise<number> =>
  new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "inherit", env: { ...environment } });
    signals.to((signal) => {
      child.kill(signal);
    });
    child.once("error", (error) => {
      if (child.pid !== undefined) return;
      const isMissing = "code" in error && error.code === "ENOENT";
      process.stderr.write(
        `triton-local exec: ${program}: ${isMissing ? "command not found" : `cannot be run: ${error.message}`}\n`,
      );
      resolve(isMissing ? 127 : 126);
    });
    child.once("exit", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
