import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { usageText } from "../emulator/config/usage.ts";
import { environmentWithThisNode, runCommand, startCommand } from "./support/command.ts";

const MAIN = [process.execPath, join(import.meta.dirname, "..", "emulator", "main.ts")];

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "triton-local-cli-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = () => ({ cwd: folder, env: environmentWithThisNode(), timeoutMs: 50_000 });

const run = (...args: string[]) => runCommand([...MAIN, ...args], options());

const noPorts = ["--http-port=0", "--grpc-port=0", "--metrics-port=0"];

/** Explicit mode: nothing is loaded. */
const start = (portsFile: string, ...args: string[]) =>
  startCommand(
    [...MAIN, "serve", "--model-control-mode=explicit", ...args],
    join(folder, portsFile),
    options(),
  );

/** A port that somebody listens on until `close`. */
const takenPort = async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no address");
  return { port: address.port, close: () => server.close() };
};

describe("what ends at once", () => {
  test.each([["--help"], ["serve", "--help"]])(
    "command line: %s prints the usage to stderr, exit code 1",
    async (...args) => {
      expect(await run(...args)).toEqual({ exitCode: 1, stdout: "", stderr: `${usageText()}\n\n\n` });
    },
  );

  test("command line: an unknown command is an unexpected argument", async () => {
    const { exitCode, stderr } = await run("frobnicate");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/\nUnexpected argument: frobnicate\n$/);
  });

  test("command line: a repository that does not exist ends with the real server's text", async () => {
    const { exitCode, stderr } = await run("--model-repository=/no/such/dir", ...noPorts);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error: creating server: Internal - failed to stat file \/no\/such\/dir$/m);
  });

  test("command line: a repository that is no folder ends with the real server's text", async () => {
    const { exitCode, stderr } = await run(`--model-repository=${import.meta.filename}`, ...noPorts);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^error: creating server: Invalid argument - repository path is not a valid directory$/m,
    );
  });

  test("command line: a machine on which not even the server fits, and a profile that is none, end the start", async () => {
    const small = await run("--machine=2MiB", "--model-control-mode=explicit", ...noPorts);
    expect(small).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /^error: creating server: Invalid argument - machine 2MiB is too small: /m,
      ),
    });
    const bad = await run("--machine=1GiB", "--memory-profile=/no/such.yaml", ...noPorts);
    expect(bad).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /^error: creating server: Invalid argument - memory profile: cannot read /m,
      ),
    });
  });

  test("command line: a ports file of an earlier run is gone when the start fails", async () => {
    const stale = join(folder, "stale.json");
    writeFileSync(stale, "{}");
    await run("--model-repository=/no/such/dir", `--ports-file=${stale}`);
    expect(existsSync(stale)).toBe(false);
  });

  test.each([
    ["HTTP", "http"],
    ["GRPC", "grpc"],
    ["Metrics", "metrics"],
    ["Sagemaker", "sagemaker"],
  ])("command line: a taken %s port ends with the real server's text", async (service, flag) => {
    const taken = await takenPort();
    const ports = noPorts.map((port) =>
      port.startsWith(`--${flag}`) ? `--${flag}-port=${taken.port}` : port,
    );
    const container =
      flag === "sagemaker" ? ["--allow-sagemaker=true", `--sagemaker-port=${taken.port}`] : [];
    const { exitCode, stderr } = await run("--model-control-mode=explicit", ...ports, ...container);
    taken.close();
    expect(exitCode).toBe(1);
    const socket = `Socket '127.0.0.1:${taken.port}' already in use `;
    expect(stderr).toContain(`"failed to start ${service} service: Unavailable - ${socket}"\n`);
  });

  test("command line: an older Node gets one sentence", async () => {
    const older = "data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'20.20.2'}})";
    const [node = "", main = ""] = MAIN;
    expect(await runCommand([node, "--import", older, main, "--help"], options())).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: "triton-local needs Node 22.18 or newer; this is Node 20.20.2.\n",
    });
  });
});

