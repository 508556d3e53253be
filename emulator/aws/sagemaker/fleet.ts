import type { Ledger } from "../../core/memory/ledger.ts";
import type { MemoryReading } from "../placement/eviction/resident-model.ts";
import type { EndpointIdentity } from "../placement/platform-answer.ts";
import type { RoutedAgent } from "../placement/router.ts";
import type { ContainerDefinition } from "./input-shapes.ts";

/** What an instance of a variant is to be. */
export interface InstanceSpec {
  /** `<endpoint>/<variant>/<i-...>`: its name in the journal. */
  readonly name: string;
  readonly variant: string;
  /** Names the machine. */
  readonly instanceType: string;
  readonly container: ContainerDefinition;
  readonly endpoint: EndpointIdentity;
  /** `VolumeSizeInGB`; null = what the machine has. */
  readonly volumeGb: number | null;
  /** How long its container may take to pass ping, and list where it serves many models. */
  readonly startupLimitUs: number;
}

export interface InstanceGauges {
  /** Models in its container, those on their way in or out among them; null where it serves one only. */
  readonly loadedModels: number | null;
  /** Null = it cannot be read. */
  readonly memory: MemoryReading | null;
  readonly gpuCount: number;
  /** Requests that are not answered yet. */
  readonly requests: number;
}

/** An instance that serves. */
export interface EndpointInstance {
  readonly agent: RoutedAgent;
  /** As it is now. */
  gauges(): InstanceGauges;
  /** Of its machine; null while no tritonserver runs in this process. */
  memory(): Ledger | null;
  /** Models, and what is known of them, as after its start. What waits is answered with 503. */
  reset(done: () => void): void;
  /** Ends it with all that it has. What waits is answered with 503. */
  stop(): void;
}

export type StartedInstance =
  | { readonly ok: true; readonly instance: EndpointInstance }
  /** `FailureReason` of the endpoint. */
  | { readonly ok: false; readonly failureReason: string };

/** Where instances come from. */
export interface Fleet {
  /** How many instances a variant has at most, whatever is asked for; absent = as many as that. */
  readonly mostOfVariant?: number;
  /**
   * @param started called once, later: it passed its health check, or never will
   * @returns gives up: nothing of it remains, and `started` is not called any more
   */
  start(spec: InstanceSpec, started: (result: StartedInstance) => void): { cancel(): void };
}

/** What AWS says of a container that does not pass ping and list (spec/sagemaker-mme.md 5.1). */
export const pingFailure = (variant: string): string =>
  `The primary container for production variant ${variant} did not pass the ping health check. Please check CloudWatch logs for this endpoint.`;
