import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BucketArtifacts } from "./aws/artifacts/bucket-artifacts.ts";
import type { ObjectStore } from "./aws/object-store/object-store.ts";
import type { InvocationObserver } from "./aws/runtime/endpoints.ts";
import { S3Service } from "./aws/s3/s3-service.ts";
import { ControlPlane } from "./aws/sagemaker/control-plane.ts";
import { StateFile } from "./aws/sagemaker/state-file.ts";
import { forgetfulStore, type StateStore } from "./aws/sagemaker/state-store.ts";
import type { RawService } from "./aws/wire/aws-port.ts";
import type { OperationService } from "./aws/wire/json-service.ts";
import { TritonError } from "./common/status.ts";
import type { AwsConfig } from "./config/load.ts";
import type { Journal } from "./journal/journal.ts";
import { LocalFleet } from "./local-fleet.ts";
import type { Surroundings } from "./local-triton.ts";
import { startMonitoring } from "./monitoring.ts";
import type { OpenArtifacts } from "./multi-model-instance.ts";
import { DiskObjectStore } from "./storage/disk-object-store.ts";
import { lockFolder } from "./storage/folder-lock.ts";
import { RANDOM_SEED, type TritonProcesses } from "./triton-process.ts";

/** What lies behind the services of AWS: objects, and endpoints whose instances get their archives from them. */
export interface Hosting {
  readonly objects: ObjectStore;
  readonly controlPlane: ControlPlane;
  readonly services: readonly (OperationService | RawService)[];
  /** To be told of every invocation of an endpoint. */
  readonly observer: InvocationObserver;
  /** What was measured is forgotten. */
  resetMetrics(): void;
  /** Ends all instances. What was created stays where `--state-dir` names a folder, else it goes. */
  stop(): Promise<void>;
}

/**
 * Endpoints that the folder has are started again. Rejects with a TritonError where the folder cannot be used.
 * @param processes null = containers are elsewhere
 */
export const startHosting = async (
  aws: AwsConfig,
  around: Surroundings,
  journal: Journal,
  processes: TritonProcesses | null,
): Promise<Hosting> => {
  const { clock, log } = around;
  const { stateDir } = aws;
  const folder = stateDir ?? (await mkdtemp(join(tmpdir(), "triton-local-state-")));
  const removeFolder = async (): Promise<void> => {
    if (stateDir === null) await rm(folder, { recursive: true, force: true });
  };
  let store: StateStore | null = null;
  let unlock = (): void => {};
  try {
    if (stateDir !== null) unlock = lockFolder(stateDir);
    const objects = await DiskObjectStore.open(join(folder, "s3"), log);
    store = stateDir === null ? forgetfulStore : new StateFile(stateDir);
    const fleet = new LocalFleet({ around, aws, processes, modelData: archivesOf(objects) });
    const controlPlane = new ControlPlane({
      clock,
      journal,
      log,
      seed: RANDOM_SEED,
      store,
      fleet,
      provisionUs: aws.instanceStartSeconds * 1e6,
    });
    const monitoring = startMonitoring({ clock, journal, controlPlane, seed: RANDOM_SEED });
    return {
      objects,
      controlPlane,
      services: [controlPlane.service, new S3Service({ store: objects, clock }), ...monitoring.services],
      observer: monitoring.observer,
      resetMetrics: () => monitoring.reset(),
      stop: async () => {
        monitoring.stop();
        controlPlane.stop();
        await fleet.ended();
        unlock();
        await removeFolder();
      },
    };
  } catch (error) {
    store?.close();
    unlock();
    await removeFolder();
    const why = error instanceof Error ? error.message : String(error);
    throw new TritonError("INVALID_ARG", `cannot use the state folder ${folder}: ${why}`);
  }
};

const archivesOf =
  (source: ObjectStore) =>
  (url: string): OpenArtifacts => {
    const [, bucket = "", prefix = ""] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(url) ?? [];
    return (folder) => BucketArtifacts.open({ source, bucket, prefix, ...folder });
  };
