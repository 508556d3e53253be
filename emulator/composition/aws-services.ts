import type { ObjectStore } from "../aws/object-store/object-store.ts";
import type {
  Endpoints,
  InvocationObserver,
  RuntimeEndpoint,
  RuntimeVariant,
} from "../aws/runtime/endpoints.ts";
import { RuntimeService } from "../aws/runtime/runtime-service.ts";
import type { RawService } from "../aws/wire/aws-port.ts";
import type { OperationService } from "../aws/wire/json-service.ts";
import type { Clock } from "../common/clock.ts";
import type { Log } from "../common/log.ts";
import type { FaultSource } from "../core/faults/fault-source.ts";
import type { JournalWriter } from "../journal/event.ts";
import { asyncObjectsOf } from "./async-objects.ts";

export interface AwsServicesOptions {
  /** Of the control plane; null = there are no endpoints but `modelData`. */
  readonly endpoints: Endpoints | null;
  /** The endpoint of `--model-data`: it serves every name that no other has. */
  readonly modelData: Pick<RuntimeVariant, "invoke"> | null;
  readonly observer: InvocationObserver | null;
  /** S3; null = asynchronous invocations are refused. */
  readonly objects: ObjectStore | null;
  /** Those that need nothing of the runtime: control plane, S3, CloudWatch, Application Auto Scaling. */
  readonly others: readonly (OperationService | RawService)[];
  readonly journal: JournalWriter;
  readonly faults: FaultSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly seed: number;
}

/** What is served in the form of AWS. */
export const createAwsServices = ({
  endpoints,
  modelData,
  observer,
  objects,
  others,
  journal,
  faults,
  clock,
  log,
  seed,
}: AwsServicesOptions): readonly (OperationService | RawService)[] => [
  new RuntimeService({
    endpoints: endpoints ?? { find: () => null },
    fallback: modelData === null ? null : runtimeEndpoint(modelData),
    objects: objects === null ? null : asyncObjectsOf(objects, clock),
    observer,
    journal,
    faults,
    clock,
    log,
    seed,
  }),
  ...others,
];

/** Under the name that errors call it by; the only variant, by the name that the SDKs give it. */
const runtimeEndpoint = (endpoint: Pick<RuntimeVariant, "invoke">): RuntimeEndpoint => ({
  name: "triton-local",
  status: "InService",
  mode: "MultiModel",
  variants: [{ name: "AllTraffic", weight: 1, invoke: (...call) => endpoint.invoke(...call) }],
  shadowVariants: [],
  async: null,
});
