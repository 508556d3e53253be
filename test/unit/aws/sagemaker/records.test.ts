import { expect, test } from "vitest";
import { forgetfulStore } from "../../../../emulator/aws/sagemaker/state-store.ts";
import { allTraffic, arn, Fixture, MemoryStore, multiModel, SECOND } from "./control-plane-fixture.ts";

test("model: described as it was created, with what AWS adds", () => {
  const fixture = new Fixture();
  const ExecutionRoleArn = "arn:aws:iam::000000000000:role/sagemaker";
  const created = fixture.call("CreateModel", {
    ModelName: "m",
    PrimaryContainer: multiModel,
    ExecutionRoleArn,
  });
  expect(created).toEqual({ ModelArn: arn("model/m") });
  expect(fixture.call("DescribeModel", { ModelName: "m" })).toEqual({
    ModelName: "m",
    ModelArn: arn("model/m"),
    ExecutionRoleArn,
    EnableNetworkIsolation: false,
    CreationTime: 1_700_000_000,
    PrimaryContainer: { ...multiModel, Environment: {} },
  });
});

test("model: its archive has to be there; a prefix for many models may be empty", async () => {
  const head = (bucket: string, key: string) =>
    Promise.resolve(
      bucket === "b" && key === "there.tar.gz"
        ? { key, byteSize: 1, etag: "e", lastModifiedMs: 0, headers: {}, checksum: null, partBytes: null }
        : null,
    );
  const fixture = new Fixture(forgetfulStore, { modelData: { head, open: () => Promise.resolve(null) } });
  const create = async (ModelName: string, container: object): Promise<unknown> => {
    const PrimaryContainer = { Image: "triton", ...container };
    return fixture.start("CreateModel", { ModelName, PrimaryContainer });
  };
  await expect(create("gone", { ModelDataUrl: "s3://b/gone.tar.gz" })).rejects.toMatchObject({
    code: "ValidationException",
    message: "Could not find model data at s3://b/gone.tar.gz.",
  });
  expect(fixture.errorOf("DescribeModel", { ModelName: "gone" })).toContain("Could not find model ");
  expect(await create("one", { ModelDataUrl: "s3://b/there.tar.gz" })).toEqual({
    ModelArn: arn("model/one"),
  });
  expect(await create("many", { Mode: "MultiModel", ModelDataUrl: "s3://b/none/" })).toEqual({
    ModelArn: arn("model/many"),
  });
  // Two at a time: one of them comes too late.
  const both = await Promise.allSettled(
    [1, 2].map(() => create("two", { ModelDataUrl: "s3://b/there.tar.gz" })),
  );
  expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
});

test.each([
  ["DescribeModel", { ModelName: "x" }, "model", "model"],
  ["DeleteModel", { ModelName: "x" }, "model", "model"],
  ["DescribeEndpointConfig", { EndpointConfigName: "x" }, "endpoint configuration", "endpoint-config"],
  ["DeleteEndpointConfig", { EndpointConfigName: "x" }, "endpoint configuration", "endpoint-config"],
  ["DescribeEndpoint", { EndpointName: "x" }, "endpoint", "endpoint"],
  ["DeleteEndpoint", { EndpointName: "x" }, "endpoint", "endpoint"],
  ["UpdateEndpoint", { EndpointName: "x", EndpointConfigName: "c" }, "endpoint", "endpoint"],
])("%s: what is not there is a ValidationException with its ARN", (operation, input, words, kind) => {
  expect(new Fixture().errorOf(operation, input)).toBe(
    `ValidationException: Could not find ${words} "${arn(`${kind}/x`)}".`,
  );
});

test("model, configuration: one name, one of them; deleted, the name is free", () => {
  const fixture = new Fixture();
  fixture.prepare();
  const model = { ModelName: "m", PrimaryContainer: multiModel };
  expect(fixture.errorOf("CreateModel", model)).toBe(
    `ValidationException: Cannot create already existing model "${arn("model/m")}".`,
  );
  const config = { EndpointConfigName: "c", ProductionVariants: [allTraffic] };
  expect(fixture.errorOf("CreateEndpointConfig", config)).toBe(
    `ValidationException: Cannot create already existing endpoint configuration "${arn("endpoint-config/c")}".`,
  );
  fixture.call("DeleteEndpointConfig", { EndpointConfigName: "c" });
  fixture.call("DeleteModel", { ModelName: "m" });
  expect(fixture.errorOf("CreateModel", model)).toBeNull();
  expect(fixture.errorOf("CreateEndpointConfig", config)).toBeNull();
});

