import type { FaultSource, Refusal } from "../../core/faults/fault-source.ts";
import type { EndpointIdentity, PlatformAnswer, PlatformError } from "../placement/platform-answer.ts";
import { AwsError } from "../wire/aws-error.ts";
import { ACCOUNT_ID } from "../wire/aws-request.ts";

/** What the runtime refuses itself. Texts from spec/sagemaker-mme.md 2.2 where it has one; the others are ours. */
export const runtimeErrors = {
  /** Also of one that does not serve: still Creating, Failed, Deleting. */
  endpointNotFound: (endpoint: string): AwsError =>
    validationError(`Endpoint ${endpoint} of account ${ACCOUNT_ID} not found.`),
  variantNotFound: (variant: string, endpoint: string): AwsError =>
    validationError(`Variant ${variant} of endpoint ${endpoint} not found.`),
  targetModelNotSupported: (endpoint: string): AwsError =>
    validationError(
      `Endpoint ${endpoint} is not a multi-model endpoint and does not support target model header.`,
      "TARGET_MODEL_HEADER_NOT_SUPPORTED",
    ),
  targetModelMissing: (requestId: string): AwsError =>
    validationError(`Request ${requestId} is missing a target model header`),
  headerNotSupported: (endpoint: string, header: string): AwsError =>
    validationError(`Endpoint ${endpoint} does not support ${header} header.`),
  notAsync: (endpoint: string): AwsError =>
    validationError(`Endpoint ${endpoint} is not an asynchronous endpoint: it has no AsyncInferenceConfig.`),
  isAsync: (endpoint: string): AwsError =>
    validationError(`Endpoint ${endpoint} is an asynchronous endpoint: invoke it with InvokeEndpointAsync.`),
  /** AWS tells no type there: SDKs take the status for the code. */
  bodyTooLarge: (limit: number): AwsError =>
    new AwsError("", `HTTP content length exceeded ${limit} bytes.`, { status: 413 }),
  /** By a fault. The words of the service model; `Rate exceeded` tells throttling of any service. */
  refused: (as: Refusal, message: string | null): AwsError => {
    const [code, status, text] = refusals[as];
    return new AwsError(code, message ?? text, { status });
  },
  unknownOperation: (method: string, path: string): AwsError =>
    new AwsError(
      "UnknownOperationException",
      `${method} ${path} is no operation of the runtime; POST /endpoints/<name>/invocations invokes a model.`,
      { status: 404 },
    ),
} as const;

const refusals: Readonly<Record<Refusal, readonly [code: string, status: number, text: string]>> = {
  throttled: ["ThrottlingException", 400, "Rate exceeded"],
  unavailable: ["ServiceUnavailable", 503, "The service is unavailable. Try your call again."],
  "internal-failure": ["InternalFailure", 500, "An internal failure occurred."],
  "dependency-failure": [
    "InternalDependencyException",
    530,
    "Your request caused an exception with an internal dependency. Contact customer support.",
  ],
};

const validationError = (message: string, errorCode?: string): AwsError =>
  new AwsError("ValidationError", message, { members: { ErrorCode: errorCode } });

/** The platform's error as the caller reads it; a `ModelError` says what the container answered, and where its log is. */
export const errorOf = (
  { status }: Pick<PlatformAnswer, "status">,
  error: PlatformError,
  { name, region, account }: Omit<EndpointIdentity, "modelDataUrl">,
): AwsError => {
  const { type, message, originalStatusCode, originalMessage } = error;
  if (type !== "ModelError") return new AwsError(type, message, { status });
  const isClientError =
    originalStatusCode !== undefined && originalStatusCode >= 400 && originalStatusCode < 500;
  return new AwsError(type, message, {
    status,
    members: {
      ErrorCode: isClientError ? "CLIENT_ERROR_FROM_MODEL" : "INTERNAL_FAILURE_FROM_MODEL",
      LogStreamArn: `arn:aws:logs:${region}:${account}:log-group:/aws/sagemaker/Endpoints/${name}`,
      OriginalMessage: originalMessage,
      OriginalStatusCode: originalStatusCode,
    },
  });
};

/** The error as it goes out: without its type where `error-type-missing` is imitated. SDKs know its status only then. */
export const asTold = (error: AwsError, faults: FaultSource): AwsError => {
  if (!faults.imitates("error-type-missing")) return error;
  const { message, status, members, headers } = error;
  return new AwsError("", message, { status, members, headers });
};
