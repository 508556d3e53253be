import type { Clock } from "../common/clock.ts";
import { silentLog } from "../common/log.ts";
import type { FaultSource } from "../core/faults/fault-source.ts";
import type { TritonServer } from "../core/triton-server.ts";
import { createDispatch } from "../frontends/http/server.ts";
import type { HttpExchange } from "../frontends/http1/connection.ts";
import type { HttpReply } from "../frontends/http1/reply.ts";

/** What came back over a wire. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

const SECOND_US = 1_000_000;

const ports = new WeakMap<TritonServer, HttpPort>();

/** Triton's HTTP port, without a socket: every request has a connection of its own. */
export class HttpPort {
  readonly #dispatch: (exchange: HttpExchange) => void;
  #open = 0;
  #loads = 0;
  #closed = false;
  #whenNoLoad: (() => void) | null = null;

  private constructor(server: TritonServer, faults: FaultSource) {
    const options = { restrictedApis: [], headerForwardPattern: null, faults };
    this.#dispatch = createDispatch(server, options, silentLog);
  }

  static of(server: TritonServer, faults: FaultSource): HttpPort {
    let port = ports.get(server);
    if (port === undefined) {
      port = new HttpPort(server, faults);
      ports.set(server, port);
    }
    return port;
  }

  /** @param answered with null = the connection was reset */
  send(
    method: string,
    path: string,
    body: string | Uint8Array,
    answered: (answer: Answer | null) => void,
  ): void {
    if (this.#closed) {
      answered(null);
      return;
    }
    const isLoad = path.endsWith("/load");
    this.#open++;
    if (isLoad) this.#loads++;
    this.#dispatch(
      exchangeOf(method, path, body, new Map(), (answer) => {
        this.#open--;
        if (isLoad) this.#loads--;
        answered(answer);
        if (this.#loads === 0) this.#whenNoLoad?.();
      }),
    );
  }

  /**
   * The first phase of a stop: accepts nothing more and waits for what is open, looking once a second; for loads beyond the
   * time too, since each holds a thread that has to end (spec/triton-core.md 1.12, seen on 2.51.0).
   * @param drained with the seconds that are left for the server
   */
  drain(clock: Clock, timeoutSecs: number, drained: (leftSecs: number) => void): void {
    this.#closed = true;
    if (this.#open > 0 && timeoutSecs > 0) {
      clock.setTimer(SECOND_US, () => this.drain(clock, timeoutSecs - 1, drained));
    } else if (this.#loads > 0) {
      this.#whenNoLoad = () => drained(timeoutSecs);
    } else drained(timeoutSecs);
  }
}

export const exchangeOf = (
  method: string,
  path: string,
  body: string | Uint8Array,
  headers: ReadonlyMap<string, string>,
  answered: (answer: Answer | null) => void,
): HttpExchange => {
  const bytes = Buffer.from(body);
  return {
    head: {
      method,
      path,
      query: "",
      versionMinor: 1,
      headers,
      rawHeaders: [...headers].map(([name, value]) => ({ name, value })),
      contentLength: bytes.length,
      keepAlive: true,
      expectsContinue: false,
    },
    body: bytes,
    headUs: 0,
    reply: (reply) => answered(answerOf(reply)),
    stream: () => null,
  };
};

const answerOf = ({ status, body, breakAfterBytes }: HttpReply): Answer | null =>
  breakAfterBytes === undefined ? { status, text: Buffer.concat(body).toString() } : null;
