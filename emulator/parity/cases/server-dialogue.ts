import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, describe } from "../exchange/answer.ts";
import { GrpcClient } from "../exchange/grpc-client.ts";
import { exchange, exchangeUntilQuiet, parseAnswer, requestBytes } from "../exchange/http-connection.ts";
import { type RunningServer, StartFailure, type Target } from "../targets/target.ts";
import { sentAs, type Way } from "./areas.ts";
import type { Act, ConformanceCase, HttpRequest, Request, Seen, Step } from "./conformance-case.ts";
import { CannotPlay, type Dialogue, type Observation, type Partner } from "./dialogue.ts";
import { layOutModels, modelFile, modelFolders, temporaryFolder } from "./model-repository.ts";

const ANSWER_TIMEOUT_MS = 30_000;
/** What stands in for the Python processes of the real server is gone after this. */
/** Times of files come from clocks that lag: what is written must be seen to be newer than what was loaded. */
const FILE_TIMES_MS = 20;

const SHORTLY_SECONDS = 0.8;

/** Each case gets a server of its own, where the target can start one. */
export const withServer = (target: Target): Partner => ({
  name: target.name,
  real: target.real,
  onnxRuntime: target.onnxRuntime,
  open: (testCase, way) => openServerDialogue(testCase, target, way),
});

const openServerDialogue = async (
  testCase: ConformanceCase,
  target: Target,
  way: Way,
): Promise<ServerDialogue> => {
  const scratch = temporaryFolder();
  const placed: ConformanceCase = JSON.parse(JSON.stringify(testCase).replaceAll("{tmp}", scratch.path));
  const folder =
    target.sharedRepository === undefined
      ? temporaryFolder()
      : modelFolders(target.sharedRepository, Object.keys(testCase.models));
  const removeFolders = (): void => {
    folder[Symbol.dispose]();
    scratch[Symbol.dispose]();
  };
  try {
    layOutModels(placed, folder.path, target.real);
    const server = await target.start({
      repository: folder.path,
      folders: [scratch.path],
      flags: placed.server.flags.map((flag) => flag.replace("{repo}", folder.path)),
      env: placed.server.env ?? {},
      ownProcess: placed.steps.some(needsProcess) || takesAddressSpace.has(placed.id),
    });
    const dialogue = new ServerDialogue(placed, target.real, way, server, {
      repository: folder.path,
      scratch: scratch.path,
      remove: removeFolders,
    });
    await dialogue.load(placed.loaded ?? []);
    return dialogue;
  } catch (error) {
    removeFolders();
    if (!(error instanceof StartFailure)) throw error;
    throw new StartFailure(
      error.exitCode,
      error.output.replaceAll(folder.path, "{repo}").replaceAll(scratch.path, "{tmp}"),
    );
  }
};

/** A process in which ONNX Runtime was asked for terabytes can start no others afterwards: ENOMEM. */
const takesAddressSpace: ReadonlySet<string> = new Set(["onnxruntime-172", "onnxruntime-174"]);

/** The case signals the server or waits for its end. */
export const needsProcess = (step: Step): boolean =>
  ("act" in step && "signal" in step.act) || ("seen" in step && "exit" in step.seen);

interface Folders {
  readonly repository: string;
  readonly scratch: string;
  remove(): void;
}

class ServerDialogue implements Dialogue {
  readonly #case: ConformanceCase;
  readonly #real: boolean;
  readonly #way: Way;
  readonly #server: RunningServer;
  readonly #grpc: GrpcClient;
  readonly #folders: Folders;
  readonly #started = new Map<string, Promise<Answer>>();

  constructor(testCase: ConformanceCase, real: boolean, way: Way, server: RunningServer, folders: Folders) {
    this.#case = testCase;
    this.#real = real;
    this.#way = way;
    this.#server = server;
    this.#grpc = new GrpcClient(server.grpcPort);
    this.#folders = folders;
  }

  get repository(): string {
    return this.#folders.repository;
  }

  get scratch(): string {
    return this.#folders.scratch;
  }

  async close(): Promise<void> {
    this.#grpc.close();
    await this.#server.stop();
    this.#folders.remove();
  }

  async load(models: readonly string[]): Promise<void> {
    for (const model of models) {
      const answer = await this.#sendHttp({ method: "POST", path: `/v2/repository/models/${model}/load` });
      if (answer.kind === "http" && answer.answer.status === 200) continue;
      await this.close();
      throw new CannotPlay(`could not load ${model}: ${describe(answer)}`);
    }
  }

