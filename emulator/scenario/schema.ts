import { z } from "zod";
import { estimates } from "../aws/placement/eviction/estimates.ts";
import { evictionPresets } from "../aws/placement/eviction/presets.ts";
import { triggers } from "../aws/placement/eviction/triggers.ts";
import { victimCounts } from "../aws/placement/eviction/victim-counts.ts";
import { victimPolicies } from "../aws/placement/eviction/victim-policies.ts";
import { byWord, flag, mapping, text, whole, word } from "./mapping.ts";
import { countBound, latency, shareBound, size, sizeBound, time, timeBound } from "./quantities.ts";

/** Names of a table as zod wants them: at least one. */
const namesOf = <Name extends string>(table: Readonly<Record<Name, unknown>>): [Name, ...Name[]] => {
  const [first, ...rest] = Object.keys(table) as Name[];
  return [first!, ...rest];
};

const share = z.unknown().transform((value, context) => {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(String(value));
  const number = match === null ? Number.NaN : Number(match[1]) / (match[2] === "%" ? 100 : 1);
  if (number >= 0 && number <= 1) return number;
  context.addIssue(`${JSON.stringify(value)} is not a share such as 80% or 0.8`);
  return z.NEVER;
});

const several = <Item extends z.ZodType>(item: Item) =>
  z.union([item, z.array(item)]).transform((value) => (Array.isArray(value) ? value : [value]));

/** `"1GiB"` alone is the weights. */
const bytesOf = z.unknown().transform((value, context) => {
  const shape = mapping({
    weights: size.optional(),
    staging: size.optional(),
    workspace: size.optional(),
    arena_per_row: size.optional(),
    arena_per_element: size.optional(),
    run: size.optional(),
    kept_per_run: size.optional(),
  });
  const parsed = shape.safeParse(typeof value === "object" ? value : { weights: value });
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) {
    const path = typeof value === "object" ? issue.path : [];
    context.issues.push({ code: "custom", message: issue.message, path, input: value });
  }
  return z.NEVER;
});

const machine = z.union(
  [
    z.string(),
    z.number().transform(String),
    mapping({
      type: text.optional(),
      host: size.optional(),
      gpus: z.array(size, { error: "has to be a list of sizes, one for each GPU" }).optional(),
      disk: size.optional(),
      shm: size.optional(),
      host_reserve: size.optional(),
    }),
  ],
  {
    error: ({ input }) => {
      if (typeof input !== "object") return "is neither an instance type, nor a size, nor a mapping";
      return "has to say type, host, gpus, disk, shm or host_reserve, and nothing else";
    },
  },
);

const folders = z.string().regex(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/, {
  error: "has to be names of folders joined by /, such as export/served",
});

const modelShape = {
  name: text,
  /** That many models; `{i}` in the name (or the end of it) becomes 1, 2, ... */
  count: whole(1, 100_000).optional(),
  /** Of a memory profile; or synthetic, or ensemble. */
  backend: text.optional(),
  kind: word(["cpu", "gpu"]).optional(),
  instances: whole(1, 1000).optional(),
  /** Bytes of the archive, and of what is in it. */
  archive: size.optional(),
  unpacked: size.optional(),
  /** Folder in the archive, or folders, in which the model lies. */
  inside: folders.optional(),
  /** What is wrong with its archive. */
  damage: word(["not-gzip", "truncated", "leaves-folder"]).optional(),
  host: bytesOf.optional(),
  gpu: bytesOf.optional(),
  /** Takes more than the whole machine has, on purpose. */
  oversized: flag.optional(),
  weights_per: word(["instance", "device"]).optional(),
  /** How the arena for a batch is taken: docs/memory.md. */
  arena: word(["reserved", "grows", "fragments"]).optional(),
  taken_in: word(["initialize", "import"]).optional(),
  only_gpu: whole(0, 999).optional(),
  /** Largest batch; 0 = rows are no batch. */
  max_batch: whole(0, 1_000_000).optional(),
  load: latency.optional(),
  warm: latency.optional(),
  cold: latency.optional(),
  per_row: latency.optional(),
  unload: latency.optional(),
  outputs: word(["zeros", "hash"]).optional(),
  /** Of an ensemble: the models it calls, one after the other. */
  members: z.array(text).min(1).optional(),
  /** More of `config.pbtxt`, in its own syntax. */
  config: text.optional(),
  /** More parameters of the model's configuration, by name. */
  parameters: z
    .record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean()]).transform((value) => String(value)),
    )
    .optional(),
};

