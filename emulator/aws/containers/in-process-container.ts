import type { Clock } from "../../common/clock.ts";
import { type Linked, LinkedList } from "../../common/linked-list.ts";
import type { TritonError } from "../../common/status.ts";
import type { Ledger, LedgerEvent } from "../../core/memory/ledger.ts";
import type { ModelStateChange } from "../../core/model-lifecycle/model-lifecycle.ts";
import type { HttpReply } from "../../frontends/http1/reply.ts";
import { TARGET_MODEL_HEADER } from "../../frontends/sagemaker/container-api.ts";
import type { ContainerExchange, ExchangeHandler } from "../../frontends/sagemaker/container-exchange.ts";
import type { JournalWriter, PoolSize } from "../../journal/event.ts";
import { ServerEvents } from "../../journal/server-events.ts";
import type {
  Answered,
  Container,
  InvokeCall,
  LoadCall,
  ModelCall,
  SingleModelContainer,
} from "../placement/container.ts";
import type { Bytes, MemoryReading } from "../placement/eviction/resident-model.ts";
import type { MemoryGauge } from "../placement/memory-sampler.ts";

/** A tritonserver that runs in a container. */
export interface ContainerProcess {
  readonly api: ExchangeHandler;
  /** Null where no machine is emulated. */
  readonly ledger: Ledger | null;
  /** Called once, after it died: what it still waits for or holds outside of the ledger is given up. */
  end(): void;
}

/** What a tritonserver tells the container it runs in, from its start on. */
export interface ProcessEvents {
  memory(event: LedgerEvent): void;
  modelState(change: ModelStateChange): void;
  /** It dies here. */
  crash(because: string): void;
}

/** Starts a tritonserver without models. */
export type StartProcess = (
  events: ProcessEvents,
  started: (process: ContainerProcess | TritonError) => void,
) => void;

export interface InProcessContainerOptions {
  readonly clock: Clock;
  readonly journal: JournalWriter;
  /** Its name in the journal; absent where there is but one. */
  readonly instance?: string;
  readonly startProcess: StartProcess;
  /** Whether the real server's failing of that name is imitated (docs/faults.md); absent = none is. */
  readonly imitates?: (name: string) => boolean;
}

/** From the death of a tritonserver to the first answer of the next, with a restart policy (real-triton.md 6, case f2). */
const RESTART_US = 1_300_000;

/** What waits for an answer. */
interface OpenCall extends Linked<OpenCall> {
  reply(reply: HttpReply): void;
  /** The connection broke. */
  broken(): void;
}

/** One tritonserver, from start to death. */
interface Life {
  /** Null until it listens. */
  process: ContainerProcess | null;
  readonly open: LinkedList<OpenCall>;
}

/**
 * A container whose tritonserver runs in this process, called without a socket on whatever clock it has. When the kernel
 * kills that tritonserver, or it crashes, every open call and all later ones get no answer, until it is started again,
 * empty; what lies on the disk stays.
 */
export class InProcessContainer implements Container, SingleModelContainer, ExchangeHandler {
  readonly gauge: MemoryGauge;
  readonly #options: InProcessContainerOptions;
  /** Null = dead, or not started. */
  #life: Life | null = null;

