import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { cbor } from "@smithy/core/cbor";
import { describe, expect, test } from "vitest";
import { AwsError } from "../../../../emulator/aws/wire/aws-error.ts";
import type { RawService } from "../../../../emulator/aws/wire/aws-port.ts";
import type { AwsRequest } from "../../../../emulator/aws/wire/aws-request.ts";
import { type OperationService, operation } from "../../../../emulator/aws/wire/json-service.ts";
import { integer, list, required, string, structure } from "../../../../emulator/aws/wire/shapes.ts";
import { sign } from "../../../../emulator/aws/wire/signature.ts";
import { Timestamp } from "../../../../emulator/aws/wire/timestamp.ts";
import { Random } from "../../../../emulator/common/random.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { BodyBroken } from "../../../../emulator/frontends/http1/incoming-body.ts";
import { awsPort, headOf, sendTo } from "../../../support/aws-exchange.ts";

const epochMs = Date.parse("2026-11-25T12:00:00Z");

const echo = structure({
  Name: required(string({ max: 3 })),
  Count: integer(),
  Members: list(structure({ A: string() })),
});

/** A service of CloudWatch's kind: it speaks all protocols that have operations. */
const monitoring: OperationService = {
  service: "monitoring",
  xmlNamespace: "http://monitoring.amazonaws.com/doc/2010-08-01/",
  operations: {
    Echo: operation(echo, ({ Name, Count, Members }, { region, accountId }) => ({
      Name,
      Count,
      Members,
      Nothing: undefined,
      At: new Timestamp(epochMs),
      Where: `${region}/${accountId}`,
    })),
    Empty: operation(structure({}), () => ({})),
    Later: operation(structure({}), () => Promise.resolve({ Name: "later" })),
    Refuse: operation(structure({}), () => {
      throw new AwsError("InvalidParameterValueException", "no <such> value", {
        queryCode: "InvalidParameterValue",
      });
    }),
    RefuseLater: operation(structure({}), () =>
      Promise.reject(new AwsError("ResourceNotFound", "gone", { status: 404 })),
    ),
    Break: operation(structure({}), () => {
      throw new Error("a bug");
    }),
  },
};

const target = (name: string, version = "1.0") => ({
  "x-amz-target": `GraniteServiceVersion20100801.${name}`,
  "content-type": `application/x-amz-json-${version}`,
});
const form = { "content-type": "application/x-www-form-urlencoded" };
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const json = (name: string, body: string | Uint8Array = "{}", headers: Record<string, string> = {}) =>
  sendTo(awsPort([monitoring]), "POST /", { ...target(name), ...headers }, body);
const query = (name: string, fields = "") =>
  sendTo(awsPort([monitoring]), "POST /", form, `Action=${name}&Version=2010-08-01${fields}`);
const rpc = async (name: string, input: object = {}) => {
  const line = `POST /service/GraniteServiceVersion20100801/operation/${name}`;
  const headers = { "smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor" };
  const answer = await sendTo(awsPort([monitoring]), line, headers, cbor.serialize(input));
  return { ...answer, output: cbor.deserialize(answer?.body ?? Buffer.alloc(0)) };
};

