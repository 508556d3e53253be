import { connect, type Socket } from "node:net";

/** What a client saw, byte for byte: Node's own HTTP client would hide order, reason phrases and closings. */
export interface RawAnswer {
  readonly received: Buffer;
  /** How the server's side ended while we waited for the answer; null = still open. */
  readonly ended: "closed" | "reset" | "refused" | null;
}

export interface HttpAnswer {
  readonly statusLine: string;
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** Sends bytes on a connection of its own; `complete` says when enough has come back. */
export const exchange = (
  port: number,
  bytes: Uint8Array,
  complete: (received: Buffer) => boolean,
  timeoutMs: number,
): Promise<RawAnswer> =>
  converse(port, [bytes], { complete, ends: false, firstByteMs: timeoutMs, quietMs: timeoutMs });

/** How long to wait until what comes back is taken for all. */
export interface Patience {
  readonly firstByteMs: number;
  readonly quietMs: number;
}

export const PATIENT: Patience = { firstByteMs: 1500, quietMs: 250 };
/** For a question that is asked again where the answers are not the same. */
export const HURRIED: Patience = { firstByteMs: 250, quietMs: 30 };

/**
 * Sends bytes and gathers whatever comes, until nothing more does for a while or the server closes.
 * @param parts each sent when nothing more comes after the one before
 * @param ends whether our side is closed with the last of them
 */
export const exchangeUntilQuiet = (
  port: number,
  parts: readonly Uint8Array[],
  ends = false,
  patience: Patience = PATIENT,
): Promise<RawAnswer> => converse(port, parts, { complete: () => false, ends, ...patience });

interface Manner extends Patience {
  readonly complete: (received: Buffer) => boolean;
  readonly ends: boolean;
}

const converse = (port: number, parts: readonly Uint8Array[], manner: Manner): Promise<RawAnswer> =>
  new Promise((resolve) => {
    const { complete, ends, firstByteMs, quietMs } = manner;
    const chunks: Buffer[] = [];
    let size = 0;
    let sent = 0;
    const socket: Socket = connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true });
    const finish = (ended: RawAnswer["ended"]): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ received: Buffer.concat(chunks, size), ended });
    };
    const goOn = (): void => {
      const part = parts[sent++];
      if (part === undefined) {
        finish(null);
        return;
      }
      socket.write(part);
      if (ends && sent === parts.length) socket.end();
      timer = setTimeout(goOn, firstByteMs);
    };
    let timer = setTimeout(() => finish(null), firstByteMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      goOn();
    });
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      clearTimeout(timer);
      timer = setTimeout(goOn, quietMs);
      if (complete(Buffer.concat(chunks, size))) finish(null);
    });
    socket.once("end", () => finish("closed"));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") finish("refused");
      else finish(error.code === "ECONNRESET" ? "reset" : "closed");
    });
  });

/** The answer at the start of `received`; null while it is not whole. */
export const parseAnswer = (received: Buffer): HttpAnswer | null => {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const [statusLine = "", ...lines] = received.toString("latin1", 0, headEnd).split("\r\n");
  const headers = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const status = Number(statusLine.split(" ")[1]);
  const rest = received.subarray(headEnd + 4);
  if (status === 100) return parseAnswer(rest);
  const header = (name: string): string | undefined =>
    headers.find(([key]) => key.toLowerCase() === name)?.[1];
  if (header("transfer-encoding") === "chunked") {
    const body = parseChunks(rest);
    return body === null ? null : { statusLine, status, headers, body };
  }
  const length = Number(header("content-length") ?? 0);
  return rest.length < length ? null : { statusLine, status, headers, body: rest.subarray(0, length) };
};

const parseChunks = (bytes: Buffer): Buffer | null => {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + size + 2;
    if (bytes.length < end) return null;
    if (size === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = end;
  }
};

export interface HttpCall {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
}

/** One request on a connection of its own, with the headers given and Content-Length where there is a body. */
export const requestBytes = (call: HttpCall): Buffer => {
  const lines = [`${call.method} ${call.path} HTTP/1.1`, "Host: 127.0.0.1"];
  for (const [name, value] of Object.entries(call.headers)) lines.push(`${name}: ${value}`);
  if (call.body !== null || call.method === "POST") lines.push(`Content-Length: ${call.body?.length ?? 0}`);
  return Buffer.concat([
    Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"),
    call.body ?? new Uint8Array(),
  ]);
};
