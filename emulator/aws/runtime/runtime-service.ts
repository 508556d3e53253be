import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { Random } from "../../common/random.ts";
import type { FaultSource } from "../../core/faults/fault-source.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { Invocation } from "../placement/instance-agent.ts";
import { answerTooLarge, type PlatformAnswer, type PlatformError } from "../placement/platform-answer.ts";
import { AwsError } from "../wire/aws-error.ts";
import type { RawService, Responder } from "../wire/aws-port.ts";
import type { AwsRequest } from "../wire/aws-request.ts";
import type { AsyncObjects } from "./async-objects.ts";
import type { Endpoints, InvocationObserver, RuntimeEndpoint, RuntimeVariant } from "./endpoints.ts";
import type { StreamException } from "./event-stream.ts";
import { asyncInput, endpointNameIn, invokeEndpointInput, streamInput } from "./invocation-input.ts";
import { invokeAsync } from "./invoke-async.ts";
import { invocationOf, invokeEndpointReply } from "./invoke-endpoint.ts";
import { ResponseStream } from "./response-stream.ts";
import { asTold, errorOf, runtimeErrors } from "./runtime-errors.ts";

export interface RuntimeOptions {
  readonly endpoints: Endpoints;
  /** Serves every name that no endpoint has; null = such names are unknown. */
  readonly fallback: RuntimeEndpoint | null;
  /** Null = there is no S3, and asynchronous invocations are refused. */
  readonly objects: AsyncObjects | null;
  readonly observer: InvocationObserver | null;
  readonly journal: JournalWriter;
  readonly faults: FaultSource;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the choice among variants. */
  readonly seed: number;
}

/** Bytes of a request's body and of an answer's (spec/sagemaker-mme.md 2.4). */
export const MAX_BODY_BYTES = 6_291_456;

/** What is in another status, `Creating` or `Deleting`, cannot be found. */
const serving: ReadonlySet<RuntimeEndpoint["status"]> = new Set([
  "InService",
  "Updating",
  "SystemUpdating",
  "RollingBack",
  "UpdateRollbackFailed",
]);

interface Target {
  readonly endpoint: RuntimeEndpoint;
  readonly variant: RuntimeVariant;
}

/** What all operations have in their input. */
interface Input {
  readonly EndpointName: string;
  readonly TargetModel: string | undefined;
  readonly InferenceId: string | undefined;
  readonly ContentType: string | undefined;
  readonly CustomAttributes: string | undefined;
  readonly TargetVariant?: string | undefined;
  readonly TargetContainerHostname?: string | undefined;
  readonly InferenceComponentName?: string | undefined;
}

const streamNames = { contentType: "content-type", accept: "x-amzn-sagemaker-accept" };

/** SageMaker's runtime (spec/sagemaker-mme.md 2): finds endpoint and variant, hands the request over, words the answer. */
export class RuntimeService implements RawService {
  readonly service = "sagemaker-runtime";
  readonly #options: RuntimeOptions;
  readonly #random: Random;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  /** One over the limit: it is refused before it is here, and never read. */
  isStreamed({ head }: Pick<AwsRequest, "head">): boolean {
    const { contentLength, path } = head;
    return contentLength !== null && contentLength > MAX_BODY_BYTES && !path.endsWith("/async-invocations");
  }

  handle(request: AwsRequest, responder: Responder): void {
    const { faults } = this.#options;
    const told: Responder = faults.imitates("error-type-missing")
      ? {
          reply: (reply) => responder.reply(reply),
          stream: (reply, client) => responder.stream(reply, client),
          fail: (error) => responder.fail(asTold(error, faults)),
        }
      : responder;
    try {
      this.#serve(request, told);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      this.#recordRefusal(request, error);
      told.fail(error);
    }
  }

