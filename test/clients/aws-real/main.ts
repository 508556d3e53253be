import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { startAwsEmulator } from "../../support/aws-emulator.ts";
import { mustRun } from "../../support/command.ts";
import { pythonEnvironment } from "../../support/python-environment.ts";
import { freePorts, type ServerCommand, startServerProcess } from "../../support/server-process.ts";

/*
 * The same calls of boto3 to two endpoints: the container of one is the tritonserver that the command in REAL_SERVER starts,
 * behind a URL, that of the other is ours. Prints each answer, and where the two differ; ends with 1 where they do.
 */

const CLIENTS = resolve(import.meta.dirname, "..");
const realServer = process.env.REAL_SERVER ?? "";

const call = async (python: string, folder: string, flags: readonly string[]): Promise<readonly string[]> => {
  await using emulator = await startAwsEmulator(...flags);
  const env = {
    ...emulator.environment,
    PYTHONPATH: [join(CLIENTS, "aws"), join(CLIENTS, "python")].join(delimiter),
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const command = [python, join(import.meta.dirname, "calls.py")];
  const printed = await mustRun(command, { cwd: folder, env, timeoutMs: 300_000 });
  // Where an archive was unpacked is the only thing that may differ.
  return printed
    .trim()
    .replaceAll(/\/[^' ]+\/([0-9a-f]{32}\/)/g, "$1")
    .split("\n");
};

const behindUrl = async (python: string, folder: string): Promise<readonly string[]> => {
  const empty = join(folder, "empty");
  mkdirSync(empty);
  const [sagemakerPort] = await freePorts();
  const server: ServerCommand = { name: "real server", command: realServer.split(" ") };
  await using _container = await startServerProcess(server, {
    modelRepository: empty,
    flags: [
      "--model-control-mode=explicit",
      "--model-namespacing=true",
      "--allow-sagemaker=true",
      `--sagemaker-port=${sagemakerPort}`,
    ],
    logFile: join(folder, "server.log"),
  });
  return await call(python, folder, [
    `--container-url=http://127.0.0.1:${sagemakerPort}`,
    `--model-cache-dir=${join(folder, "disk")}`,
  ]);
};

const main = async (): Promise<number> => {
  const environment = pythonEnvironment(join(CLIENTS, "aws", "requirements.txt"));
  if (!environment.available) {
    console.error(environment.reason);
    return 1;
  }
  const { python } = environment;
  const folder = mkdtempSync(join(tmpdir(), "triton-local-aws-real-"));
  try {
    const ours = await call(python, folder, []);
    if (realServer === "") {
      console.log(ours.join("\n"));
      console.log("REAL_SERVER is not set: nothing to compare this with");
      return 0;
    }
    const real = await behindUrl(python, folder);
    let differences = 0;
    for (let index = 0; index < Math.max(real.length, ours.length); index++) {
      const same = real[index] === ours[index];
      if (!same) differences++;
      console.log(same ? `same   ${real[index]}` : `REAL   ${real[index]}\nOURS   ${ours[index]}`);
    }
    console.log(`${real.length} answers, ${differences} differ`);
    return differences === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

process.exitCode = await main();
