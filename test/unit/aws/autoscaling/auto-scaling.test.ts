import { describe, expect, test } from "vitest";
import { AutoScaling } from "../../../../emulator/aws/autoscaling/auto-scaling.ts";
import { autoScalingService } from "../../../../emulator/aws/autoscaling/auto-scaling-service.ts";
import { CloudWatch } from "../../../../emulator/aws/cloudwatch/cloudwatch.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { call, refusal } from "../../../support/aws-call.ts";
import { ScaledVariant } from "../../../support/scaled-variant.ts";

// Two seconds past the minute: what is measured in a minute is there before its alarms are judged.
const START_MS = Date.parse("2026-11-25T12:00:02Z");
const MINUTE_US = 60e6;

const on = {
  ServiceNamespace: "sagemaker",
  ResourceId: "endpoint/e/variant/v",
  ScalableDimension: "sagemaker:variant:DesiredInstanceCount",
};

const perInstance = (TargetValue: number, change = {}) => ({
  PolicyType: "TargetTrackingScaling",
  TargetTrackingScalingPolicyConfiguration: {
    TargetValue,
    PredefinedMetricSpecification: { PredefinedMetricType: "SageMakerVariantInvocationsPerInstance" },
    ...change,
  },
});

interface Activity {
  readonly Cause: string;
  readonly Description: string;
  readonly StatusCode: string;
  readonly StatusMessage: string;
  readonly StartTime: number;
  readonly EndTime?: number;
}

interface PolicyAnswer {
  readonly PolicyARN: string;
  readonly Alarms: readonly { readonly AlarmName: string; readonly AlarmARN: string }[];
}

const world = ({ count = 1, delayUs = 150e6 } = {}) => {
  const clock = new VirtualClock(START_MS);
  const cloudWatch = new CloudWatch(clock);
  const variant = new ScaledVariant(clock, count, delayUs);
  const scaling = new AutoScaling({ clock, seed: 1, alarms: cloudWatch.alarms, variants: variant });
  const service = autoScalingService(scaling);
  const register = (MinCapacity: number, MaxCapacity: number, more = {}) =>
    call(service, "RegisterScalableTarget", { ...on, MinCapacity, MaxCapacity, ...more });
  const policy = (PolicyName: string, settings: object) =>
    call<PolicyAnswer>(service, "PutScalingPolicy", { ...on, PolicyName, ...settings });
  const measure = (name: string, value: number) =>
    cloudWatch.metrics.put(
      "AWS/SageMaker",
      name,
      { EndpointName: "e", VariantName: "v" },
      value,
      "None",
      clock.now(),
    );
  /** So many invocations a minute, spread over the instances in service. @returns the counts after each minute */
  const load = (minutes: number, invocations: number): number[] =>
    Array.from({ length: minutes }, () => {
      measure("InvocationsPerInstance", invocations / variant.current);
      clock.advance(MINUTE_US);
      return variant.desired;
    });
  const activities = (more = {}) =>
    call<{ ScalingActivities: Activity[] }>(service, "DescribeScalingActivities", {
      ServiceNamespace: "sagemaker",
      ...more,
    }).ScalingActivities;
  const alarms = () =>
    call<{ MetricAlarms: { AlarmName: string; StateValue: string }[] }>(cloudWatch.service, "DescribeAlarms")
      .MetricAlarms;
  return {
    clock,
    cloudWatch,
    variant,
    scaling,
    service,
    register,
    policy,
    measure,
    load,
    activities,
    alarms,
  };
};

test("scalable target: goes with its endpoint, and its policies and their alarms with it; another's stays", () => {
  const { scaling, service, register, policy, alarms } = world();
  register(1, 4);
  policy("p", perInstance(100));
  const resources = () =>
    call<{ ScalableTargets: { ResourceId: string }[] }>(service, "DescribeScalableTargets", {
      ServiceNamespace: "sagemaker",
    }).ScalableTargets.map(({ ResourceId }) => ResourceId);
  scaling.endpointDeleted("us-east-1", "other");
  scaling.endpointDeleted("eu-west-1", "e");
  expect(resources()).toHaveLength(1);
  expect(alarms()).toHaveLength(2);
  scaling.endpointDeleted("us-east-1", "e");
  expect(resources()).toEqual([]);
  expect(alarms()).toEqual([]);
});