  /** What no instance got to see is in the journal all the same. */
  #recordRefusal({ requestId, head }: AwsRequest, { status, message }: AwsError): void {
    const { journal } = this.#options;
    const subject = {
      endpoint: endpointNameIn(head.path),
      model: head.headers.get("x-amzn-sagemaker-target-model") ?? "",
      request: requestId,
    };
    journal.write({ ...subject, event: "invocation", cacheHit: false });
    journal.write({ ...subject, event: "answer", status, from: "platform", durationUs: 0, text: message });
  }

  #serve(request: AwsRequest, responder: Responder): void {
    switch (request.operation) {
      case "InvokeEndpoint":
        this.#invoke(request, responder);
        return;
      case "InvokeEndpointWithResponseStream":
        this.#stream(request, responder);
        return;
      case "InvokeEndpointAsync":
        this.#invokeAsync(request, responder);
        return;
      default:
        throw runtimeErrors.unknownOperation(request.head.method, request.head.path);
    }
  }

  #invoke(request: AwsRequest, responder: Responder): void {
    refuseLargeBody(request);
    const input = invokeEndpointInput(request);
    const target = this.#find(request, input);
    if (target.endpoint.async !== null) throw runtimeErrors.isAsync(target.endpoint.name);
    const call = invocationOf(request.head, request.body, request.requestId);
    this.#call(request, input, target, call, (answer) => {
      const error = failureOf(answer, target, request);
      if (error !== null) responder.fail(error);
      else responder.reply(invokeEndpointReply(answer, target.variant.name));
    });
  }

  #stream(request: AwsRequest, responder: Responder): void {
    refuseLargeBody(request);
    const input = streamInput(request);
    const target = this.#find(request, input);
    const stream = new ResponseStream(responder, target.variant.name);
    const call = {
      ...invocationOf(request.head, request.body, request.requestId, streamNames),
      parts: stream,
    };
    this.#call(request, input, target, call, (answer) => {
      if (stream.begun) {
        if (answer.error === null) stream.end();
        else stream.broken(streamException(answer.error));
        return;
      }
      const error = failureOf(answer, target, request);
      if (error !== null) {
        responder.fail(error);
        return;
      }
      stream.begin(answer.headers);
      stream.whole(answer.body);
      stream.end();
    });
  }

  #invokeAsync(request: AwsRequest, responder: Responder): void {
    const input = asyncInput(request);
    const target = this.#find(request, input);
    if (target.endpoint.mode === "MultiModel" && input.TargetModel === undefined)
      throw runtimeErrors.targetModelMissing(request.requestId);
    const { objects, clock, log } = this.#options;
    const output = target.endpoint.async;
    if (output === null || objects === null) throw runtimeErrors.notAsync(target.endpoint.name);
    const reply = invokeAsync(request, input, output, {
      objects,
      clock,
      log,
      invoke: (call, answered) => this.#call(request, input, target, call, answered),
      errorOf: (answer) => failureOf(answer, target, request),
    });
    responder.reply(reply);
  }

  /** @throws AwsError */
  #find(request: AwsRequest, input: Input): Target {
    const { endpoints, fallback, faults } = this.#options;
    const { EndpointName } = input;
    const endpoint = endpoints.find(EndpointName, request.region) ?? fallback;
    if (endpoint === null || !serving.has(endpoint.status) || endpoint.variants.length === 0)
      throw runtimeErrors.endpointNotFound(EndpointName);
    const variant = this.#variant(endpoint, input.TargetVariant);
    if (variant === null) throw runtimeErrors.variantNotFound(input.TargetVariant ?? "", EndpointName);
    if (endpoint.mode === "SingleModel" && input.TargetModel !== undefined)
      throw runtimeErrors.targetModelNotSupported(EndpointName);
    if (input.TargetContainerHostname !== undefined)
      throw runtimeErrors.headerNotSupported(EndpointName, "target container hostname");
    if (input.InferenceComponentName !== undefined)
      throw runtimeErrors.headerNotSupported(EndpointName, "inference component name");
    const effect = faults.at({ operation: "invoke", model: input.TargetModel ?? null })?.effect;
    if (effect?.kind === "refuse") throw runtimeErrors.refused(effect.as, effect.message);
    return { endpoint, variant };
  }

  /** By weight; null = there is none of that name. */
  #variant({ variants }: RuntimeEndpoint, name: string | undefined): RuntimeVariant | null {
    if (name !== undefined) return variants.find((variant) => variant.name === name) ?? null;
    const [only] = variants;
    if (variants.length === 1 && only !== undefined) return only;
    const total = variants.reduce((sum, { weight }) => sum + weight, 0);
    let left = (this.#random.nextUint32() / 2 ** 32) * total;
    for (const variant of variants) {
      left -= variant.weight;
      if (left < 0) return variant;
    }
    return variants.at(-1) ?? null;
  }

  /** Shadow variants get the same, and nobody waits for them. */
  #call(
    request: AwsRequest,
    input: Input,
    { endpoint, variant }: Target,
    call: Invocation,
    answered: (answer: PlatformAnswer) => void,
  ): void {
    const { clock, observer } = this.#options;
    const startUs = clock.now();
    const ask = (asked: RuntimeVariant, sent: Invocation, done: (answer: PlatformAnswer) => void): void =>
      asked.invoke(sent, (answer) => {
        done(answer);
        observer?.invoked({
          endpoint: endpoint.name,
          region: request.region,
          variant: asked.name,
          requestId: request.requestId,
          inferenceId: input.InferenceId ?? null,
          targetModel: input.TargetModel ?? null,
          request: {
            contentType: input.ContentType ?? null,
            customAttributes: input.CustomAttributes ?? null,
            body: call.body,
          },
          answer,
          status: answer.status,
          durationUs: clock.now() - startUs,
        });
      });
    ask(variant, call, answered);
    const { parts: _, ...copy } = call;
    for (const shadow of endpoint.shadowVariants) ask(shadow, copy, () => {});
  }
}

const refuseLargeBody = ({ body, content }: AwsRequest): void => {
  if (body.length > MAX_BODY_BYTES || content !== undefined) throw runtimeErrors.bodyTooLarge(MAX_BODY_BYTES);
};

/** What ends a stream that has begun. */
const streamException = ({ type, message, timedOut }: PlatformError): StreamException =>
  type === "ModelError"
    ? {
        type: "ModelStreamError",
        message,
        errorCode: timedOut ? "ModelInvocationTimeExceeded" : "StreamBroken",
      }
    : { type: "InternalStreamFailure", message };

/** Null = it is a success that may go out. */
const failureOf = (
  answer: PlatformAnswer,
  { endpoint: { name } }: Target,
  { region, accountId: account }: AwsRequest,
): AwsError | null => {
  if (answer.error !== null) return errorOf(answer, answer.error, { name, region, account });
  return answer.body.length > MAX_BODY_BYTES
    ? errorOf({ status: 424 }, answerTooLarge({ name, region, account }), { name, region, account })
    : null;
};
