import { describe, expect, test } from "vitest";
import { fromPlatform, platformErrors } from "../../../../emulator/aws/placement/platform-answer.ts";
import type { InvocationRecord, RuntimeEndpoint } from "../../../../emulator/aws/runtime/endpoints.ts";
import { MAX_BODY_BYTES } from "../../../../emulator/aws/runtime/runtime-service.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { FaultPlan } from "../../../../emulator/core/faults/fault-plan.ts";
import { parseFaults } from "../../../../emulator/core/faults/fault-rule.ts";
import { Journal } from "../../../../emulator/journal/journal.ts";
import { sendTo } from "../../../support/aws-exchange.ts";
import { endpointOf, platformAnswer, runtimePort, variantOf } from "../../../support/runtime-fixture.ts";

const PREFIX = "X-Amzn-SageMaker-";

const invoke = async (
  endpoints: readonly RuntimeEndpoint[],
  headers: Readonly<Record<string, string>> = {},
  { name = "mme", body = "" as string | Uint8Array, options = {} } = {},
) => {
  const port = runtimePort(endpoints, options);
  const answer = await sendTo(port, `POST /endpoints/${name}/invocations`, headers, body);
  if (answer === null) throw new Error("not served");
  return answer;
};

const target = { [`${PREFIX}Target-Model`]: "a.tar.gz" };

