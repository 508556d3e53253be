import { basename } from "node:path";
import { type Answer, describe } from "../exchange/answer.ts";
import type { Json } from "../exchange/json.ts";
import type { StartFailure } from "../targets/target.ts";
import type { Way } from "./areas.ts";
import {
  type CompareContext,
  compareGrpc,
  compareGrpcStream,
  compareHttp,
  compareRaw,
  type Differences,
} from "./compare.ts";
import type { ConformanceCase, Difference, Request, Response, Seen, Step } from "./conformance-case.ts";
import { isAnswer, type Observation } from "./dialogue.ts";
import { twinOf } from "./grpc-twin.ts";

export interface JudgeOptions {
  readonly way: Way;
  /** Of a real server everything recorded must match. */
  readonly real: boolean;
  readonly onnxRuntime: string;
  /** Where ours answers otherwise on purpose. */
  readonly differences: readonly Difference[];
  /** What {repo} stands for in what was observed. */
  readonly repository: string;
}

/** Says what disagrees with a case; it neither asks nor waits. */
export class Judge {
  readonly #case: ConformanceCase;
  readonly #options: JudgeOptions;
  readonly #models: readonly string[];

  constructor(testCase: ConformanceCase, options: JudgeOptions) {
    this.#case = testCase;
    this.#options = options;
    this.#models = modelNames(testCase);
  }

  step(index: number, observation: Observation): Differences {
    const step = this.#case.steps[index]!;
    if ("seen" in step) return this.#seen(step.seen, observation);
    if ("sleep" in step || "act" in step || !isAnswer(observation)) return [];
    const expected = this.#expected(step);
    const request = requestOf(this.#case, step);
    if (expected === undefined || request === undefined) return [];
    const ours = this.#difference(index)?.response;
    if (ours === undefined) return this.#compare(request, expected, observation);
    return this.#compare(request, expected, observation).length === 0
      ? ["answered as recorded: the entry in differences.json is out of date"]
      : this.#compare(request, ours, observation);
  }

  #expected(step: Exclude<Step, { seen: Seen }>): Response | undefined {
    if ("with_1.30.0" in step && this.#options.onnxRuntime === "1.30.0") return step["with_1.30.0"];
    return "response" in step ? step.response : undefined;
  }

  #difference(step: number): Difference | undefined {
    const { real, differences, way } = this.#options;
    return real ? undefined : differences.find((entry) => entry.step === step && (entry.over ?? way) === way);
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
      return compareGrpc(expected, answer.answer, this.#options.repository);
    return [`${describe(answer)} instead of ${JSON.stringify(expected)}`];
  }

  #context(path: string): CompareContext {
    return { repository: this.#options.repository, models: this.#models, path };
  }

  #seen(expected: Seen, seen: Observation): Differences {
    if ("log" in expected && seen.kind === "log")
      return seen.output === null
        ? []
        : judgeLog(
            expected.log,
            seen.output.replaceAll(this.#options.repository, "{repo}"),
            this.#options.real,
          );
    if ("exit" in expected && seen.kind === "exit") {
      const late = expected.seconds !== undefined && seen.seconds > expected.seconds + 3;
      const output = seen.output.replaceAll(this.#options.repository, "{repo}");
      return [
        ...judgeExit(expected, seen.exitCode, output),
        ...(late ? [`ended after ${seen.seconds} s`] : []),
      ];
    }
    if ("files" in expected && seen.kind === "files")
      return seen.names.join() === expected.files.join()
        ? []
        : [`files ${seen.names.join()} instead of ${expected.files.join()}`];
    if ("file" in expected && seen.kind === "file") return judgeTrace(expected.trace, seen.text);
    if ("instances" in expected && seen.kind === "instances")
      return seen.distinct === expected.instances.distinct
        ? []
        : [`${seen.distinct} instances instead of ${expected.instances.distinct}`];
    return [`${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`];
  }
}

/** A server that ends at once is right where that is all the case expects. */
export const judgeFailedStart = (
  testCase: ConformanceCase,
  { exitCode, output }: StartFailure,
  real: boolean,
): Differences =>
  testCase.steps.flatMap((step, index) => {
    if (!("seen" in step)) return [`step ${index}: the server ended with code ${exitCode}: ${output}`];
    if ("exit" in step.seen) return numbered(index, judgeExit(step.seen, exitCode, output));
    return "log" in step.seen ? numbered(index, judgeLog(step.seen.log, output, real)) : [];
  });

export const numbered = (step: number, differences: Differences): Differences =>
  differences.map((difference) => `step ${step}: ${difference}`);

/** The request whose answer a step shows; absent where nothing was started under that name. */
export const requestOf = ({ steps }: ConformanceCase, step: Step): Request | undefined => {
  if ("request" in step) return step.request;
  if (!("await" in step)) return undefined;
  const started = steps.find((other) => "request" in other && other.start === step.await);
  return started !== undefined && "request" in started ? started.request : undefined;
};

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
const judgeLog = (lines: readonly string[], written: string, real: boolean): Differences =>
  lines.flatMap((line) => {
    const wanted = real ? line : line.replace(/^\S+\.cc:\d+\] /, "");
    return logPattern(wanted).test(written)
      ? []
      : [`not in the log: ${wanted}\n    log: ${written.slice(-3000)}`];
  });

/** `{backends}` and the like stand for a path; the seconds left of a drain depend on the machine. */
const logPattern = (text: string): RegExp =>
  new RegExp(
    text
      .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
      .replace(/Timeout \d+: Found/, "Timeout \\d+: Found")
      .replace(/\\\{(backends|caches|tmp)\\\}/g, "[^\"' ]*"),
  );

/** Threads of the real server write side by side, so the order of the elements is not fixed. */
const judgeTrace = (expected: readonly Json[], text: string | null): Differences => {
  if (text === null) return ["no such file"];
  const sorted = (elements: readonly Json[]): string =>
    elements
      .map((element) => JSON.stringify(element).replace(/"ns":[1-9]\d*/g, '"ns":"*"'))
      .sort()
      .join("\n");
  const found = text.trimEnd().endsWith("]") ? sorted(JSON.parse(text)) : text;
  return found === sorted(expected) ? [] : [`got      ${found}\n    expected ${sorted(expected)}`];
};

const modelNames = ({ models, steps }: ConformanceCase): readonly string[] => [
  ...Object.keys(models).map((folder) => basename(folder)),
  ...targetModels(steps),
  ...modelsInArchives(models),
];

/** Names that the container API gives to models. */
const targetModels = (steps: readonly Step[]): string[] =>
  steps.flatMap((step) => {
    if (!("request" in step && "path" in step.request)) return [];
    const name = step.request.headers?.["X-Amzn-SageMaker-Target-Model"];
    return name === undefined ? [] : [name];
  });

/** A folder of the container API may hold several models: an ensemble and its members. */
const modelsInArchives = (models: ConformanceCase["models"]): string[] =>
  Object.values(models).flatMap(({ files = {} }) =>
    Object.keys(files).flatMap((file) => /^([^/]+)\/config\.pbtxt$/.exec(file)?.slice(1) ?? []),
  );
