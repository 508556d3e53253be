import { type EvictionSettings, evictionPresets } from "../aws/placement/eviction/presets.ts";
import type { PlatformSettings } from "../aws/placement/platform-settings.ts";
import { type RouterSettings, sagemakerRouter } from "../aws/placement/router.ts";
import { runtimeOperation } from "../aws/wire/identify.ts";
import { fail, ok, type Result } from "../common/status.ts";
import { type FaultSet, parseFaults } from "../core/faults/fault-rule.ts";
import { modelMatcher } from "../core/faults/model-pattern.ts";
import { formatByteSize } from "../core/memory/byte-size.ts";
import { type Machine, parseMachine } from "../core/memory/machine.ts";
import type { PoolName } from "../core/memory/memory-account.ts";
import type { MemoryProfiles } from "../core/memory/profile.ts";
import { expandFleet, type FleetModel } from "./fleet.ts";
import { setAll } from "./paths.ts";
import { changeProfiles } from "./profile-numbers.ts";
import { type Expectation, type Level, type ScenarioWords, type Step, scenarioSchema } from "./schema.ts";
import { unknownWord } from "./words.ts";

/** A scenario that can be run: everything it says is known to make sense. */
export interface Scenario {
  readonly name: string;
  readonly words: ScenarioWords;
  readonly level: Level;
  readonly seed: number;
  /** The most instances there ever are at once. */
  readonly mostInstances: number;
  readonly machine: Machine;
  readonly settings: EvictionSettings;
  readonly platform: Partial<PlatformSettings>;
  readonly router: RouterSettings;
  /** By name, in the order of the file. */
  readonly fleet: ReadonlyMap<string, FleetModel>;
  /** Those that are asked for by name: all but members of ensembles. */
  readonly targets: readonly FleetModel[];
  readonly faults: FaultSet;
  /** With the numbers that it says. */
  readonly profiles: MemoryProfiles;
}

