import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { type AwsEmulator, startAwsEmulator, startAwsProgram } from "../../support/aws-emulator.ts";
import { mustRun } from "../../support/command.ts";
import { pythonEnvironment } from "../../support/python-environment.ts";
import { freePorts, type ServerProcess, startServerProcess } from "../../support/server-process.ts";

/*
 * The same calls of boto3 to two endpoints: the container of one is the tritonserver that the command in REAL_SERVER starts,
 * behind a URL, that of the other is ours. Prints each answer, and where the two differ; ends with 1 where they do.
 */

const CLIENTS = resolve(import.meta.dirname, "..");
const STAND_IN = resolve(CLIENTS, "..", "support", "serve-with-python-stand-in.ts");
const realServer = process.env.REAL_SERVER ?? "";
/** Both know nothing of what a model takes, and learn from the container's 507 that one has to go. */
const EVICTION = [
  "--eviction-setting=triggers=out-of-memory-answer+disk-full",
  "--eviction-setting=howMany=one-then-retry",
  "--eviction-setting=retries=8",
];

interface Scripts {
  readonly python: string;
  readonly folder: string;
}

/** An endpoint of many models, and one of one: a URL is one container, which is one or the other. */
type Script = "story.py" | "single.py";

const runPython = (
  { python, folder }: Scripts,
  environment: NodeJS.ProcessEnv,
  ...[script = "", argument = ""]: readonly string[]
): Promise<string> =>
  mustRun([python, join(import.meta.dirname, script), argument], {
    cwd: folder,
    env: {
      ...environment,
      PYTHONPATH: [join(CLIENTS, "aws"), join(CLIENTS, "python")].join(delimiter),
      PYTHONDONTWRITEBYTECODE: "1",
    },
    timeoutMs: 540_000,
  });

const play = async (
  scripts: Scripts,
  { environment }: AwsEmulator,
  script: Script,
  side: "ours" | "real",
): Promise<readonly string[]> => {
  const printed = await runPython(scripts, environment, script, side);
  // Where an archive was unpacked, and where the backend keeps its own files, is the only thing that may differ.
  return printed
    .trim()
    .replaceAll(/\/[^' "]+\/([0-9a-f]{32}\/)/g, "$1")
    .replaceAll(/[^' "]+\/(act\/1\/model\.py)/g, "$1")
    .split("\n");
};

const ours = async (scripts: Scripts, script: Script): Promise<readonly string[]> => {
  await using emulator = await startAwsProgram([STAND_IN], EVICTION);
  return await play(scripts, emulator, script, "ours");
};

const real = async (scripts: Scripts, script: Script): Promise<readonly string[]> => {
  const folder = join(scripts.folder, `real-${script}`);
  const [sagemakerPort] = await freePorts();
  await using _container = await startContainer(scripts, script, folder, sagemakerPort);
  await using emulator = await startAwsEmulator(
    ...EVICTION,
    `--container-url=http://127.0.0.1:${sagemakerPort}`,
    `--model-cache-dir=${join(folder, "disk")}`,
  );
  return await play(scripts, emulator, script, "real");
};

/** As its image starts it: empty for many models, else with the one that it serves. */
const startContainer = async (
  scripts: Scripts,
  script: Script,
  folder: string,
  sagemakerPort: number,
): Promise<ServerProcess> => {
  const [repository, gpu] = [join(folder, "repository"), join(folder, "gpu")];
  for (const path of [repository, gpu]) mkdirSync(path, { recursive: true });
  const single = script === "single.py";
  if (single) await runPython(scripts, process.env, "models.py", repository);
  const environment = [`AWS_REAL_GPU=${gpu}`, ...(single ? ["SAGEMAKER_TRITON_DEFAULT_MODEL_NAME=act"] : [])];
  const command = ["env", ...environment, ...realServer.split(" ")];
  return await startServerProcess(
    { name: "real server", command },
    {
      modelRepository: repository,
      flags: [
        "--model-control-mode=explicit",
        "--allow-sagemaker=true",
        `--sagemaker-port=${sagemakerPort}`,
        single ? "--load-model=act" : "--model-namespacing=true",
      ],
      logFile: join(folder, "server.log"),
    },
  );
};

/** @returns how many answers there are, and how many of them differ */
const compare = async (scripts: Scripts, script: Script): Promise<readonly [number, number]> => {
  const [mine, reals] = await Promise.all([
    ours(scripts, script),
    realServer === "" ? null : real(scripts, script),
  ]);
  if (reals === null) {
    console.log(mine.join("\n"));
    return [mine.length, 0];
  }
  let differences = 0;
  const count = Math.max(reals.length, mine.length);
  for (let index = 0; index < count; index++) {
    const same = reals[index] === mine[index];
    if (!same) differences++;
    console.log(same ? `same   ${reals[index]}` : `REAL   ${reals[index]}\nOURS   ${mine[index]}`);
  }
  return [count, differences];
};

const main = async (): Promise<number> => {
  const environment = pythonEnvironment(join(CLIENTS, "aws", "requirements.txt"));
  if (!environment.available) {
    console.error(environment.reason);
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), "triton-local-aws-real-"));
  try {
    const scripts = { python: environment.python, folder };
    const [many, one] = [await compare(scripts, "story.py"), await compare(scripts, "single.py")];
    if (realServer === "") {
      console.log("REAL_SERVER is not set: nothing to compare this with");
      return 0;
    }
    const differences = many[1] + one[1];
    console.log(`${many[0] + one[0]} answers, ${differences} differ`);
    return differences === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

process.exitCode = await main();
