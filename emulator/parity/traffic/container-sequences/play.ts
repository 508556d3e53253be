import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Answer } from "../../exchange/answer.ts";
import { type JsonText, memberOf, readJsonText } from "../../exchange/json-text.ts";
import type { PairContent } from "../pair-content.ts";
import { graphFile } from "../repository.ts";
import { get, type HttpTraffic, post } from "../request.ts";
import { type Side, send } from "../send.ts";
import type { StepTold, Told } from "../told.ts";
import { TARGET_MODEL } from "./generate.ts";
import { type Archive, type ContainerOperation, type ContainerSequence, operationText } from "./sequence.ts";

/** Waits a moment. */
type Pause = () => Promise<void>;

const SETTLE_TRIES = 400;

/** In the place of an answer to what is not sent. */
export const LEFT_OUT: Answer = {
  kind: "connection",
  how: "left out: an unload of a model that the index does not show",
};

/** What a server of its own is started with for a sequence. */
export const contentOfContainer = ({ flags, environment, archives }: ContainerSequence): PairContent => ({
  flags: ["--model-control-mode=explicit", "--allow-sagemaker=true", ...flags],
  environment: { SAGEMAKER_MULTI_MODEL: "true", ...environment },
  layOut: (_repository, folder) => {
    for (const [name, archive] of Object.entries(archives)) unpack(folder, name, archive);
  },
});

/** Does one step, and waits until nothing is loading or unloading any more. */
export const playContainerStep = async (
  step: readonly ContainerOperation[],
  at: number,
  sequence: ContainerSequence,
  side: Side,
  pause: Pause,
): Promise<StepTold> => {
  // Times of files are coarse: what is written must be seen to be newer than what was loaded.
  if (step.some((operation) => operation.do === "unpack")) await pause();
  const operations = await Promise.all(
    step.map(async (operation): Promise<Told | null> => {
      const answer = await perform(operation, side);
      return answer === null ? null : { at, what: operationText(operation), answer };
    }),
  );
  await settle(side, pause);
  return {
    operations: operations.filter((told) => told !== null),
    state: await stateOfContainer(at, sequence, side),
  };
};

const unpack = (folder: string, name: string, archive: Archive | null): void => {
  rmSync(join(folder, name), { recursive: true, force: true });
  if (archive === null) return;
  mkdirSync(join(folder, name, "model"), { recursive: true });
  for (const [path, text] of Object.entries(archive)) {
    const place = join(folder, name, "model", path);
    mkdirSync(path.endsWith("/") || path === "" ? place : dirname(place), { recursive: true });
    if (path.endsWith(".onnx")) writeFileSync(place, readFileSync(graphFile(text)));
    else if (!path.endsWith("/") && path !== "") writeFileSync(place, text);
  }
};

/** Null for what is done on the disk. */
const perform = async (operation: ContainerOperation, side: Side): Promise<Answer | null> => {
  if (operation.do === "unpack") {
    unpack(side.places.archives ?? "", operation.name, operation.archive);
    return null;
  }
  const { request } = operation;
  if (request.method === "DELETE" && (await waitsInVain(request, side))) return LEFT_OUT;
  return await send(side, request);
};

/** An unload waits until the index says `unloaded` of the model that it names; where there is no index, the real server dies. */
const waitsInVain = async ({ path, headers }: HttpTraffic, side: Side): Promise<boolean> => {
  const name = /^\/models\/([^/]+)/.exec(path)?.[1] ?? "";
  const listed = await send(side, get(`/models/${name}`, "sagemaker"));
  if (listed.kind === "http" && listed.answer.status === 404) return false;
  const target = headers.find(([header]) => header === TARGET_MODEL)?.[1];
  // A header without a value names a model of one blank.
  const model = target === "" ? " " : (target ?? name);
  return !(await index(side)).some((row) => textOf(row, "name") === model && textOf(row, "state") !== "");
};

const index = async (side: Side): Promise<readonly JsonText[]> => {
  const answer = await send(side, post("/v2/repository/index", null));
  const rows = answer.kind === "http" ? readJsonText(answer.answer.body.toString("latin1")) : null;
  return rows?.kind === "array" ? rows.items : [];
};

const textOf = (row: JsonText, member: string): string => {
  const value = memberOf(row, member);
  return value?.kind === "string" ? value.value : "";
};

const settle = async (side: Side, pause: Pause): Promise<void> => {
  for (let tries = 0; tries < SETTLE_TRIES; tries++) {
    if (!(await index(side)).some((row) => /LOADING$/.test(textOf(row, "state")))) return;
    await pause();
  }
};

/** Ping, list, each model as the platform sees it, index and readiness, and each model by every name that it may have inside. */
export const stateOfContainer = async (
  at: number,
  { archives, models }: ContainerSequence,
  side: Side,
): Promise<Told[]> => {
  const told: Told[] = [];
  const ask = async (what: string, request: HttpTraffic): Promise<void> => {
    told.push({ at, what, answer: await send(side, request) });
  };
  await ask("ping", get("/ping", "sagemaker"));
  await ask("list", get("/models", "sagemaker"));
  for (const name of Object.keys(archives)) await ask(`get ${name}`, get(`/models/${name}`, "sagemaker"));
  await ask("index", post("/v2/repository/index", null));
  await ask("server ready", get("/v2/health/ready"));
  for (const model of models) {
    const path = `/v2/models/${model}`;
    await ask(`${model} ready`, get(`${path}/ready`));
    await ask(`${model} metadata`, get(path));
    await ask(`${model} config`, get(`${path}/config`));
    await ask(`${model} stats`, get(`${path}/stats`));
  }
  return told;
};
