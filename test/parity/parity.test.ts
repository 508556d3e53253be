import { cpSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Finding } from "../../emulator/parity/difference/finding.ts";
import type { HttpAnswer } from "../../emulator/parity/exchange/http-connection.ts";
import { playRequests } from "../../emulator/parity/play-requests.ts";
import { sampleModelsFolder } from "../../emulator/parity/shipped-files.ts";
import { StartedPair } from "../../emulator/parity/started-pair.ts";
import { sketchModels } from "../../emulator/parity/traffic/model-sketch.ts";
import type { PairContent } from "../../emulator/parity/traffic/pair-content.ts";
import type { World } from "../../emulator/parity/traffic/surface.ts";
import { surfaces } from "../../emulator/parity/traffic/surfaces.ts";
import { emulatorTarget } from "../support/targets/emulator.ts";
import { type Fault, faultyTarget } from "./faulty-proxy.ts";

/** Another seed: SEED in the environment. */
const seed = Number(process.env.SEED ?? 20251125);

const models = ["simple", "identity_fp32"];
const samples = fileURLToPath(sampleModelsFolder);

const content: PairContent = {
  flags: [
    "--model-control-mode=explicit",
    "--allow-sagemaker=true",
    ...models.map((model) => `--load-model=${model}`),
  ],
  environment: { SAGEMAKER_MULTI_MODEL: "true" },
  layOut: (repository, archives) => {
    for (const model of models) cpSync(join(samples, model), join(repository, model), { recursive: true });
    cpSync(join(samples, "identity_int8"), join(repository, "identity_int8"), { recursive: true });
    cpSync(join(samples, "simple"), join(archives, "h1", "model", "simple"), { recursive: true });
  },
};

let fault: Fault = {};
let pair: StartedPair;
let world: World;

beforeAll(async () => {
  const ours = faultyTarget(emulatorTarget, () => fault);
  pair = await StartedPair.start({ ours, theirs: emulatorTarget, tolerance: 0, content, own: false });
  world = { models: await sketchModels(pair.theirs), spare: ["identity_int8"], arithmetic: new Set() };
}, 60_000);

afterAll(() => pair[Symbol.asyncDispose]());

beforeEach(() => {
  fault = {};
});

/** What the proxy does not hand on as it came. */
const unproxied = ["framing", "grpc-framing"];

/** Differences that requests of one surface show, until the first was found. */
const found = async (surface: string, count: number, between = pair): Promise<readonly Finding[]> => {
  const { findings } = await playRequests(between, world, {
    seed,
    count,
    surfaces: surfaces.filter(({ name }) =>
      surface === "all" ? !unproxied.includes(name) : name === surface,
    ),
    only: null,
    accepted: [],
    // Streams have much that could be left out, one by one.
    shrinkLimit: surface === "streams" ? 20 : 150,
    onProgress: () => {},
    onFinding: () => {},
    pause: () => sleep(1),
  });
  return findings;
};

const bodyText = (answer: HttpAnswer, change: (text: string) => string): HttpAnswer => ({
  ...answer,
  body: Buffer.from(change(answer.body.toString("latin1")), "latin1"),
});

test(`two of the same agree in 300 requests of all kinds, seed ${seed}`, async () => {
  expect(await found("all", 300)).toEqual([]);
}, 60_000);

test.each(unproxied)(
  "two of the same agree in 50 requests of %s",
  async (surface) => {
    const same = { ours: emulatorTarget, theirs: emulatorTarget, tolerance: 0, content, own: false };
    await using plain = await StartedPair.start(same);
    expect(await found(surface, 50, plain)).toEqual([]);
  },
  60_000,
);

interface WrongAnswer {
  readonly title: string;
  readonly surface: string;
  readonly fault: Fault;
  /** Requests in which it has to be found. */
  readonly within: number;
  readonly where: RegExp;
  /** What is left of the request. */
  readonly command: RegExp;
}

const http = (change: (request: string, answer: HttpAnswer) => HttpAnswer): Fault => ({ http: change });

