import { expect, test } from "vitest";
import { readScenario, withoutMechanism } from "../../../emulator/scenario/scenario.ts";
import { scenarioDocument, scenarioOf, shippedProfiles } from "../../support/scenarios.ts";

const problemsOf = (yaml: string): string[] => {
  const read = readScenario(scenarioDocument(yaml), "test", shippedProfiles);
  return read.ok ? [] : read.problems.map(({ path, text }) => `${path.join(".")}: ${text}`);
};

test("scenario: a plain one has no problems", () => {
  expect(problemsOf("{}")).toEqual([]);
});

const created = "{ at: 0s, create_endpoint: e }, { at: 9s, invoke: a, as: first }";

test.each([
  [
    "two endpoints",
    `[${created}, { at: 1s, create_endpoint: f }]`,
    "2.create_endpoint: there is one already",
  ],
  ["a name that none can have", "[{ at: 0s, create_endpoint: a b }]", "0.create_endpoint: is no name"],
  [
    "a limit beyond SageMaker's",
    "[{ at: 0s, create_endpoint: e, startup_limit: 61min }]",
    "0.startup_limit: has to be whole seconds from 1min to 1h",
  ],
  [
    "another number of instances later",
    `[${created}, { at: 1s, scale_to: 2 }]`,
    "2.scale_to: does not go with create_endpoint",
  ],
  ["a look at a container", `[${created}, { at: 1s, ask: ping }]`, "2.ask: does not go with create_endpoint"],
  [
    "a way around it",
    `[${created}, { at: 1s, load: a, via: container }]`,
    "2.via: does not go with create_endpoint",
  ],
  [
    "the deletion of another",
    `[${created}, { at: 1s, delete_endpoint: d }]`,
    "2.delete_endpoint: 'd' is not known here",
  ],
  [
    "a deletion and no creation",
    "[{ at: 1s, delete_endpoint: d }]",
    "0.delete_endpoint: 'd' is not known here",
  ],
])("scenario: an endpoint that is created: %s is a problem", (_, traffic, problem) => {
  expect(problemsOf(`traffic: ${traffic}\nexpect: [{ fits: 0 }]`)).toEqual([
    expect.stringContaining(`traffic.${problem}`),
  ]);
});

test("scenario: an endpoint is created where callers are, and expected by its name", () => {
  expect(problemsOf(`level: triton\ntraffic: [${created}]`)).toEqual([
    "traffic.0.create_endpoint: needs level: endpoint",
  ]);
  expect(problemsOf(`traffic: [${created}]\nexpect: [{ endpoint: f, status: Failed }]`)).toEqual([
    expect.stringContaining("expect.0.endpoint: 'f' is not known here"),
  ]);
  expect(problemsOf("expect: [{ endpoint: e, status: Failed }]")).toEqual([
    expect.stringContaining("expect.0.endpoint: 'e' is not known here"),
  ]);
});

