import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ServerLog } from "../emulator/common/server-log.ts";
import { loadConfig } from "../emulator/config/load.ts";
import { createEmulator, type Emulator } from "../emulator/emulator.ts";
import { tarEntry } from "./support/archives.ts";

let folder: string;
let archives: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "triton-local-endpoint-"));
  archives = join(folder, "archives");
  mkdirSync(archives);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A model that takes time and memory as its parameters say. */
const modelConfig = (parameters: Readonly<Record<string, string>> = {}): string =>
  `backend: "synthetic"
   input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
   output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
   ${Object.entries(parameters)
     .map(([key, value]) => `parameters { key: "${key}" value { string_value: "${value}" } }`)
     .join("\n")}`;

/** The same as `<name>.tar.gz`. */
const writeArchive = (name: string, parameters: Readonly<Record<string, string>> = {}): void => {
  const entries = [
    tarEntry({ path: `${name}/` }),
    tarEntry({ path: `${name}/config.pbtxt`, content: modelConfig(parameters) }),
    tarEntry({ path: `${name}/1/` }),
    Buffer.alloc(1024),
  ];
  writeFileSync(join(archives, `${name}.tar.gz`), gzipSync(Buffer.concat(entries)));
};

const silent = {
  log_info: false,
  log_warning: false,
  log_error: false,
  log_verbose_level: 0,
  log_format: "default",
} as const;

const start = (...flags: string[]): Promise<Emulator> => {
  const noPorts = ["http", "grpc", "metrics", "sagemaker", "emulator"].map(
    (service) => `--${service}-port=0`,
  );
  const loaded = loadConfig({
    args: [...noPorts, ...flags],
    environment: {},
    readFile: () => "",
    defaultModelRepository: "",
    cores: 1,
  });
  if (!loaded.ok) throw new Error(loaded.failure.message);
  const log = new ServerLog({ now: () => 0, pid: 1, write: () => {} }, silent);
  return createEmulator({ config: loaded.config, log });
};

const startEndpoint = (...flags: string[]): Promise<Emulator> => start(`--model-data=${archives}`, ...flags);

const body = JSON.stringify({ inputs: [{ name: "IN", datatype: "INT32", shape: [1], data: [7] }] });

const invoke = async ({ ports }: Emulator, model: string | null, init: RequestInit = {}) => {
  const response = await fetch(`http://127.0.0.1:${ports.emulator}/endpoints/any/invocations`, {
    method: "POST",
    body,
    headers: {
      "Content-Type": "application/json",
      ...(model === null ? {} : { "X-Amzn-SageMaker-Target-Model": `${model}.tar.gz` }),
    },
    ...init,
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
};

const control = async ({ ports }: Emulator, method: string, path: string, sent?: object) => {
  const response = await fetch(`http://127.0.0.1:${ports.emulator}/_emulator/${path}`, {
    method,
    ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
  });
  return { status: response.status, text: await response.text() };
};

const journalOf = async (emulator: Emulator): Promise<Record<string, unknown>[]> =>
  (await control(emulator, "GET", "journal")).text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("endpoint: a model is loaded by its first invocation, and answers as itself", async () => {
  writeArchive("a");
  await using emulator = await startEndpoint("--machine=1GiB");
  const answer = await invoke(emulator, "a");
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.text)).toMatchObject({ model_name: "a.tar.gz", outputs: [{ name: "OUT" }] });
  expect(answer.headers.get("x-amzn-invoked-production-variant")).toBe("AllTraffic");
  expect(answer.headers.get("x-amzn-requestid")).toMatch(/^[0-9a-f-]{36}$/);
  const seen = (await journalOf(emulator)).filter(
    ({ request }) => request === answer.headers.get("x-amzn-requestid"),
  );
  expect(seen.map(({ event }) => event)).toEqual([
    "invocation",
    "download",
    "unpacked",
    "load",
    "load-answer",
    "answer",
  ]);
  const inside = await fetch(`http://127.0.0.1:${emulator.ports.http}/v2/models/a.tar.gz/ready`);
  expect(inside.status).toBe(200);
});