describe("a body that is still coming", () => {
  const credentials = { accessKeyId: "AKID", secretAccessKey: "secret" };
  const amzDate = "20261125T120000Z";

  /** Sends "hello world" in two pieces, signed with the hash of `hashed`. @returns what was read of it, and the error */
  const sent = async (hashed: string, { breaks = false } = {}) => {
    let read = "";
    const service: RawService = {
      service: "s3",
      isStreamed: () => true,
      handle: async ({ content }, responder) => {
        for await (const bytes of content ?? []) read += Buffer.from(bytes).toString();
        responder.reply({ status: 200, headers: [], body: [] });
      },
    };
    const hash = createHash("sha256").update(hashed).digest("hex");
    const own = { host: "localhost", "x-amz-date": amzDate, "x-amz-content-sha256": hash };
    const signedHeaders = Object.keys(own).sort();
    const scope = {
      accessKeyId: "AKID",
      date: "20261125",
      region: "us-east-1",
      service: "s3",
      signedHeaders,
    };
    const line = "PUT /bucket/key";
    const { signature } = sign(
      { protocol: "rest-xml", head: headOf(line, own) },
      { ...scope, presignedForSeconds: null },
      { secretAccessKey: "secret", amzDate, hash },
    );
    const authorization = `AWS4-HMAC-SHA256 Credential=AKID/20261125/us-east-1/s3/aws4_request, SignedHeaders=${signedHeaders.join(";")}, Signature=${signature}`;
    const head = headOf(line, { ...own, authorization });
    const port = awsPort([service], { credentials, clock: new VirtualClock(epochMs) });
    expect(port.isStreamed(head)).toBe(true);
    const pieces = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from("hello ");
      if (breaks) throw new BodyBroken("gone");
      yield Buffer.from("world");
    };
    const code = await new Promise<string>((resolve) => {
      port.handle({
        head,
        body: Buffer.alloc(0),
        incoming: pieces(),
        headUs: 0,
        reply: ({ status, body }) =>
          resolve(status === 200 ? "200" : (/<Code>(\w+)/.exec(Buffer.concat(body).toString())?.[1] ?? "?")),
        stream: () => null,
      });
    });
    return { read, code };
  };

  test("is read by the service as it comes, and is what was signed", async () => {
    expect(await sent("hello world")).toEqual({ read: "hello world", code: "200" });
  });

  test("is refused at its end when its hash is another", async () => {
    expect((await sent("hello")).code).toBe("XAmzContentSHA256Mismatch");
  });

  test("is refused when it does not come whole", async () => {
    expect((await sent("hello world", { breaks: true })).code).toBe("IncompleteBody");
  });
});