test.each([
  ["an unknown word", "polcy: lru", "did you mean 'policy'?"],
  [
    "an unknown word of a model",
    "models: [{ name: a, hots: 1GiB }]",
    "models.0: 'hots' is not known here; did you mean 'host'?",
  ],
  [
    "an unknown word of a step",
    "traffic: [{ at: 0s, invoke: a, rwos: 2, as: first }]",
    "traffic.0: 'rwos' is not known here; did you mean 'rows'?",
  ],
  [
    "an unknown step",
    "traffic: [{ at: 0s, invkoe: a }]",
    "traffic.0: 'invkoe' is not known here; did you mean 'invoke'?",
  ],
  [
    "an unknown expectation",
    "expect: [{ residnt: a }]",
    "expect.0: 'residnt' is not known here; did you mean 'resident'?",
  ],
  [
    "an unknown policy",
    "policy: { victims: lur }",
    "policy.victims: 'lur' is not known here; did you mean 'lru'?",
  ],
  [
    "an unknown preset",
    "policy: sagemakr",
    "policy: 'sagemakr' is not known here; did you mean 'sagemaker'?",
  ],
  [
    "an unknown backend",
    "models: [{ name: a, backend: pyton }]",
    "models.0.backend: 'pyton' is not known here; did you mean 'python'?",
  ],
  ["an unknown machine", "machine: ml.g4dn.xlrage", "'ml.g4dn.xlrage' is neither a size above 0"],
  ["a machine of nothing", "machine: {}", "machine: says neither type nor host"],
  [
    "a time without unit",
    "traffic: [{ at: 5, invoke: a, as: first }]",
    "traffic.0.at: 5 is not a time such as 500ms",
  ],
  [
    "a size that is none",
    "models: [{ name: a, host: much }]",
    'models.0.host: "much" is not a size such as 300MiB',
  ],
  ["no models", "models: []", "models: is empty"],
  ["no mechanism", "mechanism: Second Kill", "mechanism: has to be words joined by -"],
  [
    "a model larger than the machine",
    "models: [{ name: a, host: 2GiB }]",
    "models.0.host: 2.0 GiB are more than the whole machine 1GiB has in host",
  ],
  [
    "bytes on a GPU that is not there",
    "models: [{ name: a, gpu: 1MiB }]",
    "models.0.gpu: machine 1GiB has no GPU",
  ],
  [
    "bytes on a GPU of a CPU model",
    "machine: ml.g4dn.xlarge\nmodels: [{ name: a, kind: cpu, gpu: 1MiB }]",
    "models.0.gpu: a model of kind cpu takes no bytes of a GPU",
  ],
  ["a name used twice", "models: [{ name: a }, { name: a }]", "models.1.name: there is a model 'a' already"],
  [
    "a name used twice by counting",
    "models: [{ name: a1 }, { name: a, count: 2 }]",
    "models.1.name: there is a model 'a1' already",
  ],
  [
    "an unknown model in traffic",
    "traffic: [{ at: 0s, invoke: c, as: first }]",
    "traffic.0.invoke: 'c' is not known here",
  ],
  [
    "an unknown model in arrivals",
    "traffic: [{ arrivals: even, rate: 1, for: 1s, models: c, as: first }]",
    "traffic.0.models: 'c' is not known here",
  ],
  [
    "arrivals without a rate",
    "traffic: [{ arrivals: even, for: 1s, as: first }]",
    "traffic.0.rate: even arrivals need rate",
  ],
  [
    "arrivals with a word of others",
    "traffic: [{ arrivals: even, rate: 1, clients: 2, for: 1s, as: first }]",
    "traffic.0.clients: does not go with even arrivals",
  ],
  [
    "arrivals without an end",
    "traffic: [{ arrivals: even, rate: 1, as: first }]",
    "traffic.0: says neither for (how long) nor requests (how many)",
  ],
  [
    "bursts without a pause",
    "traffic: [{ arrivals: burst, burst: 2, every: 0s, for: 1s, as: first }]",
    "traffic.0.every: has to be above 0",
  ],
  [
    "a load by a caller of an endpoint",
    "traffic: [{ at: 0s, load: a, as: first }]",
    "traffic.0.load: callers of an endpoint cannot load or unload",
  ],
  [
    "a call that an endpoint does not have",
    "traffic: [{ at: 0s, call: GET /ping, as: first }]",
    "traffic.0.call: an endpoint has POST /endpoints/<name>/invocations only",
  ],
  [
    "a folder that leads out of an archive",
    "models: [{ name: a, inside: ../a }]",
    "models.0.inside: has to be names of folders joined by /",
  ],
  [
    "a name of a step used twice",
    "traffic: [{ at: 0s, invoke: a, as: first }, { at: 0s, invoke: a, as: first }]",
    "traffic.1.as: 'first' is taken",
  ],
  [
    "an instance that is not there",
    "traffic: [{ at: 0s, ask: ping, instance: 2, as: first }]",
    "traffic.0.instance: there are 1 instances",
  ],
  [
    "an answer of a step that is not there",
    "expect: [{ answer: frist, status: 200 }]",
    "expect.0.answer: 'frist' is not known here; did you mean 'first'?",
  ],
  [
    "a model of an expectation that is not there",
    "expect: [{ resident: [a, c] }]",
    "expect.0.resident: 'c' is not known here",
  ],
  [
    "a pool that is not there",
    "expect: [{ pool: 'gpu:0', used: 1 }]",
    "expect.0.pool: 'gpu:0' is not known here",
  ],
  [
    "members of what is no ensemble",
    "models: [{ name: a, members: [b] }, { name: b }]",
    "models.0.members: an ensemble, and nothing else, has members",
  ],
  [
    "a member that is not there",
    "models: [{ name: a, backend: ensemble, members: [b] }]",
    "models.0.members: 'b' is not known here",
  ],
  [
    "a fault of a model that is not there",
    "faults: [{ operation: load, effect: hang, model: c }]",
    "faults: faults[0].model 'c' matches no model",
  ],
  [
    "a fault that can never strike",
    "faults: [{ operation: ping, effect: disk-full }]",
    "effect 'disk-full' can never strike at ping",
  ],
])("scenario: refuses %s", (_, yaml, text) => {
  expect(problemsOf(yaml).join("\n")).toContain(text);
});