/** What is wrong, and where. */
export interface Problem {
  /** Keys and indexes from the top of the document. */
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

export type ReadScenario =
  | { readonly ok: true; readonly scenario: Scenario }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Reads a scenario from an already parsed document. All problems of the words are told at once; where there are none, all
 * that make no sense together.
 * @param name how the journal and messages name it
 */
export const readScenario = (document: unknown, name: string, profiles: MemoryProfiles): ReadScenario => {
  const parsed = scenarioSchema.safeParse(document);
  if (!parsed.success) {
    return {
      ok: false,
      problems: parsed.error.issues.map(({ path, message }) => ({ path, text: message })),
    };
  }
  return makeScenario(parsed.data, name, profiles);
};

/** The same scenario with its mechanism switched off: what `without` says is said in the document. */
export const withoutMechanism = (document: unknown): Result<unknown> => {
  const { without } = { ...Object(document) } as { without?: unknown };
  return typeof without === "object" && without !== null
    ? setAll(document, { ...without } as Readonly<Record<string, unknown>>)
    : fail("INVALID_ARG", "without is missing: it says what switches the mechanism off");
};

const makeScenario = (words: ScenarioWords, name: string, shipped: MemoryProfiles): ReadScenario => {
  const problems: Problem[] = [];
  const machine = machineOf(words.machine);
  if (!machine.ok) problems.push({ path: ["machine"], text: machine.error.message });
  const fleet = new Map<string, FleetModel>();
  for (const model of expandFleet(words.models)) {
    if (fleet.has(model.name)) {
      const path = ["models", words.models.indexOf(model.words), "name"];
      problems.push({ path, text: `there is a model '${model.name}' already` });
    }
    fleet.set(model.name, model);
  }
  const names = [...fleet.keys()];
  const profiles = changeProfiles(shipped, words.profile ?? {});
  if (!profiles.ok) problems.push({ path: ["profile"], text: profiles.error.message });
  const faults = parseFaults(words.faults ?? [], "faults", names);
  if (!faults.ok) problems.push({ path: ["faults"], text: faults.error.message });
  if (machine.ok) problems.push(...tooLarge(words, machine.value), ...wrongPools(words, machine.value));
  problems.push(
    ...wrongModels(words, fleet, [...shipped.backends.keys()]),
    ...wrongTraffic(words, names),
    ...wrongEndpoint(words),
    ...wrongScaling(words),
    ...wrongLabels(words),
  );
  problems.push(...wrongExpectations(words, names));
  if (problems.length > 0 || !machine.ok || !faults.ok || !profiles.ok) return { ok: false, problems };
  const members = new Set([...fleet.values()].flatMap(({ members }) => members));
  return {
    ok: true,
    scenario: {
      name,
      words,
      level: words.level ?? "endpoint",
      seed: words.seed ?? 1,
      mostInstances: mostInstances(words),
      machine: machine.value,
      settings: settingsOf(words),
      platform: platformOf(words),
      router: { copyAtInFlight: words.platform?.copy_at_in_flight ?? sagemakerRouter.copyAtInFlight },
      fleet,
      targets: [...fleet.values()].filter((model) => !members.has(model.name)),
      faults: faults.value,
      profiles: profiles.value,
    },
  };
};

const machineOf = (said: ScenarioWords["machine"]): Result<Machine> => {
  if (typeof said === "string") return parseMachine(said);
  const { type, host, gpus, disk, shm, host_reserve } = said;
  const base = parseMachine(type ?? String(host ?? ""));
  if (!base.ok) {
    return type === undefined && host === undefined
      ? fail("INVALID_ARG", "says neither type nor host")
      : base;
  }
  const given: [PoolName, number | undefined][] = [
    ["host", host],
    ["disk", disk],
    ["shm", shm],
    ...(gpus ?? []).map((bytes, index): [PoolName, number] => [`gpu:${index}`, bytes]),
  ];
  const sizes = new Map(given);
  const known = base.value.pools.filter(({ pool }) => gpus === undefined || !pool.startsWith("gpu:"));
  const added = (gpus ?? []).map((bytes, index) => {
    const pool: PoolName = `gpu:${index}`;
    return { pool, capacityBytes: bytes, reserveBytes: 0 };
  });
  const pools = known.map((pool) => ({
    ...pool,
    capacityBytes: sizes.get(pool.pool) ?? pool.capacityBytes,
    reserveBytes:
      pool.pool === "host"
        ? (host_reserve ?? (host === undefined ? pool.reserveBytes : 0))
        : pool.reserveBytes,
  }));
  const differs = Object.entries(said).filter(([key, value]) => key !== "type" && value !== undefined);
  const parts = differs.map(
    ([key, value]) =>
      `${key} ${[value]
        .flat()
        .map((bytes) => (typeof bytes === "number" ? formatByteSize(bytes) : ""))
        .join("+")}`,
  );
  return ok({
    ...base.value,
    name: [...(type === undefined ? [] : [type]), ...parts].join(", "),
    gpu: gpus === undefined ? base.value.gpu : null,
    pools: [...pools, ...added],
  });
};

const settingsOf = ({ policy = {} }: ScenarioWords): EvictionSettings => {
  const preset = evictionPresets[policy.preset ?? "sagemaker"];
  return {
    triggers: policy.triggers ?? preset.triggers,
    measure: policy.measure ?? preset.measure,
    highWater: policy.high_water ?? preset.highWater,
    lowWater: policy.low_water ?? preset.lowWater,
    idleTimeoutUs: policy.idle_timeout ?? preset.idleTimeoutUs,
    victims: policy.victims ?? preset.victims,
    howMany: policy.how_many ?? preset.howMany,
    minimumIdleUs: policy.minimum_idle ?? preset.minimumIdleUs,
    estimate: policy.estimate ?? preset.estimate,
    sampleEveryUs: policy.sample_every ?? preset.sampleEveryUs,
    retries: policy.retries ?? preset.retries,
    retryWaitUs: policy.retry_wait ?? preset.retryWaitUs,
  };
};

const platformOf = ({ platform = {} }: ScenarioWords): Partial<PlatformSettings> => {
  const given: { -readonly [Key in keyof PlatformSettings]: PlatformSettings[Key] | undefined } = {
    invocationLimitUs: platform.invocation_limit,
    loadLimitUs: platform.load_limit,
    unloadLimitUs: platform.unload_limit,
    invocationRetries: platform.invocation_retries,
    pingEveryUs: platform.ping_every,
    pingLimitUs: platform.ping_limit,
    silentPings: platform.silent_pings,
    failingPings: platform.failing_pings,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
};

/** A model that can never be loaded is most likely a mistake. */
const tooLarge = ({ models }: ScenarioWords, machine: Machine): readonly Problem[] =>
  models.flatMap((model, index): Problem[] =>
    (["host", "gpu"] as const).flatMap((where): Problem[] => {
      const pool = machine.pools.find((known) => known.pool === (where === "host" ? "host" : "gpu:0"));
      const bytes = model[where];
      const stated = (bytes?.weights ?? 0) + (bytes?.staging ?? 0);
      if (bytes === undefined || model.oversized === true) return [];
      if (pool === undefined) {
        return [{ path: ["models", index, where], text: `machine ${machine.name} has no GPU` }];
      }
      if (stated <= pool.capacityBytes) return [];
      return [
        {
          path: ["models", index, where],
          text:
            `${formatByteSize(stated)} are more than the whole machine ${machine.name} has in ${pool.pool} ` +
            `(${formatByteSize(pool.capacityBytes)}); say oversized: true where that is the point`,
        },
      ];
    }),
  );

const wrongPools = ({ expect }: ScenarioWords, machine: Machine): readonly Problem[] => {
  const pools = machine.pools.map(({ pool }) => pool as string);
  return expect.flatMap((expectation, index) => {
    const pool = "pool" in expectation ? expectation.pool : undefined;
    return pool === undefined || pools.includes(pool)
      ? []
      : [{ path: ["expect", index, "pool"], text: unknownWord(pool, pools) }];
  });
};

const wrongModels = (
  words: ScenarioWords,
  fleet: ReadonlyMap<string, FleetModel>,
  profiles: readonly string[],
): readonly Problem[] =>
  words.models.flatMap((model, index): Problem[] => {
    const problems: Problem[] = [];
    const at = (key: string, text: string): void => {
      problems.push({ path: ["models", index, key], text });
    };
    const backends = [...profiles, "synthetic", "ensemble"];
    if (model.backend !== undefined && !backends.includes(model.backend)) {
      at("backend", unknownWord(model.backend, backends));
    }
    if (model.gpu !== undefined && model.kind === "cpu")
      at("gpu", "a model of kind cpu takes no bytes of a GPU");
    if ((model.backend === "ensemble") !== (model.members !== undefined)) {
      at("members", "an ensemble, and nothing else, has members");
    }
    const expanded = [...fleet.values()].filter((known) => known.words === model);
    const missing = expanded.flatMap(({ members }) => members).find((member) => !fleet.has(member));
    if (missing !== undefined) at("members", unknownWord(missing, [...fleet.keys()]));
    return problems;
  });

const modelOfStep = (step: Step): readonly [key: string, model: string] | null => {
  for (const key of ["invoke", "load", "unload", "overwrite", "remove"] as const) {
    const model = key in step ? (step as Readonly<Record<string, unknown>>)[key] : undefined;
    if (typeof model === "string") return [key, model];
  }
  return null;
};

const wrongTraffic = (words: ScenarioWords, names: readonly string[]): readonly Problem[] => {
  const level = words.level ?? "endpoint";
  return words.traffic.flatMap((step, index): Problem[] => {
    const problems: Problem[] = [];
    const at = (key: string, text: string): void => {
      problems.push({ path: ["traffic", index, key], text });
    };
    if ("scale_to" in step) {
      if (level !== "endpoint") at("scale_to", "only an endpoint has several instances");
      return problems;
    }
    if ("create_endpoint" in step || "delete_endpoint" in step) return problems;
    if (step.instance !== undefined && step.instance > (words.instances ?? 1)) {
      at("instance", `there are ${words.instances ?? 1} instances`);
    }
    if ("repeat" in step && step.repeat !== undefined && !step.every) {
      at("repeat", "needs every: the time from one to the next");
    }
    const via = step.via ?? level;
    const named = modelOfStep(step);
    if (
      named !== null &&
      !names.includes(named[1]) &&
      !("unknown_model" in step && step.unknown_model === true)
    ) {
      at(named[0], `${unknownWord(named[1], names)}; say unknown_model: true where that is the point`);
    }
    if (via === "endpoint" && ("load" in step || "unload" in step)) {
      const key = "load" in step && typeof step.load === "string" ? "load" : "unload";
      at(key, "callers of an endpoint cannot load or unload; say via: container, or level: container");
    }
    if (
      via === "endpoint" &&
      "call" in step &&
      runtimeOperation(...requestLine(step.call)) !== "InvokeEndpoint"
    ) {
      at(
        "call",
        "an endpoint has POST /endpoints/<name>/invocations only; say via: container or via: triton",
      );
    }
    if ("arrivals" in step) problems.push(...wrongArrivals(step, index, names));
    return problems;
  });
};

/** `GET /ping` */
export const requestLine = (call: string): readonly [method: string, path: string] => {
  const [method = "", path = ""] = call.split(/\s+/);
  return [method, path];
};

type Arrivals = Extract<Step, { arrivals: unknown }>;

const needs: Readonly<Record<Arrivals["arrivals"], readonly (keyof Arrivals)[]>> = {
  even: ["rate"],
  poisson: ["rate"],
  burst: ["burst", "every"],
  closed: ["clients"],
};

const wrongArrivals = (step: Arrivals, index: number, names: readonly string[]): readonly Problem[] => {
  const problems: Problem[] = [];
  const own = needs[step.arrivals];
  for (const key of own) {
    if (step[key] === undefined) {
      problems.push({
        path: ["traffic", index, key],
        text: `${step.arrivals} arrivals need ${own.join(" and ")}`,
      });
    }
  }
  const other = ["rate", "burst", "every", "clients", "think"] as const;
  for (const key of other) {
    const fits = own.includes(key) || (key === "think" && step.arrivals === "closed");
    if (step[key] !== undefined && !fits) {
      problems.push({ path: ["traffic", index, key], text: `does not go with ${step.arrivals} arrivals` });
    }
  }
  if (step.for === undefined && step.requests === undefined) {
    problems.push({ path: ["traffic", index], text: "says neither for (how long) nor requests (how many)" });
  }
  if (step.every === 0) problems.push({ path: ["traffic", index, "every"], text: "has to be above 0" });
  for (const pattern of step.models ?? []) {
    if (matchModels(pattern, names).length === 0) {
      problems.push({ path: ["traffic", index, "models"], text: unknownWord(pattern, names) });
    }
  }
  return problems;
};

/** Names that the pattern matches, in the order of the fleet. */
export const matchModels = (pattern: string, names: readonly string[]): readonly string[] => {
  return names.filter(modelMatcher(pattern));
};

const wrongLabels = ({ traffic }: ScenarioWords): readonly Problem[] => {
  const seen = new Set<string>();
  return traffic.flatMap((step, index): Problem[] => {
    if (step.as === undefined) return [];
    if (step.as === "all" || seen.has(step.as)) {
      return [
        { path: ["traffic", index, "as"], text: `'${step.as}' is taken; every step has a name of its own` },
      ];
    }
    seen.add(step.as);
    return [];
  });
};

const modelsOfExpectation = (
  expectation: Expectation,
): readonly [key: string, models: readonly string[]] | null => {
  for (const key of ["resident", "not_resident", "evicted", "holds", "state", "fits"] as const) {
    if (!(key in expectation)) continue;
    const said = (expectation as Readonly<Record<string, unknown>>)[key === "fits" ? "models" : key];
    return [key, (said === undefined ? [] : [said].flat()).map(String)];
  }
  if ("model" in expectation && typeof expectation.model === "string") return ["model", [expectation.model]];
  return null;
};

/** The most there ever are. */
const mostInstances = ({ instances = 1, scaling, traffic }: ScenarioWords): number =>
  Math.max(
    instances,
    scaling?.max ?? 0,
    ...traffic.map((step) => {
      if ("create_endpoint" in step) return step.instances ?? 1;
      return "scale_to" in step ? step.scale_to : 0;
    }),
  );

/** Whether the endpoint comes with the traffic, and is not there before. */
export const createsEndpoint = ({ traffic }: ScenarioWords): boolean =>
  traffic.some((step) => "create_endpoint" in step);

/** Of `ContainerStartupHealthCheckTimeoutInSeconds`, microseconds. */
const startupLimits = { least: 60e6, most: 3600e6 };

/** Where an endpoint is created, its instances are the only ones, and nobody reaches them but through it. */
const wrongEndpoint = ({ level = "endpoint", traffic }: ScenarioWords): readonly Problem[] => {
  const created = traffic.find((step) => "create_endpoint" in step);
  return traffic.flatMap((step, index): Problem[] => {
    const problem = (key: string, text: string): Problem[] => [{ path: ["traffic", index, key], text }];
    if ("delete_endpoint" in step) {
      const { delete_endpoint: name } = step;
      return created?.create_endpoint === name
        ? []
        : problem(
            "delete_endpoint",
            unknownWord(name, created === undefined ? [] : [created.create_endpoint]),
          );
    }
    if (created === undefined) return [];
    if ("create_endpoint" in step) {
      if (level !== "endpoint") return problem("create_endpoint", "needs level: endpoint");
      if (step !== created) return problem("create_endpoint", "there is one already, and a scenario has one");
      const { least, most } = startupLimits;
      const { startup_limit: limit = most } = step;
      return limit >= least && limit <= most && limit % 1e6 === 0
        ? []
        : problem("startup_limit", "has to be whole seconds from 1min to 1h");
    }
    const hands = (["ask", "kill", "restart", "stop", "scale_to"] as const).find((word) => word in step);
    if (hands !== undefined) return problem(hands, "does not go with create_endpoint");
    return "via" in step && step.via !== undefined && step.via !== "endpoint"
      ? problem("via", "does not go with create_endpoint: its instances are reached through it only")
      : [];
  });
};

/** Instances come and go by themselves. */
const wrongScaling = ({ level = "endpoint", scaling, traffic }: ScenarioWords): readonly Problem[] => {
  if (scaling === undefined) return [];
  const problem = (path: Problem["path"], text: string): Problem => ({ path, text });
  const hands = traffic.flatMap((step, index) =>
    (["scale_to", "create_endpoint"] as const).flatMap((word) =>
      word in step ? [problem(["traffic", index, word], "does not go with scaling")] : [],
    ),
  );
  return [
    ...(level === "endpoint" ? [] : [problem(["scaling"], "needs level: endpoint")]),
    ...(scaling.min > scaling.max ? [problem(["scaling", "min"], "is above max")] : []),
    ...hands,
  ];
};

const wrongExpectations = (words: ScenarioWords, names: readonly string[]): readonly Problem[] => {
  const instances = mostInstances(words);
  const labels = words.traffic.flatMap(({ as }) => as ?? []);
  return words.expect.flatMap((expectation, index): Problem[] => {
    const problems: Problem[] = [];
    const at = (key: string, text: string): void => {
      problems.push({ path: ["expect", index, key], text });
    };
    if ("instance" in expectation && (expectation.instance ?? 1) > instances) {
      at("instance", `there are ${instances} instances`);
    }
    if ("answer" in expectation && !labels.includes(expectation.answer)) {
      at("answer", unknownWord(expectation.answer, labels));
    }
    if ("answers" in expectation && ![...labels, "all"].includes(expectation.answers)) {
      at("answers", unknownWord(expectation.answers, [...labels, "all"]));
    }
    if ("endpoint" in expectation) {
      const created = words.traffic.flatMap((step) =>
        "create_endpoint" in step ? step.create_endpoint : [],
      );
      if (!created.includes(expectation.endpoint)) at("endpoint", unknownWord(expectation.endpoint, created));
    }
    const named = modelsOfExpectation(expectation);
    const unknown = named?.[1].find((pattern) => matchModels(pattern, names).length === 0);
    if (named !== null && unknown !== undefined) at(named[0], unknownWord(unknown, names));
    return problems;
  });
};