describe("AWS JSON", () => {
  test("an output: undefined members are left out, times are seconds", async () => {
    const answer = await json("Echo", JSON.stringify({ Name: "a", Count: 2, Members: [{ A: "x" }] }));
    expect(answer?.status).toBe(200);
    expect(answer?.headers.get("content-type")).toBe("application/x-amz-json-1.0");
    expect(answer?.headers.get("x-amzn-requestid")).toMatch(uuid);
    expect(answer?.headers.get("date")).toMatch(/ GMT$/);
    expect(JSON.parse(answer?.text ?? "")).toEqual({
      Name: "a",
      Count: 2,
      Members: [{ A: "x" }],
      At: epochMs / 1000,
      Where: "us-east-1/000000000000",
    });
  });

  test("the answer has the version of the request", async () => {
    const answer = await sendTo(awsPort([monitoring]), "POST /", target("Empty", "1.1"), "{}");
    expect([answer?.headers.get("content-type"), answer?.text]).toEqual(["application/x-amz-json-1.1", "{}"]);
  });

  test("the region is the signature's", async () => {
    const authorization =
      "AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-west-1/monitoring/aws4_request, SignedHeaders=host, Signature=00";
    const answer = await json("Echo", '{"Name":"a"}', { authorization });
    expect(JSON.parse(answer?.text ?? "")).toMatchObject({ Where: "eu-west-1/000000000000" });
  });

  test("an error: type and message in the body, the type and the query protocol's code in headers", async () => {
    const answer = await json("Refuse");
    expect(answer?.status).toBe(400);
    expect(JSON.parse(answer?.text ?? "")).toEqual({
      __type: "InvalidParameterValueException",
      message: "no <such> value",
    });
    expect(answer?.headers.get("x-amzn-errortype")).toBe("InvalidParameterValueException");
    expect(answer?.headers.get("x-amzn-query-error")).toBe("InvalidParameterValue;Sender");
    expect(answer?.headers.get("x-amzn-requestid")).toMatch(uuid);
  });

  test.each<[string, string | Uint8Array, Record<string, string>, number, string]>([
    ["RefuseLater", "{}", {}, 404, "ResourceNotFound"],
    ["Break", "{}", {}, 500, "InternalFailure"],
    ["Unknown", "{}", {}, 400, "UnknownOperationException"],
    ["toString", "{}", {}, 400, "UnknownOperationException"],
    ["Echo", "{", {}, 400, "SerializationException"],
    ["Echo", "[]", {}, 400, "SerializationException"],
    ["Echo", '{"Name":1}', {}, 400, "SerializationException"],
    ["Echo", '{"Name":"long"}', {}, 400, "ValidationException"],
    ["Echo", "no gzip", { "content-encoding": "gzip" }, 400, "SerializationException"],
  ])("%s with %s %o: %d %s", async (name, body, headers, status, type) => {
    const answer = await json(name, body, headers);
    expect(answer?.status).toBe(status);
    expect(JSON.parse(answer?.text ?? "")).toMatchObject({ __type: type });
  });

  test("a body may be compressed, an output may come later, an empty body has no members", async () => {
    const zipped = await json("Echo", gzipSync('{"Name":"zip"}'), { "content-encoding": "gzip" });
    expect(JSON.parse(zipped?.text ?? "")).toMatchObject({ Name: "zip" });
    expect(JSON.parse((await json("Later"))?.text ?? "")).toEqual({ Name: "later" });
    expect((await json("Empty", ""))?.status).toBe(200);
  });

  test("a service that is not here", async () => {
    const answer = await sendTo(awsPort([monitoring]), "POST /", {
      "x-amz-target": "Logs_20140328.PutLogEvents",
    });
    expect(JSON.parse(answer?.text ?? "")).toEqual({
      __type: "UnknownOperationException",
      message:
        "The service 'Logs_20140328' is not emulated; SageMaker, its runtime, S3, CloudWatch and Application Auto Scaling are.",
    });
  });
});

