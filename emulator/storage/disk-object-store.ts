import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { type FileHandle, mkdir, open, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isBucketName } from "../aws/object-store/bucket-name.ts";
import { checksumAlgorithms } from "../aws/object-store/checksum.ts";
import { compareKeys, KeyOrder } from "../aws/object-store/key-order.ts";
import {
  type Bucket,
  type Condition,
  type Content,
  type Describe,
  type ListEntry,
  type Listing,
  type ListOptions,
  type ObjectProperties,
  type ObjectStore,
  ObjectStoreError,
  type OpenObject,
  type Part,
  type PartProperties,
  type StoredObject,
  type Upload,
  type UploadProperties,
} from "../aws/object-store/object-store.ts";
import type { Log } from "../common/log.ts";
import { moveSynced, removeFolderSynced, syncFolder, Turns, writeSynced } from "./durable-files.ts";
import { readBytes, readNote, readNoteSync, writeObjectFile } from "./object-file.ts";

interface BucketState {
  readonly bucket: Bucket;
  readonly objects: KeyOrder<StoredObject>;
  readonly uploads: Map<string, UploadState>;
  /** Of what changes its objects. */
  readonly turns: Turns;
}

interface UploadState {
  readonly uploadId: string;
  readonly key: string;
  readonly properties: UploadProperties;
  readonly parts: Map<number, Part>;
  readonly turns: Turns;
}

const BUCKETS = "buckets";
const TEMPORARY = "temporary";
const OBJECTS = "objects";
const UPLOADS = "uploads";
const NOTE = "note.json";

/**
 * Buckets in a folder of this machine:
 *
 *     buckets/<bucket>/note.json
 *                     /objects/<SHA-256 of the key>
 *                     /uploads/<upload id>/note.json
 *                                         /<part number>
 *     temporary/      what is being written or removed; emptied at the start
 *
 * Everything is written in `temporary`, synced, and put at its place by a rename. What lies in `buckets` is therefore whole.
 * All notes are in memory, so nothing is read from the disk but the bytes of objects. One process at a time.
 */
export class DiskObjectStore implements ObjectStore {
  readonly #root: string;
  readonly #buckets = new Map<string, BucketState>();
  /** Of what changes the list of buckets. */
  readonly #turns = new Turns();
  #temporaries = 0;

  private constructor(root: string) {
    this.#root = root;
  }

  /**
   * @param root is made
   * @param log is told of files that are none of ours; they are let lie
   */
  static async open(root: string, log: Log): Promise<DiskObjectStore> {
    const store = new DiskObjectStore(root);
    await rm(join(root, TEMPORARY), { recursive: true, force: true });
    await mkdir(join(root, TEMPORARY), { recursive: true });
    await mkdir(join(root, BUCKETS), { recursive: true });
    await syncFolder(root);
    for (const name of readdirSync(join(root, BUCKETS)).sort()) {
      const state = readBucket(join(root, BUCKETS, name), name, log);
      if (state !== null) store.#buckets.set(name, state);
    }
    return store;
  }

  buckets(): readonly Bucket[] {
    return [...this.#buckets.values()]
      .map(({ bucket }) => bucket)
      .sort((a, b) => compareKeys(a.name, b.name));
  }

  bucket(name: string): Bucket | null {
    return this.#buckets.get(name)?.bucket ?? null;
  }

  createBucket(bucket: Bucket): Promise<void> {
    const { name } = bucket;
    return this.#turns.run(async () => {
      if (!isBucketName(name)) throw new ObjectStoreError("InvalidBucketName");
      if (this.#buckets.has(name)) throw new ObjectStoreError("BucketAlreadyOwnedByYou");
      const temporary = this.#temporary();
      await mkdir(join(temporary, OBJECTS), { recursive: true });
      await mkdir(join(temporary, UPLOADS));
      await writeSynced(join(temporary, NOTE), JSON.stringify(bucket));
      await syncFolder(temporary);
      await moveSynced(temporary, this.#folder(name));
      const objects = new KeyOrder<StoredObject>();
      this.#buckets.set(name, { bucket, objects, uploads: new Map(), turns: new Turns() });
    });
  }

  deleteBucket(name: string): Promise<void> {
    return this.#turns.run(async () => {
      const state = this.#state(name);
      await state.turns.run(async () => {
        if (state.objects.size > 0) throw new ObjectStoreError("BucketNotEmpty");
        await removeFolderSynced(this.#folder(name), this.#temporary());
        this.#buckets.delete(name);
      });
    });
  }

