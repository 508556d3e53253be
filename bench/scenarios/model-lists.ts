import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { S3Service } from "../../emulator/aws/s3/s3-service.ts";
import { ControlPlane } from "../../emulator/aws/sagemaker/control-plane.ts";
import { forgetfulStore } from "../../emulator/aws/sagemaker/state-store.ts";
import { AwsPort, type RawService } from "../../emulator/aws/wire/aws-port.ts";
import type { OperationService } from "../../emulator/aws/wire/json-service.ts";
import { silentLog } from "../../emulator/common/log.ts";
import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import { parseRequestHead } from "../../emulator/frontends/http1/request-head.ts";
import { noJournal } from "../../emulator/journal/event.ts";
import { DiskObjectStore } from "../../emulator/storage/disk-object-store.ts";
import type { BenchContext } from "../context.ts";
import { collectGarbage } from "../cpu-time.ts";
import { OURS, type Row, rowOf } from "../row.ts";
import { body, simulatedInstance } from "../simulated-instance.ts";

const SECTION = "Lists of many models (CPU time of one request, in one process, without sockets)";
const COUNTS = [1_000, 10_000];
const S3_PAGE = 1_000;
const SAGEMAKER_PAGE = 100;
/** To create an endpoint its instances are counted with those of all others. */
const MODELS_PER_ENDPOINT = 5;

/** What a list costs with ever more models behind it. */
export async function modelLists(context: BenchContext): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const count of COUNTS) {
    const s3 = await archivesIn(mkdtempSync(join(context.folder, "s3-")), count);
    const plane = await modelsOf(count);
    const container = loaded(count);
    const asked: readonly (readonly [string, number, () => Promise<void>])[] = [
      [`S3 ListObjectsV2, the first ${S3_PAGE} of ${count} archives`, 100, () => s3("a")],
      [
        `S3 ListObjectsV2, the last ${S3_PAGE} of ${count} archives`,
        100,
        () => s3(keyOf(count - S3_PAGE - 1)),
      ],
      [`SageMaker ListModels, ${SAGEMAKER_PAGE} of ${count}`, 200, plane.models],
      [`SageMaker ListEndpointConfigs, ${SAGEMAKER_PAGE} of ${count}`, 200, plane.configs],
      [`SageMaker ListEndpoints, ${SAGEMAKER_PAGE} of ${count / MODELS_PER_ENDPOINT}`, 200, plane.endpoints],
      [`container API GET /models, all ${count}: Triton has no pages`, 50, container],
    ];
    for (const [what, requests, ask] of asked) {
      // Once without counting: the code is then compiled.
      await microsecondsEach(requests, ask);
      const rounds: number[] = [];
      for (let round = 0; round < context.rounds; round++) rounds.push(await microsecondsEach(requests, ask));
      rows.push(rowOf(SECTION, what, "us", new Map([[OURS, rounds]])));
    }
    context.log(`lists: ${count} measured`);
  }
  return rows;
}

const microsecondsEach = async (count: number, ask: () => Promise<void>): Promise<number> => {
  collectGarbage();
  const before = process.cpuUsage();
  for (let request = 0; request < count; request++) await ask();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
};

const keyOf = (index: number): string => `mme/model-${String(index).padStart(5, "0")}.tar.gz`;

/** Archives of a byte. @returns lists a page behind a key */
const archivesIn = async (folder: string, count: number): Promise<(after: string) => Promise<void>> => {
  const store = await DiskObjectStore.open(folder, silentLog);
  await store.createBucket({ name: "models", region: "us-east-1", createdMs: 0 });
  const put = (index: number) =>
    store.put("models", keyOf(index), [Buffer.from("a")], ({ md5 }) => ({
      etag: md5,
      lastModifiedMs: 0,
      headers: { "content-type": "application/gzip" },
      checksum: null,
      partBytes: null,
    }));
  for (let index = 0; index < count; index += 500)
    await Promise.all(
      Array.from({ length: Math.min(500, count - index) }, (_, offset) => put(index + offset)),
    );
  const ask = asker([new S3Service({ store, clock: new VirtualClock() })]);
  return (after) => {
    const path = `/models?list-type=2&prefix=mme%2F&start-after=${encodeURIComponent(after)}`;
    return ask(`GET ${path} HTTP/1.1`, "s3", [], "");
  };
};

