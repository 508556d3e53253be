import type { Clock } from "../../common/clock.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import type { VersionStatistics } from "../statistics/version-statistics.ts";
import { BatchScheduler } from "./batch-scheduler.ts";
import type { Scheduler } from "./scheduler.ts";

/** The scheduler that a configuration chooses. */
export const createScheduler = (config: ModelConfig, statistics: VersionStatistics, clock: Clock): Scheduler =>
  new BatchScheduler(config, statistics, clock);
