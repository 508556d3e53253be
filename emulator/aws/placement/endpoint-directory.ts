import type { EndpointIdentity, PlatformAnswer } from "./platform-answer.ts";

/** A call of InvokeEndpoint that names its endpoint. */
export interface EndpointCall {
  readonly requestId: string;
  /** Null = the request has no such header. */
  readonly targetModel: string | null;
  /** Null = chosen by weight. */
  readonly targetVariant: string | null;
  /** Those that reach the container, name and value in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** @param variant the production variant that was asked; null = none was */
export type EndpointAnswered = (answer: PlatformAnswer, variant: string | null) => void;

/** An endpoint as its callers see it. */
export interface ServedEndpoint {
  readonly identity: EndpointIdentity;
  /** Names of its production variants. */
  readonly variants: readonly string[];
  /** Of `AsyncInferenceConfig.OutputConfig`, `s3://` URLs; null = not an asynchronous endpoint. */
  readonly asyncInference: { readonly outputPath: string; readonly failurePath: string | null } | null;
  /**
   * Answers each call once, in this turn or later. All that depends on the endpoint is decided here: a variant it does not
   * have, a TargetModel that is missing or superfluous, no healthy instance. A shadow variant gets its copy.
   */
  invoke(call: EndpointCall, answered: EndpointAnswered): void;
}

/** Which endpoints there are. */
export interface EndpointDirectory {
  /** Null = there is none of that name, or it does not serve: it is being created or deleted, or has failed. */
  find(region: string, endpointName: string): ServedEndpoint | null;
}
