import { expect, test } from "vitest";
import { bucketOfHost } from "../../../../emulator/aws/wire/host-bucket.ts";

test.each([
  ["localhost:4570", null],
  ["127.0.0.1:4570", null],
  ["s3.localhost", null],
  ["s3.us-east-1.localhost:4570", null],
  ["s3.amazonaws.com", null],
  ["s3.eu-west-1.amazonaws.com", null],
  ["emulator:4570", null],
  ["host.docker.internal:4570", null],
  ["models.localhost:4570", "models"],
  ["Models.Localhost:4570", "models"],
  ["my.models.localhost", "my.models"],
  ["models.s3.localhost:4570", "models"],
  ["models.s3.us-east-1.localhost", "models"],
  ["models.s3.amazonaws.com", "models"],
  ["models.s3.eu-west-1.amazonaws.com", "models"],
  ["models.s3-eu-west-1.amazonaws.com", "models"],
  ["my.models.s3.eu-west-1.amazonaws.com", "my.models"],
])("host bucket: %s names %s", (host, bucket) => {
  expect(bucketOfHost(host)).toBe(bucket);
});
