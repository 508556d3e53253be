import { Agent, type IncomingMessage, request as sendRequest } from "node:http";
import type { Clock } from "../../common/clock.ts";
import { TARGET_MODEL_HEADER } from "../../frontends/sagemaker/container-api.ts";
import { type EventSubject, type JournalWriter, noJournal } from "../../journal/event.ts";
import type {
  Answered,
  AnswerParts,
  Container,
  ContainerAnswer,
  InvokeCall,
  LoadCall,
  ModelCall,
  SingleModelCall,
  SingleModelContainer,
} from "../placement/container.ts";
import { isSuccess } from "../placement/platform-answer.ts";

export interface HttpContainerOptions {
  readonly url: URL;
  readonly clock: Clock;
  /** Connections at a time; calls beyond it wait for one. Default 64. */
  readonly maxSockets?: number;
  /** Where it is written when the container was given up, and when it is there again. Default: nowhere. */
  readonly journal?: JournalWriter;
  /** Its name in the journal. */
  readonly instance?: string;
}

const SECOND_US = 1_000_000;

/** How long the platform waits for a container (spec/sagemaker-mme.md 1.1, 1.2); who waits for less frees nothing here. */
const limitsUs = {
  ping: 2 * SECOND_US,
  list: 60 * SECOND_US,
  load: 360 * SECOND_US,
  unload: 360 * SECOND_US,
  invoke: 60 * SECOND_US,
} as const;

/** How often, and for how long, a container that died is asked whether it is there again: the grace of a start. */
const COMEBACK_PAUSE_US = SECOND_US / 2;
const COMEBACK_LIMIT_US = 8 * 60 * SECOND_US;

/** About the connection, not about the answer. */
const connectionHeaders = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "transfer-encoding",
]);

interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array | null;
  readonly limitUs: number;
  readonly parts: AnswerParts | undefined;
}

/** A container behind a URL. What cannot be reached, breaks off or takes too long has not answered. */
export class HttpContainer implements Container, SingleModelContainer {
  readonly #clock: Clock;
  readonly #agent: Agent;
  readonly #url: URL;
  readonly #journal: JournalWriter;
  readonly #subject: EventSubject;
  #closed = false;

  constructor({ url, clock, maxSockets = 64, journal = noJournal, instance }: HttpContainerOptions) {
    this.#journal = journal;
    this.#subject = instance === undefined ? {} : { instance };
    this.#url = url;
    this.#clock = clock;
    this.#agent = new Agent({ keepAlive: true, maxSockets });
  }

  ping(answered: Answered): void {
    this.#send("GET", "ping", [], null, limitsUs.ping, answered);
  }

  list(answered: Answered): void {
    this.#send("GET", "models", [], null, limitsUs.list, answered);
  }

  load({ modelName, targetModel, url }: LoadCall, answered: Answered): void {
    const body = Buffer.from(JSON.stringify({ model_name: modelName, url }));
    const headers = ["Content-Type", "application/json", TARGET_MODEL_HEADER, targetModel];
    this.#send("POST", "models", headers, body, limitsUs.load, answered);
  }

  unload({ modelName, targetModel }: ModelCall, answered: Answered): void {
    const headers = [TARGET_MODEL_HEADER, targetModel];
    this.#send("DELETE", `models/${modelName}`, headers, null, limitsUs.unload, answered);
  }

  invoke({ modelName, targetModel, headers, body }: InvokeCall, answered: Answered): void {
    const all = [...headers, TARGET_MODEL_HEADER, targetModel];
    this.#send("POST", `models/${modelName}/invoke`, all, body, limitsUs.invoke, answered);
  }

  /** An answer in chunks is passed on as they come, where its parts are asked for. */
  invocations({ headers, body, parts, limitUs }: SingleModelCall, answered: Answered): void {
    this.#send("POST", "invocations", headers, body, limitUs ?? limitsUs.invoke, answered, parts);
  }

  /** Nobody here can start it: waits until it answers again, whoever starts it. */
  restart(started: (running: boolean) => void, because = "restarted by the platform"): void {
    this.#journal.write({ ...this.#subject, event: "container-died", because });
    const endUs = this.#clock.now() + COMEBACK_LIMIT_US;
    const look = (): void =>
      this.ping((answer) => {
        if (answer !== null) {
          this.#journal.write({ ...this.#subject, event: "container-started" });
          started(true);
        } else if (this.#closed || this.#clock.now() >= endUs) started(false);
        else this.#clock.setTimer(COMEBACK_PAUSE_US, look);
      });
    look();
  }

  /** Ends its connections; what is open is not answered. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  #send(
    method: string,
    path: string,
    headers: readonly string[],
    body: Uint8Array | null,
    limitUs: number,
    answered: Answered,
    parts?: AnswerParts,
  ): void {
    const prefix = this.#url.pathname.replace(/\/$/, "");
    this.#try({ method, path: `${prefix}/${path}`, headers, body, limitUs, parts }, answered, true);
  }

  /** @param again a kept connection that turns out to be closed is replaced, once */
  #try(call: Call, answered: Answered, again: boolean): void {
    const { method, path, headers, body, limitUs, parts } = call;
    const { hostname, port } = this.#url;
    const request = sendRequest({ hostname, port: port || 80, method, path, agent: this.#agent });
    const release = this.#clock.hold();
    let done = false;
    const end = (): void => {
      done = true;
      limit.cancel();
      release();
    };
    const finish = (answer: ContainerAnswer | null): void => {
      if (done) return;
      end();
      answered(answer);
    };
    const limit = this.#clock.setTimer(limitUs, () => {
      request.destroy();
      finish(null);
    });
    for (let i = 0; i < headers.length; i += 2) request.appendHeader(headers[i]!, headers[i + 1]!);
    request.on("response", (response) => readAnswer(response, parts, finish));
    request.on("error", () => {
      if (done || !again || !request.reusedSocket) {
        finish(null);
        return;
      }
      end();
      this.#try(call, answered, false);
    });
    if (body === null) request.end();
    else {
      request.setHeader("Content-Length", body.length);
      request.end(body);
    }
  }
}

const readAnswer = (
  response: IncomingMessage,
  parts: AnswerParts | undefined,
  done: (answer: ContainerAnswer | null) => void,
): void => {
  const status = response.statusCode ?? 0;
  const headers = answerHeaders(response);
  const chunks: Buffer[] = [];
  const comesInChunks = response.headers["transfer-encoding"] !== undefined;
  const passedOn = comesInChunks && isSuccess(status) ? parts : undefined;
  passedOn?.begin(headers);
  response.on("data", (chunk: Buffer) => {
    if (passedOn === undefined) chunks.push(chunk);
    else passedOn.part(chunk);
  });
  response.on("error", () => done(null));
  response.on("aborted", () => done(null));
  response.on("end", () => done({ status, headers, body: Buffer.concat(chunks) }));
};

const answerHeaders = ({ rawHeaders }: IncomingMessage): string[] => {
  const headers: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name, value] = [rawHeaders[i]!, rawHeaders[i + 1]!];
    if (!connectionHeaders.has(name.toLowerCase())) headers.push(name, value);
  }
  return headers;
};
