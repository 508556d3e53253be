import { createHash, createHmac, type Hmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { describe, expect, test } from "vitest";
import { decodeAwsChunked, readAwsChunked } from "../../../../emulator/aws/wire/aws-chunked.ts";
import { AwsError } from "../../../../emulator/aws/wire/aws-error.ts";
import { readCredential } from "../../../../emulator/aws/wire/credential.ts";
import { type SignedRequest, verifySignature } from "../../../../emulator/aws/wire/signature.ts";
import { headOf } from "../../../support/aws-exchange.ts";

const accepted = { accessKeyId: "AKID", secretAccessKey: "s3cr/et+" };
const signedAt = new Date("2026-11-25T12:00:00Z");

type Data = string | Uint8Array;

/** As the SDKs want a hash. */
class Sha256 {
  #hash: ReturnType<typeof createHash> | Hmac;

  constructor(secret?: Data | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }

  update(data: Data): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {}
}

const bytesOf = (data: Data | ArrayBuffer | ArrayBufferView): Buffer => {
  if (typeof data === "string") return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    : Buffer.from(data);
};

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly query?: Readonly<Record<string, string | string[]>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const signerOf = (service: string, credentials = accepted) =>
  new SignatureV4({
    service,
    region: "eu-west-1",
    credentials,
    sha256: Sha256,
    uriEscapePath: service !== "s3",
    applyChecksum: service === "s3",
  });

const requestOf = ({ method = "POST", path = "/", query = {}, headers = {}, body = "" }: Asked) => ({
  method,
  protocol: "http:",
  hostname: "localhost",
  port: 4570,
  path,
  query: { ...query },
  headers: { host: "localhost:4570", ...headers },
  body,
});

const escaped = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly query?: Readonly<Record<string, string | string[] | null>>;
}

const received = (service: string, { method, path, query = {}, headers, body }: Sent): SignedRequest => {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? ""].flat().map((one) => `${escaped(name)}=${escaped(one)}`),
  );
  const head = headOf(`${method} ${path}${pairs.length === 0 ? "" : `?${pairs.join("&")}`}`, headers);
  return {
    protocol: service === "s3" ? "rest-xml" : service === "form" ? "query" : "json",
    credential: readCredential(head, new URLSearchParams(head.query)),
    head,
    rawBody: Buffer.from(body),
    chunked: null,
    nowMs: signedAt.getTime(),
    machineMs: signedAt.getTime(),
  };
};

const later = (request: SignedRequest, byMs: number): SignedRequest => ({
  ...request,
  nowMs: request.nowMs + byMs,
  machineMs: request.machineMs + byMs,
});

const signed = async (service: string, asked: Asked, credentials = accepted): Promise<SignedRequest> => {
  const request = await signerOf(service, credentials).sign(requestOf(asked), { signingDate: signedAt });
  return received(service, { ...requestOf(asked), ...request });
};

const refusal = (request: SignedRequest): AwsError | null => {
  try {
    verifySignature(request, accepted);
    return null;
  } catch (error) {
    if (error instanceof AwsError) return error;
    throw error;
  }
};

const codeOf = (request: SignedRequest): string => refusal(request)?.code ?? "accepted";

describe("signature: what AWS's own signer signs is accepted", () => {
  test.each<[string, string, Asked]>([
    ["a JSON service", "sagemaker", { headers: { "x-amz-target": "SageMaker.ListModels" }, body: "{}" }],
    ["a path of the runtime", "sagemaker", { path: "/endpoints/a%20b/invocations", body: "x" }],
    ["spaces in headers", "sagemaker", { headers: { "x-amz-meta": "a   b  " } }],
    ["an object with an odd name", "s3", { method: "GET", path: "/bucket/a%20b/%C3%BC%2B/~c" }],
    [
      "a list with a query",
      "s3",
      { method: "GET", path: "/b", query: { prefix: "a b/ü", "list-type": "2", z: "" } },
    ],
    ["a query with a name twice", "s3", { method: "GET", path: "/b", query: { a: ["2", "10"] } }],
    ["an object", "s3", { method: "PUT", path: "/bucket/key", body: "bytes" }],
    [
      "an unsigned body",
      "s3",
      { method: "PUT", path: "/b/k", headers: { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }, body: "b" },
    ],
  ])("%s", async (_, service, asked) => {
    expect(codeOf(await signed(service, asked))).toBe("accepted");
  });

  test("a presigned URL", async () => {
    const headers = { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };
    const request = requestOf({ method: "GET", path: "/bucket/a%20b", headers });
    const presigned = await signerOf("s3").presign(request, { signingDate: signedAt, expiresIn: 60 });
    const sent = received("s3", { ...request, ...presigned });
    expect(codeOf(sent)).toBe("accepted");
    expect(codeOf(later(sent, 61_000))).toBe("AccessDenied");
    expect(refusal(later(sent, 61_000))?.message).toBe("Request has expired");
  });
});

