import { describe, expect, test } from "vitest";
import {
  allTraffic,
  arn,
  Fixture,
  MemoryStore,
  multiModel,
  PING_FAILURE,
  SECOND,
} from "./control-plane-fixture.ts";

test("create: an endpoint is Creating until every instance is up, then InService", () => {
  const fixture = new Fixture();
  fixture.prepare({ InitialInstanceCount: 2 });
  const created = fixture.call("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "c" });
  expect(created).toEqual({ EndpointArn: arn("endpoint/e") });
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({
    EndpointStatus: "Creating",
    CreationTime: 1_700_000_000,
    ProductionVariants: [
      {
        VariantName: "AllTraffic",
        CurrentInstanceCount: 0,
        DesiredInstanceCount: 2,
        VariantStatus: [{ Status: "Creating", StartTime: 1_700_000_000 }],
      },
    ],
  });
  fixture.clock.advance(SECOND - 1);
  expect(fixture.statusOf("e")).toBe("Creating");
  fixture.clock.advance(1);
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" })).toEqual({
    EndpointName: "e",
    EndpointArn: arn("endpoint/e"),
    EndpointConfigName: "c",
    EndpointStatus: "InService",
    CreationTime: 1_700_000_000,
    LastModifiedTime: 1_700_000_001,
    ProductionVariants: [
      {
        VariantName: "AllTraffic",
        DeployedImages: [
          { SpecifiedImage: "triton:24.10", ResolvedImage: "triton:24.10", ResolutionTime: 1_700_000_000 },
        ],
        CurrentWeight: 1,
        DesiredWeight: 1,
        CurrentInstanceCount: 2,
        DesiredInstanceCount: 2,
      },
    ],
  });
});

test("create: instances are told what they are, by names in the manner of EC2", () => {
  const fixture = new Fixture();
  fixture.serve({ VolumeSizeInGB: 20, ContainerStartupHealthCheckTimeoutInSeconds: 60 });
  expect(fixture.fleet.instances[0]?.spec).toMatchObject({
    name: expect.stringMatching(/^e\/AllTraffic\/i-0[0-9a-f]{16}$/),
    instanceType: "ml.g4dn.xlarge",
    volumeGb: 20,
    startupLimitUs: 60 * SECOND,
    endpoint: {
      name: "e",
      region: "us-east-1",
      account: "000000000000",
      modelDataUrl: "s3://bucket/models/",
    },
  });
});