  async head(bucket: string, key: string): Promise<StoredObject | null> {
    return this.#buckets.get(bucket)?.objects.get(key) ?? null;
  }

  async open(bucket: string, key: string): Promise<OpenObject | null> {
    if (!this.#buckets.get(bucket)?.objects.get(key)) return null;
    const file = await openFile(this.#objectPath(bucket, key));
    if (file === null) return null;
    try {
      // The index may know of another version than the file that was opened.
      const object = storedObject(await readNote(file));
      if (object === null) throw new Error(`object '${key}' of bucket '${bucket}' is damaged on the disk`);
      return { object, read: (start, end) => readBytes(file, start, end), close: () => file.close() };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async put(
    bucket: string,
    key: string,
    content: Content,
    describe: Describe<ObjectProperties>,
    condition?: Condition,
  ): Promise<StoredObject> {
    const state = this.#state(bucket);
    const temporary = this.#temporary();
    const object = await writeObjectFile(temporary, content, (written) => ({
      ...describe(written),
      key,
      byteSize: written.byteSize,
    }));
    await this.#change(state, temporary, () => this.#place(state, object, temporary, condition));
    return object;
  }

  async delete(bucket: string, key: string, condition?: Condition): Promise<void> {
    const state = this.#state(bucket);
    await state.turns.run(async () => {
      const current = state.objects.get(key);
      condition?.(current ?? null);
      if (current === undefined) return;
      await unlink(this.#objectPath(bucket, key));
      await syncFolder(join(this.#folder(bucket), OBJECTS));
      state.objects.delete(key);
    });
  }

  list(bucket: string, { prefix, delimiter, after, limit }: ListOptions): Listing {
    const { objects } = this.#state(bucket);
    const entries: ListEntry[] = [];
    if (limit === 0) return { entries, next: null };
    let last = after;
    const walk = objects.walk(prefix, after);
    for (let step = walk.next(); !step.done; ) {
      const [key, object] = step.value;
      const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
      const commonPrefix = end < 0 ? null : key.slice(0, end + delimiter.length);
      // `after` may be a common prefix that was told already.
      if (commonPrefix === null || commonPrefix !== after) {
        if (entries.length === limit) return { entries, next: last };
        entries.push(commonPrefix === null ? { object } : { commonPrefix });
        last = commonPrefix ?? key;
      }
      step = commonPrefix === null ? walk.next() : walk.next(commonPrefix);
    }
    return { entries, next: null };
  }

  async createUpload(bucket: string, key: string, properties: UploadProperties): Promise<Upload> {
    const state = this.#state(bucket);
    const uploadId = randomBytes(32).toString("hex");
    const temporary = this.#temporary();
    await mkdir(temporary);
    await writeSynced(join(temporary, NOTE), JSON.stringify({ ...properties, key }));
    await syncFolder(temporary);
    const upload: UploadState = { uploadId, key, properties, parts: new Map(), turns: new Turns() };
    await this.#change(state, temporary, async () => {
      await moveSynced(temporary, this.#uploadFolder(bucket, uploadId));
      state.uploads.set(uploadId, upload);
    });
    return uploadOf(upload);
  }

  uploads(bucket: string): readonly Upload[] {
    return [...this.#state(bucket).uploads.values()]
      .map(uploadOf)
      .sort((a, b) => compareKeys(a.key, b.key) || a.initiatedMs - b.initiatedMs);
  }

  upload(bucket: string, uploadId: string): Upload {
    return uploadOf(this.#upload(this.#state(bucket), uploadId));
  }

  async putPart(
    bucket: string,
    uploadId: string,
    partNumber: number,
    content: Content,
    describe: Describe<PartProperties>,
  ): Promise<Part> {
    const state = this.#state(bucket);
    const upload = this.#upload(state, uploadId);
    const temporary = this.#temporary();
    const part = await writeObjectFile(temporary, content, (written) => ({
      ...describe(written),
      partNumber,
      byteSize: written.byteSize,
    }));
    await upload.turns.run(() =>
      this.#change(state, temporary, async () => {
        this.#upload(state, uploadId);
        await moveSynced(temporary, join(this.#uploadFolder(bucket, uploadId), String(partNumber)));
        upload.parts.set(partNumber, part);
      }),
    );
    return part;
  }

  async completeUpload(
    bucket: string,
    uploadId: string,
    choose: (upload: Upload) => readonly Part[],
    describe: Describe<ObjectProperties>,
    options: { readonly condition?: Condition; readonly content?: (content: Content) => Content } = {},
  ): Promise<StoredObject> {
    const { condition, content = (same) => same } = options;
    const state = this.#state(bucket);
    const upload = this.#upload(state, uploadId);
    return await upload.turns.run(async () => {
      this.#upload(state, uploadId);
      const folder = this.#uploadFolder(bucket, uploadId);
      const files = choose(uploadOf(upload)).map(({ partNumber, byteSize }) => ({
        path: join(folder, String(partNumber)),
        byteSize,
      }));
      const temporary = this.#temporary();
      const object = await writeObjectFile(temporary, content(bytesOf(files)), (written) => ({
        ...describe(written),
        key: upload.key,
        byteSize: written.byteSize,
      }));
      await this.#change(state, temporary, async () => {
        await this.#place(state, object, temporary, condition);
        await this.#forget(state, uploadId);
      });
      return object;
    });
  }

  async abortUpload(bucket: string, uploadId: string): Promise<void> {
    const state = this.#state(bucket);
    await this.#upload(state, uploadId).turns.run(() =>
      state.turns.run(async () => {
        this.#upload(state, uploadId);
        await this.#forget(state, uploadId);
      }),
    );
  }

  async #place(
    state: BucketState,
    object: StoredObject,
    temporary: string,
    condition: Condition | undefined,
  ): Promise<void> {
    condition?.(state.objects.get(object.key) ?? null);
    await moveSynced(temporary, this.#objectPath(state.bucket.name, object.key));
    state.objects.set(object.key, object);
  }

  async #forget(state: BucketState, uploadId: string): Promise<void> {
    await removeFolderSynced(this.#uploadFolder(state.bucket.name, uploadId), this.#temporary());
    state.uploads.delete(uploadId);
  }

  /** Puts what was written at its place, while the bucket is there; what was written in vain is removed. */
  #change(state: BucketState, temporary: string, work: () => Promise<void>): Promise<void> {
    return state.turns.run(async () => {
      try {
        if (this.#buckets.get(state.bucket.name) !== state) throw new ObjectStoreError("NoSuchBucket");
        await work();
      } catch (error) {
        await rm(temporary, { recursive: true, force: true });
        throw error;
      }
    });
  }

  #state(bucket: string): BucketState {
    const state = this.#buckets.get(bucket);
    if (state === undefined) throw new ObjectStoreError("NoSuchBucket");
    return state;
  }

  /** Throws also when it has gone with its bucket. */
  #upload(state: BucketState, uploadId: string): UploadState {
    if (this.#buckets.get(state.bucket.name) !== state) throw new ObjectStoreError("NoSuchBucket");
    const upload = state.uploads.get(uploadId);
    if (upload === undefined) throw new ObjectStoreError("NoSuchUpload");
    return upload;
  }

  #folder(bucket: string): string {
    return join(this.#root, BUCKETS, bucket);
  }

  #objectPath(bucket: string, key: string): string {
    return join(this.#folder(bucket), OBJECTS, fileName(key));
  }

  #uploadFolder(bucket: string, uploadId: string): string {
    return join(this.#folder(bucket), UPLOADS, uploadId);
  }

  #temporary(): string {
    return join(this.#root, TEMPORARY, String(this.#temporaries++));
  }
}

/** Any key is a safe name so: none leads elsewhere, is too long, or is another one's folder. */
const fileName = (key: string): string => createHash("sha256").update(key).digest("hex");

const uploadOf = ({ uploadId, key, properties, parts }: UploadState): Upload => ({
  ...properties,
  uploadId,
  key,
  parts: [...parts.values()].sort((a, b) => a.partNumber - b.partNumber),
});

/** The parts one after the other; none is open longer than it is read. */
const bytesOf = async function* (
  files: readonly { readonly path: string; readonly byteSize: number }[],
): AsyncGenerator<Uint8Array> {
  for (const { path, byteSize } of files) {
    const file = await open(path);
    try {
      yield* readBytes(file, 0, byteSize);
    } finally {
      await file.close();
    }
  }
};

const openFile = async (path: string): Promise<FileHandle | null> => {
  try {
    return await open(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
};

const bucketNote = z.object({ name: z.string(), region: z.string(), createdMs: z.number() });
const checksumType = z.enum(["FULL_OBJECT", "COMPOSITE"]);
const algorithm = z.enum(checksumAlgorithms);
const checksumNote = z.object({ algorithm, type: checksumType, value: z.string() }).nullable();
const headersNote = z.record(z.string(), z.string());
const objectNote = z.object({
  key: z.string(),
  byteSize: z.number(),
  etag: z.string(),
  lastModifiedMs: z.number(),
  headers: headersNote,
  checksum: checksumNote,
  partBytes: z.array(z.number()).nullable(),
});
const uploadNote = z.object({
  key: z.string(),
  initiatedMs: z.number(),
  headers: headersNote,
  checksum: z.object({ algorithm, type: checksumType }).nullable(),
});
const partNote = z.object({
  partNumber: z.number(),
  byteSize: z.number(),
  etag: z.string(),
  lastModifiedMs: z.number(),
  checksum: checksumNote,
});

const storedObject = (
  file: { readonly byteSize: number; readonly note: unknown } | null,
): StoredObject | null => {
  const note = objectNote.safeParse(file?.note);
  return note.success && note.data.byteSize === file?.byteSize ? note.data : null;
};

/** Null = it is no bucket of ours. */
const readBucket = (folder: string, name: string, log: Log): BucketState | null => {
  const skip = (path: string): void => log.warning(`${path} is not of the object store and is not served`);
  const bucket = readJson(join(folder, NOTE), bucketNote);
  if (bucket?.name !== name) {
    skip(folder);
    return null;
  }
  const objects = readdirSync(join(folder, OBJECTS)).flatMap((file): [string, StoredObject][] => {
    const path = join(folder, OBJECTS, file);
    const object = storedObject(readNoteSync(path));
    if (object !== null && fileName(object.key) === file) return [[object.key, object]];
    skip(path);
    return [];
  });
  const uploads = new Map<string, UploadState>();
  for (const uploadId of readdirSync(join(folder, UPLOADS))) {
    const path = join(folder, UPLOADS, uploadId);
    const note = readJson(join(path, NOTE), uploadNote);
    if (note === null) {
      skip(path);
      continue;
    }
    const { key, ...properties } = note;
    const parts = readdirSync(path).flatMap((file): [number, Part][] => {
      if (file === NOTE) return [];
      const part = partNote.safeParse(readNoteSync(join(path, file))?.note);
      if (part.success) return [[part.data.partNumber, part.data]];
      skip(join(path, file));
      return [];
    });
    uploads.set(uploadId, { uploadId, key, properties, parts: new Map(parts), turns: new Turns() });
  }
  return { bucket, objects: KeyOrder.from(objects), uploads, turns: new Turns() };
};

const readJson = <Note>(path: string, note: z.ZodType<Note>): Note | null => {
  try {
    return note.safeParse(JSON.parse(readFileSync(path, "utf8"))).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof Error && "code" in error)) return null;
    throw error;
  }
};
