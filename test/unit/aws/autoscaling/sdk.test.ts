import {
  ApplicationAutoScalingClient,
  DeleteScalingPolicyCommand,
  DeregisterScalableTargetCommand,
  DescribeScalableTargetsCommand,
  DescribeScalingActivitiesCommand,
  DescribeScalingPoliciesCommand,
  DescribeScheduledActionsCommand,
  PutScalingPolicyCommand,
  PutScheduledActionCommand,
  RegisterScalableTargetCommand,
} from "@aws-sdk/client-application-auto-scaling";
import { expect, test } from "vitest";
import { AutoScaling } from "../../../../emulator/aws/autoscaling/auto-scaling.ts";
import { autoScalingService } from "../../../../emulator/aws/autoscaling/auto-scaling-service.ts";
import { CloudWatch } from "../../../../emulator/aws/cloudwatch/cloudwatch.ts";
import { silentLog } from "../../../../emulator/common/log.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { listen } from "../../../../emulator/frontends/http1/listener.ts";
import { awsPort } from "../../../support/aws-exchange.ts";
import { ScaledVariant } from "../../../support/scaled-variant.ts";

const START_MS = Date.parse("2026-11-25T12:00:00Z");

const on = {
  ServiceNamespace: "sagemaker",
  ResourceId: "endpoint/e/variant/v",
  ScalableDimension: "sagemaker:variant:DesiredInstanceCount",
} as const;

test("AWS's client of Application Auto Scaling: a target with a policy scales, and all of it can be read and removed", async () => {
  const clock = new VirtualClock(START_MS);
  const cloudWatch = new CloudWatch(clock);
  const variants = new ScaledVariant(clock, 1, 60e6);
  const scaling = new AutoScaling({ clock, seed: 3, alarms: cloudWatch.alarms, variants });
  const port = awsPort([autoScalingService(scaling), cloudWatch.service]);
  const listener = await listen(
    { address: "127.0.0.1", port: 0, onRequest: (exchange) => port.handle(exchange) },
    silentLog,
  );
  const client = new ApplicationAutoScalingClient({
    endpoint: `http://127.0.0.1:${listener.port}`,
    region: "us-east-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  });
  try {
    const policy = {
      ...on,
      PolicyName: "p",
      PolicyType: "TargetTrackingScaling",
      TargetTrackingScalingPolicyConfiguration: {
        TargetValue: 10,
        PredefinedMetricSpecification: { PredefinedMetricType: "SageMakerVariantInvocationsPerInstance" },
        ScaleInCooldown: 60,
      },
    } as const;
    await expect(client.send(new PutScalingPolicyCommand(policy))).rejects.toMatchObject({
      name: "ObjectNotFoundException",
    });
    const { ScalableTargetARN } = await client.send(
      new RegisterScalableTargetCommand({ ...on, MinCapacity: 1, MaxCapacity: 4 }),
    );
    const put = await client.send(new PutScalingPolicyCommand(policy));
    await client.send(
      new PutScheduledActionCommand({
        ...on,
        ScheduledActionName: "s",
        Schedule: "cron(0 6 * * ? *)",
        StartTime: new Date(START_MS + 3_600_000),
        ScalableTargetAction: { MaxCapacity: 2 },
      }),
    );
    const dimensions = { EndpointName: "e", VariantName: "v" };
    for (let minute = 0; minute < 6; minute++) {
      cloudWatch.metrics.put("AWS/SageMaker", "InvocationsPerInstance", dimensions, 25, "None", clock.now());
      clock.advance(60e6);
    }
    const sagemaker = { ServiceNamespace: "sagemaker" } as const;
    const targets = await client.send(new DescribeScalableTargetsCommand(sagemaker));
    expect(targets.ScalableTargets).toMatchObject([
      { ...on, MinCapacity: 1, MaxCapacity: 4, ScalableTargetARN, CreationTime: new Date(START_MS) },
    ]);
    const policies = await client.send(new DescribeScalingPoliciesCommand(sagemaker));
    expect(policies.ScalingPolicies).toMatchObject([
      { ...policy, PolicyARN: put.PolicyARN, Alarms: put.Alarms },
    ]);
    const actions = await client.send(new DescribeScheduledActionsCommand(sagemaker));
    expect(actions.ScheduledActions).toMatchObject([
      {
        ScheduledActionName: "s",
        StartTime: new Date(START_MS + 3_600_000),
        ScalableTargetAction: { MaxCapacity: 2 },
      },
    ]);
    const activities = await client.send(new DescribeScalingActivitiesCommand(sagemaker));
    expect(activities.ScalingActivities).toMatchObject([
      {
        Description: "Setting desired instance count to 3.",
        StatusCode: "Successful",
        StartTime: new Date(START_MS + 181_000),
      },
    ]);
    expect(variants.current).toBe(3);
    await client.send(new DeleteScalingPolicyCommand({ ...on, PolicyName: "p" }));
    await client.send(new DeregisterScalableTargetCommand(on));
    expect((await client.send(new DescribeScalableTargetsCommand(sagemaker))).ScalableTargets).toEqual([]);
  } finally {
    client.destroy();
    await listener.close();
  }
});