test.each([
  [{ ModelName: "m".repeat(64) }, "Member must have length less than or equal to 63"],
  [
    { ModelName: "m_1" },
    "Member must satisfy regular expression pattern: [a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?",
  ],
  [{ ModelName: null }, "Value null at 'modelName' failed to satisfy constraint: Member must not be null"],
  [{ ExecutionRoleArn: "short" }, "Member must have length greater than or equal to 20"],
  [{ PrimaryContainer: { Mode: "Many" } }, "Member must satisfy enum value set: [SingleModel, MultiModel]"],
  [{ PrimaryContainer: { ModelDataUrl: "file:///a" } }, "at 'primaryContainer.modelDataUrl'"],
  [{ Containers: [multiModel] }, "Both PrimaryContainer and Containers cannot be specified"],
  [{ PrimaryContainer: undefined }, "You must provide either a PrimaryContainer or Containers."],
  [{ PrimaryContainer: { Mode: "MultiModel" } }, "Container Image must be specified."],
  [{ PrimaryContainer: { ...multiModel, ModelDataUrl: undefined } }, "ModelDataUrl is required"],
  [{ PrimaryContainer: undefined, Containers: [multiModel, multiModel] }, "not emulated here"],
  [
    { PrimaryContainer: { ...multiModel, AdditionalModelDataSources: [{ ChannelName: "draft" }] } },
    "AdditionalModelDataSources are not emulated here.",
  ],
])("CreateModel: %j is refused, and nothing is left", (change, text) => {
  const fixture = new Fixture();
  const error = fixture.errorOf("CreateModel", { ModelName: "m", PrimaryContainer: multiModel, ...change });
  expect(error).toMatch(/^ValidationException: /);
  expect(error).toContain(text);
  expect(fixture.call("ListModels", {})).toEqual({ Models: [] });
});

test.each([
  [[{ ...allTraffic, InstanceType: "ml.z9.large" }], "Member must satisfy enum value set: [ml.p2.xlarge"],
  [[{ ...allTraffic, InitialInstanceCount: 0 }], "Member must have value greater than or equal to 1"],
  [[{ ...allTraffic, VolumeSizeInGB: 513 }], "Member must have value less than or equal to 512"],
  [[], "Member must have length greater than or equal to 1"],
  [[{ ...allTraffic, InstanceType: undefined }], "InstanceType is required"],
  [[{ ...allTraffic, ModelName: "x" }], `Could not find model "${arn("model/x")}".`],
  [[allTraffic, allTraffic], 'Duplicate variant name "AllTraffic"'],
  [[{ ...allTraffic, ServerlessConfig: {} }], "not emulated here"],
  [
    [{ ...allTraffic, InstanceType: undefined, InstancePools: [{ Priority: 1 }] }],
    "Instance pools are not emulated here.",
  ],
  [
    [{ ...allTraffic, InstanceType: "ml.inf2.xlarge" }],
    "MultiModel mode is not supported for instance type ml.inf2.xlarge.",
  ],
])("CreateEndpointConfig: %j is refused, and nothing is left", (ProductionVariants, text) => {
  const fixture = new Fixture();
  fixture.call("CreateModel", { ModelName: "m", PrimaryContainer: multiModel });
  expect(fixture.errorOf("CreateEndpointConfig", { EndpointConfigName: "c", ProductionVariants })).toContain(
    text,
  );
  expect(fixture.call("ListEndpointConfigs", {})).toEqual({ EndpointConfigs: [] });
});

test("CreateEndpointConfig: a shadow variant stands beside one production variant only", () => {
  const fixture = new Fixture();
  fixture.prepare();
  const shadow = { ...allTraffic, VariantName: "shadow" };
  const second = { ...allTraffic, VariantName: "second" };
  const config = (ProductionVariants: object[], ShadowProductionVariants: object[]) => ({
    EndpointConfigName: "d",
    ProductionVariants,
    ShadowProductionVariants,
  });
  const text = "Only one production variant and one shadow variant";
  expect(fixture.errorOf("CreateEndpointConfig", config([allTraffic, second], [shadow]))).toContain(text);
  expect(fixture.errorOf("CreateEndpointConfig", config([allTraffic], [second, shadow]))).toContain(text);
  expect(fixture.errorOf("CreateEndpointConfig", config([allTraffic], [shadow]))).toBeNull();
});

test("configuration: what has no effect here is described all the same", () => {
  const fixture = new Fixture();
  const variant = {
    InferenceAmiVersion: "al2-ami-sagemaker-inference-gpu-2",
    CapacityReservationConfig: { CapacityReservationPreference: "capacity-reservations-only" },
    VariantInstanceProvisionTimeoutInSeconds: 600,
    CoreDumpConfig: { DestinationS3Uri: "s3://bucket/dumps" },
  };
  fixture.prepare(variant);
  expect(fixture.call("DescribeEndpointConfig", { EndpointConfigName: "c" })).toMatchObject({
    ProductionVariants: [variant],
  });
});

