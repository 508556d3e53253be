import type { ObjectStore } from "../aws/object-store/object-store.ts";
import type { AsyncObjects } from "../aws/runtime/async-objects.ts";
import type { Clock } from "../common/clock.ts";
import { held } from "../common/held.ts";

/** Inputs and outcomes of asynchronous invocations in S3; the clock waits while they are read and written. */
export const asyncObjectsOf = (store: ObjectStore, clock: Clock): AsyncObjects => ({
  read: (bucket, key) =>
    held(clock, async () => {
      const opened = await store.open(bucket, key);
      if (opened === null) return null;
      try {
        const parts: Uint8Array[] = [];
        for await (const part of opened.read(0, opened.object.byteSize)) parts.push(part);
        return Buffer.concat(parts);
      } finally {
        await opened.close();
      }
    }),
  write: (bucket, key, body, contentType) =>
    held(clock, async () => {
      await store.put(bucket, key, [body], ({ md5 }) => ({
        etag: md5,
        lastModifiedMs: clock.epochMs(),
        headers: { "content-type": contentType },
        checksum: null,
        partBytes: null,
      }));
    }),
});