test("create: an instance that takes long to come is waited for, when told so", () => {
  const fixture = new Fixture(undefined, { provisionUs: 120 * SECOND });
  fixture.prepare();
  fixture.call("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "c" });
  fixture.clock.advance(121 * SECOND - 1);
  expect(fixture.statusOf("e")).toBe("Creating");
  fixture.clock.advance(1);
  expect(fixture.statusOf("e")).toBe("InService");
});

test("create: an endpoint of which an instance does not come up has failed, and can only be deleted", () => {
  const fixture = new Fixture();
  fixture.fleet.failureOf = () => PING_FAILURE;
  fixture.serve({ InitialInstanceCount: 2 });
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({
    EndpointStatus: "Failed",
    FailureReason:
      "The primary container for production variant AllTraffic did not pass the ping health check. Please check CloudWatch logs for this endpoint.",
  });
  expect(fixture.errorOf("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "c" })).toBe(
    `ValidationException: Cannot update endpoint "${arn("endpoint/e")}" in status Failed. Delete it and create it again.`,
  );
  expect(fixture.errorOf("DeleteEndpoint", { EndpointName: "e" })).toBeNull();
  fixture.clock.settle();
  expect(fixture.errorOf("DescribeEndpoint", { EndpointName: "e" })).toContain("Could not find endpoint");
});

test("create: where one of two instances fails, nothing is left of the other", () => {
  const fixture = new Fixture();
  let started = 0;
  fixture.fleet.failureOf = () => (++started === 2 ? "no" : null);
  fixture.serve({ InitialInstanceCount: 2 });
  expect(fixture.statusOf("e")).toBe("Failed");
  expect(fixture.fleet.running).toEqual([]);
});

test("create: two endpoints cannot have one name, not even in another case; another region is another place", () => {
  const fixture = new Fixture();
  fixture.serve();
  const input = { EndpointName: "E", EndpointConfigName: "c" };
  expect(fixture.errorOf("CreateEndpoint", input)).toBe(
    `ValidationException: Cannot create already existing endpoint "${arn("endpoint/E")}".`,
  );
  expect(fixture.errorOf("CreateEndpoint", input, "eu-west-1")).toBe(
    'ValidationException: Could not find endpoint configuration "arn:aws:sagemaker:eu-west-1:000000000000:endpoint-config/c".',
  );
});

test("create: refused without its configuration, or without a model of it, and nothing is left", () => {
  const fixture = new Fixture();
  fixture.prepare();
  expect(fixture.errorOf("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "x" })).toBe(
    `ValidationException: Could not find endpoint configuration "${arn("endpoint-config/x")}".`,
  );
  fixture.call("DeleteModel", { ModelName: "m" });
  expect(fixture.errorOf("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "c" })).toBe(
    `ValidationException: Could not find model "${arn("model/m")}".`,
  );
  expect(fixture.call("ListEndpoints", {})).toEqual({ Endpoints: [] });
});

test("create: more instances than the quota allows are refused", () => {
  const fixture = new Fixture(undefined, { instanceLimit: 2 });
  fixture.serve();
  fixture.createConfig("big", [{ ...allTraffic, InitialInstanceCount: 2 }]);
  const text =
    /^ResourceLimitExceeded: The account-level service limit 'ml.g4dn.xlarge for endpoint usage' is 2 Instances, with current utilization of 1 Instances and a request delta of 2 Instances\./;
  expect(fixture.errorOf("CreateEndpoint", { EndpointName: "f", EndpointConfigName: "big" })).toMatch(text);
  expect(fixture.errorOf("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "big" })).toMatch(text);
  const DesiredWeightsAndCapacities = [{ VariantName: "AllTraffic", DesiredInstanceCount: 3 }];
  expect(
    fixture.errorOf("UpdateEndpointWeightsAndCapacities", { EndpointName: "e", DesiredWeightsAndCapacities }),
  ).toMatch(text);
});

test.each(["UpdateEndpoint", "UpdateEndpointWeightsAndCapacities", "DeleteEndpoint"])(
  "%s: refused while the endpoint is being created or updated",
  (operation) => {
    const fixture = new Fixture();
    fixture.prepare();
    const input = {
      EndpointName: "e",
      ...(operation === "UpdateEndpoint" ? { EndpointConfigName: "c" } : {}),
      ...(operation === "UpdateEndpointWeightsAndCapacities"
        ? { DesiredWeightsAndCapacities: [{ VariantName: "AllTraffic", DesiredInstanceCount: 2 }] }
        : {}),
    };
    const busy = `ValidationException: Cannot update in-progress endpoint "${arn("endpoint/e")}".`;
    fixture.call("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "c" });
    expect(fixture.errorOf(operation, input)).toBe(busy);
    fixture.clock.advance(SECOND);
    fixture.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "c" });
    expect(fixture.errorOf(operation, input)).toBe(busy);
  },
);

test("update: the new fleet starts beside the old one, which serves until then and answers what it has", () => {
  const fixture = new Fixture();
  fixture.serve();
  const [old] = fixture.fleet.running;
  fixture.createConfig("next", [{ ...allTraffic, InstanceType: "ml.g5.xlarge", InitialInstanceCount: 2 }]);
  fixture.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "next" });
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({
    EndpointStatus: "Updating",
    EndpointConfigName: "c",
    PendingDeploymentSummary: {
      EndpointConfigName: "next",
      ProductionVariants: [{ VariantName: "AllTraffic", DesiredInstanceCount: 2 }],
    },
  });
  fixture.fleet.answerUs = 3 * SECOND;
  const answers: string[] = [];
  fixture.invoke("AllTraffic", (who) => answers.push(who));
  fixture.clock.advance(SECOND);
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({
    EndpointStatus: "InService",
    EndpointConfigName: "next",
    ProductionVariants: [{ CurrentInstanceCount: 2, DesiredInstanceCount: 2 }],
  });
  expect(fixture.fleet.running).toContain(old);
  fixture.invoke("AllTraffic", (who) => answers.push(who));
  fixture.clock.advance(3 * SECOND);
  expect(answers[0]).toBe(old);
  expect(answers[1]).not.toBe(old);
  expect(fixture.fleet.running).toHaveLength(2);
  expect(fixture.fleet.running).not.toContain(old);
});

test("update: rolled back where the new fleet does not come up; what served goes on, and says why", () => {
  const fixture = new Fixture();
  fixture.serve();
  const before = fixture.fleet.running;
  fixture.createConfig("next", [{ ...allTraffic, InstanceType: "ml.g5.xlarge" }]);
  fixture.fleet.failureOf = () => PING_FAILURE;
  fixture.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "next" });
  fixture.clock.advance(SECOND);
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({
    EndpointStatus: "InService",
    EndpointConfigName: "c",
    FailureReason: PING_FAILURE,
  });
  expect(fixture.fleet.running).toEqual(before);
  fixture.fleet.failureOf = () => null;
  fixture.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "next" });
  fixture.clock.advance(SECOND);
  const described = fixture.call("DescribeEndpoint", { EndpointName: "e" });
  expect(described).toMatchObject({ EndpointConfigName: "next" });
  expect(described).not.toHaveProperty("FailureReason");
});

