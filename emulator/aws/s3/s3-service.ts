import type { Clock } from "../../common/clock.ts";
import type { ReplyStream } from "../../frontends/http1/connection.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { AwsError } from "../wire/aws-error.ts";
import type { RawService, Responder } from "../wire/aws-port.ts";
import type { AwsRequest } from "../wire/aws-request.ts";
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
} from "./buckets.ts";
import { listObjects, listObjectsV2 } from "./list-objects.ts";
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  listMultipartUploads,
  listParts,
  uploadPart,
  uploadPartCopy,
} from "./multipart.ts";
import {
  copyObject,
  deleteObject,
  deleteObjects,
  getObject,
  getObjectTagging,
  headObject,
  putObject,
} from "./objects.ts";
import { placeOf, type S3Call, type S3Reply, type StreamedBody } from "./s3-call.ts";
import { s3Error } from "./s3-error.ts";
import { asAwsError } from "./store-error.ts";

type S3Operation = (call: S3Call) => S3Reply | Promise<S3Reply>;

/** By method and what the request is about; of several the first whose query parameter is there. */
const operations: readonly {
  readonly method: string;
  readonly about: "account" | "bucket" | "object";
  readonly query?: string;
  readonly header?: string;
  readonly run: S3Operation;
}[] = [
  { method: "GET", about: "account", run: listBuckets },
  { method: "PUT", about: "bucket", run: createBucket },
  { method: "HEAD", about: "bucket", run: headBucket },
  { method: "DELETE", about: "bucket", run: deleteBucket },
  { method: "GET", about: "bucket", query: "location", run: getBucketLocation },
  { method: "GET", about: "bucket", query: "versioning", run: getBucketVersioning },
  { method: "GET", about: "bucket", query: "uploads", run: listMultipartUploads },
  { method: "GET", about: "bucket", query: "list-type", run: listObjectsV2 },
  { method: "GET", about: "bucket", run: listObjects },
  { method: "POST", about: "bucket", query: "delete", run: deleteObjects },
  { method: "GET", about: "object", query: "uploadId", run: listParts },
  { method: "GET", about: "object", query: "tagging", run: getObjectTagging },
  { method: "GET", about: "object", run: getObject },
  { method: "HEAD", about: "object", run: headObject },
  { method: "PUT", about: "object", query: "uploadId", header: "x-amz-copy-source", run: uploadPartCopy },
  { method: "PUT", about: "object", query: "uploadId", run: uploadPart },
  { method: "PUT", about: "object", header: "x-amz-copy-source", run: copyObject },
  { method: "PUT", about: "object", run: putObject },
  { method: "DELETE", about: "object", query: "uploadId", run: abortMultipartUpload },
  { method: "DELETE", about: "object", run: deleteObject },
  { method: "POST", about: "object", query: "uploads", run: createMultipartUpload },
  { method: "POST", about: "object", query: "uploadId", run: completeMultipartUpload },
];

/** Parts of S3's API that are not here; without this they would be read as something else. */
const notHere = new Set(
  "accelerate acl analytics attributes cors encryption intelligent-tiering inventory legal-hold lifecycle logging metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication requestPayment restore retention select tagging torrent versions website".split(
    " ",
  ),
);

/** S3 over an object store. */
export class S3Service implements RawService {
  readonly service = "s3";
  readonly #store: ObjectStore;
  readonly #clock: Clock;

  constructor(options: { readonly store: ObjectStore; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Objects and parts: nobody has to hold one in memory. A broken path is refused when the request is served. */
  isStreamed({ head, hostBucket }: Parameters<NonNullable<RawService["isStreamed"]>>[0]): boolean {
    const isObject = hostBucket !== null ? head.path.length > 1 : /^\/[^/]+\/./.test(head.path);
    return head.method === "PUT" && isObject && !head.headers.has("x-amz-copy-source");
  }

  async handle(request: AwsRequest, responder: Responder): Promise<void> {
    let reply: S3Reply;
    try {
      reply = await this.#answer(request);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      responder.fail(withResource(error, request));
      return;
    }
    await write(reply, request.head.method === "HEAD", responder);
  }

  /** @throws AwsError */
  async #answer(request: AwsRequest): Promise<S3Reply> {
    const { head, hostBucket, query } = request;
    const { bucket, key } = placeOf(head.path, hostBucket);
    const call: S3Call = {
      request,
      store: this.#store,
      bucket,
      key,
      header: (name) => head.headers.get(name),
      query: (name) => query.get(name),
      nowMs: () => Math.floor(this.#clock.epochMs() / 1000) * 1000,
    };
    const about = bucket === "" ? "account" : key === "" ? "bucket" : "object";
    const found = operations.find(
      (one) =>
        one.method === head.method &&
        one.about === about &&
        (one.query === undefined || query.has(one.query)) &&
        (one.header === undefined || head.headers.has(one.header)),
    );
    const missing = [...query.keys()].find((name) => notHere.has(name));
    if (missing !== undefined && found?.query === undefined)
      throw s3Error.notImplemented({ Header: missing });
    if (found === undefined)
      throw s3Error.methodNotAllowed({ Method: head.method, ResourceType: about.toUpperCase() });
    try {
      return await found.run(call);
    } catch (error) {
      throw asAwsError(error, call);
    }
  }
}

const withResource = (
  { code, message, status, members, headers }: AwsError,
  { head, hostBucket }: AwsRequest,
): AwsError => {
  const Resource = hostBucket === null ? head.path : `/${hostBucket}${head.path}`;
  return new AwsError(code, message, { status, headers, members: { ...members, Resource } });
};

const write = async (reply: S3Reply, toHead: boolean, responder: Responder): Promise<void> => {
  const { status, headers, body } = reply;
  if (body === null || body instanceof Uint8Array) {
    responder.reply({ status, headers, body: body === null ? [] : [body] });
    return;
  }
  try {
    if (toHead) responder.reply({ status, headers, body: [], statedByteSize: body.byteSize });
    else await writeStream(reply, body, responder);
  } finally {
    await body.close();
  }
};

/** As fast as the client reads, so that little is in memory at a time. */
const writeStream = async (
  { status, headers }: S3Reply,
  body: StreamedBody,
  responder: Responder,
): Promise<void> => {
  let wake = (): void => {};
  let isGone = false;
  const stream: ReplyStream | null = responder.stream(
    { status, headers, statedByteSize: body.byteSize },
    {
      drained: () => wake(),
      gone: () => {
        isGone = true;
        wake();
      },
    },
  );
  if (stream === null) return;
  let left = body.byteSize;
  try {
    for await (const bytes of body.bytes()) {
      if (isGone) return;
      left -= bytes.length;
      if (!stream.write(bytes)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (isGone) resolve();
        });
      }
    }
  } finally {
    if (!isGone) {
      if (left === 0) stream.end();
      else stream.break();
    }
  }
};
