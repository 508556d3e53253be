import { expect, test } from "vitest";
import { readCredential } from "../../../../emulator/aws/wire/credential.ts";
import { identify, runtimeOperation } from "../../../../emulator/aws/wire/identify.ts";
import { headOf } from "../../../support/aws-exchange.ts";

const signedFor = (service: string) => ({
  authorization: `AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-west-1/${service}/aws4_request, SignedHeaders=host;x-amz-date, Signature=00`,
});
const form = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
const cbor = { "smithy-protocol": "rpc-v2-cbor" };

const identified = (line: string, headers: Record<string, string>, body = "") => {
  const head = headOf(line, headers);
  const query = new URLSearchParams(head.query);
  const credential = readCredential(head, query);
  const fields = () => (head.method === "POST" ? new URLSearchParams(body) : query);
  return identify(head, credential === "broken" ? null : credential, fields);
};

test.each<[string, string, Record<string, string>, string, object]>([
  [
    "SageMaker by its target",
    "POST /",
    { "x-amz-target": "SageMaker.CreateModel" },
    "",
    { service: "sagemaker", operation: "CreateModel", protocol: "json" },
  ],
  [
    "Application Auto Scaling by its target",
    "POST /",
    { "x-amz-target": "AnyScaleFrontendService.RegisterScalableTarget" },
    "",
    { service: "application-autoscaling", operation: "RegisterScalableTarget", protocol: "json" },
  ],
  [
    "CloudWatch by its target",
    "POST /",
    { "x-amz-target": "GraniteServiceVersion20100801.PutMetricData" },
    "",
    { service: "monitoring", operation: "PutMetricData", protocol: "json" },
  ],
  [
    "CloudWatch by the path of CBOR",
    "POST /service/GraniteServiceVersion20100801/operation/ListMetrics",
    cbor,
    "",
    { service: "monitoring", operation: "ListMetrics", protocol: "cbor" },
  ],
  [
    "CloudWatch by a form",
    "POST /",
    form,
    "Action=ListMetrics&Version=2010-08-01",
    { service: "monitoring", operation: "ListMetrics", protocol: "query" },
  ],
  [
    "CloudWatch by a form in the URL",
    "GET /?Action=ListMetrics&Version=2010-08-01",
    {},
    "",
    { service: "monitoring", operation: "ListMetrics", protocol: "query" },
  ],
  [
    "a form of a service that is not here",
    "POST /",
    { ...form, ...signedFor("sts") },
    "Action=GetCallerIdentity&Version=2011-06-15",
    { service: null, operation: "GetCallerIdentity", protocol: "query", asked: "sts" },
  ],
  [
    "a target of a service that is not here",
    "POST /",
    { "x-amz-target": "Logs_20140328.PutLogEvents" },
    "",
    { service: null, operation: "PutLogEvents", protocol: "json", asked: "Logs_20140328" },
  ],
  [
    "the runtime by its path",
    "POST /endpoints/a/invocations",
    {},
    "",
    { service: "sagemaker-runtime", operation: "InvokeEndpoint", protocol: "rest-json" },
  ],
  [
    "the runtime by its path, streaming",
    "POST /endpoints/a/invocations-response-stream",
    signedFor("sagemaker"),
    "",
    { service: "sagemaker-runtime", operation: "InvokeEndpointWithResponseStream" },
  ],
  [
    "the runtime by its path, asynchronous",
    "POST /endpoints/a/async-invocations",
    {},
    "",
    { service: "sagemaker-runtime", operation: "InvokeEndpointAsync" },
  ],
  [
    "the runtime, an unknown path",
    "POST /endpoints/a/other",
    signedFor("sagemaker"),
    "",
    { service: "sagemaker-runtime", operation: null, protocol: "rest-json" },
  ],
  [
    "the runtime, an unknown path that is not signed",
    "GET /endpoints/a",
    {},
    "",
    { service: "sagemaker-runtime", operation: null, protocol: "rest-json" },
  ],
  [
    "SageMaker without a target",
    "POST /",
    signedFor("sagemaker"),
    "",
    { service: "sagemaker", operation: null, protocol: "json" },
  ],
  [
    "S3 by its scope, whatever the path is",
    "POST /endpoints/a/invocations",
    signedFor("s3"),
    "",
    { service: "s3", operation: null, protocol: "rest-xml" },
  ],
  [
    "S3 by its scope in a presigned URL",
    "GET /bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261125%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261125T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00",
    {},
    "",
    { service: "s3" },
  ],
  ["what is left is S3's", "GET /bucket/key", {}, "", { service: "s3", protocol: "rest-xml" }],
  [
    "a form for a bucket is no query protocol",
    "POST /bucket",
    form,
    "Action=ListMetrics&Version=2010-08-01",
    { service: "s3" },
  ],
])("identify: %s", (_, line, headers, body, identity) => {
  expect(identified(line, headers, body)).toMatchObject(identity);
});

test.each([
  ["GET", "/endpoints/any/invocations"],
  ["POST", "/endpoints/any"],
  ["POST", "/endpoints/a/b/invocations"],
  ["POST", "/_emulator/reset"],
])("identify: %s %s is nothing of the runtime", (method, path) => {
  expect(runtimeOperation(method, path)).toBeNull();
});

test("credential: of the header, with a key that has slashes", () => {
  const head = headOf("GET /", {
    authorization:
      "AWS4-HMAC-SHA256 Credential=a/b/20261125/eu-west-1/s3/aws4_request,SignedHeaders=host;x-amz-date,Signature=0f",
  });
  expect(readCredential(head, new URLSearchParams())).toEqual({
    accessKeyId: "a/b",
    date: "20261125",
    region: "eu-west-1",
    service: "s3",
    signedHeaders: ["host", "x-amz-date"],
    signature: "0f",
    presignedForSeconds: null,
  });
});

test.each([
  "Basic abc",
  "AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-west-1/s3/aws4, SignedHeaders=host, Signature=0f",
  "AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-west-1/s3/aws4_request, Signature=0f",
  "AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-west-1/s3/aws4_request, SignedHeaders=host",
])("credential: %s cannot be read", (authorization) => {
  expect(readCredential(headOf("GET /", { authorization }), new URLSearchParams())).toBe("broken");
});

test("credential: none", () => {
  expect(readCredential(headOf("GET /"), new URLSearchParams())).toBeNull();
});