test("scalable target: its variant is known by the name of the endpoint, whose case does not count", () => {
  const { scaling, register } = world();
  register(1, 4);
  expect(scaling.variantsOf("us-east-1", "E")).toEqual(["v"]);
  expect(scaling.variantsOf("us-east-1", "other")).toEqual([]);
  expect(scaling.variantsOf("eu-west-1", "e")).toEqual([]);
  scaling.endpointDeleted("us-east-1", "E");
  expect(scaling.variantsOf("us-east-1", "e")).toEqual([]);
});

describe("target tracking", () => {
  test("a story: out after three minutes above the target, in after fifteen below nine tenths of it, one at a time", () => {
    const { variant, register, policy, load, activities, clock } = world();
    register(1, 5);
    policy("p", perInstance(100));
    expect(load(3, 90)).toEqual([1, 1, 1]);
    // 350 a minute want ceil(350 / 100) instances; it takes three minutes to notice, and two and a half to start them.
    expect(load(4, 350)).toEqual([1, 1, 4, 4]);
    expect(variant.current).toBe(1);
    expect(load(2, 350)).toEqual([4, 4]);
    expect(variant.current).toBe(4);
    // Now 20 an instance: the last minutes of load count until they are over.
    const quiet = load(31, 80);
    expect(quiet.slice(0, 14)).toEqual(Array.from({ length: 14 }, () => 4));
    expect(quiet[14]).toBe(3);
    // The change takes 2.5 minutes, and then the cooldown of 5 begins.
    expect(quiet.indexOf(2)).toBe(14 + 8);
    expect(quiet.at(-1)).toBe(1);
    clock.advance(3 * MINUTE_US);
    const seen = activities().map(({ Description, StatusCode, StartTime, EndTime }) => [
      Description,
      StatusCode,
      Math.round((StartTime * 1000 - START_MS) / 60_000),
      Math.round(((EndTime ?? 0) - StartTime) / 6) / 10,
    ]);
    expect(seen).toEqual([
      ["Setting desired instance count to 1.", "Successful", 40, 2.5],
      ["Setting desired instance count to 2.", "Successful", 32, 2.5],
      ["Setting desired instance count to 3.", "Successful", 24, 2.5],
      ["Setting desired instance count to 4.", "Successful", 6, 2.5],
    ]);
  });

  test("an activity says which alarm triggered which policy, and how it ended", () => {
    const { register, policy, load, activities, alarms } = world();
    register(1, 5);
    policy("my policy", perInstance(100));
    load(3, 350);
    const high = alarms()[0]?.AlarmName;
    expect(activities()).toMatchObject([
      {
        Cause: `monitor alarm ${high} in state ALARM triggered policy my policy`,
        StatusCode: "InProgress",
        StatusMessage:
          "Successfully set desired instance count to 4. Waiting for change to be fulfilled by sagemaker.",
      },
    ]);
    load(3, 350);
    expect(activities()[0]).toMatchObject({
      StatusCode: "Successful",
      StatusMessage:
        "Successfully set desired instance count to 4. Change successfully fulfilled by sagemaker.",
    });
  });

  test("the alarms have AWS's names, thresholds and periods", () => {
    const { register, policy, cloudWatch, service } = world();
    register(1, 5);
    const { PolicyARN, Alarms } = policy("p", perInstance(1500));
    expect(PolicyARN).toMatch(
      /^arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:[0-9a-f-]{36}:resource\/sagemaker\/endpoint\/e\/variant\/v:policyName\/p$/,
    );
    expect(Alarms.map(({ AlarmName }) => AlarmName.replace(/-[0-9a-f]{8}-[0-9a-f-]{27}$/, ""))).toEqual([
      "TargetTracking-endpoint/e/variant/v-AlarmHigh",
      "TargetTracking-endpoint/e/variant/v-AlarmLow",
    ]);
    const { MetricAlarms } = call<{ MetricAlarms: object[] }>(cloudWatch.service, "DescribeAlarms");
    const common = {
      Namespace: "AWS/SageMaker",
      MetricName: "InvocationsPerInstance",
      Dimensions: [
        { Name: "EndpointName", Value: "e" },
        { Name: "VariantName", Value: "v" },
      ],
      Statistic: "Sum",
      Period: 60,
      AlarmActions: [PolicyARN],
      AlarmDescription: `DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ${PolicyARN}.`,
    };
    expect(MetricAlarms).toMatchObject([
      { ...common, ComparisonOperator: "GreaterThanThreshold", Threshold: 1500, EvaluationPeriods: 3 },
      { ...common, ComparisonOperator: "LessThanThreshold", Threshold: 1350, EvaluationPeriods: 15 },
    ]);
    const described = call<{ ScalingPolicies: object[] }>(service, "DescribeScalingPolicies", {
      ServiceNamespace: "sagemaker",
    });
    expect(described.ScalingPolicies).toMatchObject([
      { PolicyName: "p", PolicyARN, Alarms, ...perInstance(1500) },
    ]);
  });

  test("high resolution: out after half a minute, in after 90 spans of ten seconds", () => {
    const { clock, cloudWatch, variant, register, policy } = world({ delayUs: 20e6 });
    register(1, 3);
    policy(
      "p",
      perInstance(5, {
        PredefinedMetricSpecification: {
          PredefinedMetricType: "SageMakerVariantConcurrentRequestsPerModelHighResolution",
        },
      }),
    );
    const requests = cloudWatch.metrics.series(
      {
        namespace: "AWS/SageMaker",
        name: "ConcurrentRequestsPerModel",
        dimensions: { EndpointName: "e", VariantName: "v" },
      },
      { resolution: 1 },
    );
    const seconds = (count: number, value: number) => {
      for (let second = 0; second < count; second += 10) {
        requests.add(value, clock.epochMs());
        clock.advance(10e6);
      }
    };
    seconds(20, 8);
    expect(variant.desired).toBe(1);
    seconds(10, 8);
    expect(variant.desired).toBe(2);
    seconds(890, 0);
    expect(variant.desired).toBe(2);
    seconds(10, 0);
    expect(variant.desired).toBe(1);
  });

  test("never above the maximum, never below the minimum; that it did not scale is told on demand, once", () => {
    const { register, policy, load, activities } = world({ count: 2 });
    register(2, 3);
    policy("p", perInstance(100));
    expect(load(20, 5000).at(-1)).toBe(3);
    expect(load(40, 0).at(-1)).toBe(2);
    expect(activities()).toHaveLength(2);
    const all = activities({ IncludeNotScaledActivities: true });
    expect(all.filter(({ StatusCode }) => StatusCode === "NotScaled")).toHaveLength(2);
    expect(all[0]).toMatchObject({
      NotScaledReasons: [{ Code: "AlreadyAtMinCapacity", MinCapacity: 2, CurrentCapacity: 2 }],
    });
    expect(all[2]).toMatchObject({
      NotScaledReasons: [{ Code: "AlreadyAtMaxCapacity", MaxCapacity: 3, CurrentCapacity: 3 }],
    });
  });

  test("a cooldown: no more is asked for than from where it began, unless the load has grown", () => {
    const { register, policy, load } = world({ delayUs: 1e6 });
    register(1, 20);
    policy("p", perInstance(100, { ScaleOutCooldown: 600 }));
    // 300 a minute ask for 3; then each of 3 has 150, which would be 5 of them.
    expect(load(3, 300).at(-1)).toBe(3);
    expect(load(10, 450)).toEqual(Array.from({ length: 10 }, () => 3));
    expect(load(1, 450)).toEqual([5]);
  });

  test("a cooldown: a larger scale-out is let through", () => {
    const { register, policy, load } = world({ delayUs: 1e6 });
    register(1, 20);
    policy("p", perInstance(100, { ScaleOutCooldown: 600 }));
    expect(load(3, 300).at(-1)).toBe(3);
    // 500 on each of 3: five times what the one had where the cooldown began.
    expect(load(1, 1500)).toEqual([5]);
  });

  test("several policies: the largest wins, and in only if all agree", () => {
    const { register, policy, load, measure, clock, variant } = world({ delayUs: 1e6 });
    register(1, 10);
    policy("few", perInstance(100));
    policy("many", perInstance(50));
    expect(load(3, 300).at(-1)).toBe(6);
    policy(
      "cpu",
      perInstance(50, {
        PredefinedMetricSpecification: undefined,
        CustomizedMetricSpecification: {
          MetricName: "Busy",
          Namespace: "AWS/SageMaker",
          Dimensions: [
            { Name: "EndpointName", Value: "e" },
            { Name: "VariantName", Value: "v" },
          ],
          Statistic: "Average",
        },
      }),
    );
    for (let minute = 0; minute < 25; minute++) {
      measure("Busy", 49);
      load(1, 0);
    }
    expect(variant.desired).toBe(6);
    for (let minute = 0; minute < 16; minute++) {
      measure("Busy", 10);
      load(1, 0);
    }
    clock.advance(2e6);
    expect(variant.desired).toBeLessThan(6);
  });

  test("DisableScaleIn: out, never in, and no AlarmLow", () => {
    const { register, policy, load, alarms } = world({ delayUs: 1e6 });
    register(1, 5);
    policy("p", perInstance(100, { DisableScaleIn: true }));
    expect(load(3, 300).at(-1)).toBe(3);
    expect(load(40, 0).at(-1)).toBe(3);
    expect(alarms()).toHaveLength(1);
  });

  test("suspended: neither out nor in until it is resumed", () => {
    const { register, policy, load } = world({ delayUs: 1e6 });
    register(1, 5, { SuspendedState: { DynamicScalingOutSuspended: true } });
    policy("p", perInstance(100));
    expect(load(5, 300).at(-1)).toBe(1);
    register(1, 5, {
      SuspendedState: { DynamicScalingOutSuspended: false, DynamicScalingInSuspended: true },
    });
    expect(load(1, 300)).toEqual([3]);
    expect(load(30, 0).at(-1)).toBe(3);
  });

  test("metric math: a target per instance made of a sum and a count", () => {
    const { register, policy, load } = world({ delayUs: 1e6 });
    register(1, 10);
    const metric = (Id: string, Stat: string) => ({
      Id,
      ReturnData: false,
      MetricStat: {
        Metric: {
          Namespace: "AWS/SageMaker",
          MetricName: "InvocationsPerInstance",
          Dimensions: [
            { Name: "EndpointName", Value: "e" },
            { Name: "VariantName", Value: "v" },
          ],
        },
        Stat,
      },
    });
    policy(
      "p",
      perInstance(10, {
        PredefinedMetricSpecification: undefined,
        CustomizedMetricSpecification: {
          Metrics: [metric("calls", "Sum"), { Id: "rate", Expression: "calls / 60" }],
        },
      }),
    );
    expect(load(3, 3000).at(-1)).toBe(5);
  });

  test("an endpoint that is being updated: the activity failed, and it is tried again", () => {
    const { register, policy, load, variant, activities } = world({ delayUs: 1e6 });
    register(1, 5);
    policy("p", perInstance(100));
    variant.busy = true;
    expect(load(3, 300).at(-1)).toBe(1);
    expect(activities()).toMatchObject([
      {
        StatusCode: "Failed",
        StatusMessage:
          "Failed to set desired instance count to 3. Reason: Cannot update in-progress endpoint e.",
      },
    ]);
    variant.busy = false;
    expect(load(1, 300)).toEqual([3]);
  });
});

