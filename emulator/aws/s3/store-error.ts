import { ObjectStoreError } from "../object-store/object-store.ts";
import { AwsError } from "../wire/aws-error.ts";
import type { S3Call } from "./s3-call.ts";
import { s3Error } from "./s3-error.ts";

/** What an operation threw, as S3 tells it. Throws on what is a bug of ours. */
export const asAwsError = (error: unknown, { bucket, query }: Pick<S3Call, "bucket" | "query">): AwsError => {
  if (error instanceof AwsError) return error;
  if (error instanceof ObjectStoreError) {
    switch (error.code) {
      case "BucketAlreadyOwnedByYou":
        return s3Error.bucketAlreadyOwnedByYou({ BucketName: bucket });
      case "BucketNotEmpty":
        return s3Error.bucketNotEmpty({ BucketName: bucket });
      case "InvalidBucketName":
        return s3Error.invalidBucketName({ BucketName: bucket });
      case "NoSuchBucket":
        return s3Error.noSuchBucket({ BucketName: bucket });
      case "NoSuchUpload":
        return s3Error.noSuchUpload({ UploadId: query("uploadId") ?? "" });
    }
  }
  // The operating system's own words: a full disk, a folder that may not be written.
  if (error instanceof Error && "syscall" in error) return s3Error.internal(error.message);
  throw error;
};