const model = mapping(modelShape);

const changedModel = mapping({
  backend: modelShape.backend,
  kind: modelShape.kind,
  instances: modelShape.instances,
  archive: modelShape.archive,
  unpacked: modelShape.unpacked,
  inside: modelShape.inside,
  damage: modelShape.damage,
  host: modelShape.host,
  gpu: modelShape.gpu,
  weights_per: modelShape.weights_per,
  arena: modelShape.arena,
  taken_in: modelShape.taken_in,
  only_gpu: modelShape.only_gpu,
  max_batch: modelShape.max_batch,
  load: modelShape.load,
  warm: modelShape.warm,
  cold: modelShape.cold,
  per_row: modelShape.per_row,
  unload: modelShape.unload,
  outputs: modelShape.outputs,
  members: modelShape.members,
  config: modelShape.config,
  parameters: modelShape.parameters,
});

const policyShape = {
  triggers: z.array(word(namesOf(triggers))).optional(),
  measure: word(["host", "gpu", "larger"]).optional(),
  high_water: share.optional(),
  low_water: share.optional(),
  idle_timeout: time.optional(),
  victims: word(namesOf(victimPolicies)).optional(),
  how_many: word(namesOf(victimCounts)).optional(),
  minimum_idle: time.optional(),
  estimate: word(namesOf(estimates)).optional(),
  sample_every: time.optional(),
  retries: whole(0, 1000).optional(),
  retry_wait: time.optional(),
};

const policy = z.unknown().transform((value, context) => {
  const shape = mapping({ preset: word(namesOf(evictionPresets)).optional(), ...policyShape });
  const parsed = shape.safeParse(typeof value === "string" ? { preset: value } : value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) {
    const path = typeof value === "string" ? [] : issue.path;
    context.issues.push({ code: "custom", message: issue.message, path, input: value });
  }
  return z.NEVER;
});

const platform = mapping({
  invocation_limit: time.optional(),
  load_limit: time.optional(),
  unload_limit: time.optional(),
  invocation_retries: whole(0, 1000).optional(),
  ping_every: time.optional(),
  ping_limit: time.optional(),
  silent_pings: whole(1).optional(),
  failing_pings: whole(1).optional(),
  copy_at_in_flight: whole(1).optional(),
});

const scaling = mapping({
  metric: word(["invocations-per-instance", "concurrent-requests"]),
  /** For each instance: invocations a minute, or requests at a time. */
  target: z.number({ error: "has to be a number above 0" }).positive({ error: "has to be a number above 0" }),
  min: whole(1, 1000),
  max: whole(1, 1000),
  /** From the order of an instance until it serves. */
  instance_start: time.optional(),
  out_cooldown: time.optional(),
  in_cooldown: time.optional(),
});

const server = mapping({
  model_control_mode: word(["none", "poll", "explicit"]).optional(),
  repository_poll: time.optional(),
  load_model: z.array(text).optional(),
  strict_readiness: flag.optional(),
  exit_on_error: flag.optional(),
  auto_complete_config: flag.optional(),
  load_thread_count: whole(1, 1000).optional(),
  load_retry_count: whole(0, 1000).optional(),
  /** `--model-load-gpu-limit`, a share for each GPU. */
  load_gpu_limit: z.array(share).optional(),
  ping_mode: word(["ready", "live"]).optional(),
  pinned_memory_pool_byte_size: size.optional(),
  /** Of the response cache. */
  cache_size: size.optional(),
  /** Of each stub's region in /dev/shm. */
  shm_default_byte_size: size.optional(),
  /** Regions in /dev/shm that a killed server left. */
  orphaned_shm: size.optional(),
});

export const levels = ["endpoint", "container", "triton"] as const;
const level = word(levels);

const stepShape = {
  at: time,
  /** The same again, so many times in all, each so much later. */
  repeat: whole(1, 1_000_000).optional(),
  every: time.optional(),
  /** By which expectations name it. */
  as: text.optional(),
  via: level.optional(),
  /** Of several instances, 1 = the first. */
  instance: whole(1, 1000).optional(),
};

/** Of steps that go to the container API: the platform's name for the model, where it is not made of the model's own. */
const hash = text.optional();

