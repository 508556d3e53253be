import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { FAULT_HEADER, type FaultSource, faultOfAnswer } from "../../core/faults/fault-source.ts";
import type { InferenceServer } from "../../core/inference-server.ts";
import type { RepositoryRegistry } from "../../core/repository-registry.ts";
import type { Storage } from "../../core/storage.ts";
import type { HttpReply } from "../http1/reply.ts";
import { Workers } from "../http1/workers.ts";
import { emptyReply, methodNotAllowed } from "../kserve-json/reply.ts";
import type { ContainerExchange, ExchangeHandler } from "./container-exchange.ts";
import { invokeDefault, invokeOfMany } from "./invoke.ts";
import { loadModel } from "./load-model.ts";
import { LoadUnloadRace } from "./load-unload-race.ts";
import { getReply, listReply, type ModelList } from "./model-list.ts";
import { type PortRange, ServerPorts } from "./server-ports.ts";
import { ModelUnloader } from "./unload-model.ts";

export interface ContainerApiOptions {
  /** `live`: a ping only asks whether the server is up; anything else: whether every model it knows is ready. */
  readonly pingMode: string;
  /** What `/invocations` calls. */
  readonly defaultModel: string;
  /** `--sagemaker-thread-count`. Default 8. Only means something to the imitations `load-blocks-worker` and `load-unload-race`. */
  readonly threads?: number;
  /** `--sagemaker-safe-port-range`. Default 25000-25999. Only means something to the imitation `ports-run-out`. */
  readonly safePorts?: PortRange | undefined;
}

export interface ContainerApiDependencies {
  readonly server: InferenceServer & RepositoryRegistry;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Log;
  readonly faults: FaultSource;
  /** tritonserver would have died here: nothing is answered any more. */
  readonly onCrash: (because: string) => void;
}

const DEFAULT_THREADS = 8;

/** `/models` with a name and an action, both optional; the name may follow without a slash. */
/** Bytes that are not ASCII match no path of the real server. */
const modelsPath = /^\/models\/?([^/\x80-\xff]+)?(\/invoke)?$/;

const isLoadOrUnload = ({ method, path }: ContainerExchange["head"]): boolean => {
  const match = modelsPath.exec(path);
  return match !== null && (method === "DELETE" || (method === "POST" && match[2] === undefined));
};

/** Without a value it counts as absent here; the real server makes it a model named by a blank. */
export const TARGET_MODEL_HEADER = "x-amzn-sagemaker-target-model";

/**
 * The container API of SageMaker (spec/sagemaker-mme.md 1.3 to 1.6, as 2.51.0 answers), whatever carries its exchanges.
 * The path of a load names nothing: any POST below `/models` that is no invoke is one.
 */
export class ContainerApi implements ExchangeHandler {
  readonly #options: ContainerApiOptions;
  readonly #dependencies: ContainerApiDependencies;
  readonly #models: ModelList = new Map();
  readonly #unloader: ModelUnloader;
  readonly #workers: Workers;
  readonly #race: LoadUnloadRace;
  readonly #ports: ServerPorts;
  /** A load that will never be answered has begun. */
  #loadHangs = false;

  constructor(options: ContainerApiOptions, dependencies: ContainerApiDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#unloader = new ModelUnloader({ ...dependencies, models: this.#models });
    const threads = options.threads ?? DEFAULT_THREADS;
    this.#workers = new Workers(threads);
    this.#race = new LoadUnloadRace(threads);
    this.#ports = new ServerPorts(this.#models, options.safePorts);
  }

  /** Ends what waits on the clock; nothing is answered any more. */
  stop(): void {
    this.#unloader.stop();
  }

