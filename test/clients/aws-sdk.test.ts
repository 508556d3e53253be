import { setTimeout as sleep } from "node:timers/promises";
import {
  ApplicationAutoScalingClient,
  DeleteScalingPolicyCommand,
  DeregisterScalableTargetCommand,
  DescribeScalingActivitiesCommand,
  ObjectNotFoundException,
  PutScalingPolicyCommand,
  RegisterScalableTargetCommand,
} from "@aws-sdk/client-application-auto-scaling";
import {
  CloudWatchClient,
  GetMetricDataCommand,
  GetMetricStatisticsCommand,
  paginateListMetrics,
} from "@aws-sdk/client-cloudwatch";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from "@aws-sdk/client-s3";
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteEndpointCommand,
  DeleteEndpointConfigCommand,
  DeleteModelCommand,
  DescribeEndpointCommand,
  paginateListEndpoints,
  SageMakerClient,
  UpdateEndpointCommand,
  waitUntilEndpointDeleted,
  waitUntilEndpointInService,
} from "@aws-sdk/client-sagemaker";
import {
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  ModelError,
  SageMakerRuntimeClient,
  ValidationError,
} from "@aws-sdk/client-sagemaker-runtime";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ControlClient } from "../../emulator/testing/control.ts";
import { type AwsEmulator, startAwsEmulator } from "../support/aws-emulator.ts";
import { nextMinute } from "../support/emulator-clock.ts";
import { scaledBy, scalingModel, scalingRequest } from "../support/scaling-models.ts";

const MODELS = Array.from({ length: 7 }, (_, index) => `scale-${index + 1}.tar.gz`);
const FIT = 5;
const bucket = "sdk-models";
const dimensions = [
  { Name: "EndpointName", Value: "sdk" },
  { Name: "VariantName", Value: "AllTraffic" },
];

let emulator: AwsEmulator;
let s3: S3Client;
let sagemaker: SageMakerClient;
let runtime: SageMakerRuntimeClient;
let cloudwatch: CloudWatchClient;
let scaling: ApplicationAutoScalingClient;

beforeAll(async () => {
  emulator = await startAwsEmulator();
  const options = {
    endpoint: emulator.url,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  };
  s3 = new S3Client(options);
  sagemaker = new SageMakerClient(options);
  runtime = new SageMakerRuntimeClient(options);
  cloudwatch = new CloudWatchClient(options);
  scaling = new ApplicationAutoScalingClient(options);
}, 60_000);

afterAll(async () => {
  for (const client of [s3, sagemaker, runtime, cloudwatch, scaling]) client?.destroy();
  await emulator?.[Symbol.asyncDispose]();
});

const often = () => ({ client: sagemaker, maxWaitTime: 60, minDelay: 1, maxDelay: 1 });
const inService = () => waitUntilEndpointInService(often(), { EndpointName: "sdk" });
const describeEndpoint = () => sagemaker.send(new DescribeEndpointCommand({ EndpointName: "sdk" }));

const invoke = (model: string | undefined, body = scalingRequest, endpoint = "sdk") =>
  runtime.send(
    new InvokeEndpointCommand({
      EndpointName: endpoint,
      TargetModel: model,
      ContentType: "application/json",
      Body: body,
    }),
  );

const factorOf = async (model: string): Promise<number | null> =>
  scaledBy(new TextDecoder().decode((await invoke(model)).Body));

const createConfig = (name: string) =>
  sagemaker.send(
    new CreateEndpointConfigCommand({
      EndpointConfigName: name,
      ProductionVariants: [
        {
          VariantName: "AllTraffic",
          ModelName: "sdk",
          InstanceType: "ml.g4dn.xlarge",
          InitialInstanceCount: 1,
        },
      ],
    }),
  );

