import type { ReplyStream } from "../../frontends/http1/connection.ts";
import type { AnswerParts } from "../placement/container.ts";
import type { Responder } from "../wire/aws-port.ts";
import { exceptionFrame, payloadPart, type StreamException } from "./event-stream.ts";
import { pickHeaders } from "./invoke-endpoint.ts";

/** An answer that came in one piece is cut so: where a part ends means nothing, as on AWS. */
const PART_BYTES = 4096;

/**
 * The answer of InvokeEndpointWithResponseStream, once the container has said 2xx. What comes after its end, or after a client
 * left, is dropped.
 */
export class ResponseStream implements AnswerParts {
  readonly #responder: Responder;
  readonly #variant: string;
  #stream: ReplyStream | null = null;
  #begun = false;

  constructor(responder: Responder, variant: string) {
    this.#responder = responder;
    this.#variant = variant;
  }

  /** From then on what goes wrong can only be told in the stream. */
  get begun(): boolean {
    return this.#begun;
  }

  begin(headers: readonly string[]): void {
    this.#begun = true;
    const own = pickHeaders(headers).map((text, index) =>
      index % 2 === 0 && text.toLowerCase() === "content-type" ? "X-Amzn-SageMaker-Content-Type" : text,
    );
    const reply = {
      status: 200,
      headers: [
        "Content-Type",
        "application/vnd.amazon.eventstream",
        ...own,
        "x-Amzn-Invoked-Production-Variant",
        this.#variant,
      ],
    };
    this.#stream = this.#responder.stream(reply, {
      drained: () => {},
      gone: () => {
        this.#stream = null;
      },
    });
  }

  part(bytes: Uint8Array): void {
    this.#stream?.write(payloadPart(bytes));
  }

  /** The whole answer, in parts. */
  whole(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PART_BYTES) this.part(bytes.subarray(at, at + PART_BYTES));
  }

  end(): void {
    this.#stream?.end();
    this.#stream = null;
  }

  broken(exception: StreamException): void {
    this.#stream?.write(exceptionFrame(exception));
    this.end();
  }
}