/** `8`, or `"1..64"`: drawn for each request. */
const wholeRange = z.unknown().transform((value, context) => {
  const [, least, most = least] = /^\s*(\d+)\s*(?:\.\.\s*(\d+)\s*)?$/.exec(String(value)) ?? [];
  const range = { least: Number(least ?? Number.NaN), most: Number(most ?? Number.NaN) };
  if (range.least >= 1 && range.least <= range.most && range.most <= 1_000_000) return range;
  context.addIssue(
    `${JSON.stringify(value)} is neither a number from 1 to 1000000 nor a range such as "1..64"`,
  );
  return z.NEVER;
});

const step = byWord("a step", {
  invoke: mapping({
    ...stepShape,
    invoke: text,
    hash,
    rows: whole(0, 1_000_000).optional(),
    /** Elements of a row. */
    length: whole(1, 1_000_000).optional(),
    /** First number of its inputs. */
    value: whole(0, 1_000_000).optional(),
    /** Sent instead of a request made for the model. */
    body: z.string().optional(),
    /** That many at the same moment. */
    times: whole(1, 1_000_000).optional(),
    /** There is no such model, on purpose. */
    unknown_model: flag.optional(),
  }),
  load: mapping({
    ...stepShape,
    load: text,
    hash,
    /** Of Triton's own load: a configuration that goes before the file, changed by these words; or as JSON. */
    override: changedModel.optional(),
    config: z.string().optional(),
    unknown_model: flag.optional(),
  }),
  unload: mapping({
    ...stepShape,
    unload: text,
    hash,
    dependents: flag.optional(),
    unknown_model: flag.optional(),
  }),
  ask: mapping({ ...stepShape, ask: word(["ping", "list", "live", "ready"]) }),
  overwrite: mapping({
    ...stepShape,
    overwrite: text,
    with: changedModel.optional(),
    /** All of `config.pbtxt`, whatever it is. */
    config_text: z.string().optional(),
  }),
  remove: mapping({ ...stepShape, remove: text }),
  /** A request as it goes over the wire: `GET /ping`. */
  call: mapping({ ...stepShape, call: text, body: z.string().optional(), target_model: text.optional() }),
  kill: mapping({ ...stepShape, kill: word(["container"]) }),
  /** So many instances behind the endpoint. */
  scale_to: mapping({ at: time, as: text.optional(), scale_to: whole(0, 1000) }),
  /** Until then there is no instance; its own are the only ones. */
  create_endpoint: mapping({
    at: time,
    as: text.optional(),
    create_endpoint: z.string().regex(/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/, {
      error: "is no name that an endpoint can have",
    }),
    instances: whole(1, 100).optional(),
    /** `ContainerStartupHealthCheckTimeoutInSeconds` */
    startup_limit: time.optional(),
  }),
  delete_endpoint: mapping({ at: time, as: text.optional(), delete_endpoint: text }),
  restart: mapping({ ...stepShape, restart: word(["container"]) }),
  stop: mapping({
    ...stepShape,
    stop: word(["container"]),
    /** `--exit-timeout-secs` */
    within: whole(0, 100_000).optional(),
  }),
  arrivals: mapping({
    at: time.optional(),
    as: text.optional(),
    via: level.optional(),
    instance: whole(1, 1000).optional(),
    arrivals: word(["even", "poisson", "burst", "closed"]),
    /** Requests a second, of `even` and `poisson`. */
    rate: z.number({ error: "has to be a number of requests a second" }).positive().optional(),
    /** Of `burst`: that many at once, again after every `every`. */
    burst: whole(1, 1_000_000).optional(),
    every: time.optional(),
    /** Of `closed`: that many callers, each of which waits for its answer, and then `think`. */
    clients: whole(1, 100_000).optional(),
    think: time.optional(),
    for: time.optional(),
    /** Ends after that many requests. */
    requests: whole(1, 100_000_000).optional(),
    models: several(text).optional(),
    choose: word(["round-robin", "uniform", "zipf"]).optional(),
    /** Exponent of `zipf`. */
    skew: z.number({ error: "has to be a number" }).positive().optional(),
    rows: wholeRange.optional(),
    length: wholeRange.optional(),
    value: wholeRange.optional(),
    seed: whole(0).optional(),
  }),
});

/** Of `EndpointStatus` those that a scenario can bring about; `Deleted` = there is none any more. */
const endpointStatuses = ["Creating", "InService", "Failed", "Deleting", "Deleted"] as const;

const expectationShape = {
  /** In words, for the report. */
  because: text.optional(),
};
const seenShape = { ...expectationShape, at: time.optional(), instance: whole(1, 1000).optional() };

