import type { RequestHead } from "../../frontends/http1/request-head.ts";

/** The services that share the port; names are ours, `signingNames` has AWS's. */
export type AwsServiceName =
  | "sagemaker"
  | "sagemaker-runtime"
  | "s3"
  | "monitoring"
  | "application-autoscaling";

/** Real endpoints take the account from the caller's credentials; here there is one. */
export const ACCOUNT_ID = "000000000000";

/** The region of a request that names none. */
export const DEFAULT_REGION = "us-east-1";

/** A request of which it is known for whom it is. */
export interface AwsRequest {
  readonly service: AwsServiceName;
  /** As the service's API spells it, e.g. `CreateModel`; null = the request names none (S3, where method and query tell). */
  readonly operation: string | null;
  /** From the credential scope, else `us-east-1`. */
  readonly region: string;
  readonly accountId: string;
  /** A UUID; it goes into the answer's headers and is the request's name in the journal. */
  readonly requestId: string;
  /** Null = the request is not signed. */
  readonly accessKeyId: string | null;
  readonly head: RequestHead;
  readonly query: URLSearchParams;
  /** The bucket that the Host names (virtual-hosted S3): the path is then the key. Null = it names none. */
  readonly hostBucket: string | null;
  /**
   * Without transfer and `aws-chunked` encoding. Valid until the answer: who keeps it longer copies it.
   */
  readonly body: Buffer;
  /**
   * The same, as it comes, of a request that is served before its body is whole (`RawService.isStreamed`); `body` is empty
   * then, and `trailers` are there when the last byte was read. Rejects with AwsError where it does not come whole.
   */
  readonly content?: AsyncIterable<Uint8Array>;
  /** Headers that came behind an `aws-chunked` body, by lower-case name: checksums of S3. */
  readonly trailers: ReadonlyMap<string, string>;
}