const wrongAnswers: readonly WrongAnswer[] = [
  {
    title: "a missing header",
    surface: "routes",
    fault: http((_, answer) =>
      answer.status === 404
        ? { ...answer, headers: answer.headers.filter(([name]) => name !== "Content-Type") }
        : answer,
    ),
    within: 60,
    where: /^headers$/,
    command: /^curl -i --path-as-is (-X [A-Z]+ )?http:\/\/\$HTTP'\S+'$/,
  },
  {
    title: "another status",
    surface: "documents",
    fault: http((request, answer) =>
      request.includes("/config") && answer.status === 404
        ? {
            ...answer,
            status: 400,
            statusLine: answer.statusLine.replace("404 Not Found", "400 Bad Request"),
          }
        : answer,
    ),
    within: 100,
    where: /^status$/,
    command: /^curl -i --path-as-is http:\/\/\$HTTP'\S+\/config'$/,
  },
  {
    title: "a counter that is one too high",
    surface: "statistics",
    fault: http((request, answer) =>
      request.includes("/stats")
        ? bodyText(answer, (text) =>
            text.replace(/"execution_count":(\d+)/, (_, count) => `"execution_count":${Number(count) + 1}`),
          )
        : answer,
    ),
    within: 60,
    where: /^\/model_stats\/\w+:1\/execution_count$/,
    command: /^curl -i --path-as-is http:\/\/\$HTTP'\S+stats'$/,
  },
  {
    title: "a missing family of metrics",
    surface: "metrics",
    fault: http((_, answer) =>
      bodyText(answer, (text) => text.replace(/# HELP nv_inference_exec_count [\s\S]*?(?=# HELP )/, "")),
    ),
    within: 30,
    where: /^families$/,
    command: /^curl -i --path-as-is http:\/\/\$METRICS'\/metrics/,
  },
  {
    title: "a wrong state in the index",
    surface: "repository",
    fault: http((request, answer) =>
      request.includes("/index")
        ? bodyText(answer, (text) => text.replace('"state":"READY"', '"state":"LOADING"'))
        : answer,
    ),
    within: 60,
    where: /^\/\d+\/state$/,
    command: /^curl -i --path-as-is -X POST http:\/\/\$HTTP'\/v2\/repository\/index'$/,
  },
  {
    title: "an error with one character changed",
    surface: "settings",
    fault: http((_, answer) =>
      bodyText(answer, (text) => text.replace("Unable to parse", "Unable tu parse")),
    ),
    within: 200,
    where: /^\/error$/,
    command: /trace\/setting' --data-binary '\{"(trace_rate|trace_count|log_frequency)":"[^"]{0,2}"\}'$/,
  },
  {
    title: "a float printed with another precision",
    surface: "infer-json",
    fault: http((_, answer) =>
      bodyText(answer, (text) =>
        text.includes('"FP32"') ? text.replace(/(\d\.\d{6})\d+(?=[,\]])/, "$1") : text,
      ),
    ),
    within: 100,
    where: /^\/outputs\/0\/data\/0$/,
    command:
      /infer' --data-binary '\{"inputs":\[\{"name":"INPUT0","datatype":"FP32","shape":\[1,1\],"data":\[[^,\]]+\]\}\]\}'$/,
  },
  {
    title: "a bit of a tensor flipped",
    surface: "infer-binary",
    fault: http((request, answer) => {
      const binary = answer.headers.some(([name]) => name === "Inference-Header-Content-Length");
      if (!binary || !request.includes("identity_fp32")) return answer;
      const body = Buffer.from(answer.body);
      body[body.length - 1] = (body[body.length - 1] ?? 0) ^ 0x40;
      return { ...answer, body };
    }),
    within: 100,
    where: /^tensor OUTPUT0$/,
    command: /identity_fp32/,
  },
  {
    title: "a swapped code of gRPC",
    surface: "grpc-infer",
    fault: { grpc: (_, reply) => ({ ...reply, status: reply.status === "5" ? "3" : reply.status }) },
    within: 150,
    where: /^code$/,
    command:
      /^grpcurl -plaintext .* -d '\{("model_name":"[^"]*")?(,"model_version":"\d+")?\}' \$GRPC \S+\/ModelInfer$/,
  },
  {
    title: "answers of a stream out of order",
    surface: "streams",
    fault: {
      grpc: (path, reply) =>
        path.endsWith("ModelStreamInfer") ? { ...reply, messages: [...reply.messages].reverse() } : reply,
    },
    within: 100,
    where: /^\/\d+\//,
    command: /ModelStreamInfer$/,
  },
  {
    title: "another body of the container API",
    surface: "container",
    fault: http((request, answer) =>
      request.startsWith("GET /models")
        ? bodyText(answer, (text) => text.replace("models", "model"))
        : answer,
    ),
    within: 60,
    where: /^\/models?$/,
    command: /^curl -i --path-as-is http:\/\/\$SAGEMAKER'\/models\/?'$/,
  },
];

test.each(wrongAnswers)(
  "finds and shrinks $title",
  async ({ surface, fault: wrong, within, where, command }) => {
    fault = wrong;
    const findings = await found(surface, within);
    expect(findings.map((finding) => finding.divergences[0]?.where)).toContainEqual(
      expect.stringMatching(where),
    );
    expect(findings.map((finding) => finding.command)).toContainEqual(expect.stringMatching(command));
  },
  60_000,
);