test("update: weights and counts are those of the configuration, or retained, but for the excluded", () => {
  const counts = (more: object): unknown => {
    const fixture = new Fixture();
    fixture.serve();
    fixture.call("UpdateEndpointWeightsAndCapacities", {
      EndpointName: "e",
      DesiredWeightsAndCapacities: [{ VariantName: "AllTraffic", DesiredInstanceCount: 3, DesiredWeight: 5 }],
    });
    fixture.clock.advance(SECOND);
    fixture.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "c", ...more });
    fixture.clock.advance(SECOND);
    return fixture.call("DescribeEndpoint", { EndpointName: "e" }).ProductionVariants;
  };
  const retained = { RetainAllVariantProperties: true };
  const ExcludeRetainedVariantProperties = [{ VariantPropertyType: "DesiredInstanceCount" }];
  expect(counts({})).toMatchObject([{ CurrentInstanceCount: 1, CurrentWeight: 1 }]);
  expect(counts(retained)).toMatchObject([{ CurrentInstanceCount: 3, CurrentWeight: 5 }]);
  expect(counts({ ...retained, ExcludeRetainedVariantProperties })).toMatchObject([
    { CurrentInstanceCount: 1, CurrentWeight: 5 },
  ]);
});

test("capacities: instances are added empty, and the newest go first, after what they have", () => {
  const fixture = new Fixture();
  fixture.serve();
  const [first] = fixture.fleet.running;
  const scale = (DesiredInstanceCount: number): void => {
    const DesiredWeightsAndCapacities = [{ VariantName: "AllTraffic", DesiredInstanceCount }];
    fixture.call("UpdateEndpointWeightsAndCapacities", { EndpointName: "e", DesiredWeightsAndCapacities });
  };
  scale(3);
  expect(fixture.statusOf("e")).toBe("Updating");
  expect(fixture.plane.variantCapacity("us-east-1", "e", "AllTraffic")).toEqual({
    currentCount: 1,
    desiredCount: 3,
    canChange: false,
  });
  fixture.clock.advance(SECOND);
  expect(fixture.statusOf("e")).toBe("InService");
  expect(fixture.fleet.running).toHaveLength(3);
  scale(1);
  fixture.clock.settle();
  expect(fixture.statusOf("e")).toBe("InService");
  expect(fixture.fleet.running).toEqual([first]);
});

test("capacities: where a variant can have one instance only, it has one, and says so", () => {
  const fixture = new Fixture();
  fixture.fleet.mostOfVariant = 1;
  fixture.serve({ InitialInstanceCount: 3 });
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({
    EndpointStatus: "InService",
    ProductionVariants: [{ CurrentInstanceCount: 1, DesiredInstanceCount: 3 }],
  });
});