describe("signature: what is not signed so is refused, as each protocol says it", () => {
  const asked: Asked = { body: "{}" };
  const others = { accessKeyId: "OTHER", secretAccessKey: "x" };
  const wrong = { ...accepted, secretAccessKey: "wrong" };

  test.each([
    ["sagemaker", "InvalidSignatureException", 403],
    ["form", "SignatureDoesNotMatch", 403],
    ["s3", "SignatureDoesNotMatch", 403],
  ])("%s: another secret is %s", async (service, code, status) => {
    expect(refusal(await signed(service, asked, wrong))).toMatchObject({ code, status });
  });

  test.each([
    ["sagemaker", "UnrecognizedClientException"],
    ["form", "InvalidClientTokenId"],
    ["s3", "InvalidAccessKeyId"],
  ])("%s: another key is %s", async (service, code) => {
    expect(codeOf(await signed(service, asked, others))).toBe(code);
  });

  test.each([
    ["sagemaker", "MissingAuthenticationTokenException"],
    ["form", "MissingAuthenticationToken"],
    ["s3", "AccessDenied"],
  ])("%s: none is %s", (service, code) => {
    expect(codeOf(received(service, requestOf(asked)))).toBe(code);
  });

  test.each([
    ["sagemaker", "IncompleteSignatureException"],
    ["form", "IncompleteSignature"],
    ["s3", "AuthorizationHeaderMalformed"],
  ])("%s: one that cannot be read is %s", (service, code) => {
    const request = requestOf({ headers: { authorization: "Bearer x" } });
    expect(codeOf(received(service, request))).toBe(code);
  });

  test.each([
    ["sagemaker", 6, "InvalidSignatureException"],
    ["form", 6, "SignatureDoesNotMatch"],
    ["s3", 16, "RequestTimeTooSkewed"],
  ])("%s: one of %d minutes ago, or ahead, is %s", async (service, minutes, code) => {
    const request = await signed(service, asked);
    for (const sign of [1, -1]) {
      const at = (byMinutes: number) => codeOf(later(request, sign * byMinutes * 60_000));
      expect([at(minutes - 2), at(minutes)]).toEqual(["accepted", code]);
    }
  });

  test("one of now is taken where the clock was moved, and one of the moved clock too", async () => {
    const request = await signed("sagemaker", asked);
    const hourMs = 3_600_000;
    expect(codeOf({ ...request, nowMs: request.nowMs + hourMs })).toBe("accepted");
    expect(codeOf({ ...request, machineMs: request.machineMs - hourMs })).toBe("accepted");
  });

  test("version 2, in the header or in the URL, is refused by its name", () => {
    const inHeader = requestOf({ method: "GET", path: "/b/k", headers: { authorization: "AWS AKID:c2ln" } });
    const inUrl = requestOf({
      method: "GET",
      path: "/b/k",
      query: { AWSAccessKeyId: "AKID", Signature: "c2ln", Expires: "1" },
    });
    for (const request of [inHeader, inUrl]) {
      expect(refusal(received("s3", request))).toMatchObject({
        status: 400,
        code: "InvalidRequest",
        message:
          "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
      });
    }
  });

  test("a changed body", async () => {
    const json = await signed("sagemaker", asked);
    expect(codeOf({ ...json, rawBody: Buffer.from("[]") })).toBe("InvalidSignatureException");
    const object = await signed("s3", asked);
    expect(codeOf({ ...object, rawBody: Buffer.from("[]") })).toBe("XAmzContentSHA256Mismatch");
  });

  test("a changed path, query, method or header", async () => {
    const request = await signed("s3", {
      method: "GET",
      path: "/b/k",
      query: { a: "1" },
      headers: { "x-amz-a": "1" },
    });
    const changed = [
      { path: "/b/l" },
      { query: "a=2" },
      { method: "HEAD" },
      {
        rawHeaders: request.head.rawHeaders.map((header) =>
          header.name === "x-amz-a" ? { ...header, value: "2" } : header,
        ),
      },
    ];
    for (const change of changed)
      expect(codeOf({ ...request, head: { ...request.head, ...change } })).toBe("SignatureDoesNotMatch");
  });

  test("S3 tells what was signed", async () => {
    const error = refusal(await signed("s3", { method: "GET", path: "/b/k" }, wrong));
    expect(error?.members).toMatchObject({
      AWSAccessKeyId: "AKID",
      StringToSign: expect.stringMatching(
        /^AWS4-HMAC-SHA256\n20261125T120000Z\n20261125\/eu-west-1\/s3\/aws4_request\n/,
      ),
      CanonicalRequest: expect.stringMatching(/^GET\n\/b\/k\n\nhost:localhost:4570\n/),
    });
  });
});