describe("the query protocol", () => {
  test("an output is XML", async () => {
    const answer = await query("Echo", "&Name=%3Ca%3E&Count=2&Members.member.1.A=x&Members.member.2.A=y");
    const requestId = answer?.headers.get("x-amzn-requestid");
    expect(answer?.headers.get("content-type")).toBe("text/xml");
    expect(answer?.text).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<EchoResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><EchoResult><Name>&lt;a&gt;</Name><Count>2</Count><Members><member><A>x</A></member><member><A>y</A></member></Members><At>2026-11-25T12:00:00Z</At><Where>us-east-1/000000000000</Where></EchoResult><ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></EchoResponse>`,
    );
  });

  test("an output without members has no result", async () => {
    expect((await query("Empty"))?.text).toContain('2010-08-01/"><ResponseMetadata>');
  });

  test("an error has the code of this protocol, and who was wrong", async () => {
    const answer = await query("Refuse");
    const requestId = answer?.headers.get("x-amzn-requestid");
    expect(answer?.status).toBe(400);
    expect(answer?.text).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<ErrorResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><Error><Type>Sender</Type><Code>InvalidParameterValue</Code><Message>no &lt;such&gt; value</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
    );
    expect((await query("Break"))?.text).toContain("<Type>Receiver</Type><Code>InternalFailure</Code>");
  });

  test("an action that is not known", async () => {
    expect((await query("Unknown"))?.text).toContain(
      "<Code>InvalidAction</Code><Message>Could not find operation Unknown for version 2010-08-01</Message>",
    );
  });

  test("odd names of fields do no harm", async () => {
    const answer = await query(
      "Echo",
      "&Name=a&__proto__.x=1&Members.member.x.A=1&Members.member.1=&..=1&Name.b.c=1",
    );
    expect(answer?.status).toBe(400);
    expect(Object.hasOwn(Object.prototype, "x")).toBe(false);
  });
});

describe("rpc-v2-cbor", () => {
  test("an output", async () => {
    const { status, headers, output } = await rpc("Echo", { Name: "a", Count: 2, Members: [{ A: "x" }] });
    expect(status).toBe(200);
    expect(headers?.get("smithy-protocol")).toBe("rpc-v2-cbor");
    expect(headers?.get("content-type")).toBe("application/cbor");
    expect(output).toMatchObject({
      Name: "a",
      Count: 2,
      Members: [{ A: "x" }],
      At: { tag: 1, value: epochMs / 1000 },
    });
  });

  test("an error", async () => {
    const { status, headers, output } = await rpc("Refuse");
    expect(status).toBe(400);
    expect(headers?.get("x-amzn-query-error")).toBe("InvalidParameterValue;Sender");
    expect(output).toEqual({ __type: "InvalidParameterValueException", message: "no <such> value" });
  });
});

describe("services that read and write themselves", () => {
  const seen: AwsRequest[] = [];
  const s3: RawService = {
    service: "s3",
    handle: (request, responder) => {
      seen.push(request);
      if (request.head.path === "/refuse")
        throw new AwsError("NoSuchKey", "The specified key does not exist.", {
          status: 404,
          members: { Key: "a&b" },
        });
      if (request.head.path === "/later")
        return Promise.reject(new AwsError("NoSuchBucket", "gone", { status: 404 }));
      responder.reply({ status: 200, headers: ["ETag", '"1"'], body: [request.body] });
      return undefined;
    },
  };
  const send = (line: string, headers: Record<string, string> = {}, body = "") =>
    sendTo(awsPort([s3]), line, headers, body);

  test("S3's answers have its own names of the request", async () => {
    const answer = await send("PUT /b/k", {}, "bytes");
    const requestId = answer?.headers.get("x-amz-request-id");
    expect(requestId).toMatch(uuid);
    expect(answer?.headers.get("x-amz-id-2")).toBe(Buffer.from(requestId ?? "").toString("base64"));
    expect([answer?.headers.get("etag"), answer?.text]).toEqual(['"1"', "bytes"]);
  });

  test("S3's errors are XML, and HEAD has none", async () => {
    const answer = await send("GET /refuse");
    const requestId = answer?.headers.get("x-amz-request-id");
    expect(answer?.headers.get("content-type")).toBe("application/xml");
    expect(answer?.text).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&amp;b</Key><RequestId>${requestId}</RequestId><HostId>${answer?.headers.get("x-amz-id-2")}</HostId></Error>`,
    );
    expect(await send("HEAD /refuse")).toMatchObject({ status: 404, text: "" });
    expect((await send("GET /later"))?.text).toContain("<Code>NoSuchBucket</Code>");
  });

  test("the bucket of the Host is told, an aws-chunked body is taken apart", async () => {
    const headers = {
      host: "models.localhost:4570",
      "content-encoding": "aws-chunked",
      "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      "x-amz-decoded-content-length": "5",
      "x-amz-trailer": "x-amz-checksum-crc32",
      "x-amz-sdk-checksum-algorithm": "CRC32",
    };
    const answer = await send("PUT /k", headers, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n");
    expect(answer?.text).toBe("hello");
    expect(seen.at(-1)).toMatchObject({
      hostBucket: "models",
      trailers: new Map([["x-amz-checksum-crc32", "NhCmhg=="]]),
    });
    expect(seen.at(-1)?.head.headers.get("x-amz-sdk-checksum-algorithm")).toBe("CRC32");
  });

  test("a broken aws-chunked body does not reach it", async () => {
    const before = seen.length;
    const answer = await send("PUT /b/k", { "content-encoding": "aws-chunked" }, "5\r\nhel");
    expect(answer?.text).toContain("<Code>IncompleteBody</Code>");
    expect(seen.length).toBe(before);
  });
});

