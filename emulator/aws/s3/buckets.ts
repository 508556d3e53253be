import { isBucketName } from "../object-store/bucket-name.ts";
import { type Bucket, ObjectStoreError } from "../object-store/object-store.ts";
import { DEFAULT_REGION } from "../wire/aws-request.ts";
import { emptyReply, isoTime, readCount, type S3Call, type S3Reply, xmlReply } from "./s3-call.ts";
import { s3Error } from "./s3-error.ts";
import { childText, document, readXml } from "./xml.ts";

/** The one account's canonical user. */
export const owner = { ID: "0".repeat(64), DisplayName: "triton-local" } as const;

export const listBuckets = (call: S3Call): S3Reply => {
  const { store } = call;
  const prefix = call.query("prefix") ?? "";
  const region = call.query("bucket-region");
  const after = call.query("continuation-token") ?? "";
  const limit = readCount(call, "max-buckets", 10_000);
  const found = store
    .buckets()
    .filter(
      (bucket) =>
        bucket.name.startsWith(prefix) &&
        bucket.name > after &&
        (region === null || bucket.region === region),
    );
  const shown = found.slice(0, limit);
  return xmlReply(
    document("ListAllMyBucketsResult", {
      Owner: owner,
      Buckets: {
        Bucket: shown.map(({ name, createdMs, region }) => ({
          Name: name,
          CreationDate: isoTime(createdMs),
          BucketRegion: region,
        })),
      },
      Prefix: call.query("prefix"),
      ContinuationToken: shown.length < found.length ? shown.at(-1)?.name : null,
    }),
  );
};

/** As S3 does it, creating a bucket again is an error everywhere but in us-east-1. */
export const createBucket = async (call: S3Call): Promise<S3Reply> => {
  const { store, bucket: name, request } = call;
  if (!isBucketName(name)) throw s3Error.invalidBucketName({ BucketName: name });
  const { region } = request;
  const constraint = locationConstraint(request.body);
  if (constraint === DEFAULT_REGION) throw s3Error.invalidLocation({ LocationConstraint: constraint });
  if ((constraint ?? DEFAULT_REGION) !== region && region !== DEFAULT_REGION)
    throw s3Error.incompatibleLocation(constraint ?? "unspecified");
  try {
    await store.createBucket({ name, region: constraint ?? DEFAULT_REGION, createdMs: call.nowMs() });
  } catch (error) {
    const exists = error instanceof ObjectStoreError && error.code === "BucketAlreadyOwnedByYou";
    if (!exists || region !== DEFAULT_REGION) throw error;
  }
  return emptyReply(200, ["Location", `/${name}`]);
};

const locationConstraint = (body: Buffer): string | null => {
  if (body.length === 0) return null;
  const constraint = childText(readXml(body, "CreateBucketConfiguration"), "LocationConstraint");
  return constraint === "" ? null : constraint;
};

export const headBucket = (call: S3Call): S3Reply =>
  emptyReply(200, [
    "x-amz-bucket-region",
    existing(call).region,
    "x-amz-access-point-alias",
    "false",
    "Content-Type",
    "application/xml",
  ]);

export const deleteBucket = async ({ store, bucket }: S3Call): Promise<S3Reply> => {
  await store.deleteBucket(bucket);
  return emptyReply(204);
};

export const getBucketLocation = (call: S3Call): S3Reply => {
  const { region } = existing(call);
  return xmlReply(document("LocationConstraint", region === DEFAULT_REGION ? "" : region));
};

/** There are no versions of objects here. */
export const getBucketVersioning = (call: S3Call): S3Reply => {
  existing(call);
  return xmlReply(document("VersioningConfiguration", ""));
};

/** @throws AwsError `NoSuchBucket` */
export const existing = ({ store, bucket }: Pick<S3Call, "store" | "bucket">): Bucket => {
  const found = store.bucket(bucket);
  if (found === null) throw s3Error.noSuchBucket({ BucketName: bucket });
  return found;
};
