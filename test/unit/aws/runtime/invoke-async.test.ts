import { expect, test } from "vitest";
import { parseS3Location } from "../../../../emulator/aws/runtime/async-objects.ts";
import type { AsyncOutput, RuntimeVariant } from "../../../../emulator/aws/runtime/endpoints.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { sendTo } from "../../../support/aws-exchange.ts";
import { endpointOf, platformAnswer, runtimePort, variantOf } from "../../../support/runtime-fixture.ts";

const PREFIX = "X-Amzn-SageMaker-";
const paths: AsyncOutput = { outputPath: "s3://out/results/", failurePath: "s3://out/failures" };

interface Asked {
  readonly variant?: RuntimeVariant;
  readonly output?: AsyncOutput | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly objects?: Readonly<Record<string, string>>;
  readonly clock?: VirtualClock;
  readonly onRead?: () => void;
}

/** Asks an asynchronous endpoint, and waits for what it writes. */
const invoked = async ({
  variant = variantOf("AllTraffic"),
  output = paths,
  headers = {},
  body = "",
  objects = { "in/a.json": "input" },
  clock = new VirtualClock(),
  onRead = () => {},
}: Asked) => {
  const written = Promise.withResolvers<{ key: string; text: string; contentType: string }>();
  const port = runtimePort([endpointOf("a", { mode: "SingleModel", variants: [variant], async: output })], {
    clock,
    objects: {
      read: async (bucket, key) => {
        onRead();
        const text = objects[`${bucket}/${key}`];
        return text === undefined ? null : Buffer.from(text);
      },
      write: async (bucket, key, bytes, contentType) =>
        written.resolve({ key: `${bucket}/${key}`, text: Buffer.from(bytes).toString(), contentType }),
    },
  });
  const answer = await sendTo(port, "POST /endpoints/a/async-invocations", headers, body);
  if (answer === null) throw new Error("not served");
  return { answer, written: written.promise };
};

const location = { [`${PREFIX}InputLocation`]: "s3://in/a.json" };

test("async: the input comes from S3, the result goes there", async () => {
  const variant = variantOf("AllTraffic", {
    answer: platformAnswer({ status: 200, headers: ["Content-Type", "text/csv"], body: Buffer.from("1,2") }),
  });
  const headers = {
    ...location,
    [`${PREFIX}Content-Type`]: "application/json",
    [`${PREFIX}Accept`]: "text/csv",
    [`${PREFIX}Inference-Id`]: "mine",
    Accept: "application/json",
  };
  const { answer, written } = await invoked({ variant, headers });
  const uri = answer.headers.get("x-amzn-sagemaker-outputlocation");
  expect(answer.status).toBe(202);
  expect(JSON.parse(answer.text)).toEqual({ InferenceId: "mine" });
  expect(uri).toMatch(/^s3:\/\/out\/results\/[0-9a-f-]{36}\.out$/);
  expect(answer.headers.get("x-amzn-sagemaker-failurelocation")).toMatch(
    /^s3:\/\/out\/failures\/[0-9a-f-]{36}-error\.out$/,
  );
  expect(await written).toEqual({ key: uri?.slice("s3://".length), text: "1,2", contentType: "text/csv" });
  expect(variant.calls).toMatchObject([
    {
      headers: ["Content-Type", "application/json", "Accept", "text/csv"],
      body: Buffer.from("input"),
      limitUs: 900_000_000,
    },
  ]);
});

