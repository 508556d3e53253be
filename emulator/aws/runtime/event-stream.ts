import { crc32 } from "node:zlib";

/**
 * Frames of `application/vnd.amazon.eventstream`: lengths, their CRC, headers of type string, payload, the CRC of it all
 * (spec/sagemaker-mme.md 2.1).
 */

/** A part of the answer. */
export const payloadPart = (bytes: Uint8Array): Buffer =>
  frame(
    [
      [":message-type", "event"],
      [":event-type", "PayloadPart"],
      [":content-type", "application/octet-stream"],
    ],
    bytes,
  );

/** `ModelInvocationTimeExceeded` and `StreamBroken` are what the service model has for `ErrorCode`. */
export type StreamException =
  | {
      readonly type: "ModelStreamError";
      readonly message: string;
      readonly errorCode: "ModelInvocationTimeExceeded" | "StreamBroken";
    }
  | { readonly type: "InternalStreamFailure"; readonly message: string };

/** Ends a stream that cannot be ended well. */
export const exceptionFrame = (exception: StreamException): Buffer =>
  frame(
    [
      [":message-type", "exception"],
      [":exception-type", exception.type],
      [":content-type", "application/json"],
    ],
    Buffer.from(
      JSON.stringify({
        Message: exception.message,
        ErrorCode: exception.type === "ModelStreamError" ? exception.errorCode : undefined,
      }),
    ),
  );

const STRING_TYPE = 7;
const PRELUDE_BYTES = 12;
const CRC_BYTES = 4;

const frame = (headers: readonly (readonly [name: string, value: string])[], payload: Uint8Array): Buffer => {
  const headerBytes = Buffer.concat(headers.map(([name, value]) => headerOf(name, value)));
  const total = PRELUDE_BYTES + headerBytes.length + payload.length + CRC_BYTES;
  const bytes = Buffer.allocUnsafe(total);
  bytes.writeUInt32BE(total, 0);
  bytes.writeUInt32BE(headerBytes.length, 4);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8);
  headerBytes.copy(bytes, PRELUDE_BYTES);
  bytes.set(payload, PRELUDE_BYTES + headerBytes.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, total - CRC_BYTES)), total - CRC_BYTES);
  return bytes;
};

const headerOf = (name: string, value: string): Buffer => {
  const text = Buffer.from(value);
  const bytes = Buffer.alloc(1 + name.length + 3);
  bytes[0] = name.length;
  bytes.write(name, 1, "latin1");
  bytes[1 + name.length] = STRING_TYPE;
  bytes.writeUInt16BE(text.length, 2 + name.length);
  return Buffer.concat([bytes, text]);
};
