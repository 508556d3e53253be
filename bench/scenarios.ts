import type { BenchContext } from "./context.ts";
import type { Row } from "./row.ts";
import { healthUnderLoad } from "./scenarios/health-under-load.ts";
import { images } from "./scenarios/images.ts";
import { invokeEndpoint } from "./scenarios/invoke-endpoint.ts";
import { largeTensors } from "./scenarios/large-tensors.ts";
import { ledgerAndJournal } from "./scenarios/ledger-and-journal.ts";
import { loadUnload } from "./scenarios/load-unload.ts";
import { manyModels } from "./scenarios/many-models.ts";
import { modelLists } from "./scenarios/model-lists.ts";
import { reset } from "./scenarios/reset.ts";
import {
  grpcBatchedTensors,
  grpcSmallTensors,
  httpBatchedTensors,
  httpSmallTensors,
} from "./scenarios/small-tensors.ts";
import { idle, startToReady } from "./scenarios/start-and-idle.ts";

export interface Scenario {
  /** As `--only` takes it. */
  readonly name: string;
  run(context: BenchContext): Promise<readonly Row[]>;
}

export const scenarios: readonly Scenario[] = [
  { name: "http", run: httpSmallTensors },
  { name: "grpc", run: grpcSmallTensors },
  { name: "http-batched", run: httpBatchedTensors },
  { name: "grpc-batched", run: grpcBatchedTensors },
  { name: "large", run: largeTensors },
  { name: "health", run: healthUnderLoad },
  { name: "load-unload", run: loadUnload },
  { name: "start", run: startToReady },
  { name: "idle", run: idle },
  { name: "images", run: images },
  { name: "many-models", run: manyModels },
  { name: "reset", run: reset },
  { name: "journal", run: ledgerAndJournal },
  { name: "invoke", run: invokeEndpoint },
  { name: "lists", run: modelLists },
];