describe("InvokeEndpoint", () => {
  test("the container's answer, its variant and the request's id", async () => {
    const variant = variantOf("AllTraffic", {
      answer: platformAnswer({
        status: 200,
        headers: ["Content-Type", "text/csv", `${PREFIX}Custom-Attributes`, "out", "Server", "x"],
        body: Buffer.from("1,2"),
      }),
    });
    const { status, headers, text } = await invoke(
      [endpointOf("mme", { variants: [variant] })],
      { ...target, [`${PREFIX}Custom-Attributes`]: "in" },
      { body: "3" },
    );
    const [call] = variant.calls;
    expect([status, text]).toEqual([200, "1,2"]);
    expect(Object.fromEntries(headers)).toEqual({
      "content-type": "text/csv",
      "x-amzn-sagemaker-custom-attributes": "out",
      "x-amzn-invoked-production-variant": "AllTraffic",
      "x-amzn-requestid": call?.requestId,
      date: expect.any(String),
    });
    expect(call).toMatchObject({
      targetModel: "a.tar.gz",
      headers: ["X-Amzn-SageMaker-Custom-Attributes", "in"],
    });
    expect(Buffer.from(call?.body ?? []).toString()).toBe("3");
  });

  test.each([
    ["Content-Type", "contentType", "x".repeat(1025), "Member must have length less than or equal to 1024"],
    ["Accept", "accept", "x".repeat(1025), "Member must have length less than or equal to 1024"],
    ["Accept", "accept", "\xe9", "Member must satisfy regular expression pattern: \\p{ASCII}*"],
    [
      `${PREFIX}Custom-Attributes`,
      "customAttributes",
      "x".repeat(1025),
      "Member must have length less than or equal to 1024",
    ],
    [
      `${PREFIX}Target-Model`,
      "targetModel",
      "x".repeat(1025),
      "Member must have length less than or equal to 1024",
    ],
    [
      `${PREFIX}Target-Model`,
      "targetModel",
      "a\xe9",
      "Member must satisfy regular expression pattern: \\A\\S[\\p{Print}]*\\z",
    ],
    [
      `${PREFIX}Target-Variant`,
      "targetVariant",
      "x".repeat(64),
      "Member must have length less than or equal to 63",
    ],
    [
      `${PREFIX}Target-Variant`,
      "targetVariant",
      "a_b",
      "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9])*",
    ],
    [
      `${PREFIX}Target-Container-Hostname`,
      "targetContainerHostname",
      "x".repeat(64),
      "Member must have length less than or equal to 63",
    ],
    [
      `${PREFIX}Inference-Id`,
      "inferenceId",
      "x".repeat(65),
      "Member must have length less than or equal to 64",
    ],
    [
      `${PREFIX}Enable-Explanations`,
      "enableExplanations",
      "x".repeat(65),
      "Member must have length less than or equal to 64",
    ],
    [
      `${PREFIX}Inference-Component`,
      "inferenceComponentName",
      "x".repeat(64),
      "Member must have length less than or equal to 63",
    ],
    [
      `${PREFIX}Session-Id`,
      "sessionId",
      "x".repeat(257),
      "Member must have length less than or equal to 256",
    ],
  ])("%s: %s has a limit (%#)", async (header, member, value, constraint) => {
    const { status, headers, text } = await invoke([endpointOf("mme")], { ...target, [header]: value });
    expect([status, headers.get("x-amzn-errortype")]).toEqual([400, "ValidationError"]);
    expect(JSON.parse(text)).toEqual({
      Message: `1 validation error detected: Value '${value}' at '${member}' failed to satisfy constraint: ${constraint}`,
    });
  });

  test("what is as long as the limit is taken", async () => {
    const headers = {
      "Content-Type": "x".repeat(1024),
      [`${PREFIX}Custom-Attributes`]: "x".repeat(1024),
      [`${PREFIX}Target-Model`]: "x".repeat(1024),
      [`${PREFIX}Inference-Id`]: "x".repeat(64),
    };
    expect((await invoke([endpointOf("mme")], headers)).status).toBe(200);
  });

  test("several faults are told together", async () => {
    const { text } = await invoke(
      [endpointOf("mme")],
      { [`${PREFIX}Inference-Id`]: "x".repeat(65) },
      { name: "a_b" },
    );
    expect(text).toContain("2 validation errors detected: Value 'a_b' at 'endpointName' failed");
  });

  test.each([
    [MAX_BODY_BYTES, 200],
    [MAX_BODY_BYTES + 1, 413],
  ])("a body of %d bytes: %d", async (bytes, status) => {
    const answer = await invoke([endpointOf("mme")], target, { body: Buffer.alloc(bytes) });
    expect(answer.status).toBe(status);
    if (status === 413) {
      expect(answer.headers.has("x-amzn-errortype")).toBe(false);
      expect(JSON.parse(answer.text)).toEqual({ Message: "HTTP content length exceeded 6291456 bytes." });
    }
  });

  test.each<[string, RuntimeEndpoint[], Record<string, string>, object]>([
    ["an unknown endpoint", [], target, { Message: "Endpoint mme of account 000000000000 not found." }],
    ...(["Creating", "Failed", "Deleting", "OutOfService"] as const).map(
      (status): [string, RuntimeEndpoint[], Record<string, string>, object] => [
        `an endpoint that is ${status}`,
        [endpointOf("mme", { status })],
        target,
        { Message: "Endpoint mme of account 000000000000 not found." },
      ],
    ),
    [
      "an endpoint without variants",
      [endpointOf("mme", { variants: [] })],
      target,
      { Message: "Endpoint mme of account 000000000000 not found." },
    ],
    [
      "an unknown variant",
      [endpointOf("mme")],
      { ...target, [`${PREFIX}Target-Variant`]: "Other" },
      { Message: "Variant Other of endpoint mme not found." },
    ],
    [
      "a target model on a single-model endpoint",
      [endpointOf("mme", { mode: "SingleModel" })],
      target,
      {
        Message: "Endpoint mme is not a multi-model endpoint and does not support target model header.",
        ErrorCode: "TARGET_MODEL_HEADER_NOT_SUPPORTED",
      },
    ],
    [
      "an inference component",
      [endpointOf("mme")],
      { ...target, [`${PREFIX}Inference-Component`]: "c" },
      { Message: "Endpoint mme does not support inference component name header." },
    ],
    [
      "a container of several",
      [endpointOf("mme")],
      { ...target, [`${PREFIX}Target-Container-Hostname`]: "c" },
      { Message: "Endpoint mme does not support target container hostname header." },
    ],
    [
      "an asynchronous endpoint",
      [endpointOf("mme", { async: { outputPath: "s3://b", failurePath: null } })],
      target,
      { Message: "Endpoint mme is an asynchronous endpoint: invoke it with InvokeEndpointAsync." },
    ],
  ])("%s is a ValidationError, and nobody is asked", async (_, endpoints, headers, body) => {
    const answer = await invoke(endpoints, headers);
    expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([400, "ValidationError"]);
    expect(JSON.parse(answer.text)).toEqual(body);
    expect(answer.headers.has("x-amzn-invoked-production-variant")).toBe(false);
  });

  test.each(["InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"] as const)(
    "an endpoint that is %s serves",
    async (status) => {
      expect((await invoke([endpointOf("mme", { status })], target)).status).toBe(200);
    },
  );

  const endpoint = { name: "mme", region: "us-east-1", account: "000000000000", modelDataUrl: "s3://b/" };
  const see =
    "See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/Endpoints/mme in account 000000000000 for more information.";
  const LogStreamArn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/mme";
  const modelError = (status: number, text: string) =>
    platformAnswer({
      status: 424,
      body: Buffer.from("of the platform"),
      error: {
        type: "ModelError",
        message: `Received an error (${status})`,
        originalStatusCode: status,
        originalMessage: text,
      },
    });

  test.each([
    [400, "CLIENT_ERROR_FROM_MODEL"],
    [507, "INTERNAL_FAILURE_FROM_MODEL"],
    [500, "INTERNAL_FAILURE_FROM_MODEL"],
    [0, "INTERNAL_FAILURE_FROM_MODEL"],
  ])("a container's %d is a ModelError of code %s", async (original, code) => {
    const variants = [variantOf("AllTraffic", { answer: modelError(original, '{"error":"x"}') })];
    const { status, headers, text } = await invoke([endpointOf("mme", { variants })], target);
    expect([status, headers.get("x-amzn-errortype")]).toEqual([424, "ModelError"]);
    expect(JSON.parse(text)).toEqual({
      Message: `Received an error (${original})`,
      OriginalStatusCode: original,
      OriginalMessage: '{"error":"x"}',
      LogStreamArn,
      ErrorCode: code,
    });
  });

  test.each([
    [400, platformErrors.targetModelMissing("r"), "ValidationError"],
    [429, platformErrors.notReady("a.tar.gz"), "ModelNotReadyException"],
    [500, platformErrors.artifactFailed("a.tar.gz", "x"), "InternalFailure"],
    [503, platformErrors.unavailable("x"), "ServiceUnavailable"],
    [400, platformErrors.artifactMissing("a.tar.gz", endpoint), "ValidationError"],
  ])("the platform's own %d is passed on", async (status, error, type) => {
    const variants = [variantOf("AllTraffic", { answer: platformAnswer(fromPlatform(error)) })];
    const answer = await invoke([endpointOf("mme", { variants })], target);
    expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([status, type]);
    expect(JSON.parse(answer.text)).toEqual({ Message: error.message });
  });

  test("error-type-missing: the answer says what it is by its status only, whoever refused", async () => {
    const faults = new FaultPlan({ rules: [], imitations: ["error-type-missing"] });
    const variants = [variantOf("AllTraffic", { answer: modelError(507, "x") })];
    const answers = [
      await invoke([endpointOf("mme", { variants })], target, { options: { faults } }),
      await invoke([], target, { options: { faults } }),
    ];
    expect(answers.map(({ status, headers }) => [status, headers.has("x-amzn-errortype")])).toEqual([
      [424, false],
      [400, false],
    ]);
    expect(JSON.parse(answers[0]?.text ?? "")).toMatchObject({ OriginalStatusCode: 507 });
    expect(answers.map(({ text }) => text.includes("__type"))).toEqual([false, false]);
  });

  test.each([
    ["throttled", 400, "ThrottlingException", "Rate exceeded"],
    ["unavailable", 503, "ServiceUnavailable", "The service is unavailable. Try your call again."],
    ["internal-failure", 500, "InternalFailure", "An internal failure occurred."],
    [
      "dependency-failure",
      530,
      "InternalDependencyException",
      "Your request caused an exception with an internal dependency. Contact customer support.",
    ],
  ])(
    "a fault that refuses invocations, %s: what is right gets %i %s",
    async (effect, status, type, message) => {
      const rules = parseFaults(
        [
          { operation: "invoke", effect, model: "a.*", first: 1 },
          { operation: "invoke", effect, model: "a.*", nth: 2, message: "in other words" },
        ],
        "faults",
      );
      if (!rules.ok) throw rules.error;
      const faults = new FaultPlan(rules.value);
      const variant = variantOf("AllTraffic", { answer: platformAnswer({ status: 200 }) });
      const call = async (model: string) => {
        const headers = { [`${PREFIX}Target-Model`]: model };
        const answer = await invoke([endpointOf("mme", { variants: [variant] })], headers, {
          options: { faults },
        });
        const { Message }: { Message?: string } = answer.status === 200 ? {} : JSON.parse(answer.text);
        return [answer.status, answer.headers.get("x-amzn-errortype"), Message];
      };
      expect(await call("b.tar.gz")).toEqual([200, undefined, undefined]);
      expect(await call("a.tar.gz")).toEqual([status, type, message]);
      expect(await call("a.tar.gz")).toEqual([status, type, "in other words"]);
      expect(await call("a.tar.gz")).toEqual([200, undefined, undefined]);
      expect(variant.calls).toHaveLength(2);
    },
  );

  test("an answer that is too large is a ModelError", async () => {
    const answer = platformAnswer({ status: 200, body: Buffer.alloc(MAX_BODY_BYTES + 1) });
    const { status, text } = await invoke(
      [endpointOf("mme", { variants: [variantOf("AllTraffic", { answer })] })],
      target,
    );
    expect(status).toBe(424);
    expect(JSON.parse(text)).toMatchObject({
      Message: `Received server error (500) from primary and could not load the entire response body. ${see}`,
      OriginalStatusCode: 500,
    });
  });

  test("variants share requests by their weights, and one can be named", async () => {
    const variants = [variantOf("A", { weight: 3 }), variantOf("B"), variantOf("Never", { weight: 0 })];
    const port = runtimePort([endpointOf("mme", { variants })]);
    for (let i = 0; i < 400; i++) await sendTo(port, "POST /endpoints/mme/invocations", target);
    const [a = 0, b = 0, never] = variants.map(({ calls }) => calls.length);
    expect([a + b, never]).toEqual([400, 0]);
    expect(a / b).toBeGreaterThan(2);
    expect(a / b).toBeLessThan(4);
    const headers = { ...target, [`${PREFIX}Target-Variant`]: "Never" };
    const named = await sendTo(port, "POST /endpoints/mme/invocations", headers);
    expect(named?.headers.get("x-amzn-invoked-production-variant")).toBe("Never");
  });

  test("a shadow variant gets the same, and its answer goes nowhere", async () => {
    const shadow = variantOf("Shadow", { answer: modelError(500, "x") });
    const { status } = await invoke([endpointOf("mme", { shadowVariants: [shadow] })], target, { body: "b" });
    expect(status).toBe(200);
    expect(shadow.calls).toMatchObject([{ targetModel: "a.tar.gz" }]);
  });

  test("every name is served where there is an endpoint for all, but for one's own", async () => {
    const own = endpointOf("own", { variants: [variantOf("Own")] });
    const fallback = endpointOf("any", { variants: [variantOf("Any")] });
    const variant = async (name: string) =>
      (await invoke([own], target, { name, options: { fallback } })).headers.get(
        "x-amzn-invoked-production-variant",
      );
    expect([await variant("own"), await variant("other")]).toEqual(["Own", "Any"]);
  });

  test("what is refused is in the journal, under the id that the caller got", async () => {
    const journal = new Journal({
      clock: new VirtualClock(),
      run: { seed: 1, machine: null, profile: "builtin", policy: null, scenario: null },
    });
    const answer = await invoke([], target, { options: { journal } });
    const subject = { request: answer.headers.get("x-amzn-requestid"), model: "a.tar.gz" };
    expect(journal.events().slice(1)).toMatchObject([
      { ...subject, event: "invocation", cacheHit: false },
      {
        ...subject,
        event: "answer",
        status: 400,
        from: "platform",
        text: "Endpoint mme of account 000000000000 not found.",
      },
    ]);
  });

  test("an observer is told of what was answered", async () => {
    const records: InvocationRecord[] = [];
    const observer = { invoked: (record: InvocationRecord) => records.push(record) };
    const shadowVariants = [variantOf("Shadow")];
    await invoke(
      [endpointOf("mme", { shadowVariants })],
      { ...target, "Content-Type": "text/csv", [`${PREFIX}Inference-Id`]: "i" },
      { body: "b", options: { observer } },
    );
    expect(records).toMatchObject([
      {
        endpoint: "mme",
        region: "us-east-1",
        variant: "AllTraffic",
        inferenceId: "i",
        targetModel: "a.tar.gz",
        request: { contentType: "text/csv", customAttributes: null, body: Buffer.from("b") },
        status: 200,
        durationUs: 0,
      },
      { variant: "Shadow" },
    ]);
  });
});

test("runtime: a path that is no operation", async () => {
  const authorization =
    "AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-west-1/sagemaker/aws4_request, SignedHeaders=host, Signature=00";
  const answer = await sendTo(runtimePort([]), "GET /endpoints/mme", { authorization });
  expect([answer?.status, answer?.headers.get("x-amzn-errortype")]).toEqual([
    404,
    "UnknownOperationException",
  ]);
});