  handle(exchange: ContainerExchange): void {
    if (!this.#dependencies.faults.imitates("load-blocks-worker")) {
      this.#route(exchange);
      return;
    }
    const { head, body } = exchange;
    this.#workers.run(
      isLoadOrUnload(head),
      (reply) => exchange.reply(reply),
      (reply) => this.#route({ head, body, reply }),
    );
  }

  #route(exchange: ContainerExchange): void {
    const { method, path } = exchange.head;
    if (path === "/ping") {
      if (method === "GET") this.#ping(exchange);
      else exchange.reply(methodNotAllowed("plain"));
      return;
    }
    if (path === "/invocations") {
      if (method === "POST") invokeDefault(exchange, this.#options.defaultModel, this.#dependencies.server);
      else exchange.reply(methodNotAllowed("plain"));
      return;
    }
    const match = modelsPath.exec(path);
    if (match === null) exchange.reply(emptyReply(400));
    else this.#handleModels(exchange, match[1] ?? "", match[2] !== undefined);
  }

  #ping(exchange: ContainerExchange): void {
    this.#check(exchange, "ping", 400, () => emptyReply(this.#isHealthy() ? 200 : 400));
  }

  #list(exchange: ContainerExchange): void {
    const { server } = this.#dependencies;
    this.#check(exchange, "list", 404, () =>
      listReply(this.#models, (model) => server.isModelReady(model, 1)),
    );
  }

  /** One of the two questions of the platform's health check. @param unhealthy status of the fault of that name */
  #check(
    exchange: ContainerExchange,
    operation: "ping" | "list",
    unhealthy: number,
    usual: () => HttpReply,
  ): void {
    const { clock, faults, onCrash } = this.#dependencies;
    const fault = faults.at({ operation, model: null });
    switch (fault?.effect.kind) {
      case undefined:
        exchange.reply(usual());
        return;
      case "delay":
        clock.setTimer(fault.effect.us, () => exchange.reply(usual()));
        return;
      case "hang":
        return;
      case "kill":
        onCrash(`fault ${fault.name}`);
        return;
      case "reset":
        exchange.reply({ ...usual(), breakAfterBytes: fault.effect.afterBytes });
        return;
      default:
        exchange.reply(emptyReply(unhealthy));
    }
  }

  #isHealthy(): boolean {
    const { server } = this.#dependencies;
    if (this.#options.pingMode === "live") return server.isLive();
    return server.isReady() && !this.#unloader.holdsInvocations && !this.#loadHangs;
  }

  #handleModels(exchange: ContainerExchange, name: string, isInvoke: boolean): void {
    const named = exchange.head.headers.get(TARGET_MODEL_HEADER);
    // A header without a value has one blank as its value (2.51.0).
    const targetModel = named === "" ? " " : named;
    switch (exchange.head.method) {
      case "GET":
        if (name === "") this.#list(exchange);
        else exchange.reply(getReply(this.#models, name));
        return;
      case "POST":
        if (isInvoke) this.#invoke(exchange, name, targetModel);
        else {
          const onHang = (): void => {
            this.#loadHangs = true;
          };
          const dependencies = { ...this.#dependencies, models: this.#models, ports: this.#ports, onHang };
          this.#change(exchange, (reply) => loadModel(exchange.body, targetModel, dependencies, reply));
        }
        return;
      case "DELETE":
        this.#change(exchange, (reply) => this.#unloader.unload(name, targetModel, reply));
        return;
      default:
        exchange.reply(emptyReply(400));
    }
  }

  /** A load or an unload. */
  #change(exchange: ContainerExchange, run: (reply: (reply: HttpReply) => void) => void): void {
    const { faults, onCrash } = this.#dependencies;
    if (!faults.imitates("load-unload-race")) {
      run((reply) => exchange.reply(reply));
      return;
    }
    const ended = this.#race.begin();
    if (ended === null) onCrash("loads and unloads at the same time (load-unload-race)");
    else
      run((reply) => {
        ended();
        exchange.reply(reply);
      });
  }

  #invoke(exchange: ContainerExchange, name: string, targetModel: string | undefined): void {
    if (!this.#models.has(name)) {
      exchange.reply(emptyReply(404));
      return;
    }
    const { faults, log, server } = this.#dependencies;
    const model = targetModel ?? name;
    log.info(`Invoking SageMaker TargetModel: ${model}`);
    const answered = this.#unloader.beginInvocation(model);
    invokeOfMany(
      {
        head: exchange.head,
        body: exchange.body,
        reply: (reply) =>
          answered(() => {
            const effect = faultOfAnswer(faults, model, exchange.head.headers.get(FAULT_HEADER))?.effect;
            if (effect?.kind === "reset") exchange.reply({ ...reply, breakAfterBytes: effect.afterBytes });
            else exchange.reply(reply);
          }),
      },
      model,
      server,
    );
  }
}
