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
import { basename, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../exchange/answer.ts";
import { GrpcClient } from "../exchange/grpc-client.ts";
import { exchange, exchangeUntilQuiet, parseAnswer, requestBytes } from "../exchange/http-connection.ts";
import type { Json } from "../exchange/json.ts";
import { type RunningServer, StartFailure, type Target } from "../targets/target.ts";
import {
  type CompareContext,
  compareGrpc,
  compareGrpcStream,
  compareHttp,
  compareRaw,
  type Differences,
} from "./compare.ts";
import type {
  Act,
  ConformanceCase,
  Difference,
  HttpRequest,
  Request,
  Response,
  Seen,
  Step,
} from "./conformance-case.ts";
import { twinOf } from "./grpc-twin.ts";
import { layOutModels, modelFile, modelFolders, temporaryFolder } from "./model-repository.ts";

const ANSWER_TIMEOUT_MS = 30_000;
/** What stands in for the Python processes of the real server is gone after this. */
const SHORTLY_SECONDS = 0.8;

export interface PlayOptions {
  /** `grpc`: each HTTP request that has a gRPC equivalent is sent as that, and its answer judged accordingly. */
  readonly over: "http" | "grpc";
  readonly differences: readonly Difference[];
  /** Called with every answer before it is judged; a recorder keeps them. */
  readonly onAnswer?: (step: number, answer: Answer) => void;
}

/** Plays a case on a server of its own. The result lists every disagreement, with the number of its step. */
export const play = async (
  testCase: ConformanceCase,
  target: Target,
  options: PlayOptions,
): Promise<Differences> => {
  if (!JSON.stringify(testCase).includes("{tmp}")) return playIn(testCase, target, options, "");
  using scratch = temporaryFolder();
  const placed: ConformanceCase = JSON.parse(JSON.stringify(testCase).replaceAll("{tmp}", scratch.path));
  return await playIn(placed, target, options, scratch.path);
};

const playIn = async (
  testCase: ConformanceCase,
  target: Target,
  options: PlayOptions,
  scratch: string,
): Promise<Differences> => {
  using folder =
    target.sharedRepository === undefined
      ? temporaryFolder()
      : modelFolders(target.sharedRepository, Object.keys(testCase.models));
  layOutModels(testCase, folder.path, target.real);
  let server: RunningServer;
  try {
    server = await target.start({
      repository: folder.path,
      flags: testCase.server.flags.map((flag) => flag.replace("{repo}", folder.path)),
      env: testCase.server.env ?? {},
      ownProcess: testCase.steps.some(needsProcess),
    });
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    return judgeFailedStart(testCase, error.exitCode, error.output.replaceAll(folder.path, "{repo}"));
  }
  const player = new Player(testCase, target, options, folder.path, server, scratch);
  try {
    return await player.run();
  } finally {
    player.close();
    await server.stop();
  }
};

/** The case signals the server or waits for its end. */
export const needsProcess = (step: Step): boolean =>
  ("act" in step && "signal" in step.act) || ("seen" in step && "exit" in step.seen);

/** A server that ends at once is right where that is all the case expects. */
const judgeFailedStart = (testCase: ConformanceCase, exitCode: number, output: string): Differences => {
  const differences = testCase.steps.flatMap((step, index) => {
    if (!("seen" in step)) return [`step ${index}: the server ended with code ${exitCode}: ${output}`];
    if ("exit" in step.seen) return numbered(index, judgeExit(step.seen, exitCode, output));
    return "log" in step.seen ? numbered(index, judgeLog(step.seen.log, output, "", true)) : [];
  });
  return differences;
};

const numbered = (step: number, differences: Differences): Differences =>
  differences.map((difference) => `step ${step}: ${difference}`);

const judgeExit = (
  expected: { readonly exit: number | null; readonly output?: string },
  exitCode: number | null,
  output: string,
): Differences => {
  const differences: string[] = [];
  if (exitCode !== expected.exit) differences.push(`exit code ${exitCode} instead of ${expected.exit}`);
  if (expected.output !== undefined && !logPattern(expected.output).test(output))
    differences.push(`output ${JSON.stringify(output)}\n    without  ${JSON.stringify(expected.output)}`);
  return differences;
};

/** Each line must have been written; of ours only the text is compared, since positions in source files are theirs. */
const judgeLog = (
  lines: readonly string[],
  output: string | null,
  repository: string,
  real: boolean,
): Differences => {
  if (output === null) return [];
  const written = repository === "" ? output : output.replaceAll(repository, "{repo}");
  return lines.flatMap((line) => {
    const wanted = real ? line : line.replace(/^\S+\.cc:\d+\] /, "");
    return logPattern(wanted).test(written)
      ? []
      : [`not in the log: ${wanted}\n    log: ${written.slice(-3000)}`];
  });
};