/** The published example of a body in signed chunks: 66,560 bytes of "a", 65,536 of them in the first chunk. */
describe("signature: bodies in signed chunks", () => {
  const example = {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  };
  const chunk = (size: number, signature: string) =>
    `${size.toString(16)};chunk-signature=${signature}\r\n${"a".repeat(size)}\r\n`;
  const body = (first = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648") =>
    chunk(65_536, first) +
    chunk(1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497") +
    "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
  const headers = {
    host: "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    authorization:
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
    "content-length": "66824",
  };
  const code = (text: string): string => {
    const request = received("s3", {
      method: "PUT",
      path: "/examplebucket/chunkObject.txt",
      headers,
      body: text,
    });
    const chunked = decodeAwsChunked(Buffer.from(text), 66_560);
    try {
      const nowMs = Date.parse("2013-05-24T00:00:00Z");
      verifySignature({ ...request, chunked, nowMs, machineMs: nowMs }, example);
      return "accepted";
    } catch (error) {
      return error instanceof AwsError ? error.code : "another error";
    }
  };

  /** The same, read as it comes. */
  const streamedCode = async (text: string, size: number): Promise<string> => {
    const request = received("s3", {
      method: "PUT",
      path: "/examplebucket/chunkObject.txt",
      headers,
      body: "",
    });
    const nowMs = Date.parse("2013-05-24T00:00:00Z");
    const check = verifySignature(
      { ...request, rawBody: null, chunked: null, nowMs, machineMs: nowMs },
      example,
    );
    const pieces = async function* (): AsyncGenerator<Buffer> {
      for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
    };
    try {
      let length = 0;
      const options = { decodedLength: 66_560, trailers: new Map<string, string>(), check };
      for await (const piece of readAwsChunked(pieces(), options)) length += piece.length;
      return `accepted ${length}`;
    } catch (error) {
      return error instanceof AwsError ? error.code : "another error";
    }
  };

  test("are accepted", async () => {
    expect(code(body())).toBe("accepted");
    expect(await streamedCode(body(), 1000)).toBe("accepted 66560");
  });

  test.each([1000, 100_000])(
    "in pieces of %i are refused when a signature, or a chunk, is another",
    async (size) => {
      expect(await streamedCode(body("0".repeat(64)), size)).toBe("SignatureDoesNotMatch");
      expect(await streamedCode(body().replace("aaaa", "aaab"), size)).toBe("SignatureDoesNotMatch");
    },
  );

  test("are refused when a chunk's signature, or a chunk, is another", () => {
    expect(code(body("0".repeat(64)))).toBe("SignatureDoesNotMatch");
    expect(code(body().replace("aaaa", "aaab"))).toBe("SignatureDoesNotMatch");
  });
});
