/** What asynchronous invocations need of S3. */
export interface AsyncObjects {
  /** Null = there is no such object. */
  read(bucket: string, key: string): Promise<Buffer | null>;
  /** Rejects when there is no such bucket. */
  write(bucket: string, key: string, body: Uint8Array, contentType: string): Promise<void>;
}

export interface S3Location {
  readonly bucket: string;
  readonly key: string;
}

/** `s3://bucket/key`, or the same as a URL over HTTPS; null = it is neither. */
export const parseS3Location = (location: string): S3Location | null => {
  const uri = /^s3:\/\/([^/]+)\/?(.*)$/.exec(location);
  if (uri !== null) return { bucket: uri[1] ?? "", key: uri[2] ?? "" };
  const virtual = /^https:\/\/([^/]+?)\.s3[.-][^/]+\/(.*)$/.exec(location);
  if (virtual !== null) return { bucket: virtual[1] ?? "", key: decoded(virtual[2] ?? "") };
  const path = /^https:\/\/s3[.-][^/]+\/([^/]+)\/(.*)$/.exec(location);
  return path === null ? null : { bucket: path[1] ?? "", key: decoded(path[2] ?? "") };
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