test("endpoint: errors are those of the platform", async () => {
  await using emulator = await startEndpoint();
  const missing = await invoke(emulator, "nope");
  expect([missing.status, missing.headers.get("x-amzn-errortype")]).toEqual([400, "ValidationError"]);
  expect(JSON.parse(missing.text).Message).toContain("nope.tar.gz");
  const without = await invoke(emulator, null);
  expect([without.status, JSON.parse(without.text).Message]).toEqual([
    400,
    expect.stringContaining("is missing a target model header"),
  ]);
  const other = await fetch(`http://127.0.0.1:${emulator.ports.emulator}/endpoints/any`, { method: "POST" });
  expect([other.status, await other.text()]).toEqual([404, expect.stringContaining("invokes a model")]);
});

test("endpoint: a GPU that is full is 507 in the container, and the least recently used model makes room", async () => {
  const size = { "memory.gpu_weights_bytes": "6GiB" };
  for (const name of ["a", "b", "c"]) writeArchive(name, size);
  await using emulator = await startEndpoint("--machine=ml.g4dn.xlarge");
  for (const name of ["a", "b", "c"]) expect((await invoke(emulator, name)).status).toBe(200);
  const journal = await journalOf(emulator);
  expect(
    journal.filter(({ event }) => event === "load-answer").map(({ model, status }) => [model, status]),
  ).toEqual([
    ["a.tar.gz", 200],
    ["b.tar.gz", 200],
    ["c.tar.gz", 507],
    ["c.tar.gz", 200],
  ]);
  expect(journal.filter(({ event }) => event === "unload").map(({ model }) => model)).toEqual(["a.tar.gz"]);
  expect(journal).toContainEqual(
    expect.objectContaining({ event: "refused", pool: "gpu:0", asked: 6 * 2 ** 30 }),
  );
});

test("endpoint: a container that dies at a ping is started anew, empty, and serves again", async () => {
  writeArchive("a");
  await using emulator = await startEndpoint("--machine=1GiB", "--allow-sagemaker=true");
  expect((await invoke(emulator, "a")).status).toBe(200);
  const rule = { operation: "ping", effect: "kill", nth: 1 };
  expect((await control(emulator, "POST", "faults", rule)).status).toBeLessThan(300);
  await expect(fetch(`http://127.0.0.1:${emulator.ports.sagemaker}/ping`)).rejects.toThrow();
  // The platform learns of it by a call, unless its own ping comes first.
  expect([424, 200]).toContain((await invoke(emulator, "a")).status);
  expect((await invoke(emulator, "a")).status).toBe(200);
  const inside = await fetch(`http://127.0.0.1:${emulator.ports.http}/v2/models/a.tar.gz/ready`);
  expect(inside.status).toBe(200);
  const events = (await journalOf(emulator)).map(({ event }) => event);
  expect(events.filter((event) => event === "container-died" || event === "container-started")).toEqual([
    "container-started",
    "container-died",
    "container-started",
  ]);
});

test("endpoint: a model that makes tritonserver the kernel's victim ends the container, not the emulator", async () => {
  writeArchive("small", { "memory.host_weights_bytes": "50MiB" });
  writeArchive("huge", { "memory.host_weights_bytes": "1GiB" });
  await using emulator = await startEndpoint("--machine=300MiB", "--eviction-setting=retries=0");
  expect((await invoke(emulator, "small")).status).toBe(200);
  const refused = await invoke(emulator, "huge");
  expect([refused.status, refused.headers.get("x-amzn-errortype")]).toEqual([424, "ModelError"]);
  expect((await invoke(emulator, "small")).status).toBe(200);
  const events = (await journalOf(emulator)).map(({ event }) => event);
  for (const event of ["killed", "container-died"]) expect(events).toContain(event);
});

