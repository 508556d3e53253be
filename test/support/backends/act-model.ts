import { dirname } from "node:path";
import { type StatusCode, TritonError } from "../../../emulator/common/status.ts";
import type {
  InferenceRequest,
  InferenceResponse,
  OutputTensor,
} from "../../../emulator/core/tensor/inference-request.ts";
import { bytesOutput, finalResponse, textOf } from "./outputs.ts";
import { type Frame, type ModelObject, type ModelObjectContext, traceback } from "./python-stand-in.ts";

let processes = 1000;

/** What fixtures/conformance/models/act.py does on the commands that the cases use. */
export class ActModel implements ModelObject {
  readonly #context: ModelObjectContext;
  readonly #batched: boolean;
  readonly #decoupled: boolean;
  readonly #processId = ++processes;
  #count = 0;

  constructor(context: ModelObjectContext) {
    this.#context = context;
    this.#batched = context.config.max_batch_size > 0;
    this.#decoupled = context.config.model_transaction_policy?.decoupled ?? false;
  }

  initialize(done: (raised: string | null) => void): void {
    this.#act(this.#parameter("init"), [[this.#context.file, 58, "initialize"]], done);
  }

  execute(
    requests: readonly InferenceRequest[],
    respond: (index: number, response: InferenceResponse) => void,
    done: (raised: string | null) => void,
  ): void {
    const answers: InferenceResponse[] = [];
    const next = (index: number): void => {
      const request = requests[index];
      if (request === undefined) {
        for (const [place, answer] of answers.entries()) respond(place, answer);
        done(null);
        return;
      }
      this.#one(request, requests, (answer) => {
        if (typeof answer === "string") {
          done(answer);
          return;
        }
        if (this.#decoupled) respond(index, answer);
        else answers.push(answer);
        next(index + 1);
      });
    };
    if (!this.#decoupled) {
      next(0);
      return;
    }
    this.#stream(requests, respond);
    done(null);
  }

  #one(
    request: InferenceRequest,
    requests: readonly InferenceRequest[],
    done: (answer: InferenceResponse | string) => void,
  ): void {
    this.#count++;
    const command = textOf(request, "CMD");
    if (typeof command !== "string") {
      done({ final: true, error: command, outputs: [] });
      return;
    }
    const { verb, argument } = split(command);
    const answer = (text: string): void =>
      done(finalResponse([bytesOutput("OUT", text, this.#batched)], request));
    switch (verb) {
      case "echo":
        answer(argument);
        return;
      case "count":
        answer(String(this.#count));
        return;
      case "pid":
        answer(String(this.#processId));
        return;
      case "instance":
        answer(this.#context.instanceName);
        return;
      case "tag":
        answer(this.#parameter("tag"));
        return;
      case "dir":
        answer(dirname(this.#context.file));
        return;
      case "params":
        answer(parametersText(request));
        return;
      case "timeout":
        answer(String(request.timeoutUs));
        return;
      case "corr":
        answer(
          `${pythonText(request.sequenceId)} ${Number(request.sequenceStart) + 2 * Number(request.sequenceEnd)}`,
        );
        return;
      case "outputs":
        answer([...request.requestedOutputs].sort().join(","));
        return;
      case "inputs":
        answer(
          `[${request.inputs.map(({ name, shape }) => `["${name}", [${shape.join(", ")}], "object"]`).join(", ")}]`,
        );
        return;
      case "noout":
        done({ final: true, outputs: [] });
        return;
      case "extra": {
        const more: OutputTensor = { name: "NOPE", datatype: "FP32", shape: [1], data: new Uint8Array(4) };
        done(finalResponse([bytesOutput("OUT", "x", this.#batched), more], request));
        return;
      }
      case "wrongtype":
        done(
          finalResponse([{ name: "OUT", datatype: "INT64", shape: [1], data: new Uint8Array(8) }], request),
        );
        return;
      case "batch":
        this.#context.after(request === requests[0] ? Number(argument || 0) : 0, () =>
          answer(String(requests.length)),
        );
        return;
      case "error": {
        const { verb: code, argument: message } = split(argument);
        done({ final: true, error: new TritonError(code as StatusCode, message), outputs: [] });
        return;
      }
      default:
        this.#act(command, this.#executeFrames(), (raised) =>
          raised === null ? answer(verb) : done(raised),
        );
    }
  }

  #executeFrames(): readonly Frame[] {
    const { file } = this.#context;
    return [
      [file, 133, "one"],
      [file, 147, "<listcomp>"],
      [file, 147, "execute"],
    ];
  }

  /** `many:<n>[:lastflag]`: so many responses, then the final flag alone or with one more. */
  #stream(
    requests: readonly InferenceRequest[],
    respond: (index: number, response: InferenceResponse) => void,
  ): void {
    requests.forEach((request, index) => {
      const command = textOf(request, "CMD");
      const { verb, argument } = split(typeof command === "string" ? command : "");
      const { verb: times, argument: last } = split(argument);
      const count = verb === "many" ? Number(times) : 1;
      for (let i = 0; i < count; i++)
        respond(index, { final: false, outputs: [bytesOutput("OUT", String(i), this.#batched)] });
      const outputs = last === "lastflag" ? [bytesOutput("OUT", "last", this.#batched)] : [];
      respond(index, { final: true, outputs });
    });
  }

  #parameter(name: string): string {
    return this.#context.config.parameters.get(name)?.string_value ?? "";
  }

  /** The module's function `act`. */
  #act(command: string, callers: readonly Frame[], done: (raised: string | null) => void): void {
    const { verb, argument } = split(command);
    if (verb === "sleep") this.#context.after(Number(argument), () => done(null));
    else if (verb === "raise") {
      const { verb: type, argument: text } = split(argument);
      done(traceback(`${type}: ${text || "<EMPTY MESSAGE>"}`, [[this.#context.file, 22, "act"], ...callers]));
    } else done(null);
  }
}

/** `request.parameters()` is JSON. */
const parametersText = ({ parameters }: InferenceRequest): string =>
  JSON.stringify(
    Object.fromEntries(
      parameters.map(({ name, value }) => [name, value.kind === "int" ? Number(value.value) : value.value]),
    ),
  );

const pythonText = (id: number | bigint | string): string =>
  typeof id === "string" ? `'${id}'` : String(id);

const split = (command: string): { verb: string; argument: string } => {
  const colon = command.indexOf(":");
  return colon < 0
    ? { verb: command, argument: "" }
    : { verb: command.slice(0, colon), argument: command.slice(colon + 1) };
};
