import type { Invocation } from "../placement/instance-agent.ts";
import type { PlatformAnswer } from "../placement/platform-answer.ts";

/** What the runtime asks of whoever knows the endpoints: the control plane. */
export interface Endpoints {
  /** Null = there is none of that name in that region. */
  find(name: string, region: string): RuntimeEndpoint | null;
}

/** `EndpointStatus` of SageMaker's service model. */
export type EndpointStatus =
  | "OutOfService"
  | "Creating"
  | "Updating"
  | "SystemUpdating"
  | "RollingBack"
  | "InService"
  | "Deleting"
  | "Failed"
  | "UpdateRollbackFailed";

export interface RuntimeEndpoint {
  readonly name: string;
  readonly status: EndpointStatus;
  /** `Mode` of its containers: whether requests have to name a model, or must not. */
  readonly mode: "MultiModel" | "SingleModel";
  /** Of the fleet that serves now; empty = none serves. */
  readonly variants: readonly RuntimeVariant[];
  /** They get a copy of every request, and nobody gets their answers. */
  readonly shadowVariants: readonly RuntimeVariant[];
  /** `AsyncInferenceConfig`; null = InvokeEndpointAsync is refused. */
  readonly async: AsyncOutput | null;
}

/** S3 URIs, without or with a slash at the end. */
export interface AsyncOutput {
  readonly outputPath: string;
  /** Null = failures go nowhere. */
  readonly failurePath: string | null;
}

export interface RuntimeVariant {
  readonly name: string;
  /** `CurrentWeight`: its share is its part of the sum over all variants. */
  readonly weight: number;
  /** Answers once, in this turn or later. */
  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void;
}

/** One invocation, answered: what metrics, data capture and logs are made of. */
export interface InvocationRecord {
  readonly endpoint: string;
  readonly region: string;
  /** Null = it was refused before a variant was chosen. */
  readonly variant: string | null;
  readonly requestId: string;
  readonly inferenceId: string | null;
  /** Null = it named none. */
  readonly targetModel: string | null;
  readonly request: {
    readonly contentType: string | null;
    readonly customAttributes: string | null;
    readonly body: Uint8Array;
  };
  /** Null = it was refused by the runtime itself, with `status`. */
  readonly answer: PlatformAnswer | null;
  readonly status: number;
  /** From the whole request to the answer, microseconds. */
  readonly durationUs: number;
}

export interface InvocationObserver {
  invoked(record: InvocationRecord): void;
}
