import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ControlClient } from "../../../emulator/testing/control.ts";
import { type AwsEmulator, startAwsEmulator } from "../../support/aws-emulator.ts";
import { type CommandResult, mustRun, runCommand } from "../../support/command.ts";
import { nextMinute } from "../../support/emulator-clock.ts";
import { type PythonEnvironment, pythonEnvironment } from "../../support/python-environment.ts";
import { scaledBy, scalingModel, scalingRequest } from "../../support/scaling-models.ts";

const INSTALL_TIMEOUT_MS = 300_000;
const MODELS = Array.from({ length: 6 }, (_, index) => `scale-${index + 1}.tar.gz`);
const FIT = 5;
/** A region whose buckets carry its name. */
const REGION = "eu-west-1";
const ARN = `arn:aws:sagemaker:${REGION}:000000000000`;

let environment: PythonEnvironment;
let emulator: AwsEmulator;
let folder: string;

const options = () => ({
  cwd: folder,
  env: { ...emulator.environment, AWS_DEFAULT_REGION: REGION, AWS_REGION: REGION, AWS_PAGER: "" },
  timeoutMs: 120_000,
});

// As a module: the script beside Python has the path where the environment was made.
const command = (line: string): string[] => [
  environment.available ? environment.python : "",
  ...["-m", "awscli"],
  ...line.split(/\s+/).filter((word) => word !== ""),
];

/** Runs `aws` with words that have no spaces in them, and returns what it printed. */
const aws = async (line: string): Promise<string> => (await mustRun(command(line), options())).trim();

const refused = (line: string): Promise<CommandResult> => runCommand(command(line), options());

let invocations = 0;

const invoke = async (model: string): Promise<number | null> => {
  const answer = join(folder, `answer-${invocations++}.json`);
  await aws(
    `sagemaker-runtime invoke-endpoint --endpoint-name cli --target-model ${model}
     --content-type application/json --body fileb://request.json ${answer}`,
  );
  return scaledBy(readFileSync(answer, "utf8"));
};

const createConfig = (name: string): Promise<string> =>
  aws(
    `sagemaker create-endpoint-config --endpoint-config-name ${name} --production-variants
     VariantName=AllTraffic,ModelName=cli,InstanceType=ml.g4dn.xlarge,InitialInstanceCount=1`,
  );

const dimensions = "Name=EndpointName,Value=cli Name=VariantName,Value=AllTraffic";

const statistic = async (metric: string, name: string): Promise<number> => {
  const [start, end] = [-3_600_000, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString());
  const sum = await aws(
    `cloudwatch get-metric-statistics --namespace AWS/SageMaker --metric-name ${metric} --dimensions ${dimensions}
     --start-time ${start} --end-time ${end} --period 86400 --statistics ${name}
     --query sum(Datapoints[].${name}) --output text`,
  );
  return Number(sum);
};

const target = `--service-namespace sagemaker --resource-id endpoint/cli/variant/AllTraffic
  --scalable-dimension sagemaker:variant:DesiredInstanceCount`;