describe("step scaling", () => {
  const step = (change = {}) => ({
    PolicyType: "StepScaling",
    StepScalingPolicyConfiguration: {
      AdjustmentType: "ChangeInCapacity",
      Cooldown: 60,
      StepAdjustments: [
        { MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 100, ScalingAdjustment: 1 },
        { MetricIntervalLowerBound: 100, ScalingAdjustment: 3 },
      ],
      ...change,
    },
  });

  const alarm = (cloudWatch: CloudWatch, AlarmName: string, PolicyARN: string, change = {}) =>
    call(cloudWatch.service, "PutMetricAlarm", {
      AlarmName,
      Namespace: "AWS/SageMaker",
      MetricName: "InvocationsPerInstance",
      Dimensions: [
        { Name: "EndpointName", Value: "e" },
        { Name: "VariantName", Value: "v" },
      ],
      Statistic: "Sum",
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 100,
      ComparisonOperator: "GreaterThanOrEqualToThreshold",
      AlarmActions: [PolicyARN],
      ...change,
    });

  test("an alarm of the user's asks the policy: the step is where the metric lies above the threshold", () => {
    const { register, policy, cloudWatch, load, service } = world({ delayUs: 1e6 });
    register(1, 10);
    const { PolicyARN, Alarms } = policy("up", step());
    expect(Alarms).toEqual([]);
    alarm(cloudWatch, "busy", PolicyARN);
    expect(load(1, 199)).toEqual([2]);
    const { ScalingPolicies } = call<{ ScalingPolicies: { Alarms: object[] }[] }>(
      service,
      "DescribeScalingPolicies",
      {
        ServiceNamespace: "sagemaker",
      },
    );
    expect(ScalingPolicies[0]?.Alarms).toMatchObject([{ AlarmName: "busy" }]);
    load(3, 0);
    // 200 on each of two: one hundred above.
    expect(load(1, 400)).toEqual([5]);
  });

  test("down: after the cooldown again, and a percentage changes at least one", () => {
    const { register, policy, cloudWatch, load } = world({ count: 4, delayUs: 1e6 });
    register(1, 10);
    const { PolicyARN } = policy(
      "down",
      step({
        AdjustmentType: "PercentChangeInCapacity",
        Cooldown: 120,
        StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: -10 }],
      }),
    );
    alarm(cloudWatch, "idle", PolicyARN, { ComparisonOperator: "LessThanThreshold", Threshold: 10 });
    expect(load(6, 0)).toEqual([3, 3, 3, 2, 2, 2]);
  });

  test.each([
    [{ StepAdjustments: [] }, "At least one step adjustment is required"],
    [{ AdjustmentType: undefined }, "AdjustmentType is required"],
    [
      {
        StepAdjustments: [
          { MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 10, ScalingAdjustment: 1 },
          { MetricIntervalLowerBound: 20, ScalingAdjustment: 2 },
        ],
      },
      "Step adjustment intervals can't overlap or have gaps between them",
    ],
  ])("%j is refused", (change, text) => {
    const { register, service } = world();
    register(1, 2);
    expect(refusal(service, "PutScalingPolicy", { ...on, PolicyName: "p", ...step(change) })).toBe(
      `ValidationException: ${text}`,
    );
  });
});

