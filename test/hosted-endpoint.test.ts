import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteEndpointCommand,
  DescribeEndpointCommand,
  paginateListEndpoints,
  SageMakerClient,
  UpdateEndpointCommand,
  UpdateEndpointWeightsAndCapacitiesCommand,
  waitUntilEndpointDeleted,
  waitUntilEndpointInService,
} from "@aws-sdk/client-sagemaker";
import { InvokeEndpointCommand, SageMakerRuntimeClient } from "@aws-sdk/client-sagemaker-runtime";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ServerLog } from "../emulator/common/server-log.ts";
import { loadConfig } from "../emulator/config/load.ts";
import { createEmulator, type Emulator } from "../emulator/emulator.ts";
import { tarEntry } from "./support/archives.ts";

let stateDir: string;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "triton-local-hosted-"));
});

afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const silent = {
  log_info: false,
  log_warning: false,
  log_error: false,
  log_verbose_level: 0,
  log_format: "default",
} as const;

const start = (...flags: string[]): Promise<Emulator> => {
  const loaded = loadConfig({
    args: ["--aws-port=0", ...flags],
    environment: {},
    readFile: () => "",
    defaultModelRepository: "",
    cores: 1,
  });
  if (!loaded.ok) throw new Error(loaded.failure.message);
  const log = new ServerLog({ now: () => 0, pid: 1, write: () => {} }, silent);
  return createEmulator({ config: loaded.config, log });
};

const clientsOf = ({ ports }: Emulator) => {
  const options = {
    endpoint: `http://127.0.0.1:${ports.emulator}`,
    region: "us-east-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  };
  return {
    s3: new S3Client({ ...options, forcePathStyle: true }),
    sagemaker: new SageMakerClient(options),
    runtime: new SageMakerRuntimeClient(options),
  };
};

type Clients = ReturnType<typeof clientsOf>;

/** A model, as the only folder of an archive. */
const archiveOf = (parameters: Readonly<Record<string, string>> = {}): Buffer => {
  const lines = Object.entries(parameters).map(
    ([key, value]) => `parameters { key: "${key}" value { string_value: "${value}" } }`,
  );
  const content = `backend: "synthetic"
    input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
    output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
    ${lines.join("\n")}`;
  const entries = [
    tarEntry({ path: "m/" }),
    tarEntry({ path: "m/config.pbtxt", content }),
    tarEntry({ path: "m/1/" }),
    Buffer.alloc(1024),
  ];
  return gzipSync(Buffer.concat(entries));
};

const upload = async ({ s3 }: Clients, keys: readonly string[], body = archiveOf()): Promise<void> => {
  await s3.send(new CreateBucketCommand({ Bucket: "models" }));
  for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket: "models", Key, Body: body }));
};

const createEndpoint = async (
  { sagemaker }: Clients,
  container: object,
  variant: object = {},
  beforeEndpoint: () => Promise<unknown> = () => Promise.resolve(),
): Promise<void> => {
  const PrimaryContainer = { Image: "triton", ...container };
  await sagemaker.send(new CreateModelCommand({ ModelName: "m", PrimaryContainer }));
  const ProductionVariants = [
    { VariantName: "AllTraffic", ModelName: "m", InstanceType: "ml.g4dn.xlarge" as const, ...variant },
  ];
  await sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: "c", ProductionVariants }));
  await beforeEndpoint();
  await sagemaker.send(new CreateEndpointCommand({ EndpointName: "e", EndpointConfigName: "c" }));
};

const inService = ({ sagemaker }: Clients) =>
  waitUntilEndpointInService(
    { client: sagemaker, minDelay: 0.01, maxDelay: 0.02, maxWaitTime: 20 },
    { EndpointName: "e" },
  );

const body = JSON.stringify({ inputs: [{ name: "IN", datatype: "INT32", shape: [1], data: [7] }] });

const invoke = ({ runtime }: Clients, TargetModel?: string) =>
  runtime.send(
    new InvokeEndpointCommand({
      EndpointName: "e",
      ContentType: "application/json",
      Body: body,
      ...(TargetModel === undefined ? {} : { TargetModel }),
    }),
  );

const multiModel = { Mode: "MultiModel", ModelDataUrl: "s3://models/prefix/" } as const;