/** Declares one endpoint's life with the AWS CLI: each test goes on where the one before it ended. */
export const awsCliTests = (): void => {
  describe("AWS CLI", () => {
    beforeAll(async () => {
      environment = pythonEnvironment(join(import.meta.dirname, "requirements.txt"));
      if (!environment.available) {
        console.warn(`the AWS CLI is not tested: ${environment.reason}`);
        return;
      }
      emulator = await startAwsEmulator();
      folder = mkdtempSync(join(tmpdir(), "triton-local-cli-"));
      mkdirSync(join(folder, "models"));
      for (const [index, model] of MODELS.entries())
        writeFileSync(join(folder, "models", model), scalingModel(index + 1));
      writeFileSync(join(folder, "request.json"), scalingRequest);
    }, INSTALL_TIMEOUT_MS);

    afterAll(async () => {
      await emulator?.[Symbol.asyncDispose]();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    });

    beforeEach(({ skip }) => {
      if (!environment.available) skip(environment.reason);
    });

    test.sequential("AWS CLI: a folder of archives is synced into a bucket", async () => {
      await aws("s3 mb s3://cli-models");
      expect(await aws("s3api get-bucket-location --bucket cli-models --output text")).toBe(REGION);
      await aws("s3 sync models s3://cli-models/mme/ --only-show-errors");
      expect(await aws("s3 sync models s3://cli-models/mme/")).toBe("");
      const listed = (await aws("s3 ls s3://cli-models/mme/"))
        .split("\n")
        .map((line) => line.split(" ").at(-1));
      expect(listed).toEqual(MODELS);
    }, 60_000);

    test.sequential("AWS CLI: model, configuration and endpoint are created, and its waiter sees it in service", async () => {
      const arn = await aws(
        `sagemaker create-model --model-name cli --execution-role-arn arn:aws:iam::000000000000:role/Endpoints
       --primary-container Image=triton,Mode=MultiModel,ModelDataUrl=s3://cli-models/mme/ --query ModelArn --output text`,
      );
      expect(arn).toBe(`${ARN}:model/cli`);
      await createConfig("cli-1");
      await aws("sagemaker create-endpoint --endpoint-name cli --endpoint-config-name cli-1");
      await aws("sagemaker wait endpoint-in-service --endpoint-name cli");
      expect(await aws("sagemaker list-endpoints --query Endpoints[].EndpointStatus --output text")).toBe(
        "InService",
      );
    }, 150_000);

    test.sequential("AWS CLI: every model answers as itself, and CloudWatch says that memory holds five", async () => {
      for (const [index, model] of MODELS.entries()) expect(await invoke(model)).toBe(index + 1);
      expect(await statistic("ModelCacheHit", "SampleCount")).toBe(MODELS.length);
      expect(await statistic("ModelUnloadingTime", "SampleCount")).toBe(MODELS.length - FIT);
    }, 60_000);

    test.sequential("AWS CLI: what is refused ends with AWS's words", async () => {
      const missing = await refused("sagemaker describe-endpoint --endpoint-name nobody");
      expect(missing.exitCode).toBe(255);
      expect(missing.stderr).toContain(
        `An error occurred (ValidationException) when calling the DescribeEndpoint operation: Could not find endpoint "${ARN}:endpoint/nobody".`,
      );
      const unknown = await refused(
        "sagemaker-runtime invoke-endpoint --endpoint-name nobody --body fileb://request.json answer.json",
      );
      expect(unknown.stderr).toContain(
        "An error occurred (ValidationError) when calling the InvokeEndpoint operation: Endpoint nobody of account 000000000000 not found.",
      );
      const bucket = await refused("s3 cp request.json s3://nobodys-bucket/key");
      expect(bucket.stderr).toContain(
        "An error occurred (NoSuchBucket) when calling the PutObject operation: The specified bucket does not exist",
      );
    }, 60_000);

    test.sequential("AWS CLI: a metric of one's own", async () => {
      await aws("cloudwatch put-metric-data --namespace Mine --metric-name Depth --value 7");
      expect(
        await aws("cloudwatch list-metrics --namespace Mine --query Metrics[].MetricName --output text"),
      ).toBe("Depth");
    }, 60_000);

    test.sequential("AWS CLI: a variant is scaled out under load, and in again when nobody calls", async () => {
      const instances = async (): Promise<string> =>
        await aws(
          `sagemaker describe-endpoint --endpoint-name cli --output text
           --query ProductionVariants[].[CurrentInstanceCount,DesiredInstanceCount]`,
        );
      await aws(
        `application-autoscaling register-scalable-target ${target} --min-capacity 1 --max-capacity 2`,
      );
      const tracking = {
        TargetValue: 0.5,
        PredefinedMetricSpecification: { PredefinedMetricType: "SageMakerVariantInvocationsPerInstance" },
      };
      writeFileSync(join(folder, "tracking.json"), JSON.stringify(tracking));
      const alarms = await aws(
        `application-autoscaling put-scaling-policy ${target} --policy-name p --policy-type TargetTrackingScaling
       --target-tracking-scaling-policy-configuration file://tracking.json --query Alarms[].AlarmName --output text`,
      );
      expect(alarms.split("\t").map((name) => name.replace(/-[0-9a-f]{8}-.*/, ""))).toEqual([
        "TargetTracking-endpoint/cli/variant/AllTraffic-AlarmHigh",
        "TargetTracking-endpoint/cli/variant/AllTraffic-AlarmLow",
      ]);
      const { url } = emulator;
      // What was called before is not to count.
      await new ControlClient(url).advance("5min");
      await nextMinute(url);
      // The CLI takes more than a second to start, several on a busy machine: as few calls as tell it.
      for (let minute = 0; minute < 3; minute++) {
        if (minute === 2) expect(await instances()).toBe("1\t1");
        await invoke("scale-6.tar.gz");
        await nextMinute(url);
      }
      expect(await instances()).toBe("2\t2");
      await new ControlClient(url).advance("16min");
      expect(await instances()).toBe("1\t1");
      const activities = await aws(
        `application-autoscaling describe-scaling-activities ${target} --output text
         --query ScalingActivities[].[StatusCode,Description]`,
      );
      expect(activities.split("\n")).toEqual([
        "Successful\tSetting desired instance count to 1.",
        "Successful\tSetting desired instance count to 2.",
      ]);
      await aws(`application-autoscaling deregister-scalable-target ${target}`);
    }, 150_000);

    test.sequential("AWS CLI: the endpoint is updated and deleted, and its bucket emptied", async () => {
      await createConfig("cli-2");
      await aws("sagemaker update-endpoint --endpoint-name cli --endpoint-config-name cli-2");
      await aws("sagemaker wait endpoint-in-service --endpoint-name cli");
      expect(
        await aws("sagemaker describe-endpoint --endpoint-name cli --query EndpointConfigName --output text"),
      ).toBe("cli-2");
      expect(await invoke("scale-2.tar.gz")).toBe(2);
      await aws("sagemaker delete-endpoint --endpoint-name cli");
      await aws("sagemaker wait endpoint-deleted --endpoint-name cli");
      await aws("sagemaker delete-endpoint-config --endpoint-config-name cli-1");
      await aws("sagemaker delete-model --model-name cli");
      await aws("s3 rb s3://cli-models --force");
      expect(await aws("s3 ls")).toBe("");
    }, 150_000);
  });
};
