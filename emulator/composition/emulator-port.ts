import { AwsPort, type RawService } from "../aws/wire/aws-port.ts";
import type { OperationService } from "../aws/wire/json-service.ts";
import type { AcceptedCredentials } from "../aws/wire/signature.ts";
import type { Log } from "../common/log.ts";
import type { SystemClock } from "../common/system-clock.ts";
import type { FaultPlan } from "../core/faults/fault-plan.ts";
import { refuse } from "../frontends/control/control-call.ts";
import { handleControl } from "../frontends/control/server.ts";
import type { ControlTarget, InstanceMemory } from "../frontends/control/target.ts";
import { type Listener, listen } from "../frontends/http1/listener.ts";
import type { Journal } from "../journal/journal.ts";
import { RealMemory } from "./real-memory.ts";

/** What can be asked of and done to the running emulator. */
export interface EmulatorPortTarget {
  readonly journal: Journal;
  readonly faults: FaultPlan;
  readonly clock: SystemClock;
  readonly aws: {
    readonly services: readonly (OperationService | RawService)[];
    /** Null = signatures are not looked at. */
    readonly credentials: AcceptedCredentials | null;
  };
  isReady(): boolean;
  resetModels(): Promise<void>;
  resetMetrics(): void;
  /** Of all instances that have a machine. */
  memory(): readonly InstanceMemory[];
}

export type EmulatorPort = Listener;

/** Serves what is not tritonserver's: the services of AWS, and `/_emulator/`. Rejects with the error of listening. */
export const startEmulatorPort = (
  options: { readonly address: string; readonly port: number },
  target: EmulatorPortTarget,
  log: Log,
): Promise<EmulatorPort> => {
  const { aws, clock } = target;
  const control = controlTarget(target, log);
  const port = new AwsPort(aws.services, {
    credentials: aws.credentials,
    clock,
    machineEpochMs: () => clock.machineEpochMs(),
    log,
  });
  return listen(
    {
      ...options,
      isStreamed: (head) => !head.path.startsWith("/_emulator/") && port.isStreamed(head),
      onRequest: (exchange) => {
        if (handleControl(exchange, control, log) || port.handle(exchange)) return;
        refuse(exchange, {
          status: 404,
          code: "unknown-route",
          message: `nothing is served at ${exchange.head.method} ${exchange.head.path}`,
          howToFix:
            "POST /endpoints/<name>/invocations invokes a model, GET /_emulator/ lists what else there is",
        });
      },
    },
    log,
  );
};

const controlTarget = (target: EmulatorPortTarget, log: Log): ControlTarget => {
  const { journal, faults, clock } = target;
  const measured = new RealMemory();
  return {
    journal,
    faults,
    clock,
    isReady: () => target.isReady(),
    resetModels: (done) => {
      target.resetModels().then(done, (error: unknown) => {
        log.error(`reset: ${error instanceof Error ? error.message : String(error)}`);
        done();
      });
    },
    resetMetrics: () => target.resetMetrics(),
    memory: (done) => measured.read((real) => done({ instances: target.memory(), real })),
  };
};
