import type { Clock } from "../../common/clock.ts";
import { fail, ok, type Result } from "../../common/status.ts";
import type { Backend, BackendModel, InstanceSpec, ModelContext, ModelInstance } from "../../core/backend.ts";
import type { Fault, InferenceFaults } from "../../core/faults/fault-source.ts";
import type { MemoryDemand } from "../../core/memory/memory-account.ts";
import type { ModelConfig } from "../../core/model-config/model-config.ts";
import { FaultyInstance } from "./faulty-instance.ts";
import { DEATH_AT_LOAD_US, stubIsDead } from "./stub-death.ts";

export interface FaultyBackendOptions {
  readonly clock: Clock;
  readonly faults: InferenceFaults;
  /** What a backend says when a GPU is full. @param askedBytes 0 = not known */
  readonly outOfMemoryText: (backend: string, gpu: number, askedBytes: number) => string;
}

/** A backend that fails as rules say, and otherwise does what the one in it does (docs/faults.md). */
export class FaultyBackend implements Backend {
  readonly name: string;
  readonly #inner: Backend;
  readonly #options: FaultyBackendOptions;

  constructor(inner: Backend, options: FaultyBackendOptions) {
    this.name = inner.name;
    this.#inner = inner;
    this.#options = options;
  }

  predictMemory(context: ModelContext): readonly MemoryDemand[] {
    return this.#inner.predictMemory(context);
  }

  initializeModel(context: ModelContext, done: (result: Result<BackendModel>) => void): void {
    const { clock, faults, outOfMemoryText } = this.#options;
    const open = (): void =>
      this.#inner.initializeModel(context, (opened) => {
        done(opened.ok ? ok(new FaultyModel(this.name, context.name, opened.value, this.#options)) : opened);
      });
    const effect = faults.at({ operation: "load", model: context.name })?.effect;
    const [group] = context.config.instance_group;
    switch (effect?.kind) {
      case "fail":
        done(fail("INTERNAL", effect.message));
        return;
      case "out-of-memory": {
        const asked = gpuBytes(this.#inner.predictMemory(context));
        done(fail("INTERNAL", outOfMemoryText(this.name, group?.gpus[0] ?? 0, asked)));
        return;
      }
      case "delay":
        clock.setTimer(effect.us, open);
        return;
      case "hang":
        return;
      case "kill":
        clock.setTimer(DEATH_AT_LOAD_US, () => {
          done({ ok: false, error: stubIsDead(`${group?.name ?? context.name}_0`) });
        });
        return;
      default:
        open();
    }
  }
}

const gpuBytes = (demands: readonly MemoryDemand[]): number =>
  demands.reduce((sum, { pool, bytes }) => (pool.startsWith("gpu:") ? sum + bytes : sum), 0);

class FaultyModel implements BackendModel {
  readonly completedConfig: ModelConfig | null;
  readonly #backend: string;
  readonly #name: string;
  readonly #inner: BackendModel;
  readonly #options: FaultyBackendOptions;
  /** What strikes the unload that has begun: an unload is one call, whatever the number of instances. */
  #unload: { readonly fault: Fault | null } | null = null;

  constructor(backend: string, name: string, inner: BackendModel, options: FaultyBackendOptions) {
    this.completedConfig = inner.completedConfig;
    this.#backend = backend;
    this.#name = name;
    this.#inner = inner;
    this.#options = options;
  }

  predictInstanceMemory(config: ModelConfig, instance: InstanceSpec): readonly MemoryDemand[] {
    return this.#inner.predictInstanceMemory(config, instance);
  }

  createInstance(
    config: ModelConfig,
    instance: InstanceSpec,
    done: (result: Result<ModelInstance>) => void,
  ): void {
    const { clock, faults, outOfMemoryText } = this.#options;
    this.#inner.createInstance(config, instance, (created) => {
      if (!created.ok) {
        done(created);
        return;
      }
      const faulty = new FaultyInstance(created.value, {
        clock,
        faults,
        model: this.#name,
        instance: instance.name,
        outOfMemoryText: () => outOfMemoryText(this.#backend, instance.deviceId, 0),
        unloadFault: () => this.#unloadFault(),
      });
      done(ok(faulty));
    });
  }

  finalize(): void {
    this.#inner.finalize();
  }

  #unloadFault(): Fault | null {
    this.#unload ??= { fault: this.#options.faults.at({ operation: "unload", model: this.#name }) };
    return this.#unload.fault;
  }
}
