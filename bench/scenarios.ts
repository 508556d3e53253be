import type { BenchContext } from "./context.ts";
import type { Row } from "./row.ts";
import { grpcSmallTensors, httpSmallTensors } from "./scenarios/small-tensors.ts";

export interface Scenario {
  /** As `--only` takes it. */
  readonly name: string;
  run(context: BenchContext): Promise<readonly Row[]>;
}

export const scenarios: readonly Scenario[] = [
  { name: "http", run: httpSmallTensors },
  { name: "grpc", run: grpcSmallTensors },
];