describe("serve", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "serve: %s ends an idle server with exit code 0",
    async (signal) => {
      const server = await start(`${signal}.json`);
      expect(await server.stop(signal)).toBe(0);
      expect(server.output()).toMatch(/^Signal \(\d+\) received\.$/m);
      expect(server.output()).toContain('"Waiting for in-flight requests to complete."');
    },
  );

  test("serve: the ports file holds the ports that answer, and nothing else is left beside it", async () => {
    const portsFile = "ports.json";
    await using server = await start(portsFile);
    const live = await fetch(`http://127.0.0.1:${server.ports.http}/v2/health/live`);
    const metrics = await fetch(`http://127.0.0.1:${server.ports.metrics}/metrics`);
    expect([live.status, metrics.status]).toEqual([200, 200]);
    expect(readdirSync(folder).filter((name) => name.startsWith(portsFile))).toEqual([portsFile]);
    expect(server.output()).toContain(`"Started HTTPService at 127.0.0.1:${server.ports.http}"`);
  });

  test("serve: what is not served is null in the ports file", async () => {
    const flags = ["--allow-http=false", "--allow-metrics=false"];
    await expect(start("grpc-only.json", ...flags)).rejects.toThrow("unexpected ports file");
    expect(JSON.parse(readFileSync(join(folder, "grpc-only.json"), "utf8"))).toEqual({
      http: null,
      grpc: expect.any(Number),
      sagemaker: null,
      metrics: null,
      emulator: null,
    });
  });

  test("serve: the start-up table shows models and what runs them", async () => {
    await using server = await start("table.json", "--load-model=simple");
    expect(server.output()).toMatch(/^\| simple +\| 1 +\| READY +\| CPU +\|$/m);
  });

  test("serve: with --machine the start-up report shows its pools, and a load that the host cannot hold fails", async () => {
    await using server = await start("machine.json", "--machine=20MiB");
    expect(server.output()).toContain('"Emulated machine: 20MiB"');
    expect(server.output()).toMatch(/^\| host +\| 20\.0 MiB \| 0 B +\| 6\.0 MiB +\| 6\.0 MiB +\|$/m);
    const load = await fetch(`http://127.0.0.1:${server.ports.http}/v2/repository/models/simple/load`, {
      method: "POST",
    });
    expect([load.status, await load.text()]).toEqual([
      400,
      expect.stringMatching(
        /Unavailable: the host is full and tritonserver is its largest process, .* asked for, .* free/,
      ),
    ]);
    await expect
      .poll(() => server.output())
      .toMatch(
        /"memory: the kernel kills tritonserver \(50\.0 MiB resident\): largest resident size; [\d.]+ MiB for simple, 14\.0 MiB free"/,
      );
  });

  test("serve: with --machine a model sees its GPU, and a load that the GPU cannot hold fails with words of memory", async () => {
    const repository = join(folder, "engines");
    for (const [name, size] of [
      ["fits", "8GiB"],
      ["large", "20GiB"],
    ] as const) {
      mkdirSync(join(repository, name, "1"), { recursive: true });
      writeFileSync(
        join(repository, name, "config.pbtxt"),
        `backend: "synthetic"
        input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] }
        output { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }
        instance_group { kind: KIND_GPU }
        parameters { key: "memory.gpu_weights_bytes" value { string_value: "${size}" } }`,
      );
    }
    await using server = await start(
      "gpu.json",
      "--machine=ml.g4dn.xlarge",
      `--model-repository=${repository}`,
      "--load-model=fits",
    );
    expect(server.output()).toMatch(/^\| gpu:0 \| 15\.0 GiB +\| 251\.0 MiB \| 8\.2 GiB/m);
    const load = await fetch(`http://127.0.0.1:${server.ports.http}/v2/repository/models/large/load`, {
      method: "POST",
    });
    expect([load.status, await load.text()]).toEqual([
      400,
      expect.stringContaining("Internal: CUDA out of memory. Tried to allocate 20.0 GiB."),
    ]);
    await expect
      .poll(() => server.output())
      .toMatch(/"memory: large is refused 20\.0 GiB of gpu:0, 6\.5 GiB free"/);
  });

  test("serve: what ends the real server ends this one where that is imitated, with the exit code of an abort", async () => {
    await using server = await start(
      "crash.json",
      "--allow-sagemaker=true",
      "--sagemaker-port=0",
      "--fault=imitate=load-body-crash",
    );
    const { sagemaker } = JSON.parse(readFileSync(join(folder, "crash.json"), "utf8"));
    await expect(
      fetch(`http://127.0.0.1:${sagemaker}/models`, { method: "POST", body: "{" }),
    ).rejects.toThrow();
    expect(await server.stop()).toBe(134);
    expect(server.output()).toContain(
      "tritonserver dies: a load whose body cannot be read (load-body-crash)",
    );
  });

  test("serve: the log goes to the file, is added to, and follows the settings changed by a client", async () => {
    const logFile = join(folder, "server.log");
    writeFileSync(logFile, "before\n");
    await using server = await start("log.json", `--log-file=${logFile}`, "--host-policy=a,numa-node=0");
    const logging = (settings: object) =>
      fetch(`http://127.0.0.1:${server.ports.http}/v2/logging`, {
        method: "POST",
        body: JSON.stringify(settings),
      });
    const load = () =>
      fetch(`http://127.0.0.1:${server.ports.http}/v2/repository/models/simple/load`, { method: "POST" });
    await logging({ log_format: "ISO8601" });
    await load();
    await logging({ log_info: false });
    const before = readFileSync(logFile, "utf8");
    await fetch(`http://127.0.0.1:${server.ports.http}/v2/repository/models/simple/unload`, {
      method: "POST",
    });
    await load();
    expect(readFileSync(logFile, "utf8")).toBe(before);
    expect(before).toMatch(
      /^before\nW\d{4} \d\d:\d\d:\d\d\.\d{6} \d+ triton_local:1\] "--host-policy has no effect/,
    );
    expect(before).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ I \d+ triton_local:1\] "successfully loaded 'simple'"$/m,
    );
    expect(server.output()).toBe("");
  });
});