test("hosted endpoint: created, filled, invoked, scaled, updated without a failure, and deleted, by AWS's client", async () => {
  await using emulator = await start();
  const clients = clientsOf(emulator);
  const { sagemaker } = clients;
  await createEndpoint(clients, multiModel, { InitialInstanceCount: 1 });
  expect(await inService(clients)).toMatchObject({ state: "SUCCESS" });
  await upload(clients, ["prefix/a.tar.gz", "prefix/team/b.tar.gz"]);

  const answer = await invoke(clients, "a.tar.gz");
  expect(answer.InvokedProductionVariant).toBe("AllTraffic");
  expect(JSON.parse(answer.Body.transformToString())).toMatchObject({ model_name: "a.tar.gz" });
  expect(JSON.parse((await invoke(clients, "team/b.tar.gz")).Body.transformToString())).toMatchObject({
    model_name: "team/b.tar.gz",
  });
  await expect(invoke(clients, "c.tar.gz")).rejects.toThrow("s3://models/prefix/c.tar.gz");

  const DesiredWeightsAndCapacities = [{ VariantName: "AllTraffic", DesiredInstanceCount: 3 }];
  await sagemaker.send(
    new UpdateEndpointWeightsAndCapacitiesCommand({ EndpointName: "e", DesiredWeightsAndCapacities }),
  );
  await inService(clients);
  const scaled = await sagemaker.send(new DescribeEndpointCommand({ EndpointName: "e" }));
  expect(scaled.ProductionVariants).toMatchObject([{ CurrentInstanceCount: 3, DesiredInstanceCount: 3 }]);
  expect(scaled.CreationTime).toBeInstanceOf(Date);

  await sagemaker.send(new UpdateEndpointCommand({ EndpointName: "e", EndpointConfigName: "c" }));
  const updated = inService(clients);
  let invocations = 0;
  const isDone = updated.then(() => true);
  do {
    await invoke(clients, "a.tar.gz");
    invocations++;
  } while (!(await Promise.race([isDone, false])));
  expect(invocations).toBeGreaterThan(0);

  const names: (string | undefined)[] = [];
  for await (const page of paginateListEndpoints({ client: sagemaker }, { MaxResults: 1 })) {
    names.push(...(page.Endpoints ?? []).map(({ EndpointName }) => EndpointName));
  }
  expect(names).toEqual(["e"]);

  await sagemaker.send(new DeleteEndpointCommand({ EndpointName: "e" }));
  const deleted = await waitUntilEndpointDeleted(
    { client: sagemaker, minDelay: 0.01, maxDelay: 0.02, maxWaitTime: 20 },
    { EndpointName: "e" },
  );
  expect(deleted).toMatchObject({ state: "SUCCESS" });
  await expect(invoke(clients, "a.tar.gz")).rejects.toMatchObject({
    name: "ValidationError",
    message: "Endpoint e of account 000000000000 not found.",
  });
});

test("hosted endpoint: a variant of one model has it from the start, and answers without a TargetModel", async () => {
  await using emulator = await start();
  const clients = clientsOf(emulator);
  await upload(clients, ["single/model.tar.gz"]);
  await createEndpoint(clients, { ModelDataUrl: "s3://models/single/model.tar.gz" });
  await inService(clients);
  const answer = await invoke(clients);
  expect(JSON.parse(answer.Body.transformToString())).toMatchObject({ model_name: "m" });
  await expect(invoke(clients, "a.tar.gz")).rejects.toThrow(
    "Endpoint e is not a multi-model endpoint and does not support target model header.",
  );
});

test("hosted endpoint: has failed, and says why, where its model data or its environment cannot be used", async () => {
  await using emulator = await start();
  const clients = clientsOf(emulator);
  await upload(clients, ["gone.tar.gz"]);
  await createEndpoint(clients, { ModelDataUrl: "s3://models/gone.tar.gz" }, {}, () =>
    clients.s3.send(new DeleteObjectCommand({ Bucket: "models", Key: "gone.tar.gz" })),
  );
  await expect(inService(clients)).rejects.toThrow("Failed to download model data for container");
  const { sagemaker } = clients;
  await sagemaker.send(
    new CreateModelCommand({
      ModelName: "bad",
      PrimaryContainer: {
        Image: "triton",
        ...multiModel,
        Environment: { SAGEMAKER_TRITON_ADDITIONAL_ARGS: "--no-such-flag" },
      },
    }),
  );
  await sagemaker.send(
    new CreateEndpointConfigCommand({
      EndpointConfigName: "bad",
      ProductionVariants: [{ VariantName: "AllTraffic", ModelName: "bad", InstanceType: "ml.m5.large" }],
    }),
  );
  await sagemaker.send(new CreateEndpointCommand({ EndpointName: "bad", EndpointConfigName: "bad" }));
  await expect(
    waitUntilEndpointInService(
      { client: sagemaker, minDelay: 0.01, maxDelay: 0.02, maxWaitTime: 20 },
      { EndpointName: "bad" },
    ),
  ).rejects.toThrow("The container of AllTraffic does not start");
});