describe("scalable targets", () => {
  test("a count outside of the range is pulled into it", () => {
    const { register, variant, activities, clock } = world({ count: 1 });
    register(2, 4);
    expect(variant.desired).toBe(2);
    expect(activities()[0]).toMatchObject({ Cause: "minimum capacity was set to 2" });
    clock.advance(3 * MINUTE_US);
    register(0, 1);
    expect(variant.desired).toBe(1);
    expect(activities()[0]).toMatchObject({ Cause: "maximum capacity was set to 1" });
  });

  test("registered again, what is not given stays; deregistered, policies, alarms and scheduled actions are gone", () => {
    const { register, policy, service, alarms, clock, variant } = world();
    register(1, 4, { SuspendedState: { ScheduledScalingSuspended: true } });
    call(service, "RegisterScalableTarget", { ...on, MaxCapacity: 6 });
    const describeTargets = () =>
      call<{ ScalableTargets: object[] }>(service, "DescribeScalableTargets", {
        ServiceNamespace: "sagemaker",
      }).ScalableTargets;
    expect(describeTargets()).toMatchObject([
      {
        ...on,
        MinCapacity: 1,
        MaxCapacity: 6,
        SuspendedState: {
          DynamicScalingInSuspended: false,
          DynamicScalingOutSuspended: false,
          ScheduledScalingSuspended: true,
        },
        CreationTime: START_MS / 1000,
      },
    ]);
    policy("p", perInstance(10));
    call(service, "PutScheduledAction", {
      ...on,
      ScheduledActionName: "s",
      Schedule: "rate(1 minute)",
      ScalableTargetAction: { MinCapacity: 5 },
    });
    call(service, "DeregisterScalableTarget", on);
    expect([describeTargets(), alarms()]).toEqual([[], []]);
    clock.runAll();
    expect(variant.desired).toBe(1);
  });

  const none =
    "for service namespace: sagemaker, resource ID: endpoint/e/variant/v, scalable dimension: sagemaker:variant:DesiredInstanceCount";

  test.each<[string, object, string]>([
    [
      "PutScalingPolicy",
      { ...on, PolicyName: "p", ...perInstance(1) },
      `ObjectNotFoundException: No scalable target found ${none}`,
    ],
    ["DeregisterScalableTarget", on, `ObjectNotFoundException: No scalable target found ${none}`],
    [
      "DeleteScalingPolicy",
      { ...on, PolicyName: "p" },
      `ObjectNotFoundException: No scaling policy found ${none}, policy name: p`,
    ],
    [
      "DeleteScheduledAction",
      { ...on, ScheduledActionName: "s" },
      `ObjectNotFoundException: No scheduled action found ${none}, scheduled action name: s`,
    ],
    [
      "RegisterScalableTarget",
      on,
      "ValidationException: MinCapacity and MaxCapacity are required to register a scalable target",
    ],
    [
      "RegisterScalableTarget",
      { ...on, MinCapacity: 3, MaxCapacity: 2 },
      "ValidationException: Maximum capacity cannot be less than minimum capacity",
    ],
    [
      "RegisterScalableTarget",
      { ...on, MinCapacity: -1, MaxCapacity: 2 },
      "ValidationException: 1 validation error detected: Value '-1' at 'minCapacity' failed to satisfy constraint: Member must have value greater than or equal to 0",
    ],
    [
      "RegisterScalableTarget",
      { ...on, ResourceId: "endpoint/other/variant/v", MinCapacity: 1, MaxCapacity: 2 },
      "ValidationException: SageMaker endpoint variant doesn't exist: endpoint/other/variant/v",
    ],
    [
      "RegisterScalableTarget",
      { ...on, ResourceId: "table/t", MinCapacity: 1, MaxCapacity: 2 },
      "ValidationException: Unsupported service namespace, resource type or scalable dimension",
    ],
    [
      "DescribeScalableTargets",
      { ServiceNamespace: "ecs" },
      "ValidationException: Unsupported service namespace, resource type or scalable dimension",
    ],
    [
      "DescribeScalableTargets",
      { ServiceNamespace: "sagemaker", NextToken: "x" },
      "InvalidNextTokenException: The next token supplied was invalid.",
    ],
  ])("%s %j is refused", (operation, input, text) => {
    expect(refusal(world().service, operation, input)).toBe(text);
  });

  test.each([
    [perInstance(0), "TargetValue must be greater than 0"],
    [perInstance(1, { ScaleInCooldown: -1 }), "ScaleInCooldown cannot be less than 0"],
    [
      perInstance(1, { PredefinedMetricSpecification: undefined }),
      "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be given",
    ],
    [
      perInstance(1, { PredefinedMetricSpecification: { PredefinedMetricType: "InvocationsPerInstance" } }),
      `Unsupported predefined metric type InvocationsPerInstance ${none}`,
    ],
    [
      { PolicyType: "TargetTrackingScaling" },
      "TargetTrackingScalingPolicyConfiguration is required for policy type TargetTrackingScaling",
    ],
    [{ PolicyType: "PredictiveScaling" }, "Policy type PredictiveScaling is not emulated"],
  ])("a policy %j is refused, and no alarm is made", (settings, text) => {
    const { register, service, alarms } = world();
    register(1, 2);
    expect(refusal(service, "PutScalingPolicy", { ...on, PolicyName: "p", ...settings })).toBe(
      `ValidationException: ${text}`,
    );
    expect(alarms()).toEqual([]);
  });
});

