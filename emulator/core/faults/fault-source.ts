import { ok, type Result } from "../../common/status.ts";

/** Where a fault may strike. */
export type FaultOperation =
  | "download"
  | "unpack"
  | "load"
  | "infer"
  | "unload"
  | "ping"
  /** Of the models of a container, as follows each good ping. */
  | "list"
  /** While an answer is being written. */
  | "respond"
  /** Of an endpoint, before an instance sees it. */
  | "invoke";

/** How the platform can refuse an invocation that is right; the words of docs/faults.md. */
export type Refusal = "throttled" | "unavailable" | "internal-failure" | "dependency-failure";

/** What a fault does; the words of docs/faults.md. */
export type FaultEffect =
  /** The operation fails with this text, as if the backend (or the disk) had said it. */
  | { readonly kind: "fail"; readonly message: string }
  /** The model's GPU has no room: the operation fails with the words of its backend. */
  | { readonly kind: "out-of-memory" }
  /** It takes that much longer, then goes on. */
  | { readonly kind: "delay"; readonly us: number }
  /** It never ends. */
  | { readonly kind: "hang" }
  /** The process behind it dies: a stub at load or inference, the server at a ping. */
  | { readonly kind: "kill" }
  /** The connection breaks after that many bytes of the answer. */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** The platform does not serve it. Message: null = its own words. */
  | { readonly kind: "refuse"; readonly as: Refusal; readonly message: string | null };

export interface Fault {
  /** How the journal names it. */
  readonly name: string;
  readonly effect: FaultEffect;
}

export interface FaultPoint {
  readonly operation: FaultOperation;
  /** null where there is none: a ping, a list. */
  readonly model: string | null;
}

/** Asked once at each point an operation passes; asking counts as a call. */
export interface FaultSource {
  at(point: FaultPoint): Fault | null;
  /**
   * In place of `at`, the fault that the value of the header asks for; null when it strikes at another operation.
   * Error: INVALID_ARG where the value names nothing.
   */
  requestedAt(point: FaultPoint, value: string): Result<Fault | null>;
  /** Whether the real server's crash or hang of that name is imitated (docs/faults.md). */
  imitates(name: string): boolean;
}

/** A header of an inference asks for a fault that strikes it alone; its value is what `requestedAt` takes. */
export const FAULT_HEADER = "x-triton-local-fault";

/** Headers that become parameters of an inference, and with them the one of faults. @param pattern null = no others */
export const withFaultHeader = (pattern: RegExp | null): RegExp =>
  new RegExp(pattern === null ? `^${FAULT_HEADER}$` : `${pattern.source}|^${FAULT_HEADER}$`, "i");

/** Nothing strikes, and the header is ignored. */
export const noFaults: FaultSource = { at: () => null, requestedAt: () => ok(null), imitates: () => false };

/** What strikes the answer to an inference. @param header of the request; one that names nothing is the backend's to refuse */
export const faultOfAnswer = (
  faults: FaultSource,
  model: string,
  header: string | undefined,
): Fault | null => {
  const point = { operation: "respond", model } as const;
  if (header === undefined) return faults.at(point);
  const asked = faults.requestedAt(point, header);
  return asked.ok ? asked.value : null;
};
