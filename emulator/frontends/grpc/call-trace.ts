import type { InferenceServer } from "../../core/inference-server.ts";
import type { Trace } from "../../core/trace/trace.ts";

/**
 * The front end's part of a traced gRPC request. As in the real server its times enter the trace together, when the
 * request is over; those of reading were taken before anybody knew which model was meant.
 */
export class CallTrace {
  readonly trace: Trace;
  readonly #times: [name: string, us: number][];

  #responded = false;

  private constructor(trace: Trace, waitedUs: number, readUs: number) {
    this.trace = trace;
    this.#times = [
      ["GRPC_WAITREAD_START", waitedUs],
      ["GRPC_WAITREAD_END", readUs],
    ];
  }

  /** Null = this request is not traced. @param waitedUs, readUs when the server began to wait for the message, and had it */
  static sample(server: InferenceServer, model: string, waitedUs: number, readUs: number): CallTrace | null {
    const trace = server.tracer.sample(model);
    return trace === null ? null : new CallTrace(trace, waitedUs, readUs);
  }

  /** A response has come; the first one's time is recorded. */
  response(): void {
    if (!this.#responded) this.#times.push(["INFER_RESPONSE_COMPLETE", this.trace.now()]);
    this.#responded = true;
  }

  timestamp(name: "GRPC_SEND_START" | "GRPC_SEND_END"): void {
    this.#times.push([name, this.trace.now()]);
  }

  /** Nothing more is sent for the request. */
  finish(): void {
    for (const [name, us] of this.#times) this.trace.timestamp(name, us);
    this.trace.release();
  }
}