test("quota: 500 scalable targets; one that is there can be changed", () => {
  const clock = new VirtualClock(START_MS);
  const scaling = new AutoScaling({
    clock,
    seed: 1,
    alarms: new CloudWatch(clock).alarms,
    variants: {
      variantCapacity: () => ({ currentCount: 1, desiredCount: 1, canChange: true }),
      scaleVariant: () => true,
    },
  });
  const service = autoScalingService(scaling);
  const register = (name: string) =>
    [
      "RegisterScalableTarget",
      { ...on, ResourceId: `endpoint/${name}/variant/v`, MinCapacity: 1, MaxCapacity: 2 },
    ] as const;
  for (let i = 0; i < 500; i++) call(service, ...register(`e${i}`));
  expect(refusal(service, ...register("more"))).toBe(
    "LimitExceededException: A per-account resource limit is exceeded: at most 500 scalable targets.",
  );
  call(service, ...register("e7"));
});

test("quotas: 50 policies and 200 scheduled actions of a target; those that are there can be changed", () => {
  const { register, service } = world();
  register(1, 2);
  const put = (PolicyName: string) => ["PutScalingPolicy", { ...on, PolicyName, ...perInstance(5) }] as const;
  const schedule = (ScheduledActionName: string) =>
    [
      "PutScheduledAction",
      {
        ...on,
        ScheduledActionName,
        Schedule: "rate(1 day)",
        ScalableTargetAction: { MinCapacity: 1 },
      },
    ] as const;
  for (let i = 0; i < 50; i++) call(service, ...put(`p${i}`));
  for (let i = 0; i < 200; i++) call(service, ...schedule(`s${i}`));
  expect(refusal(service, ...put("one more"))).toBe(
    "LimitExceededException: A per-account resource limit is exceeded: at most 50 scaling policies per scalable target.",
  );
  expect(refusal(service, ...schedule("one more"))).toBe(
    "LimitExceededException: A per-account resource limit is exceeded: at most 200 scheduled actions per scalable target.",
  );
  call(service, ...put("p7"));
  call(service, ...schedule("s7"));
});