// One endpoint's life: each test goes on where the one before it ended.
describe.sequential("AWS SDK for JavaScript", () => {
  test("AWS SDK for JavaScript: archives are put into a bucket and listed page by page", async () => {
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    for (const [index, model] of MODELS.entries()) {
      const body = scalingModel(index + 1);
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `mme/${model}`, Body: body }));
    }
    const keys: (string | undefined)[] = [];
    const pages = paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket: bucket, Prefix: "mme/" });
    for await (const { Contents = [] } of pages) keys.push(...Contents.map(({ Key }) => Key));
    expect(keys).toEqual(MODELS.map((model) => `mme/${model}`));
    await expect(s3.send(new GetObjectCommand({ Bucket: bucket, Key: "nothing" }))).rejects.toBeInstanceOf(
      NoSuchKey,
    );
  });

  test("AWS SDK for JavaScript: model, configuration and endpoint are created, and the SDK's waiter sees it in service", async () => {
    const { ModelArn } = await sagemaker.send(
      new CreateModelCommand({
        ModelName: "sdk",
        ExecutionRoleArn: "arn:aws:iam::000000000000:role/Endpoints",
        PrimaryContainer: { Image: "triton", Mode: "MultiModel", ModelDataUrl: `s3://${bucket}/mme/` },
      }),
    );
    expect(ModelArn).toBe("arn:aws:sagemaker:us-east-1:000000000000:model/sdk");
    await createConfig("sdk-1");
    await sagemaker.send(new CreateEndpointCommand({ EndpointName: "sdk", EndpointConfigName: "sdk-1" }));
    expect((await inService()).state).toBe("SUCCESS");
    const { EndpointStatus, CreationTime, ProductionVariants } = await describeEndpoint();
    expect(EndpointStatus).toBe("InService");
    expect(CreationTime).toBeInstanceOf(Date);
    expect(ProductionVariants).toMatchObject([{ CurrentInstanceCount: 1, DesiredInstanceCount: 1 }]);
    const names: (string | undefined)[] = [];
    for await (const { Endpoints = [] } of paginateListEndpoints({ client: sagemaker }, {}))
      names.push(...Endpoints.map(({ EndpointName }) => EndpointName));
    expect(names).toEqual(["sdk"]);
  }, 90_000);

  test("AWS SDK for JavaScript: every model answers as itself, and CloudWatch says that memory holds five", async () => {
    for (const [index, model] of MODELS.entries()) expect(await factorOf(model)).toBe(index + 1);
    const newest = MODELS[MODELS.length - 1] ?? "";
    expect(await factorOf(newest)).toBe(MODELS.length);

    const now = Date.now();
    const period = { StartTime: new Date(now - 3_600_000), EndTime: new Date(now + 3_600_000) };
    const stat = (name: string, statistic: string, namespace = "AWS/SageMaker") => ({
      Metric: { Namespace: namespace, MetricName: name, Dimensions: dimensions },
      Period: 3600,
      Stat: statistic,
    });
    const { MetricDataResults = [] } = await cloudwatch.send(
      new GetMetricDataCommand({
        ...period,
        MetricDataQueries: [
          { Id: "calls", MetricStat: stat("ModelCacheHit", "SampleCount") },
          { Id: "hits", MetricStat: stat("ModelCacheHit", "Sum") },
          { Id: "unloads", MetricStat: stat("ModelUnloadingTime", "SampleCount") },
          { Id: "misses", Expression: "calls - hits" },
        ],
      }),
    );
    const sums = MetricDataResults.map(({ Id, Values = [] }) => [Id, Values.reduce((a, b) => a + b, 0)]);
    expect(Object.fromEntries(sums)).toEqual({
      calls: MODELS.length + 1,
      hits: 1,
      unloads: MODELS.length - FIT,
      misses: MODELS.length,
    });
    const { Datapoints = [] } = await cloudwatch.send(
      new GetMetricStatisticsCommand({
        ...period,
        Namespace: "AWS/SageMaker",
        MetricName: "ModelLatency",
        Dimensions: dimensions,
        Period: 3600,
        Statistics: ["Average", "Maximum"],
      }),
    );
    expect(Datapoints[0]).toMatchObject({ Unit: "Microseconds", Average: expect.any(Number) });
    expect(Datapoints[0]?.Timestamp).toBeInstanceOf(Date);
    const metrics: (string | undefined)[] = [];
    const query = { Namespace: "AWS/SageMaker", Dimensions: dimensions };
    for await (const { Metrics = [] } of paginateListMetrics({ client: cloudwatch }, query))
      metrics.push(...Metrics.map(({ MetricName }) => MetricName));
    expect(metrics).toContain("ModelLoadingWaitTime");
  }, 90_000);

  test("AWS SDK for JavaScript: a stream of an endpoint of many models is refused, for it names none", async () => {
    const stream = new InvokeEndpointWithResponseStreamCommand({ EndpointName: "sdk", Body: scalingRequest });
    await expect(runtime.send(stream)).rejects.toBeInstanceOf(ValidationError);
  });

  test("AWS SDK for JavaScript: errors are of the SDK's own classes", async () => {
    const refused = async (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => null,
        (error: unknown) => error,
      );
    const modelError = await refused(invoke(MODELS[0], "no json"));
    expect(modelError).toBeInstanceOf(ModelError);
    expect(modelError).toMatchObject({
      $metadata: { httpStatusCode: 424 },
      OriginalStatusCode: 400,
      OriginalMessage: expect.stringContaining('{"error":"'),
      LogStreamArn: "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/sdk",
    });
    const unknown = await refused(invoke(MODELS[0], scalingRequest, "nobody"));
    expect(unknown).toBeInstanceOf(ValidationError);
    expect(unknown).toMatchObject({ message: "Endpoint nobody of account 000000000000 not found." });
    const busy = await refused(
      sagemaker.send(new CreateEndpointCommand({ EndpointName: "sdk", EndpointConfigName: "sdk-1" })),
    );
    expect(busy).toMatchObject({
      name: "ValidationException",
      message:
        'Cannot create already existing endpoint "arn:aws:sagemaker:us-east-1:000000000000:endpoint/sdk".',
      $metadata: { httpStatusCode: 400, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    });
  });

  test("AWS SDK for JavaScript: a variant is a scalable target, and what is none is not found", async () => {
    const resource = {
      ServiceNamespace: "sagemaker",
      ResourceId: "endpoint/sdk/variant/AllTraffic",
      ScalableDimension: "sagemaker:variant:DesiredInstanceCount",
    } as const;
    await scaling.send(new RegisterScalableTargetCommand({ ...resource, MinCapacity: 2, MaxCapacity: 3 }));
    // What is below the minimum is brought up to it.
    await expect
      .poll(async () => (await describeEndpoint()).ProductionVariants?.[0]?.DesiredInstanceCount, {
        timeout: 10_000,
      })
      .toBe(2);
    await inService();
    await scaling.send(new DeregisterScalableTargetCommand(resource));
    await expect(scaling.send(new DeregisterScalableTargetCommand(resource))).rejects.toBeInstanceOf(
      ObjectNotFoundException,
    );
  }, 60_000);

  test("AWS SDK for JavaScript: a variant is scaled out under load, and in again when nobody calls", async () => {
    const resource = {
      ServiceNamespace: "sagemaker",
      ResourceId: "endpoint/sdk/variant/AllTraffic",
      ScalableDimension: "sagemaker:variant:DesiredInstanceCount",
    } as const;
    const instances = async (): Promise<number | undefined> =>
      (await describeEndpoint()).ProductionVariants?.[0]?.CurrentInstanceCount;
    const update = { ...resource, MinCapacity: 1, MaxCapacity: 4 };
    await scaling.send(new RegisterScalableTargetCommand(update));
    await scaling.send(
      new PutScalingPolicyCommand({
        ...resource,
        PolicyName: "load",
        PolicyType: "TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration: {
          TargetValue: 5,
          PredefinedMetricSpecification: { PredefinedMetricType: "SageMakerVariantInvocationsPerInstance" },
          ScaleInCooldown: 60,
        },
      }),
    );
    const before = await instances();
    expect(before).toBe(2);
    // What was called before is not to count.
    await new ControlClient(emulator.url).advance("5min");
    const began = await nextMinute(emulator.url);
    for (let minute = 0; minute < 3; minute++) {
      expect(await instances()).toBe(2);
      for (let call = 0; call < 20; call++) expect(await factorOf(MODELS[0] ?? "")).toBe(1);
      await nextMinute(emulator.url);
    }
    // Ten of five for each of two instances.
    expect(await instances()).toBe(4);
    await new ControlClient(emulator.url).advance("30min");
    expect(await instances()).toBe(1);

    const { ScalingActivities = [] } = await scaling.send(new DescribeScalingActivitiesCommand(resource));
    const counts = ScalingActivities.map(({ Description, StatusCode }) => [
      StatusCode,
      Number(/to (\d+)\.$/.exec(Description ?? "")?.[1]),
    ]);
    expect(counts.slice(0, 4)).toEqual([1, 2, 3, 4].map((count) => ["Successful", count]));
    const minuteMs = began.getTime() - (began.getTime() % 60_000);
    const { MetricDataResults = [] } = await cloudwatch.send(
      new GetMetricDataCommand({
        StartTime: new Date(minuteMs),
        EndTime: new Date(minuteMs + 5 * 60_000),
        ScanBy: "TimestampAscending",
        MetricDataQueries: [
          {
            Id: "perInstance",
            MetricStat: {
              Metric: {
                Namespace: "AWS/SageMaker",
                MetricName: "InvocationsPerInstance",
                Dimensions: dimensions,
              },
              Period: 60,
              Stat: "Sum",
            },
          },
        ],
      }),
    );
    expect(MetricDataResults[0]?.Values).toEqual([10, 10, 10, 0, 0]);
    expect(MetricDataResults[0]?.Timestamps?.map((at) => (at.getTime() - minuteMs) / 60_000)).toEqual([
      0, 1, 2, 3, 4,
    ]);
    await scaling.send(new DeleteScalingPolicyCommand({ ...resource, PolicyName: "load" }));
    await scaling.send(new DeregisterScalableTargetCommand(resource));
  }, 90_000);

  test("AWS SDK for JavaScript: an update is not noticed by callers, and everything can be deleted", async () => {
    await createConfig("sdk-2");
    let updated = false;
    const answers: (number | null)[] = [];
    const calls = (async () => {
      while (!updated) {
        answers.push(await factorOf(MODELS[0] ?? ""));
        await sleep(10);
      }
    })();
    await sagemaker.send(new UpdateEndpointCommand({ EndpointName: "sdk", EndpointConfigName: "sdk-2" }));
    await inService();
    const { EndpointConfigName } = await describeEndpoint();
    updated = true;
    await calls;
    expect(EndpointConfigName).toBe("sdk-2");
    expect(new Set(answers)).toEqual(new Set([1]));

    await sagemaker.send(new DeleteEndpointCommand({ EndpointName: "sdk" }));
    expect((await waitUntilEndpointDeleted(often(), { EndpointName: "sdk" })).state).toBe("SUCCESS");
    for (const name of ["sdk-1", "sdk-2"])
      await sagemaker.send(new DeleteEndpointConfigCommand({ EndpointConfigName: name }));
    await sagemaker.send(new DeleteModelCommand({ ModelName: "sdk" }));
    const objects = MODELS.map((model) => ({ Key: `mme/${model}` }));
    await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects } }));
    await s3.send(new DeleteBucketCommand({ Bucket: bucket }));
  }, 90_000);
});
