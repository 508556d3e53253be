import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import type { InstanceChance } from "../instance-chance.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import type { ResponseCache } from "../response-cache/response-cache.ts";
import type { VersionStatistics } from "../statistics/version-statistics.ts";
import { BatchScheduler } from "./batch-scheduler.ts";
import { type CachingParts, CachingScheduler } from "./caching-scheduler.ts";
import type { Scheduler } from "./scheduler.ts";
import { SequenceScheduler } from "./sequence-scheduler.ts";
import type { InitialStates } from "./sequence-states.ts";

/** The scheduler that a configuration chooses. */
export const createScheduler = (
  config: ModelConfig,
  initialStates: InitialStates,
  statistics: VersionStatistics,
  clock: Clock,
  log: Log,
  chance: InstanceChance,
): Scheduler =>
  config.sequence_batching === undefined
    ? new BatchScheduler(config, statistics, clock, chance)
    : new SequenceScheduler(config, config.sequence_batching, initialStates, statistics, clock, log);

/** The scheduler with the response cache before it, where the configuration asks for one and the server has it. */
export const withResponseCache = (
  scheduler: Scheduler,
  config: ModelConfig,
  cache: ResponseCache | null,
  parts: Omit<CachingParts, "cache">,
): Scheduler =>
  cache === null || config.response_cache?.enable !== true
    ? scheduler
    : new CachingScheduler(scheduler, { ...parts, cache });
