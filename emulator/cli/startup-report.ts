import type { AdjustableLog } from "../common/server-log.ts";
import type { Config } from "../config/load.ts";
import { formatByteSize } from "../core/memory/byte-size.ts";
import type { Emulator } from "../emulator.ts";
import { renderTable } from "./table.ts";

/** What is served and where: the real server's table of models and its lines about services, and what runs the models. */
export const startupReport = (
  { memory, models, ports }: Emulator,
  config: Config,
  log: AdjustableLog,
): void => {
  const rows = models.map(({ name, version, status, executionProvider }) => [
    name,
    version,
    status,
    executionProvider ?? "-",
  ]);
  log.block(renderTable([["Model", "Version", "Status", "Execution provider"], ...rows]));
  if (memory !== null) {
    const { machine, pools } = memory;
    const facts = [
      ...(machine.vcpus === null ? [] : [`${machine.vcpus} vCPU`]),
      ...(machine.gpu === null ? [] : [machine.gpu]),
      ...(machine.usdPerHour === null ? [] : [`${machine.usdPerHour} USD/h`]),
    ];
    const lines = pools.map((pool) => [
      pool.pool,
      ...[pool.capacityBytes, pool.reserveBytes, pool.usedBytes, pool.highWaterBytes].map(formatByteSize),
    ]);
    log.info(`Emulated machine: ${[machine.name, ...facts].join(", ")}`);
    log.block(renderTable([["Pool", "Capacity", "Reserve", "Used", "Highest"], ...lines]));
  }
  const services: readonly (readonly [string, string, number | null])[] = [
    ["GRPCInferenceService", config.grpcAddress, ports.grpc],
    ["HTTPService", config.httpAddress, ports.http],
    ["Sagemaker HTTPService", config.httpAddress, ports.sagemaker],
    ["Metrics Service", config.metricsAddress, ports.metrics],
    ["Emulator Service", config.httpAddress, ports.emulator],
  ];
  for (const [service, address, port] of services) {
    if (port !== null) log.info(`Started ${service} at ${address}:${port}`);
  }
  if (config.endpoint !== null) {
    const { containerUrl, evictionPreset, modelData } = config.endpoint;
    const where = containerUrl === null ? "in this process" : `at ${containerUrl}`;
    log.info(
      `Multi-model endpoint: archives of ${modelData}, container ${where}, eviction ${evictionPreset}`,
    );
  }
};
