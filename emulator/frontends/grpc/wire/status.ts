/** The status codes of gRPC that this server sends. https://grpc.io/docs/guides/status-codes/ */
export const grpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

export type GrpcCode = (typeof grpcCode)[keyof typeof grpcCode];

/** How a call ends. */
export interface GrpcStatus {
  readonly code: GrpcCode;
  readonly message: string;
}

/**
 * `grpc-message` as the header carries it: UTF-8, percent-encoded but for printable ASCII other than `%`. A space at
 * either end is encoded too: several HTTP/2 libraries, Node's among them, take such a header for an attack.
 */
export const percentEncode = (message: string): string => {
  let plain = !message.startsWith(" ") && !message.endsWith(" ");
  for (let i = 0; i < message.length && plain; i++) plain = isPlain(message.charCodeAt(i));
  if (plain) return message;
  const bytes = Buffer.from(message);
  let text = "";
  bytes.forEach((byte, i) => {
    const atEnd = i === 0 || i === bytes.length - 1;
    text +=
      isPlain(byte) && !(atEnd && byte === SPACE)
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  return text;
};

const SPACE = 0x20;
const isPlain = (code: number): boolean => code >= SPACE && code <= 0x7e && code !== 0x25;
