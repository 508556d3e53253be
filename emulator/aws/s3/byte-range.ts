import type { StoredObject } from "../object-store/object-store.ts";
import { s3Error } from "./s3-error.ts";

/** From `start` up to, but without, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The range that a header asks for; null = all: there is none, it is none, or there are several (S3 then answers with all).
 * @throws AwsError `InvalidRange`
 */
export const readRange = (header: string | undefined, byteSize: number): ByteRange | null => {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
  const [, first = "", last = ""] = found ?? [];
  if (first === "" && last === "") return null;
  const unsatisfiable = s3Error.invalidRange({ RangeRequested: header, ActualObjectSize: byteSize });
  if (first === "") {
    const length = Math.min(Number(last), byteSize);
    if (length === 0) throw unsatisfiable;
    return { start: byteSize - length, end: byteSize };
  }
  const start = Number(first);
  const end = last === "" ? byteSize : Math.min(Number(last) + 1, byteSize);
  if (last !== "" && Number(last) < start) return null;
  if (start >= byteSize) throw unsatisfiable;
  return { start, end };
};

/** @throws AwsError `InvalidPartNumber`, `InvalidArgument` */
export const partRange = (given: string, { byteSize, partBytes }: StoredObject): ByteRange => {
  const partNumber = readPartNumber(given);
  const sizes = partBytes ?? [byteSize];
  const size = sizes[partNumber - 1];
  if (size === undefined)
    throw s3Error.invalidPartNumber({ PartNumberRequested: given, ActualPartCount: sizes.length });
  const start = sizes.slice(0, partNumber - 1).reduce((sum, one) => sum + one, 0);
  return { start, end: start + size };
};

/**
 * `bytes=first-last` of a part that is copied; both are needed, and inside.
 * @throws AwsError `InvalidArgument`
 */
export const copyRange = (given: string | undefined, byteSize: number): ByteRange => {
  if (given === undefined) return { start: 0, end: byteSize };
  const name = "x-amz-copy-source-range";
  const found = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(given);
  if (found === null || Number(found[2]) < Number(found[1])) {
    throw s3Error.invalidArgument(
      `The ${name} value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy`,
      name,
      given,
    );
  }
  const [start, end] = [Number(found[1]), Number(found[2]) + 1];
  if (end > byteSize)
    throw s3Error.invalidArgument(
      `Range specified is not valid for source object of size: ${byteSize}`,
      name,
      given,
    );
  return { start, end };
};

/** @throws AwsError `InvalidArgument` */
export const readPartNumber = (given: string): number => {
  const partNumber = /^\d{1,5}$/.test(given) ? Number(given) : 0;
  if (partNumber < 1 || partNumber > 10_000)
    throw s3Error.invalidArgument(
      "Part number must be an integer between 1 and 10000, inclusive",
      "partNumber",
      given,
    );
  return partNumber;
};