test("endpoint: a reset leaves no model, in memory or on the disk", async () => {
  writeArchive("a", { "memory.host_weights_bytes": "100MiB" });
  const disk = join(folder, "disk");
  await using emulator = await startEndpoint("--machine=1GiB", `--model-cache-dir=${disk}`);
  const used = async (): Promise<number> =>
    JSON.parse((await control(emulator, "GET", "memory")).text).instances[0].pools[0].usedBytes;
  const before = await used();
  await invoke(emulator, "a");
  expect(await used()).toBeGreaterThan(before);
  expect(await control(emulator, "POST", "reset")).toEqual({
    status: 200,
    text: expect.stringContaining("all"),
  });
  expect(await used()).toBe(before);
  expect(readdirSync(disk).filter((name) => !name.startsWith("."))).toEqual([]);
  expect((await invoke(emulator, "a")).status).toBe(200);
  expect((await journalOf(emulator)).map(({ event }) => event)).toContain("download");
});

test("endpoint: a container elsewhere is used by its URL", async () => {
  writeArchive("a");
  const disk = join(folder, "disk");
  mkdirSync(join(folder, "empty"));
  await using container = await start(
    `--model-repository=${join(folder, "empty")}`,
    "--model-control-mode=explicit",
    "--model-namespacing=true",
    "--allow-sagemaker=true",
  );
  await using emulator = await startEndpoint(
    `--container-url=http://127.0.0.1:${container.ports.sagemaker}`,
    `--model-cache-dir=${disk}`,
  );
  expect(emulator.ports).toMatchObject({ http: null, grpc: null, sagemaker: null, metrics: null });
  const answer = await invoke(emulator, "a");
  expect([answer.status, JSON.parse(answer.text).model_name]).toEqual([200, "a.tar.gz"]);
  const inside = await fetch(`http://127.0.0.1:${container.ports.http}/v2/models/a.tar.gz/ready`);
  expect(inside.status).toBe(200);
});

test("endpoint: a folder of archives that is not there ends the start", async () => {
  await expect(start(`--model-data=${join(folder, "nowhere")}`)).rejects.toThrow(
    "cannot serve model archives",
  );
});

test("emulator port without an endpoint: a reset brings models and counters back to the start", async () => {
  const repository = join(folder, "repository");
  for (const name of ["first", "second"]) {
    mkdirSync(join(repository, name, "1"), { recursive: true });
    writeFileSync(join(repository, name, "config.pbtxt"), modelConfig());
  }
  await using emulator = await start(
    `--model-repository=${repository}`,
    "--model-control-mode=explicit",
    "--load-model=first",
    "--machine=1GiB",
  );
  const http = (path: string, sent: object = {}) =>
    fetch(`http://127.0.0.1:${emulator.ports.http}/v2/${path}`, {
      method: "POST",
      body: JSON.stringify(sent),
    });
  const ready = async (): Promise<string[]> => {
    const index: unknown = await (await http("repository/index", { ready: true })).json();
    return Array.isArray(index) ? index.map(({ name }) => name) : [];
  };
  const counted = async (): Promise<string | undefined> =>
    /nv_inference_count\{model="first",version="1"\} (\d+)/.exec(
      await (await fetch(`http://127.0.0.1:${emulator.ports.metrics}/metrics`)).text(),
    )?.[1];
  await http("models/first/infer", JSON.parse(body));
  await http("repository/models/second/load");
  await http("repository/models/first/unload");
  expect(await ready()).toEqual(["second"]);
  expect((await control(emulator, "POST", "reset")).status).toBe(200);
  expect(await ready()).toEqual(["first"]);
  await http("models/first/infer", JSON.parse(body));
  expect(await counted()).toBe("1");
  expect((await control(emulator, "POST", "reset?scope=metrics")).status).toBe(200);
  expect(await counted()).toBe("0");
  expect(await invoke(emulator, "first")).toMatchObject({
    status: 400,
    text: '{"Message":"Endpoint any of account 000000000000 not found."}',
  });
});
