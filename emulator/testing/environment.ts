import { DEFAULT_REGION } from "../aws/wire/aws-request.ts";
import type { AwsCredentials } from "../config/load.ts";

/** Where each part of an emulator listens. */
export interface EmulatorUrls {
  /** tritonserver over HTTP, e.g. `http://127.0.0.1:8000`. */
  readonly http: string;
  /** Host and port, as gRPC clients take it. */
  readonly grpc: string;
  /** The Prometheus metrics, path included. */
  readonly metrics: string;
  /** The container API of SageMaker. */
  readonly sagemaker: string;
  /** The services of AWS, and `/_emulator/`. */
  readonly aws: string;
}

/** Ports of one host; null = not served. */
export interface PortsByService {
  readonly http: number | null;
  readonly grpc: number | null;
  readonly metrics: number | null;
  readonly sagemaker: number | null;
  readonly emulator: number | null;
}

/** Without those that are not served. */
export const urlsOf = (host: string, ports: PortsByService): Partial<EmulatorUrls> => {
  const { http, grpc, metrics, sagemaker, emulator } = ports;
  return {
    ...(http === null ? {} : { http: `http://${host}:${http}` }),
    ...(grpc === null ? {} : { grpc: `${host}:${grpc}` }),
    ...(metrics === null ? {} : { metrics: `http://${host}:${metrics}/metrics` }),
    ...(sagemaker === null ? {} : { sagemaker: `http://${host}:${sagemaker}` }),
    ...(emulator === null ? {} : { aws: `http://${host}:${emulator}` }),
  };
};

export const areAllServed = (urls: Partial<EmulatorUrls>): urls is EmulatorUrls =>
  [urls.http, urls.grpc, urls.metrics, urls.sagemaker, urls.aws].every((url) => url !== undefined);

/** An SDK sends nothing without any, and any will do where none are configured. */
const madeUpCredentials: AwsCredentials = { accessKeyId: "triton-local", secretAccessKey: "triton-local" };

/**
 * What the clients of AWS and of Triton read.
 * @param credentials those that are configured; null = none are
 */
export const environmentOf = (
  urls: Partial<EmulatorUrls>,
  credentials: AwsCredentials | null,
): Record<string, string> => {
  const { accessKeyId, secretAccessKey } = credentials ?? madeUpCredentials;
  const { http, grpc, metrics, sagemaker, aws } = urls;
  return {
    ...(aws === undefined
      ? {}
      : {
          AWS_ENDPOINT_URL: aws,
          AWS_REGION: DEFAULT_REGION,
          AWS_DEFAULT_REGION: DEFAULT_REGION,
          AWS_ACCESS_KEY_ID: accessKeyId,
          AWS_SECRET_ACCESS_KEY: secretAccessKey,
        }),
    ...(http === undefined ? {} : { TRITON_HTTP_URL: http }),
    ...(grpc === undefined ? {} : { TRITON_GRPC_URL: grpc }),
    ...(metrics === undefined ? {} : { TRITON_METRICS_URL: metrics }),
    ...(sagemaker === undefined ? {} : { TRITON_SAGEMAKER_URL: sagemaker }),
  };
};

/** Variables that would lead an SDK to other credentials, or to other endpoints, than those of `environmentOf`. */
export const misleadingVariables: readonly string[] = [
  "AWS_PROFILE",
  "AWS_SESSION_TOKEN",
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
  "AWS_ENDPOINT_URL_SAGEMAKER",
  "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME",
  "AWS_ENDPOINT_URL_S3",
  "AWS_ENDPOINT_URL_CLOUDWATCH",
  "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING",
];
