import {
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from "@aws-sdk/client-sagemaker-runtime";
import { expect, test } from "vitest";
import type {
  RuntimeEndpoint,
  RuntimeVariant,
  StreamSink,
} from "../../../../emulator/aws/runtime/endpoints.ts";
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

/** A container that streams. */
const streaming = (run: (sink: StreamSink) => void): RuntimeEndpoint =>
  single({ ...variantOf("AllTraffic"), stream: (_, sink) => run(sink) });

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
  const { parts, error } = await streamed(
    streaming((sink) => {
      sink.begin(["Content-Type", "text/event-stream"]);
      for (const token of ["to", "k", "en"]) sink.part(Buffer.from(token));
      sink.end();
    }),
  );
  expect([parts, error]).toEqual([["to", "k", "en"], null]);
});

test("response stream: an error in the middle is thrown where the stream is read", async () => {
  const { output, parts, error } = await streamed(
    streaming((sink) => {
      sink.begin([]);
      sink.part(Buffer.from("half"));
      sink.broken({ type: "ModelStreamError", message: "the container died", errorCode: "StreamBroken" });
    }),
  );
  expect(output?.$metadata.httpStatusCode).toBe(200);
  expect(parts).toEqual(["half"]);
  expect(error).toMatchObject({
    name: "ModelStreamError",
    message: "the container died",
    ErrorCode: "StreamBroken",
  });
});

test("response stream: an error before the first part is an answer of its own", async () => {
  const answer = platformAnswer({
    status: 424,
    error: { type: "ModelError", message: "no", originalStatusCode: 400, originalMessage: "{}" },
  });
  const expected = {
    name: "ModelError",
    OriginalStatusCode: 400,
    OriginalMessage: "{}",
    LogStreamArn: "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/e",
  };
  const inOnePiece = await streamed(single(variantOf("AllTraffic", { answer })));
  expect(inOnePiece.error).toMatchObject(expected);
  const refusing = await streamed(streaming((sink) => sink.refused(answer)));
  expect(refusing.error).toMatchObject(expected);
});