  async perform(index: number, agrees: (seen: Observation) => boolean): Promise<Observation | null> {
    const step = this.#case.steps[index]!;
    if ("sleep" in step) {
      await sleep((step.shortly === true && !this.#real ? SHORTLY_SECONDS : step.sleep) * 1000);
      return null;
    }
    if ("act" in step) {
      await this.#act(step.act);
      return null;
    }
    if ("seen" in step) return this.#see(step.seen, agrees);
    if ("await" in step) {
      const answer = this.#started.get(step.await);
      if (answer === undefined) throw new Error(`${this.#case.id}: nothing was started as ${step.await}`);
      return answer;
    }
    if (step.start !== undefined) {
      this.#started.set(step.start, this.#send(step.request));
      // Starts follow one another in this order on the wire.
      await sleep(40);
      return null;
    }
    const tries = readsCounters(step.request) ? 20 : 0;
    return again(tries, 25, () => this.#send(step.request), agrees);
  }

  async #send(asked: Request): Promise<Answer> {
    const request = sentAs(asked, this.#way);
    if ("path" in request) return this.#sendHttp(request);
    if ("raw" in request) {
      const bytes = Buffer.from(request.raw, "latin1");
      return { kind: "raw", answer: await exchangeUntilQuiet(this.#server.httpPort, [bytes]) };
    }
    if ("messages" in request) {
      const answer = await this.#grpc.stream(request.grpc, request.messages, request.metadata ?? {});
      return { kind: "stream", answer };
    }
    const answer = await this.#grpc.unary(request.grpc, request.message, request.metadata ?? {});
    return { kind: "grpc", answer };
  }

  async #sendHttp(request: HttpRequest): Promise<Answer> {
    const { httpPort, metricsPort, sagemakerPort } = this.#server;
    const port = { http: httpPort, metrics: metricsPort, sagemaker: sagemakerPort }[request.port ?? "http"];
    const bytes = requestBytes({
      method: request.method,
      path: request.path,
      headers: request.headers ?? {},
      body: bodyOf(request),
    });
    const started = performance.now();
    const raw = await exchange(port, bytes, (received) => parseAnswer(received) !== null, ANSWER_TIMEOUT_MS);
    const seconds = (performance.now() - started) / 1000;
    const answer = parseAnswer(raw.received);
    if (answer !== null) return { kind: "http", answer, seconds };
    const how = raw.ended === "closed" ? "closed without a reply" : (raw.ended ?? "no reply");
    return { kind: "connection", how };
  }

  async #act(act: Act): Promise<void> {
    if (!("signal" in act) && !("cancel" in act)) await sleep(FILE_TIMES_MS);
    const place = (path: string): string => resolve(this.repository, path);
    if ("touch" in act) {
      const now = new Date();
      utimesSync(place(act.touch), now, now);
    } else if ("append" in act) {
      const before = statSync(place(act.append));
      appendFileSync(place(act.append), act.text);
      const mtime = act.mtime === "kept" ? before.mtime : new Date("2001-01-01");
      if (act.mtime !== undefined) utimesSync(place(act.append), mtime, mtime);
    } else if ("write" in act) cpSync(modelFile(act.from), place(act.write));
    else if ("create" in act) writeFileSync(place(act.create), "");
    else if ("remove" in act) rmSync(place(act.remove), { recursive: true });
    else if ("replace" in act) {
      const text = readFileSync(place(act.replace), "utf8");
      writeFileSync(place(act.replace), text.replace(new RegExp(act.pattern), act.by));
    } else if ("signal" in act) this.#server.signal(act.signal);
    else await this.#cancelledInfer(act.cancel);
  }

  async #cancelledInfer(cancel: { model: string; cmd: string; after: number }): Promise<void> {
    const command = Buffer.from(cancel.cmd).toString("base64");
    const config = await this.#grpc.unary("ModelConfig", { name: cancel.model }, {});
    const reply = config.replies[0]?.complete.config;
    const batched =
      typeof reply === "object" && reply !== null && "max_batch_size" in reply && reply.max_batch_size !== 0;
    const input = {
      name: "CMD",
      datatype: "BYTES",
      shape: batched ? ["1", "1"] : ["1"],
      contents: { bytes_contents: [command] },
    };
    const message = { model_name: cancel.model, inputs: [input] };
    await this.#grpc.unary("ModelInfer", message, {}, cancel.after * 1000);
  }

  async #see(seen: Seen, agrees: (seen: Observation) => boolean): Promise<Observation> {
    if ("log" in seen)
      return again(40, 25, async () => ({ kind: "log", output: this.#server.output() }), agrees);
    if ("exit" in seen) return this.#seeExit(seen.exit === null ? 100 : 20_000);
    if ("files" in seen) return { kind: "files", names: readdirSync(this.scratch).sort() };
    if ("file" in seen) {
      const path = join(this.scratch, seen.file);
      const read = async (): Promise<Observation> => ({
        kind: "file",
        text: existsSync(path) ? readFileSync(path, "utf8") : null,
      });
      // A file is whole only when the server has ended.
      return again(200, 50, read, agrees);
    }
    return this.#countInstances(seen.instances);
  }

  async #seeExit(limitMs: number): Promise<Observation> {
    const started = performance.now();
    const exitCode = await Promise.race([this.#server.exited, sleep(limitMs, null, { ref: false })]);
    const seconds = (performance.now() - started) / 1000;
    return { kind: "exit", exitCode, output: this.#server.output() ?? "", seconds };
  }

  async #countInstances({ model, requests }: { model: string; requests: number }): Promise<Observation> {
    const answers = new Set<string>();
    for (let i = 0; i < requests; i++) {
      const body = { inputs: [{ name: "CMD", datatype: "BYTES", shape: [1], data: ["pid"] }] };
      answers.add(
        describe(await this.#sendHttp({ method: "POST", path: `/v2/models/${model}/infer`, body })),
      );
    }
    return { kind: "instances", distinct: answers.size };
  }
}

/** Observes up to `tries` times more, until it is what was awaited. */
const again = async <T extends Observation>(
  tries: number,
  pauseMs: number,
  observe: () => Promise<T>,
  agrees: (seen: Observation) => boolean,
): Promise<T> => {
  let seen = await observe();
  for (let left = tries; left > 0 && !agrees(seen); left--) {
    await sleep(pauseMs);
    seen = await observe();
  }
  return seen;
};

const readsCounters = (request: Request): boolean =>
  "path" in request && (request.port === "metrics" || request.path.endsWith("/stats"));

const bodyOf = (request: HttpRequest): Buffer | null => {
  if (request.body_base64 !== undefined) return Buffer.from(request.body_base64, "base64");
  if (request.body === undefined) return null;
  return Buffer.from(typeof request.body === "string" ? request.body : JSON.stringify(request.body));
};
