import type { AdjustableLog } from "../common/server-log.ts";
import type { Config } from "../config/load.ts";
import type { Emulator } from "../emulator.ts";
import { renderTable } from "./table.ts";

/** What is served and where: the real server's table of models and its lines about services, and what runs the models. */
export const startupReport = ({ models, ports }: Emulator, config: Config, log: AdjustableLog): void => {
  const rows = models.map(({ name, version, status, executionProvider }) => [
    name,
    version,
    status,
    executionProvider ?? "-",
  ]);
  log.block(renderTable([["Model", "Version", "Status", "Execution provider"], ...rows]));
  const services: readonly (readonly [string, string, number | null])[] = [
    ["GRPCInferenceService", config.grpcAddress, ports.grpc],
    ["HTTPService", config.httpAddress, ports.http],
    ["Sagemaker HTTPService", config.httpAddress, ports.sagemaker],
    ["Metrics Service", config.metricsAddress, ports.metrics],
  ];
  for (const [service, address, port] of services) {
    if (port !== null) log.info(`Started ${service} at ${address}:${port}`);
  }
};