test("capacities: weights change without a new instance; an unknown variant is refused", () => {
  const fixture = new Fixture();
  fixture.serve();
  fixture.call("UpdateEndpointWeightsAndCapacities", {
    EndpointName: "e",
    DesiredWeightsAndCapacities: [{ VariantName: "AllTraffic", DesiredWeight: 7 }],
  });
  expect(fixture.plane.find("e", "us-east-1")?.variants).toMatchObject([{ weight: 1 }]);
  fixture.clock.settle();
  expect(fixture.plane.find("e", "us-east-1")?.variants).toMatchObject([{ weight: 7 }]);
  expect(fixture.fleet.instances).toHaveLength(1);
  const DesiredWeightsAndCapacities = [{ VariantName: "nobody", DesiredWeight: 1 }];
  expect(
    fixture.errorOf("UpdateEndpointWeightsAndCapacities", { EndpointName: "e", DesiredWeightsAndCapacities }),
  ).toBe(
    `ValidationException: The variant name(s) "nobody" is/are not present within endpoint "${arn("endpoint/e")}".`,
  );
});

test("capacities: instances that do not come up are given up; those there were serve on", () => {
  const fixture = new Fixture();
  fixture.serve();
  fixture.fleet.failureOf = () => PING_FAILURE;
  expect(fixture.plane.scaleVariant("us-east-1", "e", "AllTraffic", 3)).toBe(true);
  fixture.clock.advance(SECOND);
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({
    EndpointStatus: "InService",
    FailureReason: PING_FAILURE,
    ProductionVariants: [{ CurrentInstanceCount: 1, DesiredInstanceCount: 1 }],
  });
});

test("scaling by others: refused as the API refuses it", () => {
  const fixture = new Fixture();
  fixture.serve();
  const scale = (endpoint: string, variant = "AllTraffic"): boolean =>
    fixture.plane.scaleVariant("us-east-1", endpoint, variant, 2);
  expect([scale("x"), scale("e", "nobody"), scale("e"), scale("e")]).toEqual([false, false, true, false]);
  fixture.clock.advance(SECOND);
  expect(fixture.plane.variantCapacity("us-east-1", "e", "AllTraffic")).toEqual({
    currentCount: 2,
    desiredCount: 2,
    canChange: true,
  });
  expect(fixture.plane.variantCapacity("us-east-1", "e", "nobody")).toBeNull();
});

