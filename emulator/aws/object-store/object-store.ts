import type { Checksum } from "./checksum.ts";

/** What is kept with the bytes of an object. */
export interface ObjectProperties {
  /** Without quotes. */
  readonly etag: string;
  readonly lastModifiedMs: number;
  /** By lower-case name, as they are sent with the object: `content-type`, `cache-control`, `x-amz-meta-*`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null = none was asked for. */
  readonly checksum: Checksum | null;
  /** Bytes of each part, where it was uploaded in parts. */
  readonly partBytes: readonly number[] | null;
}

export interface StoredObject extends ObjectProperties {
  readonly key: string;
  readonly byteSize: number;
}

/** One version of an object, to be closed: what is read stays the same when the key is overwritten or deleted meanwhile. */
export interface OpenObject {
  readonly object: StoredObject;
  /** Bytes from `start` up to, but without, `end`. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Where objects can be read from. */
export interface ObjectSource {
  /** Null = there is no such object, or no such bucket. */
  head(bucket: string, key: string): Promise<StoredObject | null>;
  open(bucket: string, key: string): Promise<OpenObject | null>;
}

export interface Bucket {
  readonly name: string;
  readonly region: string;
  readonly createdMs: number;
}

export type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** What is known of bytes when the last of them is written. */
export interface Written {
  readonly byteSize: number;
  /** Of all bytes, in hexadecimal. */
  readonly md5: string;
}

/**
 * Called when all bytes are written and before anybody can see them. What it throws is what the write ends with, and
 * nothing is left of it.
 */
export type Describe<Properties> = (written: Written) => Properties;

/** Called with what lies at the key at the moment of the change; what it throws is what the change ends with. */
export type Condition = (current: StoredObject | null) => void;

export interface PartProperties {
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly checksum: Checksum | null;
}

export interface Part extends PartProperties {
  readonly partNumber: number;
  readonly byteSize: number;
}

export interface UploadProperties {
  readonly initiatedMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What the parts and the object are checked with. */
  readonly checksum: Pick<Checksum, "algorithm" | "type"> | null;
}

/** A multipart upload that was neither completed nor aborted. */
export interface Upload extends UploadProperties {
  readonly key: string;
  readonly uploadId: string;
  /** In the order of their numbers. */
  readonly parts: readonly Part[];
}

export interface ListOptions {
  readonly prefix: string;
  /** "" = nothing is rolled up. */
  readonly delimiter: string;
  /** Only what stands behind it, in the order of the bytes of UTF-8. */
  readonly after: string;
  readonly limit: number;
}

export type ListEntry = { readonly object: StoredObject } | { readonly commonPrefix: string };

export interface Listing {
  readonly entries: readonly ListEntry[];
  /** Where to go on (`after`); null = that was all. */
  readonly next: string | null;
}

/**
 * Buckets and their objects. Whoever's promise was kept finds the change again after any crash; where it was not, there is
 * all of the change or nothing of it; but an upload that was being completed may still be there beside its object. All throw
 * ObjectStoreError, and what the operating system says. Keys are any text of up to 1024 bytes of UTF-8.
 */
export interface ObjectStore extends ObjectSource {
  /** By name. */
  buckets(): readonly Bucket[];
  bucket(name: string): Bucket | null;
  /** @throws BucketAlreadyOwnedByYou, InvalidBucketName */
  createBucket(bucket: Bucket): Promise<void>;
  /** Uploads that were not completed go with it. @throws NoSuchBucket, BucketNotEmpty */
  deleteBucket(name: string): Promise<void>;
  /** @throws NoSuchBucket */
  put(
    bucket: string,
    key: string,
    content: Content,
    describe: Describe<ObjectProperties>,
    condition?: Condition,
  ): Promise<StoredObject>;
  /** Without such an object, nothing. @throws NoSuchBucket */
  delete(bucket: string, key: string, condition?: Condition): Promise<void>;
  /** @throws NoSuchBucket */
  list(bucket: string, options: ListOptions): Listing;
  /** @throws NoSuchBucket */
  createUpload(bucket: string, key: string, properties: UploadProperties): Promise<Upload>;
  /** By key, then by time. @throws NoSuchBucket */
  uploads(bucket: string): readonly Upload[];
  /** @throws NoSuchBucket, NoSuchUpload */
  upload(bucket: string, uploadId: string): Upload;
  /** Replaces a part of that number. @throws NoSuchBucket, NoSuchUpload */
  putPart(
    bucket: string,
    uploadId: string,
    partNumber: number,
    content: Content,
    describe: Describe<PartProperties>,
  ): Promise<Part>;
  /**
   * Makes the object of some parts, one after the other, and forgets the upload with all its parts.
   * @param choose the parts, given the upload as it is when its turn has come
   * @param content of the object as it is put together, for who has to see it; the bytes are to be passed on
   * @throws NoSuchBucket, NoSuchUpload
   */
  completeUpload(
    bucket: string,
    uploadId: string,
    choose: (upload: Upload) => readonly Part[],
    describe: Describe<ObjectProperties>,
    options?: { readonly condition?: Condition; readonly content?: (content: Content) => Content },
  ): Promise<StoredObject>;
  /** @throws NoSuchBucket, NoSuchUpload */
  abortUpload(bucket: string, uploadId: string): Promise<void>;
}

/** S3's own codes, for what a store finds itself. */
export type ObjectStoreErrorCode =
  | "BucketAlreadyOwnedByYou"
  | "BucketNotEmpty"
  | "InvalidBucketName"
  | "NoSuchBucket"
  | "NoSuchUpload";

export class ObjectStoreError extends Error {
  readonly code: ObjectStoreErrorCode;

  constructor(code: ObjectStoreErrorCode, message: string = code) {
    super(message);
    this.name = "ObjectStoreError";
    this.code = code;
  }
}
