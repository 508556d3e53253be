/**
 * A process that changes a store of objects without end, several things at a time, and says before and after each what it
 * does: `node object-store-worker.ts <folder> <seed>`. It is there to be killed.
 */
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { ObjectStore, Upload, Written } from "../../emulator/aws/object-store/object-store.ts";
import { silentLog } from "../../emulator/common/log.ts";
import { Random } from "../../emulator/common/random.ts";
import { DiskObjectStore } from "../../emulator/storage/disk-object-store.ts";

export const BUCKET = "models";
export const EXTRA_BUCKET = "extra";
const WORKERS = 4;
const KEYS = 4;
const LARGEST = 400_000;

/** What is done to the state of one subject; the next on that subject begins when it is done. */
export type Line =
  /** Null = there is none: an object, or the bucket. `version` names its content. */
  | { readonly on: "object"; readonly id: string; readonly state: string | null; readonly done: boolean }
  | { readonly on: "bucket"; readonly id: string; readonly state: string | null; readonly done: boolean }
  /** Names the parts that are there; null = it was, or may have been, completed or aborted. */
  | { readonly on: "upload"; readonly id: string; readonly state: string | null; readonly done: boolean };

/** Its size stands behind the colon. */
export const contentOfVersion = (version: string): Buffer =>
  Buffer.alloc(Number(version.split(":")[1]), createHash("sha256").update(version).digest());

/** The versions of its parts stand between plus signs. */
export const contentOfVersions = (versions: string): Buffer =>
  Buffer.concat(versions.split("+").map(contentOfVersion));

const say = (line: Line): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

const describedAs =
  (version: string) =>
  ({ md5 }: Written) => ({
    etag: md5,
    lastModifiedMs: 0,
    headers: { version },
    checksum: null,
    partBytes: null,
  });

/** In pieces, between which others have their turn. */
const piecesOf = async function* (version: string): AsyncGenerator<Uint8Array> {
  const content = contentOfVersion(version);
  for (let at = 0; at < content.length; at += 100_000) {
    await setImmediate();
    yield content.subarray(at, at + 100_000);
  }
};

class Worker {
  readonly #store: ObjectStore;
  readonly #name: string;
  readonly #random: Random;
  #versions = 0;

  constructor(store: ObjectStore, name: string, seed: number) {
    this.#store = store;
    this.#name = `${name}-${seed}`;
    this.#random = new Random(seed);
  }

  async run(worker: number): Promise<never> {
    for (;;) {
      const key = `${worker}/key ${this.#below(KEYS)}`;
      const choice = this.#below(10);
      if (choice < 5) await this.#put(key);
      else if (choice < 7) await this.#delete(key);
      else await this.#upload(key, choice);
    }
  }

  async toggleBucket(): Promise<never> {
    for (;;) {
      const state = this.#store.bucket(EXTRA_BUCKET) === null ? "there" : null;
      await this.#told({ on: "bucket", id: EXTRA_BUCKET, state }, () =>
        state === null
          ? this.#store.deleteBucket(EXTRA_BUCKET)
          : this.#store.createBucket({ name: EXTRA_BUCKET, region: "", createdMs: 0 }),
      );
    }
  }

  async #put(key: string): Promise<void> {
    const version = this.#version();
    await this.#told({ on: "object", id: key, state: version }, () =>
      this.#store.put(BUCKET, key, piecesOf(version), describedAs(version)),
    );
  }

  async #delete(key: string): Promise<void> {
    await this.#told({ on: "object", id: key, state: null }, () => this.#store.delete(BUCKET, key));
  }

  async #upload(key: string, choice: number): Promise<void> {
    const { uploadId } = await this.#store.createUpload(BUCKET, key, {
      initiatedMs: 0,
      headers: {},
      checksum: null,
    });
    say({ on: "upload", id: uploadId, state: "", done: true });
    const parts = Array.from({ length: 1 + this.#below(3) }, () => this.#version());
    for (const [index, version] of parts.entries()) {
      const state = parts.slice(0, index + 1).join("+");
      await this.#told({ on: "upload", id: uploadId, state }, () =>
        this.#store.putPart(BUCKET, uploadId, index + 1, piecesOf(version), ({ md5 }) => ({
          etag: md5,
          lastModifiedMs: 0,
          checksum: null,
        })),
      );
    }
    const all = (upload: Upload) => upload.parts;
    const version = parts.join("+");
    await this.#told({ on: "upload", id: uploadId, state: null }, () =>
      choice === 7
        ? this.#store.abortUpload(BUCKET, uploadId)
        : this.#told({ on: "object", id: key, state: version }, () =>
            this.#store.completeUpload(BUCKET, uploadId, all, describedAs(version)),
          ),
    );
  }

  async #told(line: Omit<Line, "done">, work: () => Promise<unknown>): Promise<void> {
    say({ ...line, done: false });
    await work();
    say({ ...line, done: true });
  }

  #version(): string {
    return `${this.#name}-${this.#versions++}:${this.#below(LARGEST)}`;
  }

  #below(limit: number): number {
    return this.#random.nextUint32() % limit;
  }
}

const main = async (folder: string, seed: number): Promise<void> => {
  const store = await DiskObjectStore.open(folder, silentLog);
  if (store.bucket(BUCKET) === null)
    await store.createBucket({ name: BUCKET, region: "us-east-1", createdMs: 0 });
  const workers = Array.from({ length: WORKERS }, (_, index) =>
    new Worker(store, String(index), seed + index).run(index),
  );
  await Promise.all([...workers, new Worker(store, "bucket", seed).toggleBucket()]);
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  await main(process.argv[2] ?? "", Number(process.argv[3]));