describe("scheduled actions", () => {
  const schedule = (ScheduledActionName: string, Schedule: string, change = {}) => ({
    ...on,
    ScheduledActionName,
    Schedule,
    ScalableTargetAction: { MinCapacity: 3, MaxCapacity: 8 },
    ...change,
  });

  test("at its time it sets the range, and the count is pulled into it", () => {
    const { register, service, variant, clock, activities } = world();
    register(1, 2);
    call(service, "PutScheduledAction", schedule("morning", "at(2026-11-25T13:00:00)"));
    clock.advance(57 * MINUTE_US);
    expect(variant.desired).toBe(1);
    clock.advance(MINUTE_US);
    clock.advance(2 * MINUTE_US);
    expect(variant.desired).toBe(3);
    expect(activities().map(({ Cause, Description }) => [Cause, Description])).toEqual([
      ["minimum capacity was set to 3", "Setting desired instance count to 3."],
      ["scheduled action name morning was triggered", "Setting min capacity to 3 and max capacity to 8"],
    ]);
  });

  test("a new minimum above the maximum takes it along", () => {
    const { register, service, variant, clock } = world();
    register(1, 2);
    call(
      service,
      "PutScheduledAction",
      schedule("s", "rate(5 minutes)", { ScalableTargetAction: { MinCapacity: 4 } }),
    );
    clock.advance(6 * MINUTE_US);
    expect(variant.desired).toBe(4);
    expect(call(service, "DescribeScalableTargets", { ServiceNamespace: "sagemaker" })).toMatchObject({
      ScalableTargets: [{ MinCapacity: 4, MaxCapacity: 4 }],
    });
  });

  test("suspended, or after its end, it does nothing", () => {
    const { register, service, variant, clock } = world();
    register(1, 2, { SuspendedState: { ScheduledScalingSuspended: true } });
    call(service, "PutScheduledAction", schedule("s", "rate(1 minute)", { EndTime: START_MS / 1000 + 300 }));
    clock.advance(4 * MINUTE_US);
    register(1, 2, { SuspendedState: { ScheduledScalingSuspended: false } });
    call(service, "PutScheduledAction", schedule("s", "rate(10 minutes)"));
    clock.advance(60 * MINUTE_US);
    expect(variant.desired).toBe(1);
  });

  test("described by name and resource, and deleted", () => {
    const { register, service } = world();
    register(1, 2);
    call(
      service,
      "PutScheduledAction",
      schedule("a", "cron(0 8 ? * MON-FRI *)", { Timezone: "Europe/Berlin" }),
    );
    call(service, "PutScheduledAction", schedule("b", "rate(1 day)"));
    const list = (more = {}) =>
      call<{ ScheduledActions: object[] }>(service, "DescribeScheduledActions", {
        ServiceNamespace: "sagemaker",
        ...more,
      }).ScheduledActions;
    expect(list({ ScheduledActionNames: ["a"] })).toMatchObject([
      {
        ScheduledActionName: "a",
        Schedule: "cron(0 8 ? * MON-FRI *)",
        Timezone: "Europe/Berlin",
        ScalableTargetAction: { MinCapacity: 3, MaxCapacity: 8 },
      },
    ]);
    call(service, "DeleteScheduledAction", { ...on, ScheduledActionName: "a" });
    expect(list()).toMatchObject([{ ScheduledActionName: "b" }]);
  });

  test.each([
    [
      schedule("s", "every day"),
      "Invalid schedule expression. Details: 'every day' is not at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields).",
    ],
    [schedule("s", "rate(1 day)", { Timezone: "Mars/Base" }), "Invalid timezone: Mars/Base"],
    [
      schedule("s", "rate(1 day)", { ScalableTargetAction: {} }),
      "ScalableTargetAction must have MinCapacity, MaxCapacity or both",
    ],
    [
      schedule("s", "rate(1 day)", { StartTime: 2e9, EndTime: 1e9 }),
      "The end time must be later than the start time",
    ],
  ])("%j is refused", (input, text) => {
    const { register, service } = world();
    register(1, 2);
    expect(refusal(service, "PutScheduledAction", input)).toBe(`ValidationException: ${text}`);
  });
});
