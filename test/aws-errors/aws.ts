import type { TestEmulator } from "../../emulator/testing/start-emulator.ts";
import { scalingModel, scalingRequest } from "../support/scaling-models.ts";

/** An error as its protocol tells it, read as a client reads it. */
export interface Refused {
  readonly status: number;
  /** From where clients take it: a header, `__type` or `<Code>`. */
  readonly code: string;
  readonly message: string;
  /** What else the body says. */
  readonly members: Readonly<Record<string, unknown>>;
}

type Service = "SageMaker" | "AnyScaleFrontendService" | "GraniteServiceVersion20100801";

const ROLE = "arn:aws:iam::000000000000:role/service-role/Endpoints";

/** Calls of all services, as bytes on the wire; throws where the form of an error is not that of its protocol. */
export class Aws {
  readonly emulator: TestEmulator;
  readonly #url: string;

  constructor(emulator: TestEmulator) {
    this.emulator = emulator;
    this.#url = emulator.urls.aws;
  }

  readonly sagemaker = (operation: string, input: object): Promise<Refused> =>
    this.#json("SageMaker", "1.1", operation, input);

  readonly autoscaling = (operation: string, input: object): Promise<Refused> =>
    this.#json("AnyScaleFrontendService", "1.1", operation, input);

  readonly cloudwatch = (operation: string, input: object): Promise<Refused> =>
    this.#json("GraniteServiceVersion20100801", "1.0", operation, input);

  /** @param path below the endpoint */
  readonly invoke = async (
    endpoint: string,
    headers: Readonly<Record<string, string>> = {},
    { body = scalingRequest as string | Uint8Array<ArrayBuffer> | null, path = "invocations" } = {},
  ): Promise<Refused> => {
    const prefixed = Object.entries(headers).map(([name, value]) => [`X-Amzn-SageMaker-${name}`, value]);
    const url = `${this.#url}/endpoints/${endpoint}/${path}`;
    const answer = await fetch(url, { method: "POST", headers: Object.fromEntries(prefixed), body });
    const code = answer.headers.get("x-amzn-errortype") ?? "";
    const { Message, ...members } = await bodyOf(answer);
    return refusedOf(answer, code, Message, members);
  };

  readonly s3 = async (line: string, options: RequestInit = {}): Promise<Refused> => {
    const [method = "", path = ""] = line.split(" ");
    const authorization =
      "AWS4-HMAC-SHA256 Credential=a/20261125/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    const headers = { authorization, ...options.headers };
    const answer = await fetch(`${this.#url}${path}`, { ...options, method, headers });
    const text = await answer.text();
    const elements = Object.fromEntries(
      [...text.matchAll(/<(\w+)>([^<]*)<\/\1>/g)].map(([, name, value]) => [name, value]),
    );
    const { Code, Message, RequestId, HostId, ...members } = elements;
    const hasForm = method === "HEAD" || !answer.ok === (Code !== undefined && HostId !== undefined);
    if (!hasForm || (Code !== undefined && RequestId !== answer.headers.get("x-amz-request-id")))
      throw new Error(`not in the form of S3: ${text}`);
    return refusedOf(answer, Code ?? "", Message ?? "", members, "x-amz-request-id");
  };

  /** Buckets, archives, and the endpoints `multi`, of many models, and `single`, of one. */
  async prepare(): Promise<void> {
    await this.s3("PUT /models");
    for (const key of ["mme/good.tar.gz", "one.tar.gz"])
      await this.s3(`PUT /models/${key}`, { body: new Uint8Array(scalingModel(2)) });
    await this.s3("PUT /models/mme/cut.tar.gz", { body: new Uint8Array(scalingModel(2).subarray(0, 200)) });
    await this.s3("PUT /models/mme/huge.tar.gz", { body: new Uint8Array(scalingModel(3)) });
    await this.endpoint("multi", { Mode: "MultiModel", ModelDataUrl: "s3://models/mme/" });
    await this.endpoint("single", { ModelDataUrl: "s3://models/one.tar.gz" });
    await this.endpointsInTheirStates();
    await this.cloudwatch("PutMetricAlarm", {
      AlarmName: "alarm",
      MetricName: "m",
      Namespace: "Mine",
      Statistic: "Sum",
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 1,
      ComparisonOperator: "GreaterThanThreshold",
    });
    await this.autoscaling("RegisterScalableTarget", { ...target("multi"), MinCapacity: 1, MaxCapacity: 2 });
  }