test("quota: what is in use follows every change, also one that comes to nothing", () => {
  const fixture = new Fixture(undefined, { instanceLimit: 10 });
  const inUse = (InstanceType = "ml.g4dn.xlarge"): number => {
    fixture.call("CreateEndpointConfig", {
      EndpointConfigName: "ask",
      ProductionVariants: [{ ...allTraffic, InstanceType, InitialInstanceCount: 11 }],
    });
    const text = fixture.errorOf("CreateEndpoint", { EndpointName: "ask", EndpointConfigName: "ask" });
    fixture.call("DeleteEndpointConfig", { EndpointConfigName: "ask" });
    return Number(/utilization of (\d+) /.exec(text ?? "")?.[1]);
  };
  const scaleTo = (count: number): void => {
    const change = { VariantName: "AllTraffic", DesiredInstanceCount: count };
    const input = { EndpointName: "e", DesiredWeightsAndCapacities: [change] };
    fixture.call("UpdateEndpointWeightsAndCapacities", input);
  };
  fixture.prepare({ InitialInstanceCount: 2 });
  expect(inUse()).toBe(0);
  fixture.call("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "c" });
  expect(inUse()).toBe(2);
  fixture.clock.advance(SECOND);
  scaleTo(4);
  expect(inUse()).toBe(4);
  fixture.clock.advance(SECOND);
  fixture.fleet.failureOf = () => PING_FAILURE;
  scaleTo(6);
  expect(inUse()).toBe(6);
  fixture.clock.advance(SECOND);
  expect(inUse()).toBe(4);
  fixture.createConfig("larger", [{ ...allTraffic, InstanceType: "ml.g5.xlarge", InitialInstanceCount: 1 }]);
  const update = { EndpointName: "e", EndpointConfigName: "larger" };
  fixture.call("UpdateEndpoint", update);
  fixture.clock.advance(SECOND);
  expect([inUse(), inUse("ml.g5.xlarge")]).toEqual([4, 0]);
  fixture.fleet.failureOf = () => null;
  fixture.call("UpdateEndpoint", update);
  fixture.clock.advance(SECOND);
  expect([inUse(), inUse("ml.g5.xlarge")]).toEqual([0, 1]);
  fixture.call("DeleteEndpoint", { EndpointName: "e" });
  fixture.clock.advance(SECOND);
  expect(inUse("ml.g5.xlarge")).toBe(0);
});

test("quota: of endpoints that are started again with the emulator", () => {
  const store = new MemoryStore();
  new Fixture(store).serve({ InitialInstanceCount: 2 });
  const again = new Fixture(store, { instanceLimit: 3 });
  again.createConfig("two", [{ ...allTraffic, InitialInstanceCount: 2 }]);
  const input = { EndpointName: "f", EndpointConfigName: "two" };
  expect(again.errorOf("CreateEndpoint", input)).toContain("current utilization of 2 Instances");
});

describe("update: of a variant that is scaled", () => {
  const scaled = () => {
    const fixture = new Fixture();
    fixture.serve();
    fixture.plane.keepScaled((region, endpoint) =>
      region === "us-east-1" && endpoint === "e" ? ["AllTraffic"] : [],
    );
    const update = (name: string, variant: object): string | null => {
      fixture.createConfig(name, [{ ...allTraffic, ...variant }]);
      return fixture.errorOf("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: name });
    };
    return { fixture, update };
  };
  const refused =
    'ValidationException: The variant(s) "AllTraffic" must be deregistered as scalable targets with AWS Auto Scaling before removal or update of instance type.';

  test("the instance type cannot be changed, and it cannot be left out", () => {
    const { fixture, update } = scaled();
    expect(update("larger", { InstanceType: "ml.g5.xlarge" })).toBe(refused);
    expect(update("renamed", { VariantName: "other" })).toBe(refused);
    expect(fixture.statusOf("e")).toBe("InService");
  });

  test("the count can be changed", () => {
    const { fixture, update } = scaled();
    expect(update("more", { InitialInstanceCount: 2 })).toBeNull();
    expect(fixture.statusOf("e")).toBe("Updating");
  });
});

test("delete: Deleting until what is there is answered, then gone", () => {
  const fixture = new Fixture();
  fixture.serve();
  fixture.fleet.answerUs = SECOND;
  const answers: string[] = [];
  const gone: string[] = [];
  fixture.plane.onDeleted((...endpoint) => gone.push(endpoint.join("/")));
  fixture.invoke("AllTraffic", (who) => answers.push(who));
  expect(fixture.call("DeleteEndpoint", { EndpointName: "e" })).toEqual({});
  expect(fixture.statusOf("e")).toBe("Deleting");
  expect(gone).toEqual([]);
  expect(fixture.plane.find("e", "us-east-1")).toMatchObject({ status: "Deleting", variants: [] });
  expect(fixture.errorOf("DeleteEndpoint", { EndpointName: "e" })).toContain(
    "Cannot update in-progress endpoint",
  );
  fixture.clock.advance(SECOND);
  expect(answers).toHaveLength(1);
  expect(gone).toEqual(["us-east-1/e"]);
  expect(fixture.fleet.running).toEqual([]);
  expect(fixture.errorOf("DescribeEndpoint", { EndpointName: "e" })).toBe(
    `ValidationException: Could not find endpoint "${arn("endpoint/e")}".`,
  );
  expect(fixture.errorOf("DeleteEndpoint", { EndpointName: "e" })).toContain("Could not find endpoint");
});

test("delete: models and configurations of an endpoint may go; it serves on, and scales", () => {
  const fixture = new Fixture();
  fixture.serve();
  fixture.call("DeleteModel", { ModelName: "m" });
  fixture.call("DeleteEndpointConfig", { EndpointConfigName: "c" });
  fixture.plane.scaleVariant("us-east-1", "e", "AllTraffic", 2);
  fixture.clock.advance(SECOND);
  expect(fixture.fleet.running).toHaveLength(2);
});

test("variants: several with their weights, and a shadow that is told apart", () => {
  const fixture = new Fixture();
  fixture.prepare();
  fixture.createConfig("two", [
    { ...allTraffic, VariantName: "a", InitialVariantWeight: 3 },
    { ...allTraffic, VariantName: "b" },
  ]);
  fixture.createConfig("shadowed", [allTraffic], {
    ShadowProductionVariants: [{ ...allTraffic, VariantName: "s", InitialVariantWeight: 0.5 }],
  });
  fixture.call("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "two" });
  fixture.call("CreateEndpoint", { EndpointName: "f", EndpointConfigName: "shadowed" });
  fixture.clock.advance(SECOND);
  expect(fixture.plane.find("e", "us-east-1")?.variants).toMatchObject([
    { name: "a", weight: 3 },
    { name: "b", weight: 1 },
  ]);
  expect(fixture.plane.find("f", "us-east-1")).toMatchObject({
    variants: [{ name: "AllTraffic" }],
    shadowVariants: [{ name: "s", weight: 0.5 }],
  });
  expect(fixture.call("DescribeEndpoint", { EndpointName: "f" })).toMatchObject({
    ProductionVariants: [{ VariantName: "AllTraffic" }],
    ShadowProductionVariants: [{ VariantName: "s", CurrentWeight: 0.5 }],
  });
});

test("one model: requests go to the least busy healthy instance, and are refused where none is", () => {
  const fixture = new Fixture();
  fixture.serve({ InitialInstanceCount: 2 }, { Mode: "SingleModel" });
  expect(fixture.plane.find("e", "us-east-1")?.mode).toBe("SingleModel");
  fixture.fleet.answerUs = SECOND;
  const answers: string[] = [];
  for (let i = 0; i < 4; i++) fixture.invoke("AllTraffic", (who) => answers.push(who));
  expect(fixture.fleet.instances.map(({ invocations }) => invocations.length)).toEqual([2, 2]);
  for (const instance of fixture.fleet.instances) instance.healthy = false;
  fixture.invoke("AllTraffic", (who) => answers.push(who));
  expect(answers).toEqual(["503"]);
});

test("runtime: the case of an endpoint's name counts, and its region", () => {
  const fixture = new Fixture();
  fixture.serve();
  expect(fixture.plane.find("e", "us-east-1")).toMatchObject({ name: "e", status: "InService", async: null });
  expect(fixture.plane.find("E", "us-east-1")).toBeNull();
  expect(fixture.plane.find("e", "eu-west-1")).toBeNull();
});

test("runtime: an asynchronous endpoint says where its answers go", () => {
  const fixture = new Fixture();
  fixture.prepare();
  const AsyncInferenceConfig = { OutputConfig: { S3OutputPath: "s3://b/out" } };
  fixture.createConfig("async", [allTraffic], { AsyncInferenceConfig });
  fixture.call("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "async" });
  fixture.clock.advance(SECOND);
  expect(fixture.plane.find("e", "us-east-1")?.async).toEqual({
    outputPath: "s3://b/out",
    failurePath: null,
  });
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({ AsyncInferenceConfig });
});

test("data capture: accepted and described", () => {
  const fixture = new Fixture();
  fixture.prepare();
  const DataCaptureConfig = {
    EnableCapture: true,
    InitialSamplingPercentage: 50,
    DestinationS3Uri: "s3://b/capture",
    CaptureOptions: [{ CaptureMode: "Input" }],
  };
  fixture.createConfig("captured", [allTraffic], { DataCaptureConfig });
  fixture.call("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "captured" });
  fixture.clock.advance(SECOND);
  expect(fixture.call("DescribeEndpoint", { EndpointName: "e" }).DataCaptureConfig).toEqual({
    EnableCapture: true,
    CaptureStatus: "Started",
    CurrentSamplingPercentage: 50,
    DestinationS3Uri: "s3://b/capture",
    KmsKeyId: "",
  });
});

test("reset: reaches every instance of every endpoint", async () => {
  const fixture = new Fixture();
  fixture.serve({ InitialInstanceCount: 2 });
  await fixture.plane.reset();
  expect(fixture.fleet.instances.map(({ resets }) => resets)).toEqual([1, 1]);
});

test("stop: ends every instance, and what was ordered", () => {
  const fixture = new Fixture();
  fixture.serve();
  fixture.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "c" });
  fixture.clock.settle();
  fixture.plane.stop();
  fixture.clock.advance(10 * SECOND);
  expect(fixture.fleet.running).toEqual([]);
  expect(fixture.fleet.cancelled).toHaveLength(1);
});

test("restart: what was in service is SystemUpdating until it serves again, with what was last asked of it", () => {
  const store = new MemoryStore();
  const first = new Fixture(store);
  first.serve();
  first.plane.scaleVariant("us-east-1", "e", "AllTraffic", 2);
  const second = new Fixture(new MemoryStore(store.lines));
  expect(second.statusOf("e")).toBe("SystemUpdating");
  second.clock.advance(SECOND);
  expect(second.statusOf("e")).toBe("InService");
  expect(second.fleet.running).toHaveLength(2);
  expect(second.fleet.instances[0]?.spec.container).toMatchObject(multiModel);
});

test("restart: an update that was answered goes on; a deletion that was answered is done; a failure stays", () => {
  const store = new MemoryStore();
  const first = new Fixture(store);
  first.serve();
  first.createConfig("next", [{ ...allTraffic, InstanceType: "ml.g5.xlarge" }]);
  first.call("CreateEndpoint", { EndpointName: "deleted", EndpointConfigName: "c" });
  first.clock.advance(SECOND);
  first.fleet.failureOf = () => PING_FAILURE;
  first.call("CreateEndpoint", { EndpointName: "failed", EndpointConfigName: "c" });
  first.clock.advance(SECOND);
  first.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "next" });
  first.call("DeleteEndpoint", { EndpointName: "deleted" });
  const second = new Fixture(new MemoryStore(store.lines));
  second.clock.advance(SECOND);
  expect(second.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({
    EndpointStatus: "InService",
    EndpointConfigName: "next",
  });
  expect(second.call("DescribeEndpoint", { EndpointName: "failed" })).toMatchObject({
    EndpointStatus: "Failed",
    FailureReason: PING_FAILURE,
  });
  expect(second.errorOf("DescribeEndpoint", { EndpointName: "deleted" })).toContain(
    "Could not find endpoint",
  );
});

test("restart: after a roll-back, what serves is what was there before", () => {
  const store = new MemoryStore();
  const first = new Fixture(store);
  first.serve();
  first.createConfig("next", [{ ...allTraffic, InstanceType: "ml.g5.xlarge" }]);
  first.fleet.failureOf = () => PING_FAILURE;
  first.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "next" });
  first.clock.advance(SECOND);
  const second = new Fixture(new MemoryStore(store.lines));
  second.clock.advance(SECOND);
  expect(second.call("DescribeEndpoint", { EndpointName: "e" })).toMatchObject({ EndpointConfigName: "c" });
});

test("a change that cannot be kept is not made", () => {
  const store = new MemoryStore();
  const fixture = new Fixture(store);
  fixture.serve();
  store.broken = true;
  expect(() => fixture.call("DeleteEndpoint", { EndpointName: "e" })).toThrow("ENOSPC");
  expect(() => fixture.call("UpdateEndpoint", { EndpointName: "e", EndpointConfigName: "c" })).toThrow(
    "ENOSPC",
  );
  expect(() => fixture.call("CreateEndpoint", { EndpointName: "f", EndpointConfigName: "c" })).toThrow(
    "ENOSPC",
  );
  expect(fixture.statusOf("e")).toBe("InService");
  expect(fixture.call("ListEndpoints", {}).Endpoints).toHaveLength(1);
});
