import { AwsError } from "../wire/aws-error.ts";

type Members = Readonly<Record<string, string | number | undefined>>;

const error =
  (code: string, status: number, message: string) =>
  (members: Members = {}): AwsError =>
    new AwsError(code, message, { status, members });

/** Errors of S3 in its own words, as its API reference and its answers have them. */
export const s3Error = {
  badDigestMd5: error("BadDigest", 400, "The Content-MD5 you specified did not match what we received."),
  bucketAlreadyOwnedByYou: error(
    "BucketAlreadyOwnedByYou",
    409,
    "Your previous request to create the named bucket succeeded and you already own it.",
  ),
  bucketNotEmpty: error("BucketNotEmpty", 409, "The bucket you tried to delete is not empty"),
  copyToItself: error(
    "InvalidRequest",
    400,
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  ),
  entityTooSmall: error(
    "EntityTooSmall",
    400,
    "Your proposed upload is smaller than the minimum allowed size",
  ),
  incompatibleLocation: (constraint: string): AwsError =>
    new AwsError(
      "IllegalLocationConstraintException",
      `The ${constraint} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    ),
  internal: (message: string): AwsError =>
    new AwsError("InternalError", `We encountered an internal error: ${message}`, { status: 500 }),
  invalidArgument: (message: string, name: string, value: string): AwsError =>
    new AwsError("InvalidArgument", message, { members: { ArgumentName: name, ArgumentValue: value } }),
  invalidBucketName: error("InvalidBucketName", 400, "The specified bucket is not valid."),
  invalidDigest: error("InvalidDigest", 400, "The Content-MD5 you specified was invalid."),
  invalidLocation: error("InvalidLocationConstraint", 400, "The specified location-constraint is not valid"),
  invalidPart: error(
    "InvalidPart",
    400,
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  ),
  invalidPartNumber: error("InvalidPartNumber", 416, "The requested partnumber is not satisfiable"),
  invalidPartOrder: error(
    "InvalidPartOrder",
    400,
    "The list of parts was not in ascending order. Parts must be ordered by part number.",
  ),
  invalidRange: error("InvalidRange", 416, "The requested range is not satisfiable"),
  invalidRequest: (message: string): AwsError => new AwsError("InvalidRequest", message),
  invalidUri: error("InvalidURI", 400, "Couldn't parse the specified URI."),
  keyTooLong: error("KeyTooLongError", 400, "Your key is too long"),
  malformedXml: error(
    "MalformedXML",
    400,
    "The XML you provided was not well-formed or did not validate against our published schema",
  ),
  metadataTooLarge: error(
    "MetadataTooLarge",
    400,
    "Your metadata headers exceed the maximum allowed metadata size",
  ),
  methodNotAllowed: error(
    "MethodNotAllowed",
    405,
    "The specified method is not allowed against this resource.",
  ),
  noSuchBucket: error("NoSuchBucket", 404, "The specified bucket does not exist"),
  noSuchKey: error("NoSuchKey", 404, "The specified key does not exist."),
  noSuchUpload: error(
    "NoSuchUpload",
    404,
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
  ),
  notImplemented: error(
    "NotImplemented",
    501,
    "A header you provided implies functionality that is not implemented",
  ),
  /** @param condition the header that was not met */
  preconditionFailed: (condition: string): AwsError =>
    new AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
      status: 412,
      members: { Condition: condition },
    }),
} as const;
