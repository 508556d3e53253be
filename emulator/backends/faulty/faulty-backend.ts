import type { Clock } from "../../common/clock.ts";
import { fail, ok, type Result } from "../../common/status.ts";
import type {
  Backend,
  BackendModel,
  InstanceContext,
  InstanceSpec,
  ModelContext,
  ModelInstance,
} from "../../core/backend.ts";
import { HEALTH_WAIT_US, stubIsDead } from "../../core/dead-stub.ts";
import type { Fault, FaultSource } from "../../core/faults/fault-source.ts";
import { readDeclaredMemory } from "../../core/memory/declared-memory.ts";
import type { MemoryDemand } from "../../core/memory/memory-account.ts";
import type { ModelConfig } from "../../core/model-config/model-config.ts";
import { FaultyInstance } from "./faulty-instance.ts";
import type { OutOfMemoryText } from "./out-of-memory-text.ts";

export interface FaultyBackendOptions {
  readonly clock: Clock;
  readonly faults: FaultSource;
  readonly outOfMemoryText: OutOfMemoryText;
}

/** Until a stub is where it can die in its `initialize`: such a load fails after 2.3 s (2.51.0), the wait for a sign of life included. */
const STUB_START_US = 1_300_000;

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
    const { name: model, config } = context;
    const profile = profileOf(config, this.name);
    const open = (dies: boolean): void =>
      this.#inner.initializeModel(context, (opened) => {
        done(
          opened.ok ? ok(new FaultyModel(opened.value, { ...this.#options, model, profile, dies })) : opened,
        );
      });
    const effect = faults.at({ operation: "load", model })?.effect;
    switch (effect?.kind) {
      case "fail":
        done(fail("INTERNAL", effect.message));
        return;
      case "out-of-memory": {
        const [group] = config.instance_group;
        const askedBytes = gpuBytes(this.#inner.predictMemory(context));
        const gpu = group?.gpus[0] ?? 0;
        const instance = `${group?.name ?? model}_0`;
        done(fail("INTERNAL", outOfMemoryText({ profile, instance, gpu, askedBytes, atRun: false })));
        return;
      }
      case "delay":
        clock.setTimer(effect.us, () => open(false));
        return;
      case "hang":
        return;
      default:
        open(effect?.kind === "kill");
    }
  }
}

/** The memory profile whose words a model speaks: the one it names, or its backend's. */
const profileOf = (config: ModelConfig, backend: string): string => {
  const declared = readDeclaredMemory(config);
  return (declared.ok ? declared.value.profile : null) ?? backend;
};

const gpuBytes = (demands: readonly MemoryDemand[]): number =>
  demands.reduce((sum, { pool, bytes }) => (pool.startsWith("gpu:") ? sum + bytes : sum), 0);

interface FaultyModelOptions extends FaultyBackendOptions {
  readonly model: string;
  readonly profile: string;
  /** The stub of its first instance dies while it loads. */
  readonly dies: boolean;
}

class FaultyModel implements BackendModel {
  readonly completedConfig: ModelConfig | null;
  readonly #inner: BackendModel;
  readonly #options: FaultyModelOptions;
  /** What strikes the unload that has begun: an unload is one call, whatever the number of instances. */
  #unload: { readonly fault: Fault | null } | null = null;

  constructor(inner: BackendModel, options: FaultyModelOptions) {
    this.completedConfig = inner.completedConfig;
    this.#inner = inner;
    this.#options = options;
  }

  predictInstanceMemory(config: ModelConfig, instance: InstanceSpec): readonly MemoryDemand[] {
    return this.#inner.predictInstanceMemory(config, instance);
  }

  createInstance(
    config: ModelConfig,
    instance: InstanceContext,
    done: (result: Result<ModelInstance>) => void,
  ): void {
    const { clock, dies } = this.#options;
    if (dies) {
      clock.setTimer(STUB_START_US, () => {
        instance.kill();
        clock.setTimer(HEALTH_WAIT_US, () => done({ ok: false, error: stubIsDead(instance.name) }));
      });
      return;
    }
    this.#inner.createInstance(config, instance, (created) => {
      done(created.ok ? ok(this.#faulty(created.value, instance)) : created);
    });
  }

  finalize(): void {
    this.#inner.finalize();
  }

  /** What it keeps is made here, where nothing of the load is in reach: an instance outlives that. */
  #faulty(inner: ModelInstance, { name, deviceId: gpu, kill }: InstanceContext): FaultyInstance {
    const { clock, faults, model, profile, outOfMemoryText } = this.#options;
    return new FaultyInstance(inner, {
      clock,
      faults,
      model,
      instance: name,
      kill,
      outOfMemoryText: () => outOfMemoryText({ profile, instance: name, gpu, askedBytes: 0, atRun: true }),
      unloadFault: () => this.#unloadFault(),
    });
  }

  #unloadFault(): Fault | null {
    const { faults, model } = this.#options;
    this.#unload ??= { fault: faults.at({ operation: "unload", model }) };
    return this.#unload.fault;
  }
}
