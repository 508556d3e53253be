import type { ContainerAnswer } from "./container.ts";

/** Of InvokeEndpoint (spec/sagemaker-mme.md 2.2). */
export type PlatformErrorType =
  | "ValidationError"
  | "ModelError"
  | "ModelNotReadyException"
  | "InternalFailure"
  | "ServiceUnavailable";

export interface PlatformError {
  readonly type: PlatformErrorType;
  /** What the caller reads. */
  readonly message: string;
  /** `ModelError` only: what the container answered; 0 = it did not, or not in time. */
  readonly originalStatusCode?: number;
  readonly originalMessage?: string;
  /** `ModelError` only: the container took too long. */
  readonly timedOut?: true;
}

/** How long an invocation took for what, in microseconds. */
export interface InvocationTimes {
  /** From its arrival until the container was first asked to serve it, or it was answered without: ModelLoadingWaitTime. */
  readonly waitUs: number;
  /** Of the download, the loads and the unloads it caused; 0 for an invocation that waited for those of another. */
  readonly downloadUs: number;
  readonly loadUs: number;
  readonly unloadUs: number;
  /** The container's own part: ModelLatency. */
  readonly containerUs: number;
}

/** What the caller of an endpoint gets. */
export interface PlatformAnswer {
  /** 2xx as the container said; else the status of the error: 400, 424, 429, 500, 503. */
  readonly status: number;
  /** Whose words these are. A `ModelError` that carries the container's answer is `container`; one for silence is `platform`. */
  readonly from: "container" | "platform";
  /** Name and value in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  /** Null where `status` is 2xx. */
  readonly error: PlatformError | null;
  /** Whether the model was loaded when the request arrived. */
  readonly cacheHit: boolean;
  readonly times: InvocationTimes;
}

/** Whose endpoint it is, for the texts. */
export interface EndpointIdentity {
  readonly name: string;
  readonly region: string;
  readonly account: string;
  /** The prefix below which the archives lie, with the slash at its end. */
  readonly modelDataUrl: string;
}

export const localEndpoint: EndpointIdentity = {
  name: "triton-local",
  region: "us-east-1",
  account: "000000000000",
  modelDataUrl: "s3://triton-local/models/",
};

/** What the platform says of its own. Texts from spec/sagemaker-mme.md 2.2 where it has one; docs/placement.md lists ours. */
export const platformErrors = {
  targetModelMissing: (requestId: string): PlatformError => ({
    type: "ValidationError",
    message: `Request ${requestId} is missing a target model header`,
  }),
  targetModelInvalid: (targetModel: string, what: string): PlatformError => ({
    type: "ValidationError",
    message: `Target model '${shortened(targetModel)}' is refused: ${what}.`,
  }),
  artifactMissing: (targetModel: string, { modelDataUrl }: EndpointIdentity): PlatformError => ({
    type: "ValidationError",
    message: `Failed to download model data for container "container_1" from URL: "${modelDataUrl}${targetModel}". Please ensure that there is an object located at the URL and that the role passed to CreateModel has permissions to download the object.`,
  }),
  artifactRefused: (targetModel: string, why: string, { modelDataUrl }: EndpointIdentity): PlatformError => ({
    type: "ValidationError",
    message: `Failed to extract model data archive for container "container_1" from URL "${modelDataUrl}${targetModel}". Please ensure that the object located at the URL is a valid tar.gz archive (${why}).`,
  }),
  /** Words of a hosting failure (aws/sagemaker-python-sdk#879); what was too large for what is ours. */
  diskFull: (targetModel: string, why: string): PlatformError => ({
    type: "ValidationError",
    message: `The model data archive is too large. Please reduce the size of the model data archive or move to an instance type with more memory. (${targetModel}: ${why})`,
  }),
  artifactFailed: (targetModel: string, why: string): PlatformError => ({
    type: "InternalFailure",
    message: `The model data of ${targetModel} could not be brought to the instance: ${why}`,
  }),
  notReady: (targetModel: string): PlatformError => ({
    type: "ModelNotReadyException",
    message: `Model ${targetModel} is not ready: the endpoint is still downloading or loading the target model. Wait and try your request again.`,
  }),
  timedOut: (endpoint: EndpointIdentity): PlatformError => ({
    ...modelError(
      0,
      "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
      endpoint,
    ),
    timedOut: true,
  }),
  noResponse: ({ name }: EndpointIdentity): PlatformError => ({
    type: "ModelError",
    message: `Amazon SageMaker could not get a response from the ${name} endpoint. This can occur when CPU or memory utilization is high.`,
    originalStatusCode: 0,
    originalMessage: "",
  }),
  unavailable: (why: string): PlatformError => ({ type: "ServiceUnavailable", message: why }),
} as const;

/** A container's answer that is larger than the runtime passes on. */
export const answerTooLarge = (endpoint: Omit<EndpointIdentity, "modelDataUrl">): PlatformError => ({
  type: "ModelError",
  message: `Received server error (500) from primary and could not load the entire response body. See ${logLink(endpoint)}`,
  originalStatusCode: 500,
  originalMessage: "",
});

export type AnswerContent = Omit<PlatformAnswer, "cacheHit" | "times">;

/** The container's answer as the caller gets it: passed on where it is 2xx, wrapped in a `ModelError` where it is not. */
export const fromContainer = (answer: ContainerAnswer, endpoint: EndpointIdentity): AnswerContent => {
  const { status, headers, body } = answer;
  if (isSuccess(status)) return { status, from: "container", headers, body, error: null };
  return failed("container", modelError(status, textOf(answer), endpoint));
};

/** What the platform says itself. */
export const fromPlatform = (error: PlatformError): AnswerContent => failed("platform", error);

export const isSuccess = (status: number): boolean => status >= 200 && status < 300;

export const textOf = ({ body }: ContainerAnswer): string => new TextDecoder().decode(body);

const statuses: Readonly<Record<PlatformErrorType, number>> = {
  ValidationError: 400,
  ModelError: 424,
  ModelNotReadyException: 429,
  InternalFailure: 500,
  ServiceUnavailable: 503,
};

const modelError = (status: number, text: string, endpoint: EndpointIdentity): PlatformError => ({
  type: "ModelError",
  message: `Received ${status >= 400 && status < 500 ? "client" : "server"} error (${status}) from primary with message "${text}". See ${logLink(endpoint)}`,
  originalStatusCode: status,
  originalMessage: text,
});

const logLink = ({ name, region, account }: Omit<EndpointIdentity, "modelDataUrl">): string =>
  `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#logEventViewer:group=/aws/sagemaker/Endpoints/${name} in account ${account} for more information.`;

const shortened = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}...` : text);

const failed = (from: "container" | "platform", error: PlatformError): AnswerContent => ({
  status: statuses[error.type],
  from,
  headers: ["Content-Type", "application/json", "x-amzn-ErrorType", error.type],
  body: new TextEncoder().encode(
    JSON.stringify({
      Message: error.message,
      OriginalStatusCode: error.originalStatusCode,
      OriginalMessage: error.originalMessage,
    }),
  ),
  error,
});
