import { Router } from "../../emulator/aws/placement/router.ts";
import { modelNameOf } from "../../emulator/aws/placement/target-model.ts";
import type { RuntimeEndpoint } from "../../emulator/aws/runtime/endpoints.ts";
import { RuntimeService } from "../../emulator/aws/runtime/runtime-service.ts";
import { AwsPort } from "../../emulator/aws/wire/aws-port.ts";
import { readCredential } from "../../emulator/aws/wire/credential.ts";
import { type AcceptedCredentials, verifySignature } from "../../emulator/aws/wire/signature.ts";
import { silentLog } from "../../emulator/common/log.ts";
import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import { noFaults } from "../../emulator/core/faults/fault-source.ts";
import { replyHead } from "../../emulator/frontends/http1/reply.ts";
import { parseRequestHead, type RequestHead } from "../../emulator/frontends/http1/request-head.ts";
import { Journal } from "../../emulator/journal/journal.ts";
import type { BenchContext } from "../context.ts";
import { nanosecondsEach } from "../cpu-time.ts";
import { OURS, type Row, rowOf } from "../row.ts";
import { body, simulatedInstance } from "../simulated-instance.ts";

const SECTION =
  "InvokeEndpoint (CPU time of one invocation; synthetic models that take no time, on a virtual clock, without sockets)";
const INVOCATIONS = 20_000;
const COUNTS = [10, 1_000, 10_000];
/** Of those in memory; what else is there makes no difference to them. */
const CALLED_OFTEN = 10;

/** What the platform costs on top of the container it calls. */
export async function invokeEndpoint(context: BenchContext): Promise<readonly Row[]> {
  // Once without counting: the code is then compiled.
  measure();
  const rounds = Array.from({ length: context.rounds }, measure);
  const row = (what: string, pick: (figures: Figures) => number) =>
    rowOf(SECTION, what, "us", new Map([[OURS, rounds.map((figures) => pick(figures) / 1000)]]));
  return [
    row("the container's call alone", ({ container }) => container),
    row("through router and agent, journal kept", ({ platform }) => platform),
    row("as a signed request, from its head to the head of the answer", ({ request }) => request),
    row("the platform's part of it", ({ request, container }) => request - container),
    row("its signature, where that is checked", ({ signature }) => signature),
    ...COUNTS.flatMap((count, index) => [
      row(
        `as a signed request, ${CALLED_OFTEN} of ${count} models in memory called`,
        ({ many }) => many[index]!.few,
      ),
      row(
        `as a signed request, all of ${count} models in memory called in turn`,
        ({ many }) => many[index]!.all,
      ),
    ]),
  ];
}

type Figures = ReturnType<typeof measure>;

const measure = () => {
  const one = stage();
  one.request("a.tar.gz");
  const modelName = modelNameOf("a.tar.gz");
  const figures = {
    container: nanosecondsEach(INVOCATIONS, () => one.container(modelName)),
    platform: nanosecondsEach(INVOCATIONS, (index) => one.platform("a.tar.gz", index)),
    request: nanosecondsEach(INVOCATIONS, () => one.request("a.tar.gz")),
    signature: nanosecondsEach(INVOCATIONS, () => verifyOnce()),
  };
  return { ...figures, many: COUNTS.map(measureMany) };
};

const measureMany = (count: number): { readonly few: number; readonly all: number } => {
  const full = stage();
  for (let index = 0; index < count; index++) full.request(`model-${index}.tar.gz`);
  const called = (models: number): number =>
    nanosecondsEach(INVOCATIONS, (index) => full.request(`model-${(index * 7919) % models}.tar.gz`));
  // A full collection leaves work to the measurement after it: not to the first one only.
  called(count);
  return { few: called(CALLED_OFTEN), all: called(count) };
};

/** An endpoint of one instance, to be asked in three ways. */
const stage = () => {
  const clock = new VirtualClock();
  const journal = new Journal({
    clock,
    run: { seed: 1, machine: null, profile: "builtin", policy: null, scenario: null },
  });
  const { container, agent } = simulatedInstance(journal, clock);
  const router = new Router({ agents: [agent], journal });
  const endpoint: RuntimeEndpoint = {
    name: "mme",
    status: "InService",
    mode: "MultiModel",
    variants: [{ name: "AllTraffic", weight: 1, invoke: (...call) => router.invoke(...call) }],
    shadowVariants: [],
    async: null,
  };
  const runtime = new RuntimeService({
    endpoints: { find: () => endpoint },
    fallback: null,
    objects: null,
    observer: null,
    journal,
    faults: noFaults,
    clock,
    log: silentLog,
    seed: 1,
  });
  const port = new AwsPort([runtime], { credentials: null, clock, log: silentLog });
  let written = 0;
  const settled = (what: string, status: number): void => {
    if (status !== 200) throw new Error(`${what}: answered ${status}`);
  };
  const headers = ["Content-Type", "application/json"];
  return {
    container: (modelName: string): void => {
      let status = 0;
      container.invoke({ modelName, targetModel: "a.tar.gz", headers, body }, (answer) => {
        status = answer?.status ?? 0;
      });
      clock.settle();
      settled("container", status);
    },
    platform: (targetModel: string, index: number): void => {
      let status = 0;
      router.invoke({ requestId: `r-${index}`, targetModel, headers, body }, (answer) => {
        status = answer.status;
      });
      clock.settle();
      settled(targetModel, status);
    },
    request: (targetModel: string): void => {
      const head = headOf(targetModel);
      let status = 0;
      port.handle({
        head,
        body,
        headUs: 0,
        reply: (reply) => {
          ({ status } = reply);
          written += replyHead(head, reply, 100).length;
        },
        stream: () => null,
      });
      clock.settle();
      settled(`${targetModel} (${written} characters so far)`, status);
    },
  };
};

/** As boto3 sends it. */
const headOf = (targetModel: string): RequestHead => {
  const head = parseRequestHead(
    [
      "POST /endpoints/mme/invocations HTTP/1.1",
      "Host: localhost:4570",
      "Accept-Encoding: identity",
      `X-Amzn-SageMaker-Target-Model: ${targetModel}`,
      "Content-Type: application/json",
      "User-Agent: Boto3/1.44.8 md/Botocore#1.44.8 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.12.3",
      "X-Amz-Date: 20261125T120000Z",
      "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261125/us-east-1/sagemaker/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amzn-sagemaker-target-model, Signature=a0d2a4e5b1c3f8d7a0d2a4e5b1c3f8d7a0d2a4e5b1c3f8d7a0d2a4e5b1c3f8d7",
      "amz-sdk-invocation-id: 5f0c6ea4-6b5f-4c3e-9b58-0c4f1a7c2b11",
      "amz-sdk-request: attempt=1",
      `Content-Length: ${body.length}`,
    ].join("\r\n"),
  );
  if (head === null) throw new Error("no head");
  return head;
};

const credentials: AcceptedCredentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };

/** It is another's, which shows when all of it has been computed. */
const verifyOnce = (): void => {
  const head = headOf("a.tar.gz");
  const credential = readCredential(head, new URLSearchParams());
  const nowMs = Date.parse("2026-11-25T12:00:00Z");
  try {
    verifySignature(
      { protocol: "rest-json", credential, head, rawBody: body, chunked: null, nowMs, machineMs: nowMs },
      credentials,
    );
  } catch {
    return;
  }
  throw new Error("the signature fits");
};