describe("signatures, where credentials are configured", () => {
  const credentials = { accessKeyId: "AKID", secretAccessKey: "secret" };
  const port = awsPort([monitoring], { credentials });

  test.each<[string, string, Record<string, string>, string]>([
    ["JSON", "POST /", target("Empty"), '"__type":"MissingAuthenticationTokenException"'],
    ["form", "POST /", form, "<Code>MissingAuthenticationToken</Code>"],
    ["runtime", "POST /endpoints/a/invocations", {}, '"Message":"Missing Authentication Token"'],
  ])("%s: none is refused in the protocol's form", async (_, line, headers, text) => {
    const answer = await sendTo(port, line, headers, "Action=Empty&Version=2010-08-01");
    expect([answer?.status, answer?.text]).toEqual([403, expect.stringContaining(text)]);
  });
});

test("AWS port: without S3, what is like no request of an SDK is for somebody else", async () => {
  expect(await sendTo(awsPort([monitoring]), "GET /favicon.ico")).toBeNull();
});

/** Whatever comes, somebody is told what is wrong with it, and nothing of it is a bug of ours. */
test("AWS port: requests made by chance are answered, and none with a 500", async () => {
  const random = new Random(7);
  const below = (limit: number): number => random.nextUint32() % limit;
  const oneOf = <T>(values: readonly T[]): T => values[below(values.length)]!;
  const texts = [
    "",
    "{",
    "[]",
    "null",
    '{"Name":"a","Count":[1]}',
    '{"Name":{}}',
    "Action=Echo&Version=2010-08-01&Name=a&Name.b=1",
    "Action=Echo&Members.member.1=x",
    "0;chunk-signature=\r\n",
  ];
  const noise = (): Buffer => Buffer.from(Array.from({ length: below(60) }, () => below(256)));
  const cutCbor = (): Buffer => {
    const bytes = Buffer.from(
      cbor.serialize({ Name: "abc", Count: 1.5, Members: [{ A: null }, 3], T: { x: [] } }),
    );
    bytes[below(bytes.length)]! ^= 1 << below(8);
    return bytes.subarray(0, 1 + below(bytes.length));
  };
  const lines = [
    "POST /",
    "GET /",
    "GET /?Action=Echo",
    "POST /?X-Amz-Signature=x",
    "POST /service/GraniteServiceVersion20100801/operation/Echo",
    "PUT /b/%zz",
    "POST /endpoints/%E0/invocations",
  ];
  const headers: readonly Readonly<Record<string, string>>[] = [
    target("Echo"),
    target(""),
    { "x-amz-target": "." },
    form,
    { "smithy-protocol": "rpc-v2-cbor" },
    { "smithy-protocol": "rpc-v2-json" },
    { "content-encoding": "gzip", ...target("Echo") },
    { "content-encoding": "aws-chunked" },
    { "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length": "-1" },
    { authorization: "AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=, Signature=" },
    {
      authorization:
        "AWS4-HMAC-SHA256 Credential=a/20261125/r/monitoring/aws4_request, SignedHeaders=;;, Signature=0",
    },
    { "x-amz-date": "99999999T999999Z" },
  ];
  const s3: RawService = {
    service: "s3",
    handle: (_, { reply }) => reply({ status: 200, headers: [], body: [] }),
  };
  const ports = [null, { accessKeyId: "a", secretAccessKey: "b" }].map((credentials) =>
    awsPort([monitoring, s3], { credentials }),
  );
  const statuses = new Map<number, number>();
  for (let i = 0; i < 3000; i++) {
    const body = oneOf([() => Buffer.from(oneOf(texts)), noise, cutCbor])();
    const answer = await sendTo(oneOf(ports), oneOf(lines), { ...oneOf(headers), ...oneOf(headers) }, body);
    const status = answer?.status ?? 0;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  expect([...statuses.keys()].sort()).toEqual([200, 400, 403]);
});