/** @returns what list the page in the middle, in the order that comes unasked */
const modelsOf = async (count: number) => {
  const clock = new VirtualClock();
  const plane = new ControlPlane({
    clock,
    journal: noJournal,
    log: silentLog,
    seed: 1,
    store: forgetfulStore,
    instanceLimit: count,
    fleet: { start: () => ({ cancel: () => {} }) },
  });
  const ask = asker([plane.service]);
  const call = (operation: string, input: object): Promise<void> =>
    ask(
      "POST / HTTP/1.1",
      "sagemaker",
      [`X-Amz-Target: SageMaker.${operation}`, "Content-Type: application/x-amz-json-1.1"],
      JSON.stringify(input),
    );
  for (let index = 0; index < count; index++) {
    clock.advance(1000);
    await call("CreateModel", {
      ModelName: `model-${index}`,
      ExecutionRoleArn: "arn:aws:iam::000000000000:role/any",
      PrimaryContainer: { Image: "triton", Mode: "MultiModel", ModelDataUrl: "s3://models/mme/" },
    });
    await call("CreateEndpointConfig", {
      EndpointConfigName: `config-${index}`,
      ProductionVariants: [
        {
          VariantName: "AllTraffic",
          ModelName: `model-${index}`,
          InstanceType: "ml.c5.large",
          InitialInstanceCount: 1,
        },
      ],
    });
    if (index % MODELS_PER_ENDPOINT !== 0) continue;
    await call("CreateEndpoint", {
      EndpointName: `endpoint-${index}`,
      EndpointConfigName: `config-${index}`,
    });
  }
  const lister = (operation: string) => () =>
    call(operation, { MaxResults: SAGEMAKER_PAGE, CreationTimeBefore: count / 2000 });
  return {
    models: lister("ListModels"),
    configs: lister("ListEndpointConfigs"),
    endpoints: lister("ListEndpoints"),
  };
};

/** @returns asks a container with that many models for its list */
const loaded = (count: number): (() => Promise<void>) => {
  const clock = new VirtualClock();
  const { container, agent } = simulatedInstance(noJournal, clock);
  for (let index = 0; index < count; index++) {
    const targetModel = `model-${index}.tar.gz`;
    let status = 0;
    agent.invoke({ requestId: `r-${index}`, targetModel, headers: [], body }, (answer) => {
      ({ status } = answer);
    });
    clock.settle();
    if (status !== 200) throw new Error(`${targetModel}: answered ${status}`);
  }
  return async () => {
    let status = 0;
    container.list((answer) => {
      status = answer?.status ?? 0;
    });
    clock.settle();
    if (status !== 200) throw new Error(`the list: answered ${status}`);
  };
};

/** Asks services as boto3 does. Rejects where they do not answer 200. */
const asker = (
  services: readonly (OperationService | RawService)[],
): ((line: string, service: string, headers: readonly string[], body: string) => Promise<void>) => {
  const port = new AwsPort(services, { credentials: null, clock: new VirtualClock(), log: silentLog });
  return async (line, service, headers, content) => {
    const head = parseRequestHead(
      [
        line,
        "Host: 127.0.0.1:4570",
        "X-Amz-Date: 20261125T120000Z",
        `Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261125/us-east-1/${service}/aws4_request, SignedHeaders=host;x-amz-date, Signature=${"a0d2a4e5".repeat(8)}`,
        ...headers,
        `Content-Length: ${content.length}`,
      ].join("\r\n"),
    );
    if (head === null) throw new Error(`no head: ${line}`);
    await new Promise<void>((resolve, reject) => {
      port.handle({
        head,
        body: Buffer.from(content),
        headUs: 0,
        reply: ({ status }) => {
          if (status === 200) resolve();
          else reject(new Error(`${line}: answered ${status}`));
        },
        stream: () => null,
      });
    });
  };
};
