import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { ok, type Result } from "../../common/status.ts";
import type { BackendModel } from "../backend.ts";
import type { MemoryAccount } from "../memory/memory-account.ts";
import type { EnsembleStep, ModelConfig, ModelEnsembling } from "../model-config/model-config.ts";
import { finishConfig } from "../model-config/prepare.ts";
import { identifierText, type ModelIdentifier } from "../model-identifier.ts";
import type { ResponseCache } from "../response-cache/response-cache.ts";
import { withResponseCache } from "../scheduler/create-scheduler.ts";
import { EnsembleScheduler } from "../scheduler/ensemble-scheduler.ts";
import type { MetricsRegistry } from "../statistics/metrics-registry.ts";
import { VersionStatistics } from "../statistics/version-statistics.ts";
import type { ModelFolder, Storage } from "../storage.ts";
import { type Labels, readLabels } from "./labels.ts";
import { LoadedVersion } from "./loaded-version.ts";

export interface EnsembleLoaderDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly storage: Storage;
  readonly account: MemoryAccount;
  readonly metrics: MetricsRegistry;
  readonly responseCache: ResponseCache | null;
  /** The version that serves; @param version -1 = the latest */
  readonly findVersion: (identifier: ModelIdentifier, version: number) => Result<LoadedVersion>;
}

/** Loads one version of an ensemble: it has no backend and no instances, and takes no bytes. Its members are loaded. */
export const loadEnsemble = (
  identifier: ModelIdentifier,
  written: ModelConfig,
  scheduling: ModelEnsembling,
  version: number,
  folder: ModelFolder,
  { clock, log, storage, account, metrics, responseCache, findVersion }: EnsembleLoaderDependencies,
  done: (result: Result<LoadedVersion>) => void,
): void => {
  const finished = finishConfig(written, null, { gpuCount: 0 });
  if (!finished.ok) {
    done(finished);
    return;
  }
  const config = finished.value;
  const findMember = (step: EnsembleStep): Result<LoadedVersion> =>
    findVersion({ namespace: step.model_namespace, name: step.model_name }, step.model_version);
  readLabels(storage, config, folder, (own) => {
    if (!own.ok) {
      done(own);
      return;
    }
    const reserved = account.reserve({ model: identifierText(identifier), version }, []);
    if (!reserved.ok) {
      done(reserved);
      return;
    }
    const statistics = new VersionStatistics(
      metrics.acquire(identifier, String(version), config.metric_tags, config.response_cache?.enable),
    );
    const scheduler = new EnsembleScheduler(config, scheduling, findMember, statistics, clock);
    done(
      ok(
        new LoadedVersion({
          identifier,
          clock,
          config,
          version,
          statistics,
          scheduler: withResponseCache(scheduler, config, responseCache, {
            model: identifier.name,
            version: String(version),
            statistics,
            clock,
            log,
          }),
          backendModel: noBackend,
          warmup: null,
          instances: [],
          labels: withMembersLabels(own.value, config, scheduling, findMember),
          reservation: reserved.value,
        }),
      ),
    );
  });
};

const noBackend: BackendModel = {
  completedConfig: null,
  predictInstanceMemory: () => [],
  createInstance: () => {
    throw new Error("an ensemble has no instances");
  },
  finalize: () => {},
};

/** An output without a label file of its own has the labels of the member's output that makes it. */
const withMembersLabels = (
  own: Labels,
  config: ModelConfig,
  scheduling: ModelEnsembling,
  findMember: (step: EnsembleStep) => Result<LoadedVersion>,
): Labels => {
  const labels = new Map(own);
  for (const step of scheduling.step) {
    const member = findMember(step);
    if (!member.ok) continue;
    for (const [output, tensor] of step.output_map) {
      const known = member.value.labels(output);
      const isOutput = config.output.some(({ name }) => name === tensor);
      if (isOutput && known !== null && !labels.has(tensor)) labels.set(tensor, known);
    }
  }
  return labels;
};
