/** Frame types, flags, settings and errors of HTTP/2 that this server uses. RFC 9113. */
export const frameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const flag = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PRIORITY: 0x20 } as const;

export const setting = {
  ENABLE_PUSH: 2,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  /** gRPC's own: values of `-bin` headers may come as they are, behind a zero byte. */
  ALLOW_TRUE_BINARY_METADATA: 0xfe03,
} as const;

export const errorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

export type ErrorCode = (typeof errorCode)[keyof typeof errorCode];

export const FRAME_HEADER_BYTES = 9;
export const MAX_WINDOW = 2 ** 31 - 1;
/** What either side has before it hears otherwise. */
export const DEFAULT_WINDOW = 65_535;
export const DEFAULT_MAX_FRAME_BYTES = 16_384;
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The peer broke the protocol: the connection ends. */
export class Http2Error extends Error {
  /** What GOAWAY says; null = the connection ends without a word. */
  readonly code: ErrorCode | null;

  constructor(message: string, code: ErrorCode | null = null) {
    super(message);
    this.name = "Http2Error";
    this.code = code;
  }
}