test("hosted endpoint: comes back with the emulator that has its folder, with its objects", async () => {
  {
    await using emulator = await start(`--state-dir=${stateDir}`);
    const clients = clientsOf(emulator);
    await upload(clients, ["prefix/a.tar.gz"]);
    await createEndpoint(clients, multiModel);
    await inService(clients);
  }
  await using emulator = await start(`--state-dir=${stateDir}`);
  const clients = clientsOf(emulator);
  await inService(clients);
  expect((await invoke(clients, "a.tar.gz")).$metadata.httpStatusCode).toBe(200);
});

test("hosted endpoint: memory of each instance is its own, and a reset empties all of them", async () => {
  await using emulator = await start();
  const clients = clientsOf(emulator);
  await upload(clients, ["prefix/a.tar.gz"], archiveOf({ "memory.host_weights_bytes": "1GiB" }));
  await createEndpoint(clients, multiModel, { InitialInstanceCount: 2 });
  await inService(clients);
  const control = async (method: string, path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${emulator.ports.emulator}/_emulator/${path}`, { method })).text();
  const used = async (): Promise<number[]> => {
    const { instances }: { instances: { machine: string; pools: { pool: string; usedBytes: number }[] }[] } =
      JSON.parse(await control("GET", "memory"));
    expect(instances.map(({ machine }) => machine)).toEqual(["ml.g4dn.xlarge", "ml.g4dn.xlarge"]);
    return instances.map(({ pools }) => pools.reduce((sum, { usedBytes }) => sum + usedBytes, 0));
  };
  const empty = await used();
  await invoke(clients, "a.tar.gz");
  const [first = 0, second = 0] = await used();
  expect(first - (empty[0] ?? 0)).toBeGreaterThanOrEqual(2 ** 30);
  expect(second).toBe(empty[1]);
  const journal = (await control("GET", "journal")).trimEnd().split("\n");
  const loads = journal
    .map((line): { event: string; instance?: string } => JSON.parse(line))
    .filter(({ event }) => event === "load");
  expect(loads).toMatchObject([{ instance: expect.stringMatching(/^e\/AllTraffic\/i-0[0-9a-f]{16}$/) }]);
  await control("POST", "reset");
  expect(await used()).toEqual(empty);
  expect((await invoke(clients, "a.tar.gz")).$metadata.httpStatusCode).toBe(200);
});

test("hosted endpoint: in a container elsewhere, an update keeps what its models need, and who goes leaves nothing", async () => {
  const [disk, empty] = [join(stateDir, "disk"), join(stateDir, "empty")];
  mkdirSync(empty);
  await using container = await start(
    ...["--allow-http=true", "--http-port=0", "--allow-sagemaker=true", "--sagemaker-port=0"],
    ...[`--model-repository=${empty}`, "--model-control-mode=explicit", "--model-namespacing=true"],
  );
  await using emulator = await start(
    `--container-url=http://127.0.0.1:${container.ports.sagemaker}`,
    `--model-cache-dir=${disk}`,
  );
  const listed = async (): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${container.ports.sagemaker}/models`);
    const { models }: { models: readonly object[] } = JSON.parse(await answer.text());
    return models.length;
  };
  const clients = clientsOf(emulator);
  await upload(clients, ["prefix/a.tar.gz", "prefix/b.tar.gz"]);
  await createEndpoint(clients, multiModel);
  await inService(clients);
  for (const model of ["a.tar.gz", "b.tar.gz"]) await invoke(clients, model);
  const folders = readdirSync(disk).length;

  const { sagemaker } = clients;
  await sagemaker.send(new UpdateEndpointCommand({ EndpointName: "e", EndpointConfigName: "c" }));
  await inService(clients);
  expect(readdirSync(disk)).toHaveLength(folders);
  await vi.waitFor(async () => expect(await listed()).toBe(0), 20_000);
  await invoke(clients, "a.tar.gz");
  expect(await listed()).toBe(1);

  await sagemaker.send(new DeleteEndpointCommand({ EndpointName: "e" }));
  await vi.waitFor(async () => expect(await listed()).toBe(0), 20_000);
});

test("model data: may lie in a service elsewhere; what that says of them reaches the caller", async () => {
  await using elsewhere = await start();
  await upload(clientsOf(elsewhere), ["prefix/a.tar.gz"]);
  await using emulator = await start(`--s3-endpoint=http://127.0.0.1:${elsewhere.ports.emulator}`);
  const clients = clientsOf(emulator);
  await createEndpoint(clients, multiModel, { InitialInstanceCount: 1 });
  await inService(clients);
  expect((await invoke(clients, "a.tar.gz")).$metadata.httpStatusCode).toBe(200);
  await expect(invoke(clients, "b.tar.gz")).rejects.toThrow("s3://models/prefix/b.tar.gz");
  await elsewhere.stop();
  await expect(invoke(clients, "c.tar.gz")).rejects.toThrow(/ECONNREFUSED|cannot be fetched/);
});
