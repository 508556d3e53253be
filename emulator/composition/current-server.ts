import type { InferenceServer } from "../core/inference-server.ts";

type Call<K extends keyof InferenceServer> = InferenceServer[K] extends (...args: infer A) => infer R
  ? (...args: A) => R
  : never;

/** The tritonserver that runs now, for front ends that outlive it: after a restart it is another one. */
export class CurrentServer implements InferenceServer {
  #current: InferenceServer | null = null;

  /** To be called before all else. */
  replace(server: InferenceServer): void {
    this.#current = server;
  }

  get #server(): InferenceServer {
    if (this.#current === null) throw new Error("no server yet");
    return this.#current;
  }

  get tracer() {
    return this.#server.tracer;
  }

  isLive: Call<"isLive"> = () => this.#server.isLive();
  isReady: Call<"isReady"> = () => this.#server.isReady();
  metadata: Call<"metadata"> = () => this.#server.metadata();
  isModelReady: Call<"isModelReady"> = (...args) => this.#server.isModelReady(...args);
  findVersion: Call<"findVersion"> = (...args) => this.#server.findVersion(...args);
  modelMetadata: Call<"modelMetadata"> = (...args) => this.#server.modelMetadata(...args);
  statistics: Call<"statistics"> = (...args) => this.#server.statistics(...args);
  repositoryIndex: Call<"repositoryIndex"> = (...args) => this.#server.repositoryIndex(...args);
  loadModel: Call<"loadModel"> = (...args) => this.#server.loadModel(...args);
  unloadModel: Call<"unloadModel"> = (...args) => this.#server.unloadModel(...args);
  infer: Call<"infer"> = (...args) => this.#server.infer(...args);
  traceSettings: Call<"traceSettings"> = (...args) => this.#server.traceSettings(...args);
  updateTraceSettings: Call<"updateTraceSettings"> = (...args) => this.#server.updateTraceSettings(...args);
  logSettings: Call<"logSettings"> = () => this.#server.logSettings();
  updateLogSettings: Call<"updateLogSettings"> = (...args) => this.#server.updateLogSettings(...args);
}
