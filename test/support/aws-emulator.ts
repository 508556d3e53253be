import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stopChild } from "./server-process.ts";

const MAIN = resolve(import.meta.dirname, "..", "..", "emulator", "main.ts");
const READY_TIMEOUT_MS = 30_000;

/** Our server as a process of its own, for the services of AWS. */
export interface AwsEmulator extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** What SDKs and the AWS CLI read: the address, a region, credentials; no configuration of the user's. */
  readonly environment: NodeJS.ProcessEnv;
}

/** Serves on a free port, without models of its own. @param flags beside the port */
export const startAwsEmulator = (...flags: readonly string[]): Promise<AwsEmulator> =>
  startAwsProgram([MAIN, "serve"], flags);

/** The same, where another program than `triton-local serve` takes its flags. */
export const startAwsProgram = async (
  program: readonly string[],
  flags: readonly string[],
): Promise<AwsEmulator> => {
  const folder = mkdtempSync(join(tmpdir(), "triton-local-aws-"));
  const portsFile = join(folder, "ports.json");
  const args = [...program, "--aws-port=0", `--ports-file=${portsFile}`, ...flags];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log = `${log}${text}`.slice(-10_000);
  });
  const dispose = async (): Promise<void> => {
    await stopChild(child);
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!existsSync(portsFile)) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await dispose();
      throw new Error(`the emulator did not start (exit code ${child.exitCode})\n${log}`);
    }
    await sleep(20);
  }
  const { emulator: port }: { emulator: number } = JSON.parse(readFileSync(portsFile, "utf8"));
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    pid: child.pid ?? 0,
    environment: awsEnvironment(url, folder),
    [Symbol.asyncDispose]: dispose,
  };
};

const awsEnvironment = (url: string, folder: string): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"))),
  AWS_ENDPOINT_URL: url,
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_CONFIG_FILE: join(folder, "no-config"),
  AWS_SHARED_CREDENTIALS_FILE: join(folder, "no-credentials"),
  AWS_EC2_METADATA_DISABLED: "true",
});
