import { ok, type Result } from "../../common/status.ts";
import type { ObjectSource } from "../object-store/object-store.ts";
import {
  type ArchiveSource,
  cannotServe,
  UnpackedArtifacts,
  type UnpackOptions,
} from "./unpacked-artifacts.ts";

export interface BucketArtifactsOptions extends UnpackOptions {
  readonly source: ObjectSource;
  readonly bucket: string;
  /** The model data prefix, e.g. `team/models/`: an archive is at `<prefix><TargetModel>`. */
  readonly prefix: string;
}

/** Archives below `s3://<bucket>/<prefix>`. What is unpacked is the object as it was when its reading began. */
export class BucketArtifacts extends UnpackedArtifacts {
  /** A bucket that is not there has no archives. Errors: UNKNOWN where the root cannot be made. */
  static async open({
    source,
    bucket,
    prefix,
    ...options
  }: BucketArtifactsOptions): Promise<Result<BucketArtifacts>> {
    try {
      await BucketArtifacts.prepare(options.root);
    } catch (error) {
      return cannotServe(error);
    }
    return ok(new BucketArtifacts(bucketSource(source, bucket, prefix), options));
  }
}

const bucketSource = (source: ObjectSource, bucket: string, prefix: string): ArchiveSource => ({
  find: async (targetModel) => {
    const object = await source.head(bucket, `${prefix}${targetModel}`);
    return object === null ? null : { targetModel, archiveBytes: object.byteSize, etag: `"${object.etag}"` };
  },
  open: async (targetModel) => {
    const open = await source.open(bucket, `${prefix}${targetModel}`);
    if (open === null) return null;
    const { byteSize } = open.object;
    return {
      byteSize,
      content: () => open.read(0, byteSize),
      isUnchanged: async () => true,
      close: () => open.close(),
    };
  },
});
