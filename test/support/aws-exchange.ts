import { AwsPort, type AwsPortOptions, type RawService } from "../../emulator/aws/wire/aws-port.ts";
import type { OperationService } from "../../emulator/aws/wire/json-service.ts";
import { silentLog } from "../../emulator/common/log.ts";
import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import type { HttpExchange } from "../../emulator/frontends/http1/connection.ts";
import type { HttpReply } from "../../emulator/frontends/http1/reply.ts";
import { parseRequestHead, type RequestHead } from "../../emulator/frontends/http1/request-head.ts";

/** What a port answered. */
export interface AwsAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly text: string;
}

export const headOf = (line: string, headers: Readonly<Record<string, string>> = {}): RequestHead => {
  const lines = [`${line} HTTP/1.1`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  const head = parseRequestHead(lines.join("\r\n"));
  if (head === null) throw new Error(`no head: ${line}`);
  return head;
};

export const awsPort = (
  services: readonly (OperationService | RawService)[],
  options: Partial<AwsPortOptions> = {},
): AwsPort =>
  new AwsPort(services, { credentials: null, clock: new VirtualClock(), log: silentLog, ...options });

/** @returns null = the port does not serve it */
export const sendTo = (
  port: AwsPort,
  line: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = "",
): Promise<AwsAnswer | null> =>
  new Promise((resolve) => {
    const streamed: Uint8Array[] = [];
    const exchange: HttpExchange = {
      head: headOf(line, headers),
      body: Buffer.from(body),
      headUs: 0,
      reply: (reply) => resolve(answerOf(reply, reply.body)),
      stream: (reply) => ({
        write: (bytes) => {
          streamed.push(Buffer.from(bytes));
          return true;
        },
        end: () => resolve(answerOf(reply, streamed)),
        break: () => resolve(null),
      }),
    };
    if (!port.handle(exchange)) resolve(null);
  });

const answerOf = ({ status, headers }: Omit<HttpReply, "body">, parts: readonly Uint8Array[]): AwsAnswer => {
  const body = Buffer.concat(parts);
  const byName = new Map<string, string>();
  for (let i = 0; i < headers.length; i += 2) byName.set(headers[i]!.toLowerCase(), headers[i + 1]!);
  return { status, headers: byName, body, text: body.toString() };
};
