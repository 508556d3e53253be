import { type EvictionSettings, evictionPresets } from "../../emulator/aws/placement/eviction/presets.ts";
import { Random } from "../../emulator/common/random.ts";
import { failures, fleet } from "./fleet.ts";

export interface RunRequest {
  readonly targetModel: string;
  /** Sent at the same time. */
  readonly times: number;
  /** The model finds the GPU full while it runs. */
  readonly runsOut: boolean;
}

export interface Run {
  readonly name: string;
  readonly seed: number;
  readonly settings: EvictionSettings;
  readonly cacheEnabled: boolean;
  /** Of the instance's disk. */
  readonly diskBytes: number;
  readonly requests: readonly RunRequest[];
}

const ask = (targetModel: string, times = 1, runsOut = false): RunRequest => ({
  targetModel,
  times,
  runsOut,
});

/** A few models are asked for often, the others now and then. */
const traffic = (seed: number, count: number): RunRequest[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const rank = Math.floor((random.nextUint32() / 2 ** 32) ** 1.6 * fleet.length);
    return ask(fleet[rank]?.targetModel ?? "", random.nextUint32() % 5 === 0 ? 4 : 1);
  });
};

/** Read for each decision: on both sides the same, however long they take. */
const preset: EvictionSettings = { ...evictionPresets.sagemaker, sampleEveryUs: 0, retryWaitUs: 50_000 };

const onlyAnswers: EvictionSettings = { ...preset, triggers: ["out-of-memory-answer", "disk-full"] };

const plenty = 10 * 2 ** 30;

const run = (name: string, seed: number, settings: EvictionSettings, rest: Partial<Run> = {}): Run => ({
  name,
  seed,
  settings,
  cacheEnabled: true,
  diskBytes: plenty,
  requests: traffic(seed, 18),
  ...rest,
});

/** Policies that count how long a load took are left out: that is not the same on both sides. */
export const runs: readonly Run[] = [
  run("the preset, told what models take", 1, { ...preset, estimate: "profile" }),
  run("least recently used, one for each 507", 2, { ...onlyAnswers, howMany: "one-then-retry", retries: 8 }),
  run("largest first, GPU measured", 3, {
    ...preset,
    measure: "gpu",
    highWater: 0.95,
    victims: "size",
    estimate: "profile",
  }),
  run("sieve, until below a low water mark", 4, {
    ...onlyAnswers,
    measure: "gpu",
    victims: "sieve",
    howMany: "below-low-water",
    lowWater: 0.5,
  }),
  run("random, all that are idle", 5, { ...onlyAnswers, victims: "random", howMany: "all-idle" }),
  run("what goes wrong", 6, onlyAnswers, {
    requests: [
      ...fleet.slice(0, 4).map(({ targetModel }) => ask(targetModel)),
      ask(failures.missing.targetModel),
      ask(failures.truncated.targetModel, 2),
      ask(failures.failsToLoad.targetModel),
      ask("customer-2.tar.gz", 1, true),
      ask("customer-2.tar.gz"),
      ask(failures.tooLarge.targetModel),
      ask("customer-1.tar.gz"),
      ask("../customer-1.tar.gz"),
    ],
  }),
  run("a disk that holds little more than memory", 2, onlyAnswers, { diskBytes: 16 * 70 * 1024 }),
  run("cache setting Disabled", 8, preset, { cacheEnabled: false, requests: traffic(8, 5) }),
];