test("configuration: described as it was created, with what AWS adds", () => {
  const fixture = new Fixture();
  fixture.prepare({ InitialInstanceCount: undefined });
  expect(fixture.call("DescribeEndpointConfig", { EndpointConfigName: "c" })).toEqual({
    EndpointConfigName: "c",
    EndpointConfigArn: arn("endpoint-config/c"),
    CreationTime: 1_700_000_000,
    EnableNetworkIsolation: false,
    ProductionVariants: [{ ...allTraffic, InitialInstanceCount: 1, InitialVariantWeight: 1 }],
  });
});

/** Models `a0` to `a24`, a second apart. */
const withModels = (): Fixture => {
  const fixture = new Fixture();
  for (let i = 0; i < 25; i++) {
    fixture.call("CreateModel", { ModelName: `a${i}`, PrimaryContainer: multiModel });
    fixture.clock.advance(SECOND);
  }
  return fixture;
};

interface ModelPage {
  readonly Models: readonly { readonly ModelName: string }[];
  readonly NextToken?: string;
}

const modelsOf = (page: Record<string, unknown>): ModelPage & { readonly names: readonly string[] } => {
  const { Models, NextToken }: ModelPage = JSON.parse(JSON.stringify(page));
  return {
    Models,
    ...(NextToken === undefined ? {} : { NextToken }),
    names: Models.map((one) => one.ModelName),
  };
};

test("list: ten at a time, the newest first, until there is no token", () => {
  const fixture = withModels();
  const first = modelsOf(fixture.call("ListModels", {}));
  expect(first.names).toEqual(Array.from({ length: 10 }, (_, i) => `a${24 - i}`));
  const second = modelsOf(fixture.call("ListModels", { NextToken: first.NextToken }));
  const third = modelsOf(fixture.call("ListModels", { NextToken: second.NextToken }));
  expect(third.names).toEqual(["a4", "a3", "a2", "a1", "a0"]);
  expect(third.NextToken).toBeUndefined();
});

test("list: what comes and goes meanwhile hides and repeats nothing else", () => {
  const fixture = withModels();
  const first = modelsOf(fixture.call("ListModels", { MaxResults: 3 }));
  expect(first.names).toEqual(["a24", "a23", "a22"]);
  fixture.call("DeleteModel", { ModelName: "a22" });
  fixture.call("CreateModel", { ModelName: "new", PrimaryContainer: multiModel });
  const second = modelsOf(fixture.call("ListModels", { MaxResults: 3, NextToken: first.NextToken }));
  expect(second.names).toEqual(["a21", "a20", "a19"]);
});

test("list: sorted and narrowed as asked", () => {
  const fixture = withModels();
  const names = (input: object): readonly string[] => modelsOf(fixture.call("ListModels", input)).names;
  expect(names({ SortBy: "Name", SortOrder: "Ascending", MaxResults: 4 })).toEqual([
    "a0",
    "a1",
    "a10",
    "a11",
  ]);
  expect(names({ NameContains: "a2", SortOrder: "Ascending" })).toEqual([
    "a2",
    "a20",
    "a21",
    "a22",
    "a23",
    "a24",
  ]);
  expect(names({ CreationTimeAfter: 1_700_000_022 })).toEqual(["a24", "a23", "a22"]);
  expect(names({ CreationTimeBefore: 1_700_000_001 })).toEqual(["a1", "a0"]);
});

test("list: a token that no list gave, or another one, is refused, and so are pages of a size that AWS refuses", () => {
  const fixture = withModels();
  const { NextToken } = modelsOf(fixture.call("ListModels", { MaxResults: 3 }));
  for (const input of [{ NextToken: "bm8=" }, { NextToken: "%" }, { NextToken, SortBy: "Name" }]) {
    expect(fixture.errorOf("ListModels", input)).toBe("ValidationException: Invalid NextToken.");
  }
  expect(fixture.errorOf("ListModels", { MaxResults: 0 })).toContain("greater than or equal to 1");
  expect(fixture.errorOf("ListModels", { MaxResults: 101 })).toContain("less than or equal to 100");
});

