import type { EstimateName } from "./estimates.ts";
import type { SelectionSettings } from "./select-victims.ts";
import type { TriggerName, TriggerSettings } from "./triggers.ts";

/** Every switch of eviction. */
export interface EvictionSettings extends SelectionSettings, TriggerSettings {
  readonly triggers: readonly TriggerName[];
  readonly estimate: EstimateName;
  /** How often memory is read, in microseconds; decisions in between see the last reading. 0 = read for each decision. */
  readonly sampleEveryUs: number;
  /** Attempts after a 507, and the wait before each in microseconds; then the caller gets the container's answer. */
  readonly retries: number;
  readonly retryWaitUs: number;
}

/** docs/eviction.md argues each value, and says which are known and which assumed. */
const sagemaker: EvictionSettings = {
  triggers: ["high-utilisation", "out-of-memory-answer", "disk-full"],
  measure: "host",
  highWater: 0.8,
  lowWater: 0.8,
  idleTimeoutUs: 0,
  victims: "lru",
  howMany: "until-estimate-fits",
  minimumIdleUs: 0,
  estimate: "artifact-times-1.25",
  sampleEveryUs: 1_000_000,
  retries: 3,
  retryWaitUs: 500_000,
};

export const evictionPresets = { sagemaker } satisfies Readonly<Record<string, EvictionSettings>>;

export type EvictionPresetName = keyof typeof evictionPresets;

export const evictionPresetNames: readonly EvictionPresetName[] = ["sagemaker"];