const expectation = byWord("an expectation", {
  answer: mapping({
    ...expectationShape,
    answer: text,
    status: countBound.optional(),
    text: text.optional(),
    from: word(["container", "platform"]).optional(),
    error: text.optional(),
    took: timeBound.optional(),
    cache_hit: flag.optional(),
    answered: flag.optional(),
  }),
  answers: mapping({
    ...expectationShape,
    answers: text,
    model: text.optional(),
    status: countBound.optional(),
    text: text.optional(),
    from: word(["container", "platform"]).optional(),
    error: text.optional(),
    cache_hit: flag.optional(),
    took: timeBound.optional(),
    /** How many of them, or which share of them, are as the lines above say. */
    count: countBound.optional(),
    share: shareBound.optional(),
  }),
  resident: mapping({ ...seenShape, resident: several(text) }),
  not_resident: mapping({ ...seenShape, not_resident: several(text) }),
  fits: mapping({ ...seenShape, fits: countBound, models: several(text).optional() }),
  evicted: mapping({
    ...expectationShape,
    evicted: several(text),
    trigger: text.optional(),
    rule: text.optional(),
    /** How many at once, for whom. */
    victims: countBound.optional(),
    times: countBound.optional(),
    before: time.optional(),
    after: time.optional(),
  }),
  killed: mapping({
    ...expectationShape,
    killed: several(text),
    rule: text.optional(),
    times: countBound.optional(),
  }),
  holds: mapping({ ...seenShape, holds: text, pool: text.optional(), bytes: sizeBound }),
  pool: mapping({
    ...seenShape,
    pool: text,
    used: sizeBound.optional(),
    high_water: sizeBound.optional(),
  }),
  state: mapping({
    ...seenShape,
    state: text,
    is: word(["READY", "UNAVAILABLE", "LOADING", "UNLOADING", "ABSENT", "UNKNOWN"]),
    reason: text.optional(),
  }),
  endpoint: mapping({
    ...expectationShape,
    endpoint: text,
    status: word(endpointStatuses),
    /** Part of its FailureReason. */
    reason: text.optional(),
    at: time.optional(),
  }),
  count: mapping({
    ...expectationShape,
    count: word([
      "loads",
      "unloads",
      "evictions",
      "downloads",
      "kills",
      "refusals",
      "deaths",
      "restarts",
      "faults",
    ]),
    model: text.optional(),
    is: countBound,
    before: time.optional(),
    after: time.optional(),
  }),
  journal: mapping({
    ...expectationShape,
    journal: z.record(z.string(), z.unknown()),
    times: countBound.optional(),
    before: time.optional(),
    after: time.optional(),
  }),
});

const anyMapping = z.record(z.string(), z.unknown(), { error: "is no mapping" });

/** What a scenario may say: docs/scenarios.md. */
export const scenarioSchema = mapping({
  /** One line: what the user sees. */
  title: text,
  symptom: text.optional(),
  source: several(text).optional(),
  mechanism: z
    .string({ error: "has to be words joined by -, such as second-kill" })
    .regex(/^[a-z0-9]+(-[a-z0-9.]+)*$/, { error: "has to be words joined by -, such as second-kill" }),
  without: anyMapping,
  level: level.optional(),
  seed: whole(0, 2 ** 32 - 1).optional(),
  machine,
  instances: whole(1, 1000).optional(),
  /** ModelCacheSetting. */
  cache: word(["enabled", "disabled"]).optional(),
  pinned: z.array(text).optional(),
  /** Bytes a second. */
  download_rate: size.optional(),
  unpack_rate: size.optional(),
  profile: anyMapping.optional(),
  policy: policy.optional(),
  platform: platform.optional(),
  scaling: scaling.optional(),
  server: server.optional(),
  models: z.array(model, { error: "has to be a list of models" }).min(1, { error: "is empty" }),
  traffic: z.array(step, { error: "has to be a list of steps" }).min(1, { error: "is empty" }),
  faults: z.array(z.unknown(), { error: "has to be a list of faults" }).optional(),
  /** When the run ends; else when all is answered, and a little later. */
  until: time.optional(),
  expect: z.array(expectation, { error: "has to be a list of expectations" }).min(1, { error: "is empty" }),
});

export type ScenarioWords = z.output<typeof scenarioSchema>;
export type Step = z.output<typeof step>;
export type Expectation = z.output<typeof expectation>;
export type ScalingWords = z.output<typeof scaling>;
export type ModelWords = z.output<typeof model>;
export type Level = z.output<typeof level>;

/** Words that a scenario may say at its top. */
export const scenarioWords: readonly string[] = Object.keys(scenarioSchema.shape);