/** `{backends}` and the like stand for a path; the seconds left of a drain depend on the machine. */
const logPattern = (text: string): RegExp =>
  new RegExp(
    text
      .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
      .replace(/Timeout \d+: Found/, "Timeout \\d+: Found")
      .replace(/\\\{(backends|caches|tmp)\\\}/g, "[^\"' ]*"),
  );

class Player {
  readonly #case: ConformanceCase;
  readonly #target: Target;
  readonly #options: PlayOptions;
  readonly #repository: string;
  readonly #server: RunningServer;
  readonly #grpc: GrpcClient;
  /** What {tmp} stands for. */
  readonly #scratch: string;
  readonly #started = new Map<string, { readonly request: Request; readonly answer: Promise<Answer> }>();

  constructor(
    testCase: ConformanceCase,
    target: Target,
    options: PlayOptions,
    repository: string,
    server: RunningServer,
    scratch: string,
  ) {
    this.#scratch = scratch;
    this.#case = testCase;
    this.#target = target;
    this.#options = options;
    this.#repository = repository;
    this.#server = server;
    this.#grpc = new GrpcClient(server.grpcPort);
  }

  close(): void {
    this.#grpc.close();
  }

  async run(): Promise<Differences> {
    for (const model of this.#case.loaded ?? []) {
      const answer = await this.#sendHttp({ method: "POST", path: `/v2/repository/models/${model}/load` });
      if (answer.kind !== "http" || answer.answer.status !== 200)
        return [`could not load ${model}: ${JSON.stringify(answer)}`];
    }
    const differences: string[] = [];
    for (const [index, step] of this.#case.steps.entries())
      differences.push(...numbered(index, await this.#step(step, index)));
    return differences;
  }

  async #step(step: Step, index: number): Promise<Differences> {
    if ("sleep" in step) {
      const seconds = step.shortly === true && !this.#target.real ? SHORTLY_SECONDS : step.sleep;
      await sleep(seconds * 1000);
      return [];
    }
    if ("act" in step) return this.#act(step.act);
    if ("seen" in step) return this.#seen(this.#difference(index)?.seen ?? step.seen);
    if ("await" in step) {
      const started = this.#started.get(step.await);
      if (started === undefined) return [`nothing was started as ${step.await}`];
      const answer = await started.answer;
      this.#options.onAnswer?.(index, answer);
      return step.response === undefined ? [] : this.#judge(started.request, step.response, answer, index);
    }
    if (step.start !== undefined) {
      this.#started.set(step.start, { request: step.request, answer: this.#send(step.request) });
      // Starts follow one another in this order on the wire.
      await sleep(40);
      return [];
    }
    const expected =
      (this.#target.onnxRuntime === "1.30.0" ? step["with_1.30.0"] : undefined) ?? step.response;
    const answer = await this.#send(step.request);
    this.#options.onAnswer?.(index, answer);
    if (expected === undefined) return [];
    let differences = this.#judge(step.request, expected, answer, index);
    // Counters may follow an answer by a moment.
    for (let tries = 0; tries < 20 && differences.length > 0 && readsCounters(step.request); tries++) {
      await sleep(25);
      differences = this.#judge(step.request, expected, await this.#send(step.request), index);
    }
    return differences;
  }

  #difference(step: number): Difference | undefined {
    return this.#target.real
      ? undefined
      : this.#options.differences.find(
          (entry) => entry.step === step && (entry.over ?? this.#options.over) === this.#options.over,
        );
  }

  async #send(request: Request): Promise<Answer> {
    if ("raw" in request) {
      const bytes = Buffer.from(request.raw, "latin1");
      return { kind: "raw", answer: await exchangeUntilQuiet(this.#server.httpPort, bytes) };
    }
    if ("messages" in request) {
      const answer = await this.#grpc.stream(request.grpc, request.messages, request.metadata ?? {});
      return { kind: "stream", answer };
    }
    if ("grpc" in request) {
      const answer = await this.#grpc.unary(request.grpc, request.message, request.metadata ?? {});
      return { kind: "grpc", answer };
    }
    const twin = this.#options.over === "grpc" ? twinOf(request) : null;
    if (twin !== null) return { kind: "grpc", answer: await this.#grpc.unary(twin.rpc, twin.message, {}) };
    return this.#sendHttp(request);
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

  #judge(request: Request, recorded: Response, answer: Answer, step: number): Differences {
    const ours = this.#difference(step)?.response;
    if (ours === undefined) return this.#compare(request, recorded, answer);
    const outOfDate = this.#compare(request, recorded, answer).length === 0;
    return outOfDate
      ? ["answered as recorded: the entry in differences.json is out of date"]
      : this.#compare(request, ours, answer);
  }

  #compare(request: Request, expected: Response, answer: Answer): Differences {
    if ("connection" in expected) {
      if (answer.kind === "grpc" && answer.answer.code === "UNAVAILABLE") return [];
      if (answer.kind !== "connection") return [`${describe(answer)} instead of ${expected.connection}`];
      // Which of the two a closing looks like depends on what the kernel had read by then.
      const ways = ["closed without a reply", "reset"];
      const same = answer.how === expected.connection;
      return same || (ways.includes(answer.how) && ways.includes(expected.connection))
        ? []
        : [`${answer.how} instead of ${expected.connection}`];
    }
    if ("status" in expected && answer.kind === "http" && "path" in request)
      return compareHttp(expected, answer.answer, this.#context(request.path), answer.seconds);
    if ("status" in expected && answer.kind === "grpc" && "path" in request)
      return twinOf(request)?.judge(expected, answer.answer, this.#context(request.path)) ?? [];
    if ("closed" in expected && answer.kind === "raw") return compareRaw(expected, answer.answer);
    if ("stream" in expected && answer.kind === "stream") return compareGrpcStream(expected, answer.answer);
    if (answer.kind === "grpc" && !("status" in expected || "stream" in expected || "closed" in expected))
      return compareGrpc(expected, answer.answer, this.#repository);
    return [`${describe(answer)} instead of ${JSON.stringify(expected)}`];
  }

  #context(path: string): CompareContext {
    return {
      repository: this.#repository,
      models: [
        ...Object.keys(this.#case.models).map((folder) => basename(folder)),
        ...targetModels(this.#case.steps),
        ...modelsInArchives(this.#case.models),
      ],
      path,
    };
  }

  async #act(act: Act): Promise<Differences> {
    const place = (path: string): string => resolve(this.#repository, path);
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
    return [];
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

  async #seen(seen: Seen): Promise<Differences> {
    if ("log" in seen) {
      const judged = (): Differences =>
        judgeLog(seen.log, this.#server.output(), this.#repository, this.#target.real);
      // The log may lag behind the answer.
      for (let tries = 0; tries < 40 && judged().length > 0; tries++) await sleep(25);
      return judged();
    }
    if ("exit" in seen) {
      const limit = seen.exit === null ? 100 : 20_000;
      const started = performance.now();
      const code = await Promise.race([this.#server.exited, sleep(limit, null, { ref: false })]);
      const seconds = (performance.now() - started) / 1000;
      const late =
        seen.seconds !== undefined && seconds > seen.seconds + 3 ? [`ended after ${seconds} s`] : [];
      return [...judgeExit(seen, code, this.#server.output() ?? ""), ...late];
    }
    if ("files" in seen) {
      const found = readdirSync(this.#scratch).sort();
      return found.join() === seen.files.join()
        ? []
        : [`files ${found.join()} instead of ${seen.files.join()}`];
    }
    if ("file" in seen) return this.#traceFile(join(this.#scratch, seen.file), seen.trace);
    return this.#whichInstances(seen.instances);
  }

  /** Threads of the real server write side by side, so the order of the elements is not fixed. */
  async #traceFile(file: string, expected: readonly Json[]): Promise<Differences> {
    const sorted = (elements: readonly Json[]): string =>
      elements
        .map((element) => JSON.stringify(element).replace(/"ns":[1-9]\d*/g, '"ns":"*"'))
        .sort()
        .join("\n");
    const judged = (): Differences => {
      if (!existsSync(file)) return [`no file ${file}`];
      const text = readFileSync(file, "utf8");
      const found = text.trimEnd().endsWith("]") ? sorted(JSON.parse(text)) : text;
      return found === sorted(expected) ? [] : [`got      ${found}\n    expected ${sorted(expected)}`];
    };
    // A file is whole only when the server has ended.
    for (let tries = 0; tries < 200 && judged().length > 0; tries++) await sleep(50);
    return judged();
  }

  async #whichInstances(expected: {
    model: string;
    requests: number;
    distinct: number;
  }): Promise<Differences> {
    const answers = new Set<string>();
    for (let i = 0; i < expected.requests; i++) {
      const body = { inputs: [{ name: "CMD", datatype: "BYTES", shape: [1], data: ["pid"] }] };
      const answer = await this.#sendHttp({
        method: "POST",
        path: `/v2/models/${expected.model}/infer`,
        body,
      });
      answers.add(describe(answer));
    }
    return answers.size === expected.distinct
      ? []
      : [`${answers.size} instances instead of ${expected.distinct}`];
  }
}

/** Names that the container API gives to models. */
/** A folder of the container API may hold several models: an ensemble and its members. */
const modelsInArchives = (models: ConformanceCase["models"]): string[] =>
  Object.values(models).flatMap(({ files = {} }) =>
    Object.keys(files).flatMap((file) => /^([^/]+)\/config\.pbtxt$/.exec(file)?.slice(1) ?? []),
  );

const targetModels = (steps: readonly Step[]): string[] =>
  steps.flatMap((step) => {
    if (!("request" in step && "path" in step.request)) return [];
    const name = step.request.headers?.["X-Amzn-SageMaker-Target-Model"];
    return name === undefined ? [] : [name];
  });

const readsCounters = (request: Request): boolean =>
  "path" in request && (request.port === "metrics" || request.path.endsWith("/stats"));

const bodyOf = (request: HttpRequest): Buffer | null => {
  if (request.body_base64 !== undefined) return Buffer.from(request.body_base64, "base64");
  if (request.body === undefined) return null;
  return Buffer.from(typeof request.body === "string" ? request.body : jsonText(request.body));
};

const jsonText = (value: Json): string => JSON.stringify(value);

const describe = (answer: Answer): string => {
  switch (answer.kind) {
    case "http":
      return `${answer.answer.statusLine} ${answer.answer.body.toString("utf8").slice(0, 500)}`;
    case "connection":
      return answer.how;
    case "raw":
      return answer.answer.received.toString("latin1");
    default:
      return `${answer.answer.code} ${answer.answer.details} ${JSON.stringify(answer.answer.replies.map((r) => r.asSent))}`;
  }
};