  /** `failed` has failed, `later` is asynchronous; the configuration `many` is above the quota, `larger` has another type. */
  async endpointsInTheirStates(): Promise<void> {
    const asynchronous = { AsyncInferenceConfig: { OutputConfig: { S3OutputPath: "s3://models/out" } } };
    await this.#create("later", { ModelDataUrl: "s3://models/one.tar.gz" }, asynchronous);
    await this.until("later", "InService");
    await this.#configure("many", "multi", { InitialInstanceCount: 500 }, {});
    await this.#configure("larger", "multi", { InstanceType: "ml.g5.xlarge" }, {});
    await this.s3("PUT /models/gone.tar.gz", { body: new Uint8Array(scalingModel(2).subarray(0, 200)) });
    await this.#create("failed", { ModelDataUrl: "s3://models/gone.tar.gz" });
    await this.until("failed", "Failed");
  }

  /** Calls something while an endpoint is Creating. */
  async whileCreating(name: string, call: () => Promise<Refused>): Promise<Refused> {
    await this.emulator.faults.add({ operation: "ping", effect: "unhealthy" });
    try {
      await this.#create(name, { Mode: "MultiModel", ModelDataUrl: "s3://models/mme/" });
      return await call();
    } finally {
      await this.emulator.faults.clear();
    }
  }

  /** Resolves when it is in service. */
  async endpoint(name: string, container: object): Promise<void> {
    await this.#create(name, container);
    await this.until(name, "InService");
  }

  async until(endpoint: string, status: string): Promise<void> {
    let members: Refused["members"];
    do ({ members } = await this.sagemaker("DescribeEndpoint", { EndpointName: endpoint }));
    while (members.EndpointStatus === "Creating");
    if (members.EndpointStatus !== status) throw new Error(`${endpoint}: ${JSON.stringify(members)}`);
  }

  async #create(name: string, container: object, config: object = {}): Promise<void> {
    const given = { Image: "triton", ...container };
    await this.sagemaker("CreateModel", { ModelName: name, ExecutionRoleArn: ROLE, PrimaryContainer: given });
    await this.#configure(name, name, {}, config);
    await this.sagemaker("CreateEndpoint", { EndpointName: name, EndpointConfigName: name });
  }

  async #configure(name: string, model: string, variant: object, config: object): Promise<void> {
    const given = { VariantName: "all", ModelName: model, InstanceType: "ml.g4dn.xlarge", ...variant };
    await this.sagemaker("CreateEndpointConfig", {
      EndpointConfigName: name,
      ProductionVariants: [given],
      ...config,
    });
  }

  async #json(service: Service, version: string, operation: string, input: object): Promise<Refused> {
    const headers = {
      "x-amz-target": `${service}.${operation}`,
      "content-type": `application/x-amz-json-${version}`,
      "x-amzn-query-mode": "true",
    };
    const answer = await fetch(this.#url, { method: "POST", headers, body: JSON.stringify(input) });
    const { __type: type, message, ...members } = await bodyOf(answer);
    if (answer.ok) return refusedOf(answer, "", message, members);
    const header = answer.headers.get("x-amzn-errortype");
    const code = String(type).replace(/^.*#/, "");
    if (header !== code) throw new Error(`the header names ${header}, the body ${code}`);
    const query = answer.headers.get("x-amzn-query-error");
    const queryCode = service === "GraniteServiceVersion20100801" ? query?.split(";")[0] : undefined;
    return refusedOf(answer, code, message, queryCode === undefined ? members : { ...members, queryCode });
  }
}

/** Of the endpoint's only variant. */
export const target = (endpoint: string) => ({
  ServiceNamespace: "sagemaker",
  ResourceId: `endpoint/${endpoint}/variant/all`,
  ScalableDimension: "sagemaker:variant:DesiredInstanceCount",
});

const bodyOf = async (answer: Response): Promise<Record<string, unknown>> => {
  const text = await answer.text();
  const isJson = text.startsWith("{");
  return isJson ? JSON.parse(text) : { Message: text };
};

const refusedOf = (
  answer: Response,
  code: string,
  message: unknown,
  members: Readonly<Record<string, unknown>>,
  idHeader = "x-amzn-requestid",
): Refused => {
  if (!answer.headers.get(idHeader)) throw new Error(`no ${idHeader}`);
  return { status: answer.status, code, message: String(message ?? ""), members };
};
