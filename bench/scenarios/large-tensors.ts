import { once } from "node:events";
import { connect } from "node:net";
import { binaryInference, type HttpInference } from "../../test/support/infer-requests.ts";
import type { ServerProcess } from "../../test/support/server-process.ts";
import { type BenchContext, startServers, stopAll } from "../context.ts";
import { interleave, quantile } from "../rounds.ts";
import { type Row, rowOf } from "../row.ts";

const SIZE_BYTES = 50_000_000;
const REQUESTS_A_ROUND = 9;
const SOCKET_BUFFER_BYTES = 1 << 20;

/** Latency of one 50 MB tensor that comes back as it went in. */
export async function largeTensors(context: BenchContext): Promise<readonly Row[]> {
  const data = Buffer.alloc(SIZE_BYTES);
  for (let i = 0; i < SIZE_BYTES / 4; i++) data.writeFloatLE(i % 1000, i * 4);
  const input = { name: "INPUT0", datatype: "FP32", shape: [1, SIZE_BYTES / 4], data };
  const inference = binaryInference("identity_fp32", [input], ["OUTPUT0"]);
  const message = httpMessage(inference);

  const servers = await startServers(context, context.modelRepository, ["identity_fp32"]);
  try {
    for (const server of servers) await checkedRoundTrip(server, message, data);
    const rounds = await interleave(servers, context.rounds, async (server) => {
      const latencies: number[] = [];
      const client = await LargeClient.connect(server.httpPort);
      for (let i = 0; i < REQUESTS_A_ROUND; i++) latencies.push(await client.roundTripMs(message));
      client.close();
      return quantile(
        latencies.sort((a, b) => a - b),
        0.5,
      );
    });
    const byName = new Map([...rounds].map(([server, series]) => [server.name, series]));
    const target = { of: "ratio", atMost: 0.8 } as const;
    return [
      rowOf("Large tensors (`identity_fp32`, 50 MB each way)", "HTTP binary, p50", "ms", byName, target),
    ];
  } finally {
    await stopAll(servers);
  }
}

async function checkedRoundTrip(server: ServerProcess, message: Buffer, data: Buffer): Promise<void> {
  const client = await LargeClient.connect(server.httpPort);
  const kept = Buffer.alloc(SIZE_BYTES);
  await client.roundTripMs(message, kept);
  client.close();
  if (!kept.equals(data)) throw new Error(`${server.name}: 50 MB did not come back as they went`);
}

function httpMessage({ path, headers, body }: HttpInference): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines.join("")}Content-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** A keep-alive client that reads into one buffer, so that its own cost stays small next to the server's. */
class LargeClient {
  readonly #socket: ReturnType<typeof connect>;
  #onData: (chunk: Buffer) => void = () => {};

  private constructor(port: number) {
    const buffer = Buffer.alloc(SOCKET_BUFFER_BYTES);
    this.#socket = connect({
      host: "127.0.0.1",
      port,
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          this.#onData(buffer.subarray(0, length));
          return true;
        },
      },
    });
  }

  static async connect(port: number): Promise<LargeClient> {
    const client = new LargeClient(port);
    await once(client.#socket, "connect");
    return client;
  }

  /** @param tail gets the last bytes of the answer, as many as it holds */
  roundTripMs(message: Buffer, tail?: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.removeAllListeners("error");
      this.#socket.once("error", reject);
      const startedAt = performance.now();
      let head = Buffer.alloc(0);
      let remaining = -1;
      this.#onData = (chunk) => {
        let body = chunk;
        if (remaining < 0) {
          head = Buffer.concat([head, chunk]);
          const end = head.indexOf("\r\n\r\n");
          if (end < 0) return;
          const text = head.subarray(0, end).toString("latin1");
          const length = /^content-length: (\d+)/im.exec(text);
          if (!text.startsWith("HTTP/1.1 200") || length === null) {
            reject(new Error(`unexpected answer: ${head.subarray(0, 300).toString("latin1")}`));
            return;
          }
          remaining = Number(length[1]);
          body = head.subarray(end + 4);
        }
        if (tail !== undefined) copyIntoTail(tail, body, remaining);
        remaining -= body.length;
        if (remaining === 0) resolve(performance.now() - startedAt);
      };
      this.#socket.write(message);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** @param remaining bytes of the answer from the start of `chunk` on */
function copyIntoTail(tail: Buffer, chunk: Buffer, remaining: number): void {
  const position = tail.length - remaining;
  chunk.copy(tail, Math.max(0, position), Math.max(0, -position));
}
