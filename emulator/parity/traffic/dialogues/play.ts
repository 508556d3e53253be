import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Answer } from "../../exchange/answer.ts";
import { named, ownRows, type PlayFolder, plain } from "../play-folder.ts";
import { get, post, type TrafficRequest } from "../request.ts";
import { type Side, send } from "../send.ts";
import type { Told } from "../told.ts";
import type { Dialogue, Turn } from "./dialogue.ts";
import { graphBytes } from "./graph.ts";

/** Waits so many milliseconds. */
type Rest = (milliseconds: number) => Promise<void>;

/** Looks at a queue, a moment apart; then it goes on, and the answers will differ. */
const LOOKS = 120;
const BETWEEN_LOOKS_MS = 5;
/** What is not answered then is kept back by something: no model of a dialogue works that long. */
const PATIENCE_MS = 4000;

/** In the place of an answer to what waits for something that does not come. */
const STILL_WAITS = "still waits";

/** Whether a request of the play was never answered, so that its server is good for no other. */
export const isStuck = (told: readonly Told[]): boolean =>
  told.some(({ answer }) => answer.kind === "connection" && answer.how === STILL_WAITS);

export const layOutDialogue = ({ models }: Dialogue, folder: PlayFolder): void => {
  for (const { sketch, graph, config, files } of models) {
    const place = join(folder.path, folder.prefix + sketch.name);
    for (const version of sketch.versions) {
      mkdirSync(join(place, version), { recursive: true });
      if (graph !== null) writeFileSync(join(place, version, "model.onnx"), graphBytes(graph));
    }
    writeFileSync(join(place, "config.pbtxt"), named(config.join("\n"), folder));
    for (const [path, base64] of Object.entries(files)) {
      mkdirSync(dirname(join(place, path)), { recursive: true });
      writeFileSync(join(place, path), Buffer.from(base64, "base64"));
    }
  }
};

/** Takes its models away again. */
export const clearDialogue = async ({ models }: Dialogue, side: Side, folder: PlayFolder): Promise<void> => {
  for (const { sketch } of [...models].reverse())
    await send(side, post(`/v2/repository/models/${folder.prefix}${sketch.name}/unload`, null));
  for (const { sketch } of models)
    rmSync(join(folder.path, folder.prefix + sketch.name), { recursive: true, force: true });
};

/** Loads the models, then asks step by step. Answers come in the order in which they were asked for. */
export const playDialogue = async (
  { models, steps }: Dialogue,
  side: Side,
  folder: PlayFolder,
  rest: Rest,
): Promise<Told[]> => {
  const ask = async (request: TrafficRequest): Promise<Answer> =>
    plain(await send(side, ofPlay(request, folder)), folder);
  const told: Told[] = [];
  for (const { sketch } of models) {
    const answer = await ask(post(`/v2/repository/models/${sketch.name}/load`, null));
    told.push({ at: -1, what: `load ${sketch.name}`, answer });
  }
  const held: Held[] = [];
  const stillHeld = (): number => held.filter(({ isAnswered }) => !isAnswered).length;
  const all: (Told | (() => Promise<Told>))[] = told;
  const begin = (turn: Turn, at: number, index: number): Promise<Told> =>
    ask(turn.request).then((answer) => ({ at, what: `turn ${index}`, answer }));
  const inTime = (one: Promise<Told>, at: number, index: number, milliseconds: number): Promise<Told> =>
    Promise.race([
      one,
      rest(milliseconds).then((): Told => {
        return { at, what: `turn ${index}`, answer: { kind: "connection", how: STILL_WAITS } };
      }),
    ]);
  for (const [at, step] of steps.entries()) {
    if (step.do === "rest") {
      await rest(step.milliseconds);
      continue;
    }
    const answered: Promise<Told>[] = [];
    for (const [index, turn] of step.turns.entries()) {
      if (turn.held !== true) answered.push(inTime(begin(turn, at, index), at, index, PATIENCE_MS));
      else {
        const waiting = new Held(begin(turn, at, index));
        held.push(waiting);
        all.push(() => inTime(waiting.told, at, index, LOOKS * BETWEEN_LOOKS_MS));
        for (let look = 0; look < LOOKS && !waiting.isAnswered; look++) {
          if ((await pendingOf(side, folder)) >= stillHeld()) break;
          await rest(BETWEEN_LOOKS_MS);
        }
      }
    }
    all.push(...(await Promise.all(answered)));
    for (let look = 0; look < LOOKS && stillHeld() > step.left; look++) await rest(BETWEEN_LOOKS_MS);
  }
  return await Promise.all(all.map((one) => (typeof one === "function" ? one() : one)));
};

class Held {
  readonly told: Promise<Told>;
  isAnswered = false;

  constructor(told: Promise<Told>) {
    this.told = told;
    void told.then(() => {
      this.isAnswered = true;
    });
  }
}

/** Requests that wait in the queues of all models of this play. */
const pendingOf = async (side: Side, folder: PlayFolder): Promise<number> => {
  const text = await metricsOf(side, folder);
  const samples = text.matchAll(/^nv_inference_pending_request_count\{.*\} (\d+)$/gm);
  return [...samples].reduce((sum, [, count]) => sum + Number(count), 0);
};

/** Families with the samples of the models of this play. */
const metricsOf = async (side: Side, { prefix }: PlayFolder): Promise<string> => {
  const answer = await send(side, get("/metrics", "metrics"));
  if (answer.kind !== "http") return "";
  const lines = answer.answer.body.toString("utf8").split("\n");
  return lines.filter((line) => line.startsWith("#") || line.includes(`model="${prefix}`)).join("\n");
};

/** Index, statistics and counters of the dialogue's models. */
export const stateOf = async (
  { models }: Dialogue,
  side: Side,
  folder: PlayFolder,
  at: number,
): Promise<Told[]> => {
  const told: Told[] = [];
  const index = await send(side, post("/v2/repository/index", null));
  told.push({ at, what: "index", answer: plain(ownRows(index, folder), folder) });
  for (const { sketch } of models) {
    const answer = await send(side, get(`/v2/models/${folder.prefix}${sketch.name}/stats`));
    told.push({ at, what: `statistics of ${sketch.name}`, answer: plain(answer, folder) });
  }
  const metrics = await send(side, get("/metrics", "metrics"));
  if (metrics.kind === "http") {
    const body = Buffer.from(await metricsOf(side, folder));
    const answer: Answer = { ...metrics, answer: { ...metrics.answer, body } };
    told.push({ at, what: "metrics", answer: plain(answer, folder) });
  }
  return told;
};

/** The request with the names that models have in this play. */
const ofPlay = (request: TrafficRequest, { prefix }: PlayFolder): TrafficRequest => {
  switch (request.kind) {
    case "http":
      return { ...request, path: request.path.replace(/(?<=^\/v2\/(repository\/)?models\/)/, prefix) };
    case "grpc":
      return {
        ...request,
        message: { ...request.message, model_name: `${prefix}${request.message.model_name}` },
      };
    case "stream":
      return {
        ...request,
        messages: request.messages.map((message) => ({
          ...message,
          model_name: `${prefix}${message.model_name}`,
        })),
      };
    default:
      return request;
  }
};