test("scenario: all problems of the words are told at once", () => {
  expect(problemsOf("machine: {hots: 1}\npolcy: 1\nmodels: [{ nam: a }]").length).toBeGreaterThanOrEqual(3);
});

test("scenario: what is wrong on purpose may be said", () => {
  expect(problemsOf("models: [{ name: a, host: 2GiB, oversized: true }]")).toEqual([]);
  expect(problemsOf("traffic: [{ at: 0s, invoke: c, unknown_model: true, as: first }]")).toEqual([]);
});

test("scenario: counted models are numbered where their name says so", () => {
  const { fleet } = scenarioOf(
    "models: [{ name: 'm{i}.tar.gz', count: 2 }, { name: b, count: 2 }, { name: a }]",
  );
  expect([...fleet.keys()]).toEqual(["m1.tar.gz", "m2.tar.gz", "b1", "b2", "a"]);
});

test("scenario: members of an ensemble are no targets", () => {
  const { targets } = scenarioOf(
    "models: [{ name: 'e{i}', count: 2, backend: ensemble, members: ['part-{i}', b] }, { name: 'part-{i}', count: 2 }, { name: b }, { name: a }]",
  );
  expect(targets.map(({ name, members }) => [name, members])).toEqual([
    ["e1", ["part-1", "b"]],
    ["e2", ["part-2", "b"]],
    ["a", []],
  ]);
});

test("scenario: a machine may differ from its type", () => {
  const { machine } = scenarioOf("machine: { type: ml.g4dn.xlarge, gpus: [8GiB, 4GiB], disk: 10GB }");
  expect(machine.name).toBe("ml.g4dn.xlarge, gpus 8.0 GiB+4.0 GiB, disk 9.3 GiB");
  expect(Object.fromEntries(machine.pools.map(({ pool, capacityBytes }) => [pool, capacityBytes]))).toEqual({
    host: 16 * 2 ** 30,
    disk: 10e9,
    shm: 8 * 2 ** 30,
    "gpu:0": 8 * 2 ** 30,
    "gpu:1": 4 * 2 ** 30,
  });
});

test("scenario: a policy is its preset and what is said in its place", () => {
  const { settings } = scenarioOf("policy: { victims: lfu, high_water: 70%, sample_every: 0 }");
  expect(settings).toMatchObject({
    victims: "lfu",
    highWater: 0.7,
    sampleEveryUs: 0,
    howMany: "until-estimate-fits",
  });
});

test("scenario: without its mechanism it says what `without` says", () => {
  const off = withoutMechanism(scenarioDocument("without: { policy.victims: random, seed: 9 }"));
  expect(off).toMatchObject({ ok: true, value: { policy: { victims: "random" }, seed: 9 } });
});
