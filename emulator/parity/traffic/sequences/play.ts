import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Answer } from "../../exchange/answer.ts";
import {
  array,
  type JsonText,
  type Member,
  object,
  readJsonText,
  string,
  token,
  writeJsonText,
} from "../../exchange/json-text.ts";
import { named, ownRows, type PlayFolder, plain } from "../play-folder.ts";
import { graphFile } from "../repository.ts";
import { get, plainBody, post } from "../request.ts";
import { type Side, send } from "../send.ts";
import type { StepTold, Told } from "../told.ts";
import { type Operation, operationText, type Sequence } from "./sequence.ts";

/** Waits a moment. */
type Pause = () => Promise<void>;

const SETTLE_TRIES = 400;

/** Writes the models of a sequence into a repository. */
export const layOutSequence = ({ models }: Sequence, folder: PlayFolder): void => {
  for (const { letter, versions, config, files = {} } of models) {
    const place = join(folder.path, folder.prefix + letter);
    mkdirSync(place, { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(place, path)), { recursive: true });
      writeFileSync(join(place, path), text, "latin1");
    }
    for (const [version, graph] of Object.entries(versions)) put(folder, letter, version, graph);
    if (config !== null) writeFileSync(join(place, "config.pbtxt"), named(config, folder));
  }
};

/** Takes them away again, loaded or not. */
export const clearSequence = async (
  { models }: Sequence,
  side: Side,
  folder: PlayFolder,
  pause: Pause,
): Promise<void> => {
  for (const { letter } of [...models].reverse())
    await send(side, post(`/v2/repository/models/${folder.prefix}${letter}/unload`, null));
  await settle(side, folder, pause);
  for (const { letter } of models)
    rmSync(join(folder.path, folder.prefix + letter), { recursive: true, force: true });
};

/** Does one step and waits until nothing is loading or unloading any more. */
export const playStep = async (
  step: readonly Operation[],
  at: number,
  sequence: Sequence,
  side: Side,
  folder: PlayFolder,
  pause: Pause,
): Promise<StepTold> => {
  // Times of files are coarse: what is written must be seen to be newer than what was loaded.
  if (step.some(isOnDisk)) await pause();
  const operations = await Promise.all(
    step.map(async (operation): Promise<Told | null> => {
      const answer = await perform(operation, side, folder);
      return answer === null ? null : { at, what: operationText(operation), answer };
    }),
  );
  await settle(side, folder, pause);
  return {
    operations: operations.filter((told) => told !== null),
    state: await stateOf(at, sequence, side, folder),
  };
};

const isOnDisk = (operation: Operation): boolean =>
  operation.do !== "load" && operation.do !== "unload" && operation.do !== "infer";

const put = (folder: PlayFolder, letter: string, version: string, graph: string): void => {
  const place = join(folder.path, folder.prefix + letter, version);
  mkdirSync(place, { recursive: true });
  // An ensemble has no file.
  if (graph !== "") writeFileSync(join(place, "model.onnx"), readFileSync(graphFile(graph)));
};

const input = (): JsonText =>
  object([
    ["name", string("X")],
    ["datatype", string("FP32")],
    ["shape", array([token(1), token(4)])],
    ["data", array([1, 2, 3, 4].map(token))],
  ]);

/** Null for what is done on the disk. */
const perform = async (operation: Operation, side: Side, folder: PlayFolder): Promise<Answer | null> => {
  const name = folder.prefix + operation.model;
  const place = join(folder.path, name);
  switch (operation.do) {
    case "load": {
      const parameters: Member[] = [];
      if (operation.config !== undefined)
        parameters.push(["config", string(named(operation.config, folder))]);
      for (const [path, graph] of Object.entries(operation.files ?? {}))
        parameters.push([path, string(readFileSync(graphFile(graph)).toString("base64"))]);
      const body = parameters.length === 0 ? [] : [["parameters", object(parameters)] satisfies Member];
      return plain(
        await send(side, post(`/v2/repository/models/${name}/load`, plainBody(object(body)))),
        folder,
      );
    }
    case "unload": {
      const body: Member[] =
        operation.dependents === undefined
          ? []
          : [["parameters", object([["unload_dependents", token(operation.dependents)]])]];
      return plain(
        await send(side, post(`/v2/repository/models/${name}/unload`, plainBody(object(body)))),
        folder,
      );
    }
    case "infer": {
      const version = operation.version === undefined ? "" : `/versions/${operation.version}`;
      const body = plainBody(
        operation.body === undefined ? object([["inputs", array([input()])]]) : token(operation.body),
      );
      return plain(await send(side, post(`/v2/models/${name}${version}/infer`, body)), folder);
    }
    case "configure":
      if (operation.config === null) rmSync(join(place, "config.pbtxt"), { force: true });
      else {
        mkdirSync(place, { recursive: true });
        writeFileSync(join(place, "config.pbtxt"), named(operation.config, folder));
      }
      return null;
    case "touch":
      touch(place);
      return null;
    case "place":
      put(folder, operation.model, operation.version, operation.graph);
      return null;
    case "remove":
      rmSync(join(place, operation.version), { recursive: true, force: true });
      return null;
  }
};

const touch = (place: string): void => {
  const now = new Date();
  for (const path of readdirSync(place, { recursive: true, encoding: "utf8" }))
    utimesSync(join(place, path), now, now);
};

const settle = async (side: Side, folder: PlayFolder, pause: Pause): Promise<void> => {
  for (let tries = 0; tries < SETTLE_TRIES; tries++) {
    const answer = await send(side, post("/v2/repository/index", null));
    const text = answer.kind === "http" ? answer.answer.body.toString("latin1") : "";
    const rows = readJsonText(text);
    const busy =
      rows?.kind === "array" &&
      rows.items.some(
        (row) => writeJsonText(row).includes(folder.prefix) && /"(UN)?LOADING"/.test(writeJsonText(row)),
      );
    if (!busy) return;
    await pause();
  }
};

/** Index, readiness, versions, configuration and counters of the sequence's models. */
export const stateOf = async (
  at: number,
  { models }: Sequence,
  side: Side,
  folder: PlayFolder,
): Promise<Told[]> => {
  const told: Told[] = [];
  const ask = async (what: string, request: Parameters<typeof send>[1]): Promise<void> => {
    told.push({ at, what, answer: plain(ownRows(await send(side, request), folder), folder) });
  };
  await ask("index", post("/v2/repository/index", null));
  await ask("server ready", get("/v2/health/ready"));
  for (const { letter } of models) {
    const path = `/v2/models/${folder.prefix}${letter}`;
    await ask(`${letter} ready`, get(`${path}/ready`));
    await ask(`${letter} metadata`, get(path));
    await ask(`${letter} config`, get(`${path}/config`));
    await ask(`${letter} stats`, get(`${path}/stats`));
  }
  return told;
};
