import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { crc32c, crc64nvme } from "./crc.ts";

export const checksumAlgorithms = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const;

/** As S3 spells them in XML and in `x-amz-checksum-algorithm`; its headers are `x-amz-checksum-<lower case>`. */
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Of all bytes, or of the checksums of the parts. */
  readonly type: "FULL_OBJECT" | "COMPOSITE";
  /** Base64; of a composite one with `-<number of parts>` behind it. */
  readonly value: string;
}

export interface RunningChecksum {
  update(bytes: Uint8Array): void;
  /** Base64. */
  digest(): string;
}

export const runningChecksum = (algorithm: ChecksumAlgorithm): RunningChecksum => {
  switch (algorithm) {
    case "CRC32":
      return running32(crc32);
    case "CRC32C":
      return running32(crc32c);
    case "CRC64NVME": {
      let value = 0n;
      return {
        update: (bytes) => {
          value = crc64nvme(bytes, value);
        },
        digest: () => {
          const bytes = Buffer.alloc(8);
          bytes.writeBigUInt64BE(value);
          return bytes.toString("base64");
        },
      };
    }
    default: {
      const hash = createHash(algorithm.toLowerCase());
      return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("base64") };
    }
  }
};

export const checksumOf = (algorithm: ChecksumAlgorithm, bytes: Uint8Array): string => {
  const checksum = runningChecksum(algorithm);
  checksum.update(bytes);
  return checksum.digest();
};

const running32 = (update: (bytes: Uint8Array, value: number) => number): RunningChecksum => {
  let value = 0;
  return {
    update: (bytes) => {
      value = update(bytes, value);
    },
    digest: () => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes.toString("base64");
    },
  };
};