test("async: the input may come with the request, and names of the output too", async () => {
  const variant = variantOf("AllTraffic");
  const headers = {
    [`${PREFIX}S3OutputPathExtension`]: "/day/",
    [`${PREFIX}Filename`]: "r.json",
    [`${PREFIX}InvocationTimeoutSeconds`]: "3600",
  };
  const { answer, written } = await invoked({ variant, headers, body: "inline" });
  expect(JSON.parse(answer.text)).toEqual({ InferenceId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  expect((await written).key).toBe("out/results/day/r.json");
  expect(variant.calls).toMatchObject([{ body: Buffer.from("inline"), limitUs: 3_600_000_000 }]);
});

test.each<[string, Asked, string]>([
  [
    "the model fails",
    {
      headers: location,
      variant: variantOf("AllTraffic", {
        answer: platformAnswer({ status: 424, error: { type: "ModelError", message: "Received 400" } }),
      }),
    },
    "Received 400\n",
  ],
  ["there is no input", { headers: location, objects: {} }, "There is no object at s3://in/a.json.\n"],
  [
    "the input cannot be read",
    {
      headers: location,
      onRead: () => {
        throw new Error("disk");
      },
    },
    "The input could not be read: disk\n",
  ],
])("async: %s: the failure goes to S3", async (_, asked, text) => {
  const { answer, written } = await invoked(asked);
  expect(answer.status).toBe(202);
  const uri = answer.headers.get("x-amzn-sagemaker-failurelocation");
  expect(await written).toEqual({ key: uri?.slice("s3://".length), text, contentType: "text/plain" });
});

test("async: a request that waited too long is not run", async () => {
  const clock = new VirtualClock();
  const variant = variantOf("AllTraffic");
  const headers = { ...location, [`${PREFIX}RequestTTLSeconds`]: "60" };
  const { written } = await invoked({ variant, headers, clock, onRead: () => clock.advance(60_000_001) });
  expect((await written).text).toBe("The request was not processed within its RequestTTLSeconds.\n");
  expect(variant.calls).toEqual([]);
});

test.each<[string, Asked, string]>([
  ["an endpoint that is none", { output: null, headers: location }, "is not an asynchronous endpoint"],
  ["neither location nor body", {}, "Value null at 'inputLocation' failed to satisfy constraint"],
  ["location and body", { headers: location, body: "b" }, "has a body and an InputLocation"],
  [
    "a body that is too large",
    { body: "x".repeat(128_001) },
    "at most 128000 may come without an InputLocation",
  ],
  [
    "a location that is none",
    { headers: { [`${PREFIX}InputLocation`]: "ftp://in/a" } },
    "Value 'ftp://in/a' at 'inputLocation' failed to satisfy constraint: Member must satisfy regular expression pattern",
  ],
  [
    "a location without a key",
    { headers: { [`${PREFIX}InputLocation`]: "s3://in" } },
    "is no location of an object",
  ],
  [
    "a short time to live",
    { headers: { ...location, [`${PREFIX}RequestTTLSeconds`]: "59" } },
    "Value '59' at 'requestTTLSeconds' failed to satisfy constraint: Member must have value greater than or equal to 60",
  ],
  [
    "a long time-out",
    { headers: { ...location, [`${PREFIX}InvocationTimeoutSeconds`]: "3601" } },
    "Value '3601' at 'invocationTimeoutSeconds' failed to satisfy constraint: Member must have value less than or equal to 3600",
  ],
])("async: %s is a ValidationError at once", async (_, asked, text) => {
  const { answer } = await invoked(asked);
  expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([400, "ValidationError"]);
  expect(JSON.parse(answer.text).Message).toContain(text);
});

test("async: an endpoint of many models is to be told which", async () => {
  const port = runtimePort([endpointOf("a", { async: paths })], {
    objects: { read: async () => null, write: async () => {} },
  });
  const answer = await sendTo(port, "POST /endpoints/a/async-invocations", location);
  expect(answer?.text).toMatch(/Request [0-9a-f-]{36} is missing a target model header/);
});

test.each([
  ["s3://b/a/k", { bucket: "b", key: "a/k" }],
  ["s3://b", { bucket: "b", key: "" }],
  ["https://b.s3.us-east-1.amazonaws.com/a%20k", { bucket: "b", key: "a k" }],
  ["https://s3.us-east-1.amazonaws.com/b/k", { bucket: "b", key: "k" }],
  ["https://example.com/b/k", null],
])("S3 location: %s", (text, parsed) => {
  expect(parseS3Location(text)).toEqual(parsed);
});
