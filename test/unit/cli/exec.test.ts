import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EXEC_USAGE } from "../../../emulator/cli/exec.ts";
import { type CommandResult, environmentWithThisNode, runCommand } from "../../support/command.ts";

const EXEC = [process.execPath, join(import.meta.dirname, "../../../emulator/main.ts"), "exec"];

const exec = (args: readonly string[], variables: NodeJS.ProcessEnv = {}): Promise<CommandResult> =>
  runCommand([...EXEC, ...args], {
    cwd: import.meta.dirname,
    env: { ...environmentWithThisNode(), ...variables },
    timeoutMs: 50_000,
  });

/** Nothing is loaded. */
const EXPLICIT = "--model-control-mode=explicit";

const node = (script: string): readonly string[] => [EXPLICIT, "--", process.execPath, "-e", script];

test("exec: gives the command the addresses of a running emulator, and its own exit code back", async () => {
  const script = `
    const { AWS_ENDPOINT_URL, AWS_PROFILE, TRITON_HTTP_URL, TRITON_METRICS_URL, OTHER } = process.env;
    const of = async (url) => (await fetch(url)).status;
    console.log(await of(AWS_ENDPOINT_URL + "/_emulator/health"), await of(TRITON_HTTP_URL + "/v2"),
      await of(TRITON_METRICS_URL), AWS_PROFILE, OTHER);
    process.exitCode = 7;`;
  const args = [EXPLICIT, "--", process.execPath, "--input-type=module", "-e", script];
  expect(await exec(args, { AWS_PROFILE: "production", OTHER: "kept" })).toEqual({
    exitCode: 7,
    stdout: "200 200 200 undefined kept\n",
    stderr: "",
  });
});

test("exec: takes the options of serve", async () => {
  const script = "console.log(process.env.AWS_ACCESS_KEY_ID, process.env.TRITON_SAGEMAKER_URL)";
  const { stdout } = await exec([
    "--allow-sagemaker=false",
    "--aws-access-key-id=mine",
    "--aws-secret-access-key=secret",
    ...node(script),
  ]);
  expect(stdout).toBe("mine undefined\n");
});

test("exec: ends as a shell does when a signal ended the command", async () => {
  expect(await exec(node("process.kill(process.pid, 'SIGKILL')"))).toMatchObject({ exitCode: 137 });
});

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("exec: passes %s on to the command", async (signal) => {
  const script = `process.on("${signal}", () => { console.log("got it"); process.exit(3); });
    setInterval(() => {}, 1000); console.log("ready");`;
  const [program = "", ...args] = [...EXEC, ...node(script)];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (stdout === "") child.kill(signal);
    stdout += text;
  });
  const [code] = await once(child, "close");
  expect([code, stdout]).toEqual([3, "ready\ngot it\n"]);
});

test.each([
  [[EXPLICIT, "--", "no-such-command"], 127, "triton-local exec: no-such-command: command not found\n"],
  [
    [EXPLICIT, "--", import.meta.filename],
    126,
    `triton-local exec: ${import.meta.filename}: cannot be run: spawn ${import.meta.filename} EACCES\n`,
  ],
  [[EXPLICIT], 2, `exec takes a command after --\n\n${EXEC_USAGE}`],
  [["--", ""], 2, `exec takes a command after --\n\n${EXEC_USAGE}`],
  [
    ["--model-repository=/no/such/folder", "--", "true"],
    1,
    "error: creating server: Internal - failed to stat file /no/such/folder\n",
  ],
] as const)("exec %j: exits with %d and says why", async (args, exitCode, stderr) => {
  expect(await exec(args)).toEqual({ exitCode, stdout: "", stderr });
});

// A file is no folder for anybody, not even for root.
test.each([
  [[], "buckets and endpoints", "--state-dir"],
  [["--model-data=."], "archives", "--model-cache-dir"],
] as const)(
  "exec %j: says what to do, when no temporary folder can be made",
  async (options, what, option) => {
    const { exitCode, stderr } = await exec([...options, "--", "true"], { TMPDIR: import.meta.filename });
    expect(exitCode).toBe(1);
    expect(stderr.replace(/triton-local-\w+-\w+/, "<folder>")).toBe(
      `error: creating server: Unavailable - no place for ${what}: a folder in ${import.meta.filename} cannot be made (ENOTDIR: not a directory, mkdtemp '${import.meta.filename}/<folder>'); set TMPDIR to a folder that can be written to, or name one with ${option}\n`,
    );
  },
);

test("exec: a folder of an option that cannot be made is told with the option", async () => {
  const path = join(import.meta.filename, "disk");
  const { exitCode, stderr } = await exec(["--model-data=.", `--model-cache-dir=${path}`, "--", "true"]);
  expect([exitCode, stderr]).toEqual([
    1,
    `error: creating server: Invalid argument - cannot use the folder ${path} of --model-cache-dir: ENOTDIR: not a directory, mkdir '${path}'\n`,
  ]);
});

test("exec: an option that there is not is told as serve tells it", async () => {
  const { exitCode, stderr } = await exec(["--no-such-option", "--", "true"]);
  expect([exitCode, stderr.split("\n")[0]]).toEqual([
    1,
    "triton-local: unrecognized option '--no-such-option'",
  ]);
});

test("exec --help: prints how it is used", async () => {
  expect(await exec(["--help"])).toEqual({ exitCode: 0, stdout: EXEC_USAGE, stderr: "" });
});
