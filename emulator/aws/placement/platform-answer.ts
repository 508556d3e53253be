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
}

/** How long an invocation spent on what, in microseconds; 0 = nothing of the kind happened for it. */
export interface InvocationTimes {
  /** From its arrival until the container was asked: what ModelLoadingWaitTime counts. */
  readonly waitUs: number;
  readonly downloadUs: number;
  readonly loadUs: number;
  /** Unloads of others that made room for it. */
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
}

export const localEndpoint: EndpointIdentity = {
  name: "triton-local",
  region: "us-east-1",
  account: "000000000000",
};

const statuses: Readonly<Record<PlatformErrorType, number>> = {
  ValidationError: 400,
  ModelError: 424,
  ModelNotReadyException: 429,
  InternalFailure: 500,
  ServiceUnavailable: 503,
};

export type AnswerContent = Omit<PlatformAnswer, "cacheHit" | "times">;

/** The container's answer as the caller gets it: passed on where it is 2xx, wrapped in a `ModelError` where it is not. */
export const fromContainer = (answer: ContainerAnswer, endpoint: EndpointIdentity): AnswerContent => {
  const { status, headers, body } = answer;
  if (status >= 200 && status < 300) return { status, from: "container", headers, body, error: null };
  const originalMessage = new TextDecoder().decode(body);
  const who = status >= 500 ? "server" : "client";
  return failed("container", {
    type: "ModelError",
    message: `Received ${who} error (${status}) from primary with message "${originalMessage}". ${seeLogs(endpoint)}`,
    originalStatusCode: status,
    originalMessage,
  });
};

/** What the platform says itself. */
export const fromPlatform = (error: PlatformError): AnswerContent => failed("platform", error);

/** Where AWS points the reader of a `ModelError`. */
export const seeLogs = ({ name, region, account }: EndpointIdentity): string =>
  `See https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#logEventViewer:group=/aws/sagemaker/Endpoints/${name} in account ${account} for more information.`;

const failed = (from: "container" | "platform", error: PlatformError): AnswerContent => {
  const members: Record<string, string | number> = { Message: error.message };
  if (error.originalStatusCode !== undefined) members["OriginalStatusCode"] = error.originalStatusCode;
  if (error.originalMessage !== undefined) members["OriginalMessage"] = error.originalMessage;
  return {
    status: statuses[error.type],
    from,
    headers: ["Content-Type", "application/json", "x-amzn-ErrorType", error.type],
    body: new TextEncoder().encode(JSON.stringify(members)),
    error,
  };
};
