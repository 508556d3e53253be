import { type Aws, type Refused, target } from "./aws.ts";
import { documented } from "./documented.ts";

/** Whose words the text is: AWS's service model or pages, somebody's report of it, or ours. */
export type Wording = "documented" | "reported" | "ours";

/** An error that is brought about in aws-errors.test.ts, and what has to come of it. */
export interface ProvokedRow {
  readonly operation: string;
  readonly error: string;
  readonly when: string;
  readonly status: number;
  /** The whole text, or one that it fits. */
  readonly text: string | RegExp;
  readonly wording: Wording;
  /** Further members of the body. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly provoke: (aws: Aws) => Promise<Refused>;
}

/** One that needs a clock of its own, or a container that does otherwise: a test beside what refuses. */
export interface ElsewhereRow {
  readonly operation: string;
  readonly error: string;
  readonly when: string;
  readonly status: number;
  readonly wording: Wording;
  readonly file: string;
  /** Its name, or what stands there. */
  readonly test: string;
}

export interface NeverRow {
  readonly operation: string;
  readonly error: string;
  /** Why nothing brings it about here. */
  readonly why: string;
}

const ARN = "arn:aws:sagemaker:us-east-1:000000000000";
const ROLE = "arn:aws:iam::000000000000:role/service-role/Endpoints";
const LOG = (endpoint: string): string =>
  `See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/Endpoints/${endpoint} in account 000000000000 for more information.`;
const LOG_STREAM = (endpoint: string): string =>
  `arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/${endpoint}`;
const NO_ARCHIVE =
  'Failed to download model data for container "container_1" from URL: "s3://models/mme/nobody.tar.gz". Please ensure that there is an object located at the URL and that the role passed to CreateModel has permissions to download the object.';

const good = { "Target-Model": "good.tar.gz" };
const stream = { path: "invocations-response-stream" };
const later = { path: "async-invocations", body: null };
const variantOf = (ModelName: string, more: object = {}) => ({
  VariantName: "all",
  ModelName,
  InstanceType: "ml.g4dn.xlarge",
  ...more,
});

/** With a rule in place that strikes the call. */
const refusing =
  (
    effect: "throttled" | "unavailable" | "internal-failure" | "dependency-failure",
    provoke: ProvokedRow["provoke"],
  ) =>
  async (aws: Aws): Promise<Refused> => {
    await aws.emulator.faults.add({ operation: "invoke", effect });
    try {
      return await provoke(aws);
    } finally {
      await aws.emulator.faults.clear();
    }
  };

const runtimeRows: readonly ProvokedRow[] = [
  {
    operation: "InvokeEndpoint",
    error: "ValidationError",
    when: "there is no such endpoint, or it is not in service",
    status: 400,
    text: "Endpoint nobody of account 000000000000 not found.",
    wording: "reported",
    provoke: ({ invoke }) => invoke("nobody", good),
  },
  {
    operation: "InvokeEndpoint",
    error: "ValidationError",
    when: "an endpoint of many models is not told which",
    status: 400,
    text: /^Request [0-9a-f-]{36} is missing a target model header$/,
    wording: "reported",
    provoke: ({ invoke }) => invoke("multi"),
  },
  {
    operation: "InvokeEndpoint",
    error: "ValidationError",
    when: "an endpoint of one model is told which",
    status: 400,
    text: "Endpoint single is not a multi-model endpoint and does not support target model header.",
    wording: "reported",
    members: { ErrorCode: "TARGET_MODEL_HEADER_NOT_SUPPORTED" },
    provoke: ({ invoke }) => invoke("single", good),
  },
  {
    operation: "InvokeEndpoint",
    error: "ValidationError",
    when: "there is no such archive",
    status: 400,
    text: NO_ARCHIVE,
    wording: "reported",
    provoke: ({ invoke }) => invoke("multi", { "Target-Model": "nobody.tar.gz" }),
  },
  {
    operation: "InvokeEndpoint",
    error: "ValidationError",
    when: "the archive cannot be unpacked",
    status: 400,
    text: /^Failed to extract model data archive for container "container_1" from URL "s3:\/\/models\/mme\/cut\.tar\.gz"\. Please ensure that the object located at the URL is a valid tar\.gz archive \(.* is cut off: .*\)\.$/,
    wording: "reported",
    provoke: ({ invoke }) => invoke("multi", { "Target-Model": "cut.tar.gz" }),
  },
  {
    operation: "InvokeEndpoint",
    error: "ValidationError",
    when: "the archive does not fit on the disk",
    status: 400,
    text: /^The model data archive is too large\. Please reduce the size of the model data archive or move to an instance type with more memory\. \(huge\.tar\.gz: No space left on device\)$/,
    wording: "reported",
    provoke: async (aws) => {
      await aws.emulator.faults.add({ operation: "unpack", effect: "disk-full", model: "huge.tar.gz" });
      try {
        return await aws.invoke("multi", { "Target-Model": "huge.tar.gz" });
      } finally {
        await aws.emulator.faults.clear();
      }
    },
  },
  {
    operation: "InvokeEndpoint",
    error: "ValidationError",
    when: "TargetModel leads out of the prefix",
    status: 400,
    text: /^Target model '\.\.\/up\.tar\.gz' is refused: /,
    wording: "ours",
    provoke: ({ invoke }) => invoke("multi", { "Target-Model": "../up.tar.gz" }),
  },
  {
    operation: "InvokeEndpoint",
    error: "ValidationError",
    when: "there is no such variant",
    status: 400,
    text: "Variant other of endpoint multi not found.",
    wording: "ours",
    provoke: ({ invoke }) => invoke("multi", { ...good, "Target-Variant": "other" }),
  },
  {
    operation: "InvokeEndpoint",
    error: "ValidationError",
    when: "a header breaks a constraint of the service model",
    status: 400,
    text: `1 validation error detected: Value '${"i".repeat(65)}' at 'inferenceId' failed to satisfy constraint: Member must have length less than or equal to 64`,
    wording: "documented",
    provoke: ({ invoke }) => invoke("multi", { ...good, "Inference-Id": "i".repeat(65) }),
  },
  {
    operation: "InvokeEndpoint",
    error: "413",
    when: "the body is over the limit",
    status: 413,
    text: "HTTP content length exceeded 6291456 bytes.",
    wording: "reported",
    provoke: async ({ invoke }) => {
      const answer = await invoke("multi", good, { body: new Uint8Array(6_291_457) });
      // It has no type: clients take its status for one.
      return { ...answer, code: answer.code || String(answer.status) };
    },
  },
  {
    operation: "InvokeEndpoint",
    error: "ModelError",
    when: "the container answers 4xx",
    status: 424,
    text: `Received client error (400) from primary with message "{"error":"failed to parse the request JSON buffer: Missing a name for object member. at 1"}". ${LOG("multi")}`,
    wording: "reported",
    members: {
      OriginalStatusCode: 400,
      OriginalMessage:
        '{"error":"failed to parse the request JSON buffer: Missing a name for object member. at 1"}',
      LogStreamArn: LOG_STREAM("multi"),
      ErrorCode: "CLIENT_ERROR_FROM_MODEL",
    },
    provoke: ({ invoke }) => invoke("multi", good, { body: "{" }),
  },
  {
    operation: "InvokeEndpoint",
    error: "ModelError",
    when: "the container answers 507, and nobody is left to unload",
    status: 424,
    text: /^Received server error \(507\) from primary with message "\{"error":".*Failed to allocate memory.*"\}"\. See https:/,
    wording: "reported",
    members: {
      OriginalStatusCode: 507,
      LogStreamArn: LOG_STREAM("multi"),
      ErrorCode: "INTERNAL_FAILURE_FROM_MODEL",
    },
    provoke: async (aws) => {
      await aws.emulator.faults.add({ operation: "infer", effect: "out-of-memory" });
      try {
        return await aws.invoke("multi", good);
      } finally {
        await aws.emulator.faults.clear();
      }
    },
  },
  {
    operation: "InvokeEndpoint",
    error: "ModelError",
    when: "the container of one model answers 5xx",
    status: 424,
    text: `Received server error (500) from primary with message "{"error":"broken"}". ${LOG("single")}`,
    wording: "reported",
    members: {
      OriginalStatusCode: 500,
      OriginalMessage: '{"error":"broken"}',
      LogStreamArn: LOG_STREAM("single"),
      ErrorCode: "INTERNAL_FAILURE_FROM_MODEL",
    },
    provoke: async (aws) => {
      await aws.emulator.faults.add({ operation: "infer", effect: "fail", message: "broken" });
      try {
        return await aws.invoke("single");
      } finally {
        await aws.emulator.faults.clear();
      }
    },
  },
  {
    operation: "InvokeEndpoint",
    error: "ThrottlingException",
    when: "a fault throttles",
    status: 400,
    text: "Rate exceeded",
    wording: "reported",
    provoke: refusing("throttled", ({ invoke }) => invoke("multi", good)),
  },
  ...(["InvokeEndpoint", "InvokeEndpointWithResponseStream", "InvokeEndpointAsync"] as const).flatMap(
    (operation): ProvokedRow[] => {
      const call = (aws: Aws): Promise<Refused> =>
        operation === "InvokeEndpoint"
          ? aws.invoke("multi", good)
          : operation === "InvokeEndpointAsync"
            ? aws.invoke("later", { InputLocation: "s3://models/input" }, later)
            : aws.invoke("single", {}, stream);
      return [
        {
          operation,
          error: "InternalFailure",
          when: "a fault says so",
          status: 500,
          text: "An internal failure occurred.",
          wording: "documented",
          provoke: refusing("internal-failure", call),
        },
        {
          operation,
          error: "ServiceUnavailable",
          when: "a fault says so",
          status: 503,
          text: "The service is unavailable. Try your call again.",
          wording: "documented",
          provoke: refusing("unavailable", call),
        },
      ];
    },
  ),
  {
    operation: "InvokeEndpoint",
    error: "InternalDependencyException",
    when: "a fault says so",
    status: 530,
    text: "Your request caused an exception with an internal dependency. Contact customer support.",
    wording: "documented",
    provoke: refusing("dependency-failure", ({ invoke }) => invoke("multi", good)),
  },
  {
    operation: "InvokeEndpointWithResponseStream",
    error: "ValidationError",
    when: "there is no such endpoint",
    status: 400,
    text: "Endpoint nobody of account 000000000000 not found.",
    wording: "reported",
    provoke: ({ invoke }) => invoke("nobody", {}, stream),
  },
  {
    operation: "InvokeEndpointWithResponseStream",
    error: "ModelError",
    when: "the container refuses before the first part",
    status: 424,
    text: /^Received server error \(500\) from primary with message /,
    wording: "reported",
    members: { OriginalStatusCode: 500, LogStreamArn: LOG_STREAM("single") },
    provoke: ({ invoke }) => invoke("single", {}, { ...stream, body: "{" }),
  },
  {
    operation: "InvokeEndpointAsync",
    error: "ValidationError",
    when: "the endpoint has no AsyncInferenceConfig",
    status: 400,
    text: "Endpoint single is not an asynchronous endpoint: it has no AsyncInferenceConfig.",
    wording: "ours",
    provoke: ({ invoke }) => invoke("single", { InputLocation: "s3://models/input" }, later),
  },
];

const missing = (kind: string, words: string): string => `Could not find ${words} "${ARN}:${kind}/nobody".`;
const tooLong = "n".repeat(64);
const lengthOf = (member: string): string =>
  `1 validation error detected: Value '${tooLong}' at '${member}' failed to satisfy constraint: Member must have length less than or equal to 63`;

const sagemaker = (
  operation: string,
  when: string,
  text: string | RegExp,
  wording: Wording,
  input: object,
  error = "ValidationException",
): ProvokedRow => ({
  operation,
  error,
  when,
  status: 400,
  text,
  wording,
  provoke: (aws) => aws.sagemaker(operation, input),
});

const PAGE_SIZE =
  "1 validation error detected: Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100";
const LIMIT =
  /^The account-level service limit 'ml\.g4dn\.xlarge for endpoint usage' is 100 Instances, with current utilization of \d+ Instances and a request delta of \d+ Instances\. Please use AWS Service Quotas to request an increase for this quota\. /;

const controlRows: readonly ProvokedRow[] = [
  sagemaker(
    "CreateModel",
    "the name is taken",
    `Cannot create already existing model "${ARN}:model/multi".`,
    "reported",
    {
      ModelName: "multi",
      ExecutionRoleArn: ROLE,
      PrimaryContainer: { Image: "triton" },
    },
  ),
  sagemaker(
    "CreateModel",
    "its archive is not there",
    "Could not find model data at s3://models/no.tar.gz.",
    "reported",
    {
      ModelName: "new",
      ExecutionRoleArn: ROLE,
      PrimaryContainer: { Image: "triton", ModelDataUrl: "s3://models/no.tar.gz" },
    },
  ),
  sagemaker("CreateModel", "a member breaks a constraint", lengthOf("modelName"), "documented", {
    ModelName: tooLong,
    ExecutionRoleArn: ROLE,
    PrimaryContainer: { Image: "triton" },
  }),
  sagemaker(
    "CreateModel",
    "several members break constraints",
    /^2 validation errors detected: Value 'n{64}' at 'modelName' failed to satisfy constraint: .*; Value 'no role at all, it is' at 'executionRoleArn' failed to satisfy constraint: Member must satisfy regular expression pattern: /,
    "documented",
    { ModelName: tooLong, ExecutionRoleArn: "no role at all, it is", PrimaryContainer: { Image: "triton" } },
  ),
  ...(
    [
      ["DescribeModel", "model", "model", "ModelName"],
      ["DeleteModel", "model", "model", "ModelName"],
      ["DescribeEndpointConfig", "endpoint-config", "endpoint configuration", "EndpointConfigName"],
      ["DeleteEndpointConfig", "endpoint-config", "endpoint configuration", "EndpointConfigName"],
      ["DescribeEndpoint", "endpoint", "endpoint", "EndpointName"],
      ["DeleteEndpoint", "endpoint", "endpoint", "EndpointName"],
    ] as const
  ).map(([operation, kind, words, member]) =>
    sagemaker(operation, "there is none", missing(kind, words), "reported", { [member]: "nobody" }),
  ),
  ...["ListModels", "ListEndpointConfigs", "ListEndpoints"].flatMap((operation) => [
    sagemaker(operation, "the page is too large", PAGE_SIZE, "documented", { MaxResults: 101 }),
    sagemaker(operation, "no list gave the token", "Invalid NextToken.", "ours", { NextToken: "made-up" }),
  ]),
  sagemaker(
    "CreateEndpointConfig",
    "the name is taken",
    `Cannot create already existing endpoint configuration "${ARN}:endpoint-config/multi".`,
    "reported",
    { EndpointConfigName: "multi", ProductionVariants: [variantOf("multi")] },
  ),
  sagemaker("CreateEndpointConfig", "there is no such model", missing("model", "model"), "reported", {
    EndpointConfigName: "new",
    ProductionVariants: [variantOf("nobody")],
  }),
  sagemaker(
    "CreateEndpointConfig",
    "many models on an instance type that cannot",
    "MultiModel mode is not supported for instance type ml.inf2.xlarge.",
    "reported",
    {
      EndpointConfigName: "new",
      ProductionVariants: [variantOf("multi", { InstanceType: "ml.inf2.xlarge" })],
    },
  ),
  sagemaker(
    "CreateEndpointConfig",
    "there is no such instance type",
    /^1 validation error detected: Value 'ml\.z9\.huge' at 'productionVariants\.1\.member\.instanceType' failed to satisfy constraint: Member must satisfy enum value set: \[/,
    "documented",
    { EndpointConfigName: "new", ProductionVariants: [variantOf("multi", { InstanceType: "ml.z9.huge" })] },
  ),
  sagemaker(
    "CreateEndpoint",
    "the name is taken",
    `Cannot create already existing endpoint "${ARN}:endpoint/multi".`,
    "reported",
    { EndpointName: "multi", EndpointConfigName: "multi" },
  ),
  sagemaker(
    "CreateEndpoint",
    "there is no such configuration",
    missing("endpoint-config", "endpoint configuration"),
    "reported",
    { EndpointName: "new", EndpointConfigName: "nobody" },
  ),
  sagemaker(
    "CreateEndpoint",
    "it needs more instances than the quota",
    LIMIT,
    "reported",
    { EndpointName: "new", EndpointConfigName: "many" },
    "ResourceLimitExceeded",
  ),
  sagemaker("UpdateEndpoint", "there is none", missing("endpoint", "endpoint"), "reported", {
    EndpointName: "nobody",
    EndpointConfigName: "multi",
  }),
  ...(["UpdateEndpoint", "DeleteEndpoint"] as const).map(
    (operation): ProvokedRow => ({
      operation,
      error: "ValidationException",
      when: "it is not ready with what it was told before",
      status: 400,
      text: `Cannot update in-progress endpoint "${ARN}:endpoint/slow-${operation}".`,
      wording: "reported",
      provoke: (aws) => {
        const name = `slow-${operation}`;
        const input = { EndpointName: name, EndpointConfigName: "multi" };
        return aws.whileCreating(name, () => aws.sagemaker(operation, input));
      },
    }),
  ),
  sagemaker(
    "UpdateEndpoint",
    "it has failed",
    `Cannot update endpoint "${ARN}:endpoint/failed" in status Failed. Delete it and create it again.`,
    "ours",
    { EndpointName: "failed", EndpointConfigName: "multi" },
  ),
  sagemaker(
    "UpdateEndpoint",
    "the instance type of a variant that is a scalable target would change",
    'The variant(s) "all" must be deregistered as scalable targets with AWS Auto Scaling before removal or update of instance type.',
    "ours",
    { EndpointName: "multi", EndpointConfigName: "larger" },
  ),
  sagemaker(
    "UpdateEndpoint",
    "it needs more instances than the quota",
    LIMIT,
    "reported",
    { EndpointName: "multi", EndpointConfigName: "many" },
    "ResourceLimitExceeded",
  ),
  sagemaker(
    "UpdateEndpointWeightsAndCapacities",
    "there is no such variant",
    `The variant name(s) "other" is/are not present within endpoint "${ARN}:endpoint/multi".`,
    "ours",
    { EndpointName: "multi", DesiredWeightsAndCapacities: [{ VariantName: "other", DesiredWeight: 1 }] },
  ),
  sagemaker(
    "UpdateEndpointWeightsAndCapacities",
    "it needs more instances than the quota",
    LIMIT,
    "reported",
    {
      EndpointName: "multi",
      DesiredWeightsAndCapacities: [{ VariantName: "all", DesiredInstanceCount: 999 }],
    },
    "ResourceLimitExceeded",
  ),
  ...["AddTags", "ListTags", "DeleteTags"].map((operation) =>
    sagemaker(operation, "there is no such resource", missing("model", "model"), "reported", {
      ResourceArn: `${ARN}:model/nobody`,
      Tags: [{ Key: "k", Value: "v" }],
      TagKeys: ["k"],
    }),
  ),
];

const NO_TARGET =
  "No scalable target found for service namespace: sagemaker, resource ID: endpoint/single/variant/all, scalable dimension: sagemaker:variant:DesiredInstanceCount";
const unregistered = target("single");
const tracking = {
  PolicyName: "p",
  PolicyType: "TargetTrackingScaling",
  TargetTrackingScalingPolicyConfiguration: {
    TargetValue: 5,
    PredefinedMetricSpecification: { PredefinedMetricType: "SageMakerVariantInvocationsPerInstance" },
  },
};
const action = {
  ScheduledActionName: "a",
  Schedule: "rate(1 day)",
  ScalableTargetAction: { MinCapacity: 1 },
};

const scaling = (
  operation: string,
  error: string,
  when: string,
  text: string | RegExp,
  wording: Wording,
  input: object,
): ProvokedRow => ({
  operation,
  error,
  when,
  status: 400,
  text,
  wording,
  provoke: (aws) => aws.autoscaling(operation, input),
});

const UNSUPPORTED = "Unsupported service namespace, resource type or scalable dimension";
const NO_POLICY =
  /^No scaling policy found for service namespace: sagemaker, resource ID: endpoint\/multi\/variant\/all, scalable dimension: sagemaker:variant:DesiredInstanceCount/;

const scalingRows: readonly ProvokedRow[] = [
  scaling(
    "RegisterScalableTarget",
    "ValidationException",
    "there is no such variant",
    "SageMaker endpoint variant doesn't exist: endpoint/nobody/variant/all",
    "ours",
    { ...target("nobody"), MinCapacity: 1, MaxCapacity: 2 },
  ),
  scaling(
    "RegisterScalableTarget",
    "ValidationException",
    "the smallest capacity is above the largest",
    "Maximum capacity cannot be less than minimum capacity",
    "ours",
    { ...target("multi"), MinCapacity: 3, MaxCapacity: 2 },
  ),
  scaling(
    "RegisterScalableTarget",
    "ValidationException",
    "a member breaks a constraint",
    "1 validation error detected: Value '-1' at 'minCapacity' failed to satisfy constraint: Member must have value greater than or equal to 0",
    "documented",
    { ...target("multi"), MinCapacity: -1, MaxCapacity: 2 },
  ),
  ...[
    "DescribeScalableTargets",
    "DescribeScalingPolicies",
    "DescribeScheduledActions",
    "DescribeScalingActivities",
  ].flatMap((operation) => [
    scaling(operation, "ValidationException", "another service is asked for", UNSUPPORTED, "ours", {
      ServiceNamespace: "ecs",
    }),
    scaling(
      operation,
      "InvalidNextTokenException",
      "no list gave the token",
      "The next token supplied was invalid.",
      "documented",
      { ServiceNamespace: "sagemaker", NextToken: "made-up" },
    ),
  ]),
  scaling(
    "DeregisterScalableTarget",
    "ObjectNotFoundException",
    "it is not registered",
    NO_TARGET,
    "reported",
    unregistered,
  ),
  scaling("DeregisterScalableTarget", "ValidationException", "it is no variant", UNSUPPORTED, "ours", {
    ...target("multi"),
    ResourceId: "table/t",
  }),
  scaling("PutScalingPolicy", "ObjectNotFoundException", "it is not registered", NO_TARGET, "reported", {
    ...unregistered,
    ...tracking,
  }),
  scaling(
    "PutScalingPolicy",
    "ValidationException",
    "there is no such predefined metric, as in AWS's own example",
    "Unsupported predefined metric type InvocationsPerInstance for service namespace: sagemaker, resource ID: endpoint/multi/variant/all, scalable dimension: sagemaker:variant:DesiredInstanceCount",
    "ours",
    {
      ...target("multi"),
      ...tracking,
      TargetTrackingScalingPolicyConfiguration: {
        TargetValue: 5,
        PredefinedMetricSpecification: { PredefinedMetricType: "InvocationsPerInstance" },
      },
    },
  ),
  scaling("DeleteScalingPolicy", "ObjectNotFoundException", "there is none", NO_POLICY, "ours", {
    ...target("multi"),
    PolicyName: "nobody",
  }),
  scaling("DeleteScalingPolicy", "ValidationException", "it is of no variant", UNSUPPORTED, "ours", {
    ...target("multi"),
    ResourceId: "table/t",
    PolicyName: "p",
  }),
  scaling("PutScheduledAction", "ObjectNotFoundException", "it is not registered", NO_TARGET, "reported", {
    ...unregistered,
    ...action,
  }),
  scaling(
    "PutScheduledAction",
    "ValidationException",
    "the schedule cannot be read",
    /^Invalid schedule expression\. Details: 'every day' is not /,
    "ours",
    { ...target("multi"), ...action, Schedule: "every day" },
  ),
  scaling(
    "DeleteScheduledAction",
    "ObjectNotFoundException",
    "there is none",
    /^No scheduled action found for /,
    "ours",
    {
      ...target("multi"),
      ScheduledActionName: "nobody",
    },
  ),
  scaling("DeleteScheduledAction", "ValidationException", "it is of no variant", UNSUPPORTED, "ours", {
    ...target("multi"),
    ResourceId: "table/t",
    ScheduledActionName: "a",
  }),
];

const cloudwatch = (
  operation: string,
  error: string,
  queryCode: string,
  when: string,
  text: string | RegExp,
  wording: Wording,
  input: object,
  status = 400,
): ProvokedRow => ({
  operation,
  error,
  when,
  status,
  text,
  wording,
  members: { queryCode },
  provoke: (aws) => aws.cloudwatch(operation, input),
});

const value = ["InvalidParameterValueException", "InvalidParameterValue"] as const;
const combination = ["InvalidParameterCombinationException", "InvalidParameterCombination"] as const;
const required = ["MissingRequiredParameterException", "MissingParameter"] as const;
const token = ["InvalidNextToken", "InvalidNextToken"] as const;
const gone = ["ResourceNotFound", "ResourceNotFound"] as const;
const day = { StartTime: 1_790_000_000, EndTime: 1_790_086_400 };
const metric = { Namespace: "AWS/SageMaker", MetricName: "Invocations" };
const query = { Id: "m", MetricStat: { Metric: metric, Period: 60, Stat: "Sum" } };
const NO_TOKEN = "The next token specified is invalid.";

const metricRows: readonly ProvokedRow[] = [
  cloudwatch(
    "PutMetricData",
    ...value,
    "the namespace is AWS's",
    "The value AWS/SageMaker for parameter Namespace is invalid.",
    "reported",
    { Namespace: "AWS/SageMaker", MetricData: [{ MetricName: "m", Value: 1 }] },
  ),
  cloudwatch(
    "PutMetricData",
    ...combination,
    "a value and values are given",
    "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you have specified both.",
    "reported",
    { Namespace: "Mine", MetricData: [{ MetricName: "m", Value: 1, Values: [1] }] },
  ),
  cloudwatch(
    "PutMetricData",
    ...required,
    "no value is given",
    /^At least one of the parameters MetricData\.member\.1\.Value, /,
    "ours",
    { Namespace: "Mine", MetricData: [{ MetricName: "m" }] },
  ),
  cloudwatch(
    "GetMetricStatistics",
    ...value,
    "the end is before the start",
    "The parameter StartTime must be less than the parameter EndTime.",
    "reported",
    { ...metric, StartTime: day.EndTime, EndTime: day.StartTime, Period: 60, Statistics: ["Sum"] },
  ),
  cloudwatch(
    "GetMetricStatistics",
    ...combination,
    "no statistic is given",
    "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
    "reported",
    { ...metric, ...day, Period: 60 },
  ),
  cloudwatch("GetMetricData", ...token, "no page gave the token", NO_TOKEN, "documented", {
    ...day,
    MetricDataQueries: [query],
    NextToken: "made-up",
  }),
  cloudwatch("ListMetrics", ...value, "no page gave the token", /NextToken/, "ours", {
    NextToken: "made-up",
  }),
  cloudwatch("DescribeAlarms", ...token, "no page gave the token", NO_TOKEN, "documented", {
    NextToken: "made-up",
  }),
  cloudwatch("DescribeAlarmHistory", ...token, "no page gave the token", NO_TOKEN, "documented", {
    NextToken: "made-up",
  }),
  cloudwatch(
    "DeleteAlarms",
    ...gone,
    "there is none",
    "Alarms not found: [nobody]",
    "ours",
    { AlarmNames: ["nobody"] },
    404,
  ),
  cloudwatch(
    "SetAlarmState",
    ...gone,
    "there is none",
    "Alarm not found: nobody",
    "ours",
    { AlarmName: "nobody", StateValue: "OK", StateReason: "r" },
    404,
  ),
  cloudwatch(
    "SetAlarmState",
    "InvalidFormatFault",
    "InvalidFormat",
    "the reason's data is no JSON",
    /JSON/,
    "documented",
    {
      AlarmName: "alarm",
      StateValue: "OK",
      StateReason: "r",
      StateReasonData: "{",
    },
  ),
];

const s3 = (
  operation: string,
  error: string,
  status: number,
  when: string,
  text: string | RegExp,
  line: string,
  options: RequestInit = {},
  members: Readonly<Record<string, unknown>> = {},
): ProvokedRow => ({
  operation,
  error,
  when,
  status,
  text,
  wording: "documented",
  members,
  provoke: (aws) => aws.s3(line, options),
});

/** HEAD has no body: clients take the status for the code. */
const head = (operation: string, error: string, line: string): ProvokedRow => ({
  ...s3(operation, error, 404, "there is none; without a body, so that clients say 404", "", line),
  provoke: async (aws) => ({ ...(await aws.s3(line)), code: error }),
});

const NO_BUCKET = "The specified bucket does not exist";
const NO_KEY = "The specified key does not exist.";
const NO_UPLOAD =
  "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
const inEurope: RequestInit = {
  headers: {
    authorization:
      "AWS4-HMAC-SHA256 Credential=a/20261125/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0",
  },
};
const bucketName = { BucketName: "nobodys" };

const objectRows: readonly ProvokedRow[] = [
  s3(
    "CreateBucket",
    "BucketAlreadyOwnedByYou",
    409,
    "it is there, and the region is not us-east-1",
    "Your previous request to create the named bucket succeeded and you already own it.",
    "PUT /models",
    {
      ...inEurope,
      body: "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
    },
    { BucketName: "models" },
  ),
  s3(
    "CreateBucket",
    "InvalidBucketName",
    400,
    "it is no name",
    "The specified bucket is not valid.",
    "PUT /AB",
  ),
  s3(
    "CreateBucket",
    "IllegalLocationConstraintException",
    400,
    "the region of the request is another",
    /^The us-west-2 location constraint is incompatible for the region specific endpoint this request was sent to\.$/,
    "PUT /another",
    {
      ...inEurope,
      body: "<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>",
    },
  ),
  head("HeadBucket", "NoSuchBucket", "HEAD /nobodys"),
  s3(
    "DeleteBucket",
    "BucketNotEmpty",
    409,
    "objects are in it",
    "The bucket you tried to delete is not empty",
    "DELETE /models",
  ),
  s3("ListObjects", "NoSuchBucket", 404, "there is none", NO_BUCKET, "GET /nobodys", {}, bucketName),
  s3(
    "ListObjectsV2",
    "NoSuchBucket",
    404,
    "there is none",
    NO_BUCKET,
    "GET /nobodys?list-type=2",
    {},
    bucketName,
  ),
  {
    ...s3(
      "ListObjectsV2",
      "InvalidArgument",
      400,
      "the number of keys is none",
      "Argument max-keys must be an integer between 0 and 2147483647",
      "GET /models?list-type=2&max-keys=many",
      {},
      { ArgumentName: "max-keys", ArgumentValue: "many" },
    ),
    wording: "reported",
  },
  s3("GetObject", "NoSuchKey", 404, "there is none", NO_KEY, "GET /models/nothing", {}, { Key: "nothing" }),
  s3("GetObject", "NoSuchBucket", 404, "there is no bucket", NO_BUCKET, "GET /nobodys/k", {}, bucketName),
  s3(
    "GetObject",
    "InvalidRange",
    416,
    "the range begins behind its end",
    "The requested range is not satisfiable",
    "GET /models/one.tar.gz",
    { headers: { range: "bytes=1000000-" } },
  ),
  head("HeadObject", "NoSuchKey", "HEAD /models/nothing"),
  s3(
    "PutObject",
    "InvalidRequest",
    400,
    "the checksum is none",
    "Value for x-amz-checksum-crc32 header is invalid.",
    "PUT /models/new",
    { body: "x", headers: { "x-amz-checksum-crc32": "?" } },
  ),
  s3(
    "PutObject",
    "BadDigest",
    400,
    "it is not what Content-MD5 says",
    "The Content-MD5 you specified did not match what we received.",
    "PUT /models/new",
    { body: "x", headers: { "content-md5": "AAAAAAAAAAAAAAAAAAAAAA==" } },
    { ExpectedDigest: "AAAAAAAAAAAAAAAAAAAAAA==" },
  ),
  s3(
    "PutObject",
    "InvalidDigest",
    400,
    "Content-MD5 is none",
    "The Content-MD5 you specified was invalid.",
    "PUT /models/new",
    { body: "x", headers: { "content-md5": "?" } },
  ),
  s3(
    "PutObject",
    "PreconditionFailed",
    412,
    "If-None-Match, and there is one",
    "At least one of the pre-conditions you specified did not hold",
    "PUT /models/one.tar.gz",
    { body: "x", headers: { "if-none-match": "*" } },
    { Condition: "If-None-Match" },
  ),
  s3(
    "PutObject",
    "KeyTooLongError",
    400,
    "the key has more than 1024 bytes",
    "Your key is too long",
    `PUT /models/${"k".repeat(1025)}`,
    { body: "x" },
  ),
  s3(
    "PutObject",
    "MetadataTooLarge",
    400,
    "the metadata has more than 2 KB",
    "Your metadata headers exceed the maximum allowed metadata size",
    "PUT /models/new",
    { body: "x", headers: { "x-amz-meta-a": "m".repeat(2100) } },
  ),
  s3(
    "PutObject",
    "NotImplemented",
    501,
    "what is asked for is not here",
    "A header you provided implies functionality that is not implemented",
    "PUT /models/new?acl",
    { body: "x" },
  ),
  s3(
    "CopyObject",
    "InvalidRequest",
    400,
    "onto itself, unchanged",
    /^This copy request is illegal because it is trying to copy an object to itself without changing /,
    "PUT /models/one.tar.gz",
    { headers: { "x-amz-copy-source": "/models/one.tar.gz" } },
  ),
  s3("CopyObject", "NoSuchKey", 404, "there is no source", NO_KEY, "PUT /models/new", {
    headers: { "x-amz-copy-source": "/models/nothing" },
  }),
  s3(
    "DeleteObjects",
    "MalformedXML",
    400,
    "the list is none",
    "The XML you provided was not well-formed or did not validate against our published schema",
    "POST /models?delete",
    { body: "<Delete>", headers: { "content-md5": "/EnmkgKQhMNPFS6ZsryUag==" } },
  ),
  s3(
    "UploadPart",
    "NoSuchUpload",
    404,
    "there is none",
    NO_UPLOAD,
    "PUT /models/k?partNumber=1&uploadId=nobody",
    {
      body: "x",
    },
  ),
  s3(
    "UploadPart",
    "InvalidArgument",
    400,
    "the number is above 10000",
    "Part number must be an integer between 1 and 10000, inclusive",
    "PUT /models/k?partNumber=10001&uploadId=nobody",
    { body: "x" },
  ),
  s3(
    "AbortMultipartUpload",
    "NoSuchUpload",
    404,
    "there is none",
    NO_UPLOAD,
    "DELETE /models/k?uploadId=nobody",
  ),
  s3(
    "CompleteMultipartUpload",
    "NoSuchUpload",
    404,
    "there is none",
    NO_UPLOAD,
    "POST /models/k?uploadId=nobody",
    {
      body: '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"0"</ETag></Part></CompleteMultipartUpload>',
    },
  ),
];

export const provoked: readonly ProvokedRow[] = [
  ...runtimeRows,
  ...controlRows,
  ...scalingRows,
  ...metricRows,
  ...objectRows,
];

const multipart = "test/unit/aws/s3/multipart.test.ts";

export const elsewhere: readonly ElsewhereRow[] = [
  {
    operation: "InvokeEndpoint",
    error: "ModelNotReadyException",
    when: "the model is not loaded within 60 s",
    status: 429,
    wording: "documented",
    file: "test/clients/aws/boto3_errors.py",
    test: "check_a_model_that_is_not_loaded_in_time",
  },
  {
    operation: "InvokeEndpoint",
    error: "ModelError",
    when: "the container does not answer within 60 s",
    status: 424,
    wording: "reported",
    file: "test/clients/aws/boto3_errors.py",
    test: "check_a_container_that_does_not_answer_in_time",
  },
  {
    operation: "InvokeEndpoint",
    error: "ModelError",
    when: "the answer is over the limit",
    status: 424,
    wording: "reported",
    file: "test/unit/aws/runtime/runtime-service.test.ts",
    test: "an answer that is too large is a ModelError",
  },
  {
    operation: "InvokeEndpoint",
    error: "ModelError",
    when: "the connection to the container breaks",
    status: 424,
    wording: "reported",
    file: "test/unit/aws/placement/container-health.test.ts",
    test: "has not died, when only one connection broke",
  },
  {
    operation: "InvokeEndpoint",
    error: "ServiceUnavailable",
    when: "no instance is healthy",
    status: 503,
    wording: "ours",
    file: "test/unit/aws/placement/router.test.ts",
    test: "that are all gone or ill make a 503, which the journal tells as any other answer",
  },
  {
    operation: "InvokeEndpoint",
    error: "InternalFailure",
    when: "a download fails",
    status: 500,
    wording: "ours",
    file: "test/unit/aws/placement/instance-agent.test.ts",
    test: "a download that fails is the platform's failure; the next call downloads again",
  },
  ...["ModelStreamError", "InternalStreamFailure"].map((error) => ({
    operation: "InvokeEndpointWithResponseStream",
    error,
    when: "it goes wrong after the first part",
    status: 200,
    wording: "documented" as const,
    file: "test/unit/aws/runtime/response-stream.test.ts",
    test: error,
  })),
  ...[
    ["RegisterScalableTarget", "at most 500 scalable targets"],
    ["PutScalingPolicy", "at most 50 scaling policies per scalable target"],
    ["PutScheduledAction", "at most 200 scheduled actions per scalable target"],
  ].map(([operation = "", test = ""]) => ({
    operation,
    error: "LimitExceededException",
    when: test.replace("at most", "there are"),
    status: 400,
    wording: "documented" as const,
    file: "test/unit/aws/autoscaling/auto-scaling.test.ts",
    test,
  })),
  {
    operation: "PutMetricAlarm",
    error: "LimitExceededFault",
    when: "there are 5000 alarms",
    status: 400,
    wording: "documented",
    file: "test/unit/aws/cloudwatch/alarms.test.ts",
    test: "quota: 5000 alarms, and no more",
  },
  ...["EntityTooSmall", "InvalidPart", "InvalidPartOrder"].map((error) => ({
    operation: "CompleteMultipartUpload",
    error,
    when: "the parts are not those of the upload, or too small",
    status: 400,
    wording: "documented" as const,
    file: multipart,
    test: error,
  })),
];

const NO_RACE = "a change is made at once: no other can be under way";
const NO_BREAK =
  "nothing of it can break here; a fault of the emulator's own is `InternalFailure` with status 500";

const never = (error: string, why: string, operations: readonly string[]): NeverRow[] =>
  operations.map((operation) => ({ operation, error, why }));

const having = (error: string): string[] =>
  Object.entries(documented).flatMap(([operation, errors]) => (errors.includes(error) ? [operation] : []));

export const notProvoked: readonly NeverRow[] = [
  ...never("ConcurrentUpdateException", NO_RACE, having("ConcurrentUpdateException")),
  ...never("InternalServiceException", NO_BREAK, having("InternalServiceException")),
  ...never("InternalServiceFault", NO_BREAK, having("InternalServiceFault")),
  ...never(
    "FailedResourceAccessException",
    "alarms are in the same process, and roles are not looked at",
    having("FailedResourceAccessException"),
  ),
  ...never(
    "MissingRequiredParameterException",
    "a missing member is told as the constraint that it violates, a `ValidationError`",
    ["GetMetricStatistics"],
  ),
  ...never("ResourceConflict", "composite alarms and scheduled queries are not here", ["DeleteAlarms"]),
  ...never("ResourceLimitExceeded", "there is no limit of models or configurations", [
    "CreateModel",
    "CreateEndpointConfig",
  ]),
  ...never("BucketAlreadyExists", "all buckets are the caller's", ["CreateBucket"]),
  ...never("InvalidObjectState", "no object is archived", ["GetObject"]),
  ...never("ObjectNotInActiveTierError", "no object is archived", ["CopyObject"]),
  ...never("InvalidWriteOffset", "there are no directory buckets to append in", ["PutObject"]),
  ...never("TooManyParts", "there are no directory buckets to append in", ["PutObject"]),
  ...never("EncryptionTypeMismatch", "there are no directory buckets to append in", ["PutObject"]),
];
