import { S3Client } from "@aws-sdk/client-s3";
import { onTestFinished } from "vitest";
import { S3Service } from "../../emulator/aws/s3/s3-service.ts";
import { AwsPort } from "../../emulator/aws/wire/aws-port.ts";
import type { AcceptedCredentials } from "../../emulator/aws/wire/signature.ts";
import { silentLog } from "../../emulator/common/log.ts";
import { SystemClock } from "../../emulator/common/system-clock.ts";
import { listen } from "../../emulator/frontends/http1/listener.ts";
import type { DiskObjectStore } from "../../emulator/storage/disk-object-store.ts";
import { localObjectStore } from "./local-object-store.ts";

export interface S3Port {
  readonly url: string;
  readonly client: S3Client;
  readonly store: DiskObjectStore;
  readonly root: string;
  /** What went wrong that is no error of S3. */
  readonly failures: readonly string[];
  /** A request as it is written here. @param path with the query */
  send(method: string, path: string, options?: RequestInit): Promise<Response>;
}

export const clientOf = (url: string, options: { readonly region?: string } = {}): S3Client =>
  new S3Client({
    endpoint: url,
    region: options.region ?? "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    forcePathStyle: true,
    maxAttempts: 1,
  });

/** S3 on a port of its own, over a store in a folder that is gone after the test. */
export const s3Port = async (
  options: { readonly credentials?: AcceptedCredentials } = {},
): Promise<S3Port> => {
  const { root, store } = await localObjectStore();
  const failures: string[] = [];
  const log = { ...silentLog, error: (message: string) => void failures.push(message) };
  const clock = new SystemClock();
  const port = new AwsPort([new S3Service({ store, clock })], {
    credentials: options.credentials ?? null,
    clock,
    log,
  });
  const listener = await listen(
    {
      address: "127.0.0.1",
      port: 0,
      isStreamed: (head) => port.isStreamed(head),
      onRequest: (exchange) => void port.handle(exchange),
    },
    log,
  );
  const url = `http://127.0.0.1:${listener.port}`;
  const client = clientOf(url);
  onTestFinished(async () => {
    client.destroy();
    await listener.close();
  });
  return {
    url,
    client,
    store,
    root,
    failures,
    send: (method, path, options) => fetch(url + path, { ...options, method }),
  };
};
