import { noFaults } from "../../emulator/core/faults/fault-source.ts";
import type { TritonServerOptions } from "../../emulator/core/triton-server.ts";
import type { HttpReply } from "../../emulator/frontends/http1/reply.ts";
import { loadModel } from "../../emulator/frontends/sagemaker/load-model.ts";
import type { ModelList } from "../../emulator/frontends/sagemaker/model-list.ts";
import { ServerPorts } from "../../emulator/frontends/sagemaker/server-ports.ts";
import { ModelUnloader } from "../../emulator/frontends/sagemaker/unload-model.ts";
import { type CoreFixture, tritonServer } from "./core-fixture.ts";

/** A call of the container API, made without a wire. */
export interface ContainerCall {
  /** Null until it is answered. */
  status: number | null;
  body: string;
  answeredUs: number | null;
}

/** Loads and unloads of the container API on a server with a virtual clock; models lie in the storage below `/opt/ml/models`. */
export class ContainerFixture {
  readonly core: CoreFixture;
  readonly models: ModelList = new Map();
  readonly unloader: ModelUnloader;

  constructor(options: Partial<TritonServerOptions> = {}) {
    this.core = tritonServer({ modelNamespacing: true, ...options });
    const { server, clock } = this.core;
    this.unloader = new ModelUnloader({
      server,
      models: this.models,
      clock,
      log: this.#log(),
      faults: noFaults,
    });
  }

  /** Writes a model where the platform puts it. */
  put(hash: string, config?: string): void {
    const root = `/opt/ml/models/${hash}/model`;
    this.core.putModel("m", config === undefined ? { root } : { root, config });
  }

  load(body: object | string, targetModel?: string): ContainerCall {
    const { server, storage } = this.core;
    const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    const onCrash = (because: string): void => {
      throw new Error(because);
    };
    const dependencies = {
      server,
      storage,
      models: this.models,
      log: this.#log(),
      faults: noFaults,
      ports: new ServerPorts(this.models),
      onCrash,
      onHang: () => {
        throw new Error("a load hangs");
      },
    };
    return this.#call((reply) => loadModel(bytes, targetModel, dependencies, reply));
  }

  /** Loads the model that `put` wrote. */
  loadHash(hash: string, targetModel?: string): ContainerCall {
    return this.load({ model_name: hash, url: `/opt/ml/models/${hash}/model` }, targetModel);
  }

  unload(hash: string, targetModel?: string): ContainerCall {
    return this.#call((reply) => this.unloader.unload(hash, targetModel, reply));
  }

  #call(begin: (reply: (reply: HttpReply) => void) => void): ContainerCall {
    const call: ContainerCall = { status: null, body: "", answeredUs: null };
    begin(({ status, body }) => {
      if (call.status !== null) throw new Error("answered twice");
      call.status = status;
      call.body = Buffer.concat(body).toString();
      call.answeredUs = this.core.clock.now();
    });
    this.core.clock.settle();
    return call;
  }

  #log() {
    const record = (message: string): void => {
      this.core.logged.push(message);
    };
    return { info: record, warning: record, error: record, verbose: () => {} };
  }
}
