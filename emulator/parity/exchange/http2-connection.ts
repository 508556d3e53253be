import { connect, type Socket } from "node:net";
import { FRAME_HEADER_BYTES, flag, frameType as frame } from "../../frontends/grpc/http2/frames.ts";
import { HpackDecoder, HpackError } from "../../frontends/grpc/http2/hpack.ts";
import { decodeReply } from "./grpc-client.ts";
import type { Patience, RawAnswer } from "./http-connection.ts";

const { ACK, END_STREAM } = flag;
/** Flag and length before each message of gRPC. */
const PREFIX_BYTES = 5;

export const frameBytes = (type: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(FRAME_HEADER_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
};

/** Header fields as literals that nobody keeps, so that they can be read in the bytes. */
export const headerBlock = (fields: readonly (readonly [name: string, value: string])[]): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));

const literal = (text: string): Buffer => {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
};

interface StreamSeen {
  readonly lines: string[];
  data: Buffer;
  ended: boolean;
}

/**
 * Sends bytes that hold a whole side of an HTTP/2 connection, and tells in lines of text what came back: on each stream in its
 * order, and what ended the connection.
 * @param calls RPCs of the streams 1, 3, 5, ...: it waits for their ends, and reads their replies
 */
export const exchangeFrames = (
  port: number,
  bytes: Uint8Array,
  calls: readonly string[],
  { firstByteMs, quietMs }: Patience,
): Promise<RawAnswer> =>
  new Promise((resolve) => {
    const seen = new Seen(calls);
    let rest = Buffer.alloc(0);
    const socket: Socket = connect({ host: "127.0.0.1", port, noDelay: true });
    const finish = (ended: RawAnswer["ended"]): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ received: Buffer.from(seen.text()), ended });
    };
    let timer = setTimeout(() => finish(null), firstByteMs);
    socket.once("connect", () => socket.write(bytes));
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        if (rest.length < FRAME_HEADER_BYTES) break;
        const end = FRAME_HEADER_BYTES + rest.readUIntBE(0, 3);
        if (rest.length < end) break;
        const [type, flags] = [rest[3] ?? 0, rest[4] ?? 0];
        const payload = rest.subarray(FRAME_HEADER_BYTES, end);
        const stream = rest.readUInt32BE(5);
        if ((type === frame.SETTINGS || type === frame.PING) && (flags & ACK) === 0)
          socket.write(frameBytes(type, ACK, 0, type === frame.PING ? payload : Buffer.alloc(0)));
        seen.frame(type, flags, stream, payload);
        rest = rest.subarray(end);
      }
      clearTimeout(timer);
      timer = setTimeout(() => finish(null), seen.isWhole ? quietMs : firstByteMs);
    });
    socket.once("end", () => finish("closed"));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") finish("refused");
      else finish(error.code === "ECONNRESET" ? "reset" : "closed");
    });
  });

class Seen {
  readonly #calls: readonly string[];
  readonly #decoder = new HpackDecoder();
  readonly #streams = new Map<number, StreamSeen>();
  /** Of the connection itself. */
  readonly #lines: string[] = [];

  constructor(calls: readonly string[]) {
    this.#calls = calls;
  }

  get isWhole(): boolean {
    return this.#calls.every((_, index) => this.#streams.get(2 * index + 1)?.ended === true);
  }

  frame(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case frame.HEADERS: {
        const stream = this.#stream(id);
        this.#endMessages(id, stream);
        const fields = this.#fields(payload);
        // A real server may answer a broken call again and again; for a client it is over.
        if (!stream.ended) stream.lines.push(...fields);
        if ((flags & END_STREAM) !== 0) this.#end(stream, "end");
        return;
      }
      case frame.DATA: {
        const stream = this.#stream(id);
        stream.data = Buffer.concat([stream.data, payload]);
        if ((flags & END_STREAM) === 0) return;
        this.#endMessages(id, stream);
        this.#end(stream, "end");
        return;
      }
      case frame.RST_STREAM: {
        const stream = this.#stream(id);
        this.#endMessages(id, stream);
        this.#end(stream, `reset ${payload.readUInt32BE(0)}`);
        return;
      }
      case frame.SETTINGS:
        if ((flags & ACK) === 0) this.#lines.push(`settings ${payload.toString("hex")}`);
        return;
      case frame.GOAWAY:
        this.#lines.push(`goaway ${payload.readUInt32BE(4)}`);
    }
  }

  text(): string {
    const streams = [...this.#streams].sort(([a], [b]) => a - b);
    const lines = streams.flatMap(([id, stream]) => {
      this.#endMessages(id, stream);
      return [`stream ${id}`, ...stream.lines.map((line) => `  ${line}`)];
    });
    return [...this.#lines, ...lines, ""].join("\n");
  }

  #stream(id: number): StreamSeen {
    const known = this.#streams.get(id) ?? { lines: [], data: Buffer.alloc(0), ended: false };
    this.#streams.set(id, known);
    return known;
  }

  #end(stream: StreamSeen, how: string): void {
    if (!stream.ended) stream.lines.push(how);
    stream.ended = true;
  }

  #fields(block: Buffer): readonly string[] {
    try {
      return Object.entries(this.#decoder.decode(block)).map(([name, value]) => `${name}: ${value}`);
    } catch (error) {
      if (error instanceof HpackError) return [`headers that cannot be read: ${error.message}`];
      throw error;
    }
  }

  /** How the messages lie in frames hangs on the moment. */
  #endMessages(id: number, stream: StreamSeen): void {
    const rpc = this.#calls[(id - 1) / 2] ?? "";
    let { data } = stream;
    while (data.length >= PREFIX_BYTES && data.length >= PREFIX_BYTES + data.readUInt32BE(1)) {
      const end = PREFIX_BYTES + data.readUInt32BE(1);
      stream.lines.push(`message ${data[0]} ${messageText(rpc, data.subarray(PREFIX_BYTES, end))}`);
      data = data.subarray(end);
    }
    if (data.length > 0) stream.lines.push(`half a message: ${data.toString("hex")}`);
    stream.data = Buffer.alloc(0);
  }
}

const messageText = (rpc: string, bytes: Buffer): string =>
  JSON.stringify(decodeReply(rpc, bytes)) ?? bytes.toString("hex");