  constructor(options: InProcessContainerOptions) {
    this.#options = options;
    this.gauge = { read: () => this.#read() };
  }

  /** Of the tritonserver that runs; null while none does, and where no machine is emulated. */
  get ledger(): Ledger | null {
    return this.#life?.process?.ledger ?? null;
  }

  /** For the first time. @param started an error = it does not run: the machine is too small, or the options are wrong */
  start(started: (error: TritonError | null) => void): void {
    const { journal, startProcess, instance, imitates } = this.#options;
    const life: Life = { process: null, open: new LinkedList() };
    this.#life = life;
    const server = new ServerEvents(journal, { instance, imitates });
    const ifAlive =
      <T>(run: (value: T) => void) =>
      (value: T): void => {
        if (this.#life === life) run(value);
      };
    const events: ProcessEvents = {
      memory: ifAlive((event) => server.memory(event)),
      modelState: ifAlive((change) => server.modelState(change)),
      crash: ifAlive((because) => this.#die(life, because)),
    };
    startProcess(events, (result) => {
      if (result instanceof Error) {
        if (this.#life === life) this.#life = null;
        started(result);
        return;
      }
      if (this.#life !== life) {
        result.end();
        return;
      }
      life.process = result;
      journal.write({ ...this.#subject(), event: "container-started", ...poolsOf(result.ledger) });
      started(null);
    });
  }

  restart(started: (running: boolean) => void, because = "restarted by the platform"): void {
    if (this.#life !== null) this.#die(this.#life, because);
    this.#options.clock.setTimer(RESTART_US, () => this.start((error) => started(error === null)));
  }

  /**
   * Ends the tritonserver as a crash does.
   * @param windDownUs when what it holds outside of the ledger is given up: with many models that takes a moment
   */
  kill(because: string, windDownUs = 0): void {
    if (this.#life !== null) this.#die(this.#life, because, windDownUs);
  }

  ping(answered: Answered): void {
    this.#call("GET", "/ping", {}, answered);
  }

  list(answered: Answered): void {
    this.#call("GET", "/models", {}, answered);
  }

  load({ modelName, targetModel, url }: LoadCall, answered: Answered): void {
    const body = Buffer.from(JSON.stringify({ model_name: modelName, url }));
    this.#call(
      "POST",
      "/models",
      { headers: ["Content-Type", "application/json"], targetModel, body },
      answered,
    );
  }

  unload({ modelName, targetModel }: ModelCall, answered: Answered): void {
    this.#call("DELETE", `/models/${modelName}`, { targetModel }, answered);
  }

  invoke({ modelName, targetModel, headers, body }: InvokeCall, answered: Answered): void {
    this.#call("POST", `/models/${modelName}/invoke`, { headers, targetModel, body }, answered);
  }

  invocations({ headers, body }: Pick<InvokeCall, "headers" | "body">, answered: Answered): void {
    this.#call("POST", "/invocations", { headers, body }, answered);
  }

  /** An exchange that came over a wire; while nothing runs its connection breaks. */
  handle(exchange: ContainerExchange): void {
    this.#handle(exchange, {
      reply: (reply) => exchange.reply(reply),
      broken: () => exchange.reply({ status: 503, headers: [], body: [], breakAfterBytes: 0 }),
    });
  }

  stop(): void {
    this.#life?.process?.api.stop();
  }

  #call(
    method: string,
    path: string,
    { headers = [], targetModel, body = noBytes }: Partial<InvokeCall>,
    answered: Answered,
  ): void {
    const all = targetModel === undefined ? headers : [...headers, TARGET_MODEL_HEADER, targetModel];
    const head = { method, path, headers: byName(all) };
    this.#handle(
      { head, body: asBuffer(body) },
      {
        reply: (reply) => answered(reply.breakAfterBytes === undefined ? answerOf(reply) : null),
        broken: () => answered(null),
      },
    );
  }

  #handle(
    { head, body }: Omit<ContainerExchange, "reply">,
    answer: Pick<OpenCall, "reply" | "broken">,
  ): void {
    const life = this.#life;
    const api = life?.process?.api;
    if (life === null || api === undefined) {
      answer.broken();
      return;
    }
    const call: OpenCall = { ...answer, earlier: null, later: null };
    life.open.add(call);
    api.handle({
      head,
      body,
      reply: (reply) => {
        if (life.open.remove(call)) call.reply(reply);
      },
    });
  }

  /** Its memory is free at once. What it was doing may be the cause, so the rest ends in a turn of its own. */
  #die(life: Life, because: string, windDownUs = 0): void {
    const { clock, journal } = this.#options;
    journal.write({ ...this.#subject(), event: "container-died", because });
    life.process?.ledger?.end();
    this.#life = null;
    const open = life.open.all();
    for (const call of open) life.open.remove(call);
    const { process } = life;
    clock.defer(() => {
      process?.api.stop();
      if (windDownUs === 0) process?.end();
      for (const call of open) call.broken();
    });
    if (windDownUs > 0) clock.setTimer(windDownUs, () => process?.end());
  }

  #subject(): { readonly instance?: string } {
    const { instance } = this.#options;
    return instance === undefined ? {} : { instance };
  }

  #read(): MemoryReading | null {
    const { ledger } = this;
    if (ledger === null) return null;
    const pools = ledger.pools();
    return {
      used: sumOf(pools, ({ usedBytes }) => usedBytes),
      capacity: sumOf(pools, ({ capacityBytes }) => capacityBytes),
    };
  }
}

type PoolState = ReturnType<Ledger["pools"]>[number];

const sumOf = (pools: readonly PoolState[], bytesOf: (pool: PoolState) => number): Bytes => {
  const sum = (prefix: string): number =>
    pools.reduce((total, state) => total + (state.pool.startsWith(prefix) ? bytesOf(state) : 0), 0);
  return { host: sum("host"), gpu: sum("gpu:"), disk: sum("disk") };
};

const poolsOf = (ledger: Ledger | null): { readonly pools?: readonly PoolSize[] } => {
  if (ledger === null) return {};
  const pools = ledger.machine.pools.map(({ pool, capacityBytes, reserveBytes }) => ({
    pool,
    capacity: capacityBytes,
    reserve: reserveBytes,
  }));
  return { pools };
};

const noBytes = new Uint8Array(0);

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const byName = (headers: readonly string[]): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase();
    if (!found.has(name)) found.set(name, headers[i + 1]!);
  }
  return found;
};

/** As it would come over a wire, where a body without a type is `text/plain`. */
const answerOf = ({ status, headers, body }: HttpReply) => ({
  status,
  headers: headers.includes("Content-Type") ? headers : [...headers, "Content-Type", "text/plain"],
  body: body.length === 1 ? body[0]! : Buffer.concat(body),
});
