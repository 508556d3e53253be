import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Clock } from "../../common/clock.ts";
import { parseRequestHead } from "../../frontends/http1/request-head.ts";
import type { ObjectSource, OpenObject, StoredObject } from "../object-store/object-store.ts";
import { ALGORITHM } from "../wire/credential.ts";
import { amzDateOf, sign } from "../wire/signature.ts";

export interface RemoteCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
}

export interface RemoteObjectsOptions {
  /** Of the service, e.g. `http://127.0.0.1:9000`. Buckets stand in the path. */
  readonly endpoint: URL;
  readonly region: string;
  /** Null = requests are not signed. */
  readonly credentials: RemoteCredentials | null;
  readonly clock: Clock;
}

/** What the service, or the way to it, says; `code` is S3's or the operating system's. */
class RemoteError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "RemoteError";
    this.code = code;
  }
}

/** Without a byte for so long, a request has failed. */
const IDLE_MS = 60_000;
/** Of the answer with an error. */
const LONGEST_ERROR = 65_536;
const UNSIGNED = "UNSIGNED-PAYLOAD";

/** Objects of any service that speaks S3. Rejects where it does not answer, or with an error. */
export class RemoteObjects implements ObjectSource {
  readonly #options: RemoteObjectsOptions;

  constructor(options: RemoteObjectsOptions) {
    this.#options = options;
  }

  async head(bucket: string, key: string): Promise<StoredObject | null> {
    const answer = await this.#ask("HEAD", bucket, key, {});
    answer.resume();
    if (answer.statusCode === 404) return null;
    if (answer.statusCode !== 200) throw failed(`s3://${bucket}/${key}`, answer, "");
    return storedObject(key, answer);
  }

  async open(bucket: string, key: string): Promise<OpenObject | null> {
    const object = await this.head(bucket, key);
    if (object === null) return null;
    return {
      object,
      read: (start, end) => this.#read(bucket, object, start, end),
      close: async () => {},
    };
  }

  async *#read(
    bucket: string,
    { key, etag }: StoredObject,
    start: number,
    end: number,
  ): AsyncGenerator<Uint8Array> {
    if (start === end) return;
    const range = `bytes=${start}-${end - 1}`;
    const answer = await this.#ask("GET", bucket, key, { "if-match": `"${etag}"`, range });
    if (answer.statusCode !== 206) throw failed(`s3://${bucket}/${key}`, answer, await errorText(answer));
    let left = end - start;
    for await (const bytes of answer) {
      left -= bytes.length;
      yield bytes;
    }
    if (left !== 0) throw new RemoteError("IncompleteBody", `s3://${bucket}/${key} ended too early`);
  }

  #ask(
    method: "GET" | "HEAD",
    bucket: string,
    key: string,
    own: Readonly<Record<string, string>>,
  ): Promise<IncomingMessage> {
    const { endpoint } = this.#options;
    const base = endpoint.pathname.replace(/\/$/, "");
    const path = `${base}/${encodePath(bucket)}/${encodePath(key)}`;
    const headers = this.#signed(method, path, own);
    const send = endpoint.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const asked = send({
        method,
        host: endpoint.hostname,
        port: endpoint.port,
        path,
        headers,
        timeout: IDLE_MS,
        // A connection that is kept may be closed at the other end just when it is used again.
        agent: false,
      });
      asked.on("response", resolve);
      asked.on("timeout", () =>
        asked.destroy(
          new RemoteError("ETIMEDOUT", `${endpoint.origin} says nothing for ${IDLE_MS / 1000} s`),
        ),
      );
      asked.on("error", reject);
      asked.end();
    });
  }

  #signed(
    method: string,
    path: string,
    own: Readonly<Record<string, string>>,
  ): Readonly<Record<string, string>> {
    const { endpoint, region, credentials, clock } = this.#options;
    if (credentials === null) return own;
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const amzDate = amzDateOf(clock.epochMs());
    const headers: Record<string, string> = {
      ...own,
      host: endpoint.host,
      "x-amz-content-sha256": UNSIGNED,
      "x-amz-date": amzDate,
      ...(sessionToken === null ? {} : { "x-amz-security-token": sessionToken }),
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const head = parseRequestHead([`${method} ${path} HTTP/1.1`, ...lines].join("\r\n"));
    if (head === null) throw new RemoteError("InvalidURI", `'${path}' cannot be asked for`);
    const signedHeaders = Object.keys(headers).sort();
    const date = amzDate.slice(0, 8);
    const credential = { accessKeyId, date, region, service: "s3", signedHeaders, presignedForSeconds: null };
    const { scope, signature } = sign({ protocol: "rest-xml", head }, credential, {
      secretAccessKey,
      amzDate,
      hash: UNSIGNED,
    });
    const authorization = `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${signedHeaders.join(";")}, Signature=${signature}`;
    return { ...headers, authorization };
  }
}

/** Everything but what need not be encoded; slashes stay. */
const encodePath = (text: string): string =>
  encodeURIComponent(text)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/%2F/g, "/");

const storedObject = (key: string, { headers }: IncomingMessage): StoredObject => ({
  key,
  byteSize: Number(headers["content-length"] ?? 0),
  etag: (headers.etag ?? "").replace(/^"(.*)"$/, "$1"),
  lastModifiedMs: Date.parse(headers["last-modified"] ?? "") || 0,
  headers: {},
  checksum: null,
  partBytes: null,
});

const errorText = async (answer: IncomingMessage): Promise<string> => {
  let text = "";
  for await (const bytes of answer) {
    text += String(bytes);
    if (text.length > LONGEST_ERROR) break;
  }
  return text;
};

const failed = (url: string, { statusCode = 0 }: IncomingMessage, text: string): RemoteError => {
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? "";
  const why = code === undefined ? `status ${statusCode}` : `${code} ${message}`.trim();
  return new RemoteError(code ?? String(statusCode), `${url} is answered with ${why}`);
};
