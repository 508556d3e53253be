import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import type { InferenceServer } from "../../core/inference-server.ts";
import type { RepositoryRegistry } from "../../core/repository-registry.ts";
import type { Storage } from "../../core/storage.ts";
import type { HttpExchange } from "../http1/connection.ts";
import { type Listener, listen } from "../http1/listener.ts";
import { emptyReply, methodNotAllowed, plainErrorReply } from "../kserve-json/reply.ts";
import { binaryDataOffset, invokeDefault, invokeOfMany } from "./invoke.ts";
import { loadModel } from "./load-model.ts";
import { getReply, listReply, type ModelList } from "./model-list.ts";
import { ModelUnloader } from "./unload-model.ts";

export interface SageMakerOptions {
  readonly address: string;
  /** 0 = any free port. */
  readonly port: number;
  /** `live`: a ping only asks whether the server is up; anything else: whether every model it knows is ready. */
  readonly pingMode: string;
  /** What `/invocations` calls. */
  readonly defaultModel: string;
}

export interface SageMakerDependencies {
  readonly server: InferenceServer & RepositoryRegistry;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Log;
}

export type SageMakerFrontend = Listener;

/** The container API of SageMaker (spec/sagemaker-mme.md 1.3 to 1.6, as 2.51.0 answers). Rejects with the error of listening. */
export const startSageMakerFrontend = async (
  options: SageMakerOptions,
  dependencies: SageMakerDependencies,
): Promise<SageMakerFrontend> => {
  const container = new Container(options, dependencies);
  const { log } = dependencies;
  const listener = await listen(
    {
      address: options.address,
      port: options.port,
      alignAt: binaryDataOffset,
      onRequest: (exchange) => {
        try {
          container.handle(exchange);
        } catch (error) {
          const { method, path } = exchange.head;
          log.error(
            `unexpected failure of ${method} ${path}: ${error instanceof Error ? error.stack : error}`,
          );
          exchange.reply(plainErrorReply(500, "internal error of the emulator, see its log"));
        }
      },
    },
    log,
  );
  return {
    ...listener,
    close: () => {
      container.stop();
      return listener.close();
    },
  };
};

/** `/models` with a name and an action, both optional; the name may follow without a slash. */
const modelsPath = /^\/models\/?([^/]+)?(\/invoke)?$/;

/** Without a value it counts as absent here; the real server makes it a model named by a blank. */
const TARGET_MODEL = "x-amzn-sagemaker-target-model";

/** The routes. The path of a load names nothing: any POST below `/models` that is no invoke is one. */
class Container {
  readonly #options: SageMakerOptions;
  readonly #dependencies: SageMakerDependencies;
  readonly #models: ModelList = new Map();
  readonly #unloader: ModelUnloader;

  constructor(options: SageMakerOptions, dependencies: SageMakerDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#unloader = new ModelUnloader({ ...dependencies, models: this.#models });
  }

  stop(): void {
    this.#unloader.stop();
  }

  handle(exchange: HttpExchange): void {
    const { method, path } = exchange.head;
    if (path === "/ping") {
      exchange.reply(
        method === "GET" ? emptyReply(this.#isHealthy() ? 200 : 400) : methodNotAllowed("plain"),
      );
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

  #isHealthy(): boolean {
    const { server } = this.#dependencies;
    return this.#options.pingMode === "live" ? server.isLive() : server.isReady();
  }

  #handleModels(exchange: HttpExchange, name: string, isInvoke: boolean): void {
    const { server } = this.#dependencies;
    const targetModel = exchange.head.headers.get(TARGET_MODEL) || undefined;
    switch (exchange.head.method) {
      case "GET":
        exchange.reply(
          name === ""
            ? listReply(this.#models, (model) => server.isModelReady(model, 1))
            : getReply(this.#models, name),
        );
        return;
      case "POST":
        if (isInvoke) this.#invoke(exchange, name, targetModel);
        else {
          loadModel(exchange.body, targetModel, { ...this.#dependencies, models: this.#models }, (reply) =>
            exchange.reply(reply),
          );
        }
        return;
      case "DELETE":
        this.#unloader.unload(name, targetModel, (reply) => exchange.reply(reply));
        return;
      default:
        exchange.reply(emptyReply(400));
    }
  }

  #invoke(exchange: HttpExchange, name: string, targetModel: string | undefined): void {
    if (!this.#models.has(name)) {
      exchange.reply(emptyReply(404));
      return;
    }
    const model = targetModel ?? name;
    this.#dependencies.log.info(`Invoking SageMaker TargetModel: ${model}`);
    invokeOfMany(exchange, model, this.#dependencies.server);
  }
}
