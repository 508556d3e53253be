/**
 * The one way in which the platform deals with a container: the operations of the container API
 * (spec/sagemaker-mme.md 1.3 to 1.6), in this process or behind a URL.
 */

/** What a container answered. */
export interface ContainerAnswer {
  readonly status: number;
  /** Name and value in turn, in the order of the wire. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** Called once, in this turn or later; null = nobody answered: refused, reset, or the container died meanwhile. */
export type Answered = (answer: ContainerAnswer | null) => void;

/** How a container knows a model: by the platform's name (a hash) and by the TargetModel header. */
export interface ModelCall {
  readonly modelName: string;
  readonly targetModel: string;
}

export interface LoadCall extends ModelCall {
  /** The folder of the unpacked archive, e.g. `/opt/ml/models/<hash>/model`. */
  readonly url: string;
}

export interface InvokeCall extends ModelCall {
  /** Headers of the caller that reach the container, name and value in turn; the TargetModel header is not among them. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  /** Given by who wants the answer as it comes, where the container can. */
  readonly parts?: AnswerParts;
  /** How long it may take, where that is not the time of every invocation: asynchronous ones of containers of one model. */
  readonly limitUs?: number;
}

/**
 * Takes a 2xx as it comes: `begin` once, then any number of parts. The answer then follows without a body; null = the rest never
 * came. Without `begin` the answer is whole, as ever.
 */
export interface AnswerParts {
  /** @param headers name and value in turn */
  begin(headers: readonly string[]): void;
  part(bytes: Uint8Array): void;
}

export interface Container {
  ping(answered: Answered): void;
  list(answered: Answered): void;
  load(call: LoadCall, answered: Answered): void;
  unload(call: ModelCall, answered: Answered): void;
  invoke(call: InvokeCall, answered: Answered): void;
  /**
   * Starts it anew, empty, and ends it before where it still lives. The journal's lines of its death and its start are the
   * container's own.
   * @param started false = it does not come back
   * @param because why it is given up, for the journal
   */
  restart(started: (running: boolean) => void, because?: string): void;
}

export type SingleModelCall = Pick<InvokeCall, "headers" | "body" | "parts" | "limitUs">;

/** A container that serves one model, of which the platform knows nothing. */
export interface SingleModelContainer extends Pick<Container, "ping" | "restart"> {
  /** `POST /invocations`. */
  invocations(call: SingleModelCall, answered: Answered): void;
}