test("list of endpoints: by status, and by when they were modified", () => {
  const fixture = new Fixture();
  fixture.serve();
  fixture.call("CreateEndpoint", { EndpointName: "f", EndpointConfigName: "c" });
  const list = (input: object): unknown => fixture.call("ListEndpoints", input).Endpoints;
  expect(list({ StatusEquals: "InService" })).toEqual([
    {
      EndpointName: "e",
      EndpointArn: arn("endpoint/e"),
      CreationTime: 1_700_000_000,
      LastModifiedTime: 1_700_000_001,
      EndpointStatus: "InService",
    },
  ]);
  expect(list({ StatusEquals: "Creating" })).toMatchObject([{ EndpointName: "f" }]);
  expect(list({ SortBy: "Status", SortOrder: "Ascending" })).toMatchObject([
    { EndpointName: "f" },
    { EndpointName: "e" },
  ]);
  expect(list({ LastModifiedTimeBefore: 1_700_000_000 })).toEqual([]);
  expect(list({ LastModifiedTimeAfter: 1_700_000_001 })).toHaveLength(2);
});

test("list: of one region", () => {
  const fixture = withModels();
  expect(fixture.call("ListModels", {}, "eu-west-1")).toEqual({ Models: [] });
});

test("tags: given at the creation, added, replaced, deleted, and gone with what they are of", () => {
  const fixture = new Fixture();
  const model = { ModelName: "m", PrimaryContainer: multiModel, Tags: [{ Key: "a", Value: "1" }] };
  fixture.call("CreateModel", model);
  const ResourceArn = arn("model/m");
  expect(fixture.call("ListTags", { ResourceArn })).toEqual({ Tags: [{ Key: "a", Value: "1" }] });
  const Tags = [
    { Key: "a", Value: "2" },
    { Key: "b", Value: "" },
  ];
  expect(fixture.call("AddTags", { ResourceArn, Tags })).toEqual({ Tags });
  fixture.call("DeleteTags", { ResourceArn, TagKeys: ["a", "never"] });
  expect(fixture.call("ListTags", { ResourceArn })).toEqual({ Tags: [{ Key: "b", Value: "" }] });
  fixture.call("DeleteModel", { ModelName: "m" });
  expect(fixture.errorOf("ListTags", { ResourceArn })).toBe(
    `ValidationException: Could not find model "${ResourceArn}".`,
  );
  fixture.call("CreateModel", { ...model, Tags: [] });
  expect(fixture.call("ListTags", { ResourceArn })).toEqual({ Tags: [] });
});

test("tags: more than 50, or of what is no resource, are refused", () => {
  const fixture = new Fixture();
  fixture.prepare();
  const tags = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({ Key: `k${from + i}`, Value: "v" }));
  const ResourceArn = arn("model/m");
  fixture.call("AddTags", { ResourceArn, Tags: tags(0, 50) });
  expect(fixture.errorOf("AddTags", { ResourceArn, Tags: tags(50, 1) })).toContain("at most 50 tags");
  expect(fixture.errorOf("AddTags", { ResourceArn: "arn:aws:s3:::b", Tags: tags(0, 1) })).toBe(
    'ValidationException: Could not find resource "arn:aws:s3:::b".',
  );
});

test("restart: models, configurations and tags are there again, whatever was changed before", () => {
  const store = new MemoryStore();
  const first = new Fixture(store);
  first.prepare();
  first.call("AddTags", { ResourceArn: arn("model/m"), Tags: [{ Key: "a", Value: "1" }] });
  first.call("CreateModel", { ModelName: "gone", PrimaryContainer: multiModel });
  first.call("DeleteModel", { ModelName: "gone" });
  const second = new Fixture(store);
  expect(second.call("DescribeModel", { ModelName: "m" })).toEqual(
    first.call("DescribeModel", { ModelName: "m" }),
  );
  expect(second.call("DescribeEndpointConfig", { EndpointConfigName: "c" })).toEqual(
    first.call("DescribeEndpointConfig", { EndpointConfigName: "c" }),
  );
  expect(second.call("ListTags", { ResourceArn: arn("model/m") })).toEqual({
    Tags: [{ Key: "a", Value: "1" }],
  });
  expect(second.errorOf("DescribeModel", { ModelName: "gone" })).toContain("Could not find model");
});

test("store: written anew when most of it says nothing any more", () => {
  const store = new MemoryStore();
  const fixture = new Fixture(store);
  for (let i = 0; i < 1000; i++) {
    fixture.call("CreateModel", { ModelName: "m", PrimaryContainer: multiModel });
    fixture.call("DeleteModel", { ModelName: "m" });
  }
  expect(store.lines.length).toBeLessThan(1100);
});

test("store: one that cannot be read is refused, with the line", () => {
  expect(() => new Fixture(new MemoryStore(['{"kind":"model","key":"us-east-1/m","record":{}}']))).toThrow(
    "the state of the control plane cannot be read: line 1: 2 validation errors detected: Value null at 'createdMs'",
  );
});
