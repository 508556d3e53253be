import { InProcessContainer } from "../aws/containers/in-process-container.ts";
import type { AdjustableLog } from "../common/server-log.ts";
import type { SystemClock } from "../common/system-clock.ts";
import type { Config } from "../config/load.ts";
import type { FaultPlan } from "../core/faults/fault-plan.ts";
import { noFaults } from "../core/faults/fault-source.ts";
import type { InferenceServer } from "../core/inference-server.ts";
import type { TritonServer } from "../core/triton-server.ts";
import type { ContainerApi } from "../frontends/sagemaker/container-api.ts";
import type { ExchangeHandler } from "../frontends/sagemaker/container-exchange.ts";
import type { JournalWriter } from "../journal/event.ts";
import { ServerEvents } from "../journal/server-events.ts";
import { CurrentServer } from "./current-server.ts";
import type { TritonProcess, TritonProcesses } from "./triton-process.ts";

/** What everything that is served is made with. */
export interface Surroundings {
  readonly config: Config;
  readonly clock: SystemClock;
  readonly log: AdjustableLog;
  readonly journal: JournalWriter;
  /** Null = none will ever strike: then nothing is in the way of a request. */
  readonly faults: FaultPlan | null;
}

/** A tritonserver in this process, as front ends see it. */
export interface LocalTriton {
  /** The same after a restart. */
  readonly server: InferenceServer;
  /** The one that runs, or ran last. */
  process(): TritonProcess;
  /** Null where nobody asks for the container API. */
  readonly container: ExchangeHandler | null;
}

/**
 * One tritonserver, for good. Rejects with the error it does not start with.
 * @param onDeath the real one would have died here
 */
export const startTriton = async (
  around: Surroundings,
  processes: TritonProcesses,
  onDeath: (because: string) => void,
): Promise<LocalTriton> => {
  const { config, log, journal, faults } = around;
  const imitates = (name: string): boolean => faults?.imitates(name) ?? false;
  const made = processes.create(new ServerEvents(journal, { imitates }));
  if (!made.ok) throw made.error;
  const { server } = made.value;
  await new Promise<void>((resolve, reject) => {
    server.start((error) => (error === null ? resolve() : reject(error)));
  });
  const process = (): TritonProcess => made.value;
  if (!config.allowSagemaker) return { server, process, container: null };
  const newApi = await containerApis(around, processes);
  const container = newApi(server, (because) => {
    log.error(`tritonserver dies: ${because}`);
    onDeath(because);
  });
  return { server, process, container };
};

/** A tritonserver that is started anew when it died, empty. Rejects with the error it does not start with. */
export const startContainer = async (
  around: Surroundings,
  processes: TritonProcesses,
  instance: string,
): Promise<LocalTriton & { readonly container: InProcessContainer }> => {
  const { config, clock, journal, faults } = around;
  const newApi = await containerApis(around, processes);
  const server = new CurrentServer();
  let last: TritonProcess | null = null;
  const container = new InProcessContainer({
    clock,
    journal,
    instance,
    imitates: (name) => faults?.imitates(name) ?? false,
    startProcess: (events, started) => {
      const made = processes.create(events, config);
      if (!made.ok) {
        started(made.error);
        return;
      }
      const { server: next, ledger } = made.value;
      const api = newApi(next, (because) => events.crash(because));
      next.start((error) => {
        if (error !== null) {
          started(error);
          return;
        }
        last = made.value;
        server.replace(next);
        started({ api, ledger, end: () => next.stop(0, () => {}) });
      });
    },
  });
  await new Promise<void>((resolve, reject) => {
    container.start((error) => (error === null ? resolve() : reject(error)));
  });
  const process = (): TritonProcess => {
    if (last === null) throw new Error("no tritonserver ever ran");
    return last;
  };
  return { server, process, container };
};

/** Makes the container API of a tritonserver; its files are read only where it is needed. */
const containerApis = async (
  { config, clock, log, faults }: Surroundings,
  { storage }: TritonProcesses,
): Promise<(server: TritonServer, onCrash: (because: string) => void) => ContainerApi> => {
  const { ContainerApi } = await import("../frontends/sagemaker/container-api.ts");
  const { pingMode, defaultModelName } = config.sagemakerEnvironment;
  const { sagemakerThreadCount: threads, sagemakerSafePortRange: safePorts } = config;
  const options = { pingMode, defaultModel: defaultModelName, threads, safePorts };
  return (server, onCrash) =>
    new ContainerApi(options, { server, storage, clock, log, faults: faults ?? noFaults, onCrash });
};
