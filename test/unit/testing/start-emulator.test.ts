import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startEmulator, type TestEmulator } from "../../../emulator/testing/start-emulator.ts";
import { syntheticArchive } from "../../support/archives.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "triton-local-testing-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const withArchives = (
  names: readonly string[],
  parameters: Readonly<Record<string, string>> = {},
): { modelData: string } => {
  for (const name of names) {
    writeFileSync(join(folder, `${name}.tar.gz`), syntheticArchive(name, parameters));
  }
  return { modelData: folder };
};

const invoke = (emulator: TestEmulator, model: string): Promise<Response> =>
  fetch(`${emulator.env.AWS_ENDPOINT_URL}/endpoints/any/invocations`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Amzn-SageMaker-Target-Model": `${model}.tar.gz` },
    body: JSON.stringify({ inputs: [{ name: "IN", datatype: "INT32", shape: [1], data: [7] }] }),
  });

test("startEmulator: serves all its addresses, each emulator its own, and none after it was disposed of", async () => {
  let urls: TestEmulator["urls"];
  {
    await using first = await startEmulator();
    await using second = await startEmulator();
    ({ urls } = first);
    expect(new Set([...Object.values(first.urls), ...Object.values(second.urls)]).size).toBe(10);
    expect(first.env).toEqual({
      AWS_ENDPOINT_URL: urls.aws,
      AWS_REGION: "us-east-1",
      AWS_DEFAULT_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: expect.any(String),
      AWS_SECRET_ACCESS_KEY: expect.any(String),
      TRITON_HTTP_URL: urls.http,
      TRITON_GRPC_URL: urls.grpc,
      TRITON_METRICS_URL: urls.metrics,
      TRITON_SAGEMAKER_URL: urls.sagemaker,
    });
    for (const url of [
      `${urls.http}/v2/health/ready`,
      urls.metrics,
      `${urls.sagemaker}/ping`,
      `${urls.aws}/_emulator/health`,
      `http://${urls.grpc}`,
    ]) {
      const reached = await fetch(url).then(
        ({ status }) => status,
        ({ cause }) => cause?.code,
      );
      // gRPC hangs up on HTTP/1.
      expect(reached, url).not.toBe("ECONNREFUSED");
    }
  }
  await expect(fetch(urls.http)).rejects.toThrow();
});

test("startEmulator: without models the sample models can be loaded, and none is", async () => {
  await using emulator = await startEmulator();
  const ready = () => fetch(`${emulator.urls.http}/v2/models/simple/ready`).then(({ status }) => status);
  expect(await ready()).toBe(400);
  await fetch(`${emulator.urls.http}/v2/repository/models/simple/load`, { method: "POST" });
  expect(await ready()).toBe(200);
});

test("startEmulator: serves a folder of archives, tells what happened, and is set back", async () => {
  await using emulator = await startEmulator({
    machine: "1GiB",
    seed: 7,
    ...withArchives(["a"], { "memory.host_weights_bytes": "100MiB" }),
  });
  const answer = await invoke(emulator, "a");
  expect(answer.status).toBe(200);
  const request = answer.headers.get("x-amzn-requestid") ?? "";

  const events = await emulator.journal({ request });
  expect(events[0]).toMatchObject({ event: "run", seed: 7, machine: "1GiB" });
  expect(events.map(({ event }) => event)).toEqual([
    "run",
    "invocation",
    "download",
    "unpacked",
    "load",
    "load-answer",
    "answer",
  ]);
  expect(await emulator.explain(request)).toContain("a.tar.gz was loaded in");
  expect(await emulator.explain("a.tar.gz")).toContain("a.tar.gz is in memory");
  expect(await emulator.explain("nobody")).toContain("The journal knows no model 'nobody'");
  const held = async () => (await emulator.memory()).instances[0]?.models.map(({ model }) => model);
  expect(await held()).toContain("a.tar.gz");
  expect(emulator.log()).toContain("a.tar.gz");

  await emulator.reset();
  expect((await emulator.journal({ model: "a.tar.gz" })).map(({ event }) => event)).toEqual(["run"]);
  expect(await held()).not.toContain("a.tar.gz");
  expect((await invoke(emulator, "a")).status).toBe(200);
});

