import {
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from "@aws-sdk/client-sagemaker-runtime";
import { expect, test } from "vitest";
import type { AnswerParts } from "../../../../emulator/aws/placement/container.ts";
import {
  fromPlatform,
  type PlatformError,
  platformErrors,
} from "../../../../emulator/aws/placement/platform-answer.ts";
import type { RuntimeEndpoint, RuntimeVariant } from "../../../../emulator/aws/runtime/endpoints.ts";
import { silentLog } from "../../../../emulator/common/log.ts";
import { listen } from "../../../../emulator/frontends/http1/listener.ts";
import { endpointOf, platformAnswer, runtimePort, variantOf } from "../../../support/runtime-fixture.ts";

/** What AWS's own client makes of the stream. */
const streamed = async (endpoint: RuntimeEndpoint) => {
  const port = runtimePort([endpoint]);
  const listener = await listen(
    { address: "127.0.0.1", port: 0, onRequest: (exchange) => port.handle(exchange) },
    silentLog,
  );
  const client = new SageMakerRuntimeClient({
    endpoint: `http://127.0.0.1:${listener.port}`,
    region: "us-east-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  });
  const parts: string[] = [];
  try {
    const output = await client.send(
      new InvokeEndpointWithResponseStreamCommand({
        EndpointName: endpoint.name,
        Body: Buffer.from("in"),
        Accept: "text/event-stream",
        ContentType: "application/json",
        CustomAttributes: "x",
      }),
    );
    try {
      for await (const { PayloadPart } of output.Body ?? [])
        parts.push(Buffer.from(PayloadPart?.Bytes ?? []).toString());
    } catch (error) {
      return { output, parts, error };
    }
    return { output, parts, error: null };
  } catch (error) {
    return { output: null, parts, error };
  } finally {
    client.destroy();
    await listener.close();
  }
};

const single = (variant: RuntimeVariant): RuntimeEndpoint =>
  endpointOf("e", { mode: "SingleModel", variants: [variant] });

/** A container that streams. @param error what the answer ends with; null = it is whole */
const streaming = (run: (parts: AnswerParts) => void, error: PlatformError | null = null): RuntimeEndpoint =>
  single({
    name: "AllTraffic",
    weight: 1,
    invoke: ({ parts }, answered) => {
      if (parts !== undefined) run(parts);
      answered(platformAnswer(error === null ? { status: 200, body: Buffer.alloc(0) } : fromPlatform(error)));
    },
  });

const half = (parts: AnswerParts): void => {
  parts.begin([]);
  parts.part(Buffer.from("half"));
};

test("response stream: an answer in one piece comes in parts", async () => {
  const body = Buffer.from("0123456789".repeat(1000));
  const headers = ["Content-Type", "text/plain", "X-Amzn-SageMaker-Custom-Attributes", "out"];
  const variant = variantOf("AllTraffic", { answer: platformAnswer({ status: 200, headers, body }) });
  const { output, parts, error } = await streamed(single(variant));
  expect(error).toBeNull();
  expect(output).toMatchObject({
    ContentType: "text/plain",
    InvokedProductionVariant: "AllTraffic",
    CustomAttributes: "out",
  });
  expect(parts.map(({ length }) => length)).toEqual([4096, 4096, 1808]);
  expect(parts.join("")).toBe(body.toString());
  expect(variant.calls).toMatchObject([
    {
      headers: [
        "Content-Type",
        "application/json",
        "Accept",
        "text/event-stream",
        "X-Amzn-SageMaker-Custom-Attributes",
        "x",
      ],
    },
  ]);
});

test("response stream: a container that streams is passed on part by part", async () => {
  const { output, parts, error } = await streamed(
    streaming((sink) => {
      sink.begin(["Content-Type", "text/event-stream"]);
      for (const token of ["to", "k", "en"]) sink.part(Buffer.from(token));
    }),
  );
  expect(output).toMatchObject({ ContentType: "text/event-stream", InvokedProductionVariant: "AllTraffic" });
  expect([parts, error]).toEqual([["to", "k", "en"], null]);
});

const endpoint = { name: "e", region: "us-east-1", account: "000000000000", modelDataUrl: "s3://b/" };

test.each([
  [platformErrors.noResponse(endpoint), "ModelStreamError", "StreamBroken"],
  [platformErrors.timedOut(endpoint), "ModelStreamError", "ModelInvocationTimeExceeded"],
  [platformErrors.unavailable("gone"), "InternalStreamFailure", undefined],
])(
  "response stream: $message, in the middle, is thrown where the stream is read",
  async (failure, name, code) => {
    const { output, parts, error } = await streamed(streaming(half, failure));
    expect(output?.$metadata.httpStatusCode).toBe(200);
    expect(parts).toEqual(["half"]);
    expect(error).toMatchObject({ name, message: failure.message });
    expect(Object(error).ErrorCode).toBe(code);
  },
);

test("response stream: an error before the first part is an answer of its own", async () => {
  const failure = {
    type: "ModelError",
    message: "no",
    originalStatusCode: 400,
    originalMessage: "{}",
  } as const;
  const { error } = await streamed(streaming(() => {}, failure));
  expect(error).toMatchObject({
    name: "ModelError",
    OriginalStatusCode: 400,
    OriginalMessage: "{}",
    LogStreamArn: "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/e",
  });
});

test("response stream: a shadow variant is not asked for parts", async () => {
  const shadow = variantOf("Shadow");
  const whole = endpointOf("e", { mode: "SingleModel", shadowVariants: [shadow] });
  expect((await streamed(whole)).error).toBeNull();
  expect(shadow.calls.map(({ parts }) => parts)).toEqual([undefined]);
});
