import { rm } from "node:fs/promises";
import { join } from "node:path";
import { BucketArtifacts } from "../aws/artifacts/bucket-artifacts.ts";
import type { ObjectSource, ObjectStore } from "../aws/object-store/object-store.ts";
import type { InvocationObserver } from "../aws/runtime/endpoints.ts";
import { RemoteObjects } from "../aws/s3/remote-objects.ts";
import { S3Service } from "../aws/s3/s3-service.ts";
import { ControlPlane } from "../aws/sagemaker/control-plane.ts";
import { DataCapture } from "../aws/sagemaker/data-capture.ts";
import { StateFile } from "../aws/sagemaker/state-file.ts";
import { forgetfulStore, type StateStore } from "../aws/sagemaker/state-store.ts";
import type { RawService } from "../aws/wire/aws-port.ts";
import type { OperationService } from "../aws/wire/json-service.ts";
import type { Clock } from "../common/clock.ts";
import { Random } from "../common/random.ts";
import { TritonError } from "../common/status.ts";
import type { AwsConfig } from "../config/load.ts";
import type { Journal } from "../journal/journal.ts";
import { DiskObjectStore } from "../storage/disk-object-store.ts";
import { lockFolder } from "../storage/folder-lock.ts";
import { LocalFleet } from "./local-fleet.ts";
import type { Surroundings } from "./local-triton.ts";
import { startMonitoring } from "./monitoring.ts";
import type { OpenArtifacts } from "./multi-model-instance.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import type { TritonProcesses } from "./triton-process.ts";

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
  const { config, clock, log } = around;
  const { stateDir } = aws;
  const folder = stateDir ?? (await temporaryFolder("state", "buckets and endpoints", "--state-dir"));
  const removeFolder = async (): Promise<void> => {
    if (stateDir === null) await rm(folder, { recursive: true, force: true });
  };
  let store: StateStore | null = null;
  let unlock = (): void => {};
  try {
    if (stateDir !== null) unlock = lockFolder(stateDir);
    const objects = await DiskObjectStore.open(join(folder, "s3"), log);
    store = stateDir === null ? forgetfulStore : new StateFile(stateDir);
    const modelData = modelDataOf(aws, objects, clock);
    const fleet = new LocalFleet({ around, aws, processes, modelData: archivesOf(modelData) });
    const controlPlane = new ControlPlane({
      clock,
      journal,
      log,
      seed: config.seed,
      store,
      fleet,
      modelData,
      provisionUs: aws.instanceStartSeconds * 1e6,
    });
    const monitoring = startMonitoring({ clock, journal, controlPlane, seed: config.seed });
    const capture = new DataCapture({
      clock,
      random: new Random(config.seed),
      log,
      configOf: (region, endpoint) => controlPlane.dataCaptureOf(region, endpoint),
      write: (bucket, key, content) => putObject(objects, clock, bucket, key, content),
    });
    return {
      objects,
      controlPlane,
      services: [controlPlane.service, new S3Service({ store: objects, clock }), ...monitoring.services],
      observer: {
        invoked: (record) => {
          monitoring.observer.invoked(record);
          capture.invoked(record);
        },
      },
      resetMetrics: () => monitoring.reset(),
      stop: async () => {
        monitoring.stop();
        await capture.flush();
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

/** Where the archives of endpoints lie. */
const modelDataOf = ({ remoteS3 }: AwsConfig, objects: ObjectStore, clock: Clock): ObjectSource =>
  remoteS3 === null
    ? objects
    : new RemoteObjects({ ...remoteS3, endpoint: new URL(remoteS3.endpoint), clock });

const putObject = async (
  objects: ObjectStore,
  clock: Clock,
  bucket: string,
  key: string,
  content: Buffer,
): Promise<void> => {
  await objects.put(bucket, key, [content], ({ md5 }) => ({
    etag: md5,
    lastModifiedMs: clock.epochMs(),
    headers: { "content-type": "application/json" },
    checksum: null,
    partBytes: null,
  }));
};

const archivesOf =
  (source: ObjectSource) =>
  (url: string): OpenArtifacts => {
    const [, bucket = "", prefix = ""] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(url) ?? [];
    return (folder) => BucketArtifacts.open({ source, bucket, prefix, ...folder });
  };