test("startEmulator: takes faults at the start and later, all or none, and forgets them", async () => {
  await using emulator = await startEmulator({
    ...withArchives(["a"]),
    faults: [{ name: "once", operation: "infer", effect: "fail", message: "no, and 1=1,nth=2", nth: 1 }],
  });
  expect((await invoke(emulator, "a")).status).toBe(424);
  expect((await invoke(emulator, "a")).status).toBe(200);
  await expect(
    emulator.faults.add(
      { operation: "infer", effect: "fail", message: "never" },
      { operation: "infer", effect: "hang", nth: 0 },
    ),
  ).rejects.toThrow(/nth is 0, expected a whole number from 1 .*nothing was changed/);
  expect((await invoke(emulator, "a")).status).toBe(200);
  await emulator.faults.add({ operation: "infer", effect: "fail", message: "always" });
  expect((await invoke(emulator, "a")).status).toBe(424);
  await emulator.faults.clear();
  expect((await invoke(emulator, "a")).status).toBe(200);
});

test("startEmulator: eviction follows its switches", async () => {
  await using emulator = await startEmulator({
    machine: "ml.g4dn.xlarge",
    ...withArchives(["a", "b", "c"], { "memory.gpu_weights_bytes": "6GiB" }),
    eviction: { preset: "sagemaker", triggers: ["high-utilisation", "out-of-memory-answer"], victims: "lfu" },
  });
  for (const name of ["a", "a", "b", "c"]) expect((await invoke(emulator, name)).status).toBe(200);
  const victims = (await emulator.journal())
    .filter((event) => event.event === "eviction")
    .flatMap((event) => event.victims.map(({ model }) => model));
  expect(victims).toEqual(["b.tar.gz"]);
});

test("startEmulator: loads the models of a repository, as further options say", async () => {
  for (const name of ["a", "b"]) {
    mkdirSync(join(folder, name, "1"), { recursive: true });
    writeFileSync(join(folder, name, "config.pbtxt"), 'backend: "synthetic"\nmax_batch_size: 1');
  }
  await using all = await startEmulator({ modelRepository: folder });
  const loaded = async ({ urls }: TestEmulator): Promise<unknown> =>
    (await fetch(`${urls.http}/v2/repository/index`, { method: "POST", body: '{"ready":true}' })).json();
  expect(await loaded(all)).toMatchObject([{ name: "a" }, { name: "b" }]);
  await using one = await startEmulator({
    modelRepository: [folder],
    options: { "model-control-mode": "explicit", "load-model": ["b"] },
  });
  expect(await loaded(one)).toMatchObject([{ name: "b" }]);
});

test.each([
  [{ machine: "ml.none" }, /"machine in the options of startEmulator\(\)".\n'ml.none' is neither a size/],
  [{ options: { "no-such": 1 } }, /"no-such in .*there is no such option/s],
  [{ faults: [{ operation: "load", effect: "hang", model: "" }] }, /fault.*model is "", expected a name/s],
  [{ eviction: { highWater: 3 } }, /eviction-setting.*highWater takes a share above 0, up to 1, not '3'/s],
  [{ modelRepository: "/no/such/folder" }, /the emulator cannot start: .*\/no\/such\/folder/],
  [{ modelData: "/no/such/folder" }, /the emulator cannot start: .*cannot serve model archives/],
  [{ options: { "allow-grpc": false } }, /leave out the options that turn one off/],
] as const)("startEmulator(%j): rejects and says why", async (options, message) => {
  await expect(startEmulator(options)).rejects.toThrow(message);
});

test("startEmulator: a call that hangs holds up neither a reset nor the end", async () => {
  const hangs = { operation: "infer", effect: "hang" } as const;
  const emulator = await startEmulator({ ...withArchives(["a"]), faults: [hangs] });
  const isRunning = async (): Promise<void> => {
    while (!(await emulator.journal()).some(({ event }) => event === "fault")) await nextTurn();
  };
  const first = invoke(emulator, "a");
  await isRunning();
  await emulator.reset();
  expect((await first).status).toBe(503);

  await emulator.faults.add(hangs);
  const second = invoke(emulator, "a");
  await isRunning();
  const startedMs = performance.now();
  await emulator.stop();
  // A server of one's own has 30 s.
  expect(performance.now() - startedMs).toBeLessThan(25_000);
  expect((await second).status).toBe(503);
});

test("startEmulator: who asks after the end is told that it has been stopped", async () => {
  const emulator = await startEmulator();
  await emulator.stop();
  await expect(emulator.journal()).rejects.toThrow(
    `the emulator at ${emulator.urls.aws} does not answer: has it been stopped?`,
  );
});
