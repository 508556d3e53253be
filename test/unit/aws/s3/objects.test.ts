import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { checksumAlgorithms, checksumOf } from "../../../../emulator/aws/object-store/checksum.ts";
import { described, filesOf } from "../../../support/local-object-store.ts";
import { s3Port } from "../../../support/s3-port.ts";

const Bucket = "models";

const portWithBucket = async () => {
  const port = await s3Port();
  await port.client.send(new CreateBucketCommand({ Bucket }));
  const put = (Key: string, Body: string, more: Partial<PutObjectCommandInput> = {}) =>
    port.client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
  const text = async (Key: string, Range?: string): Promise<string | undefined> =>
    (await port.client.send(new GetObjectCommand({ Bucket, Key, Range }))).Body?.transformToString();
  return { ...port, put, text };
};

const md5 = (text: string, encoding: "hex" | "base64"): string =>
  createHash("md5").update(text).digest(encoding);

test("object: comes back as it was put, with its headers and metadata", async () => {
  const { client, put } = await portWithBucket();
  const answer = await put("team/ä +&%.tar.gz", "hello", {
    ContentType: "application/gzip",
    CacheControl: "no-store",
    ContentDisposition: "attachment",
    ContentEncoding: "gzip",
    ContentLanguage: "en",
    Metadata: { owner: "me", note: "a b" },
  });
  expect(answer).toMatchObject({ ETag: `"${md5("hello", "hex")}"`, ChecksumType: "FULL_OBJECT" });
  const got = await client.send(new GetObjectCommand({ Bucket, Key: "team/ä +&%.tar.gz" }));
  const expected = {
    ContentLength: 5,
    ContentType: "application/gzip",
    CacheControl: "no-store",
    ContentDisposition: "attachment",
    ContentEncoding: "gzip",
    ContentLanguage: "en",
    Metadata: { owner: "me", note: "a b" },
    ETag: `"${md5("hello", "hex")}"`,
    AcceptRanges: "bytes",
  };
  expect(got).toMatchObject(expected);
  expect(await got.Body?.transformToString()).toBe("hello");
  const head = await client.send(
    new HeadObjectCommand({ Bucket, Key: "team/ä +&%.tar.gz", ChecksumMode: "ENABLED" }),
  );
  expect(head).toMatchObject({ ...expected, ChecksumCRC32: checksumOf("CRC32", Buffer.from("hello")) });
  expect(head.LastModified?.getMilliseconds()).toBe(0);
});

test("object: an empty one, and one without a type", async () => {
  const { client, put, text } = await portWithBucket();
  await put("empty", "");
  expect(await text("empty")).toBe("");
  expect(await client.send(new HeadObjectCommand({ Bucket, Key: "empty" }))).toMatchObject({
    ContentLength: 0,
    ETag: `"${md5("", "hex")}"`,
  });
});

const LARGE = 50_000_000;

const largeContent = (): Buffer => {
  const content = Buffer.alloc(LARGE);
  for (let at = 0; at < LARGE; at += 4096) content.writeUInt32LE(at, at);
  return content;
};

test("object: one of 50 MB comes back whole", async () => {
  const { client, root, failures } = await portWithBucket();
  const content = largeContent();
  await client.send(new PutObjectCommand({ Bucket, Key: "large", Body: content }));
  const { Body, ContentLength } = await client.send(new GetObjectCommand({ Bucket, Key: "large" }));
  expect(ContentLength).toBe(LARGE);
  expect(content.equals((await Body?.transformToByteArray()) ?? Buffer.of())).toBe(true);
  expect(filesOf(root).filter((path) => path.startsWith("temporary/"))).toEqual([]);
  expect(failures).toEqual([]);
});

test("get: no more is read than the client takes, and nothing stays open when it goes away", async () => {
  const { store, url, failures } = await portWithBucket();
  await store.put(Bucket, "large", [largeContent()], described);
  const closed = Promise.withResolvers<void>();
  let bytesRead = 0;
  const open = store.open.bind(store);
  store.open = async (bucket, key) => {
    const opened = await open(bucket, key);
    if (opened === null) return null;
    return {
      object: opened.object,
      read: async function* (start, end) {
        for await (const bytes of opened.read(start, end)) {
          bytesRead += bytes.length;
          yield bytes;
        }
      },
      close: async () => {
        await opened.close();
        closed.resolve();
      },
    };
  };
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET /${Bucket}/large HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  await once(socket, "readable");
  socket.destroy();
  await closed.promise;
  expect(bytesRead).toBeGreaterThan(0);
  // What the two ends of a connection hold between them.
  expect(bytesRead).toBeLessThan(LARGE / 2);
  expect(failures).toEqual([]);
});

test("put: of a client that goes away in the middle nothing is left", async () => {
  const { store, url, root, put, text } = await portWithBucket();
  await put("a", "old");
  const before = filesOf(root);
  const begun = Promise.withResolvers<{ readonly written: Promise<unknown> }>();
  const storePut = store.put.bind(store);
  store.put = (...object) => {
    const written = storePut(...object);
    begun.resolve({ written });
    return written;
  };
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`PUT /${Bucket}/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf`);
  const { written } = await begun.promise;
  const closed = once(socket.resume(), "close");
  socket.end();
  await expect(written).rejects.toThrow();
  await closed;
  expect(await text("a")).toBe("old");
  expect(filesOf(root)).toEqual(before);
});

test.each(checksumAlgorithms)("put: a checksum %s is verified, kept and told", async (algorithm) => {
  const { client, put, send } = await portWithBucket();
  const value = checksumOf(algorithm, Buffer.from("hello"));
  const member = `Checksum${algorithm}` as const;
  expect(await put("a", "hello", { [member]: value })).toMatchObject({ [member]: value });
  const get = await client.send(new GetObjectCommand({ Bucket, Key: "a", ChecksumMode: "ENABLED" }));
  expect(get).toMatchObject({ [member]: value, ChecksumType: "FULL_OBJECT" });
  await get.Body?.transformToString();
  const wrong = await send("PUT", "/models/b", {
    body: "hullo",
    headers: { [`x-amz-checksum-${algorithm.toLowerCase()}`]: value },
  });
  expect(wrong.status).toBe(400);
  expect(await wrong.text()).toContain(
    `<Code>BadDigest</Code><Message>The ${algorithm} you specified did not match the calculated checksum.</Message>`,
  );
  expect((await send("HEAD", "/models/b")).status).toBe(404);
});

test("put: a checksum behind the body, in chunks, is verified as well", async () => {
  const { send } = await portWithBucket();
  const chunked = (value: string) =>
    send("PUT", "/models/a", {
      body: `5\r\nhello\r\n0\r\nx-amz-checksum-crc32:${value}\r\n\r\n`,
      headers: {
        "content-encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "x-amz-sdk-checksum-algorithm": "CRC32",
      },
    });
  expect((await chunked("AAAAAA==")).status).toBe(400);
  const right = await chunked(checksumOf("CRC32", Buffer.from("hello")));
  expect(right.status).toBe(200);
  expect(right.headers.get("x-amz-checksum-crc32")).toBe(checksumOf("CRC32", Buffer.from("hello")));
  const head = await send("HEAD", "/models/a");
  expect(head.headers.get("content-length")).toBe("5");
  expect(head.headers.get("content-encoding")).toBeNull();
});

test.each([
  ["Content-MD5 of something else", { "content-md5": md5("other", "base64") }, 400, "BadDigest"],
  ["Content-MD5 that is none", { "content-md5": "hello" }, 400, "InvalidDigest"],
  [
    "two checksums",
    { "x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "AAAA" },
    400,
    "InvalidRequest",
  ],
  ["a checksum that is none", { "x-amz-checksum-sha256": "AAAA" }, 400, "InvalidRequest"],
  ["a checksum that does not come", { "x-amz-sdk-checksum-algorithm": "CRC32" }, 400, "InvalidRequest"],
  ["too much metadata", { "x-amz-meta-a": "x".repeat(2048) }, 400, "MetadataTooLarge"],
  ["If-None-Match of an ETag", { "if-none-match": '"a"' }, 501, "NotImplemented"],
] as const)("put: with %s leaves what was there", async (_, headers, status, code) => {
  const { send, put, text, root } = await portWithBucket();
  await put("a", "old");
  const before = filesOf(root);
  const answer = await send("PUT", "/models/a", { body: "new", headers });
  expect(answer.status).toBe(status);
  expect(await answer.text()).toContain(`<Error><Code>${code}</Code>`);
  expect(await text("a")).toBe("old");
  expect(filesOf(root)).toEqual(before);
});

test("put: If-None-Match * only where there is none, If-Match only over that one", async () => {
  const { put, text } = await portWithBucket();
  const { ETag } = await put("a", "1", { IfNoneMatch: "*" });
  await expect(put("a", "2", { IfNoneMatch: "*" })).rejects.toMatchObject({
    name: "PreconditionFailed",
    $metadata: { httpStatusCode: 412 },
    Condition: "If-None-Match",
  });
  await put("a", "3", { IfMatch: ETag });
  await expect(put("a", "4", { IfMatch: ETag })).rejects.toMatchObject({ name: "PreconditionFailed" });
  await expect(put("b", "4", { IfMatch: ETag })).rejects.toMatchObject({ name: "NoSuchKey" });
  expect(await text("a")).toBe("3");
});

test.each([
  ["bytes=0-3", "0123", "bytes 0-3/10"],
  ["bytes=4-", "456789", "bytes 4-9/10"],
  ["bytes=-3", "789", "bytes 7-9/10"],
  ["bytes=-30", "0123456789", "bytes 0-9/10"],
  ["bytes=8-99", "89", "bytes 8-9/10"],
])("get: range %s", async (range, content, contentRange) => {
  const { client, put } = await portWithBucket();
  await put("a", "0123456789");
  const got = await client.send(new GetObjectCommand({ Bucket, Key: "a", Range: range }));
  expect(got).toMatchObject({
    ContentRange: contentRange,
    ContentLength: content.length,
    $metadata: { httpStatusCode: 206 },
  });
  expect(await got.Body?.transformToString()).toBe(content);
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: "a", Range: range }));
  expect(head).toMatchObject({ ContentLength: content.length, $metadata: { httpStatusCode: 206 } });
});

test.each(["bytes=5-4", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes"])(
  "get: of the range '%s', which is none, all comes",
  async (range) => {
    const { put, send } = await portWithBucket();
    await put("a", "0123456789");
    const answer = await send("GET", "/models/a", { headers: { range } });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe("0123456789");
  },
);

test.each(["bytes=10-", "bytes=10-20", "bytes=-0"])(
  "get: range %s of ten bytes is not satisfiable",
  async (range) => {
    const { client, put } = await portWithBucket();
    await put("a", "0123456789");
    await expect(client.send(new GetObjectCommand({ Bucket, Key: "a", Range: range }))).rejects.toMatchObject(
      {
        name: "InvalidRange",
        message: "The requested range is not satisfiable",
        ActualObjectSize: "10",
        RangeRequested: range,
        $metadata: { httpStatusCode: 416 },
      },
    );
  },
);

test("get: conditions, of which ETags are stronger than dates", async () => {
  const { put, send } = await portWithBucket();
  await put("a", "x");
  const etag = `"${md5("x", "hex")}"`;
  const past = new Date(0).toUTCString();
  const future = new Date(Date.now() + 86_400_000).toUTCString();
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await send("GET", "/models/a", { headers })).status;
  expect(await status({ "if-match": etag })).toBe(200);
  expect(await status({ "if-match": `"other", ${etag}` })).toBe(200);
  expect(await status({ "if-match": '"other"' })).toBe(412);
  expect(await status({ "if-none-match": etag })).toBe(304);
  expect(await status({ "if-none-match": "*" })).toBe(304);
  expect(await status({ "if-none-match": '"other"' })).toBe(200);
  expect(await status({ "if-modified-since": future })).toBe(304);
  expect(await status({ "if-modified-since": past })).toBe(200);
  expect(await status({ "if-modified-since": "yesterday" })).toBe(200);
  expect(await status({ "if-unmodified-since": past })).toBe(412);
  expect(await status({ "if-unmodified-since": future })).toBe(200);
  expect(await status({ "if-match": etag, "if-unmodified-since": past })).toBe(200);
  expect(await status({ "if-none-match": '"other"', "if-modified-since": future })).toBe(200);
  const unchanged = await send("GET", "/models/a", { headers: { "if-none-match": etag } });
  expect(unchanged.headers.get("etag")).toBe(etag);
  expect(await unchanged.text()).toBe("");
});

test("get: the query may replace headers, and begin no new ones", async () => {
  const { put, send } = await portWithBucket();
  await put("a", "x", { ContentType: "text/plain" });
  const answer = await send(
    "GET",
    "/models/a?response-content-type=text/html&response-expires=a%0d%0ax-bad:%201",
  );
  expect(answer.headers.get("content-type")).toBe("text/html");
  expect(answer.headers.get("x-bad")).toBeNull();
});

test("get: an object has no tags", async () => {
  const { client, put } = await portWithBucket();
  await put("a", "x");
  expect((await client.send(new GetObjectTaggingCommand({ Bucket, Key: "a" }))).TagSet).toEqual([]);
  await expect(client.send(new GetObjectTaggingCommand({ Bucket, Key: "b" }))).rejects.toMatchObject({
    name: "NoSuchKey",
  });
});

test("get: what is not there is an error that says what", async () => {
  const { client, send } = await portWithBucket();
  await expect(client.send(new GetObjectCommand({ Bucket, Key: "no" }))).rejects.toMatchObject({
    name: "NoSuchKey",
    message: "The specified key does not exist.",
    Key: "no",
    Resource: "/models/no",
  });
  await expect(client.send(new GetObjectCommand({ Bucket: "other", Key: "no" }))).rejects.toMatchObject({
    name: "NoSuchBucket",
    message: "The specified bucket does not exist",
    BucketName: "other",
  });
  await expect(client.send(new HeadObjectCommand({ Bucket, Key: "no" }))).rejects.toMatchObject({
    name: "NotFound",
    $metadata: { httpStatusCode: 404 },
  });
  const answer = await send("GET", "/models/a%3Cb%3E");
  expect(answer.headers.get("content-type")).toBe("application/xml");
  const requestId = answer.headers.get("x-amz-request-id");
  expect(await answer.text()).toMatch(
    new RegExp(
      `^<\\?xml version="1.0" encoding="UTF-8"\\?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&lt;b&gt;</Key><Resource>/models/a%3Cb%3E</Resource><RequestId>${requestId}</RequestId><HostId>[^<]+</HostId></Error>$`,
    ),
  );
});

test("path: a key that is too long, or no UTF-8, is refused; dots lead nowhere", async () => {
  const { send, text, put } = await portWithBucket();
  const long = await send("PUT", `/models/${"x".repeat(1025)}`, { body: "x" });
  expect(long.status).toBe(400);
  expect(await long.text()).toContain("<Code>KeyTooLongError</Code>");
  expect(await (await send("GET", "/models/%ff")).text()).toContain("<Code>InvalidURI</Code>");
  await put("../../etc/passwd", "mine");
  expect(await text("../../etc/passwd")).toBe("mine");
});

test("copy: has the content, and the headers that are asked for", async () => {
  const { client, put, text } = await portWithBucket();
  const { ETag } = await put("a b", "hello", { ContentType: "text/x", Metadata: { from: "a" } });
  const copy = (Key: string, more: object = {}) =>
    client.send(new CopyObjectCommand({ Bucket, Key, CopySource: "models/a%20b", ...more }));
  expect((await copy("b")).CopyObjectResult).toMatchObject({ ETag, ChecksumType: "FULL_OBJECT" });
  expect(await text("b")).toBe("hello");
  expect(await client.send(new HeadObjectCommand({ Bucket, Key: "b" }))).toMatchObject({
    ContentType: "text/x",
    Metadata: { from: "a" },
  });
  await copy("c", { MetadataDirective: "REPLACE", ContentType: "text/y", Metadata: { to: "c" } });
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: "c" }));
  expect(head).toMatchObject({ ContentType: "text/y", Metadata: { to: "c" } });
  await expect(copy("a b")).rejects.toMatchObject({ name: "InvalidRequest" });
  await copy("a b", { MetadataDirective: "REPLACE", Metadata: { to: "itself" } });
  expect(await text("a b")).toBe("hello");
  await expect(copy("d", { CopySourceIfMatch: '"x"' })).rejects.toMatchObject({ name: "PreconditionFailed" });
  await expect(copy("d", { CopySourceIfNoneMatch: ETag })).rejects.toMatchObject({
    name: "PreconditionFailed",
  });
  await expect(copy("d", { CopySource: "models/no" })).rejects.toMatchObject({ name: "NoSuchKey" });
  await expect(copy("d", { CopySource: "nobody/no" })).rejects.toMatchObject({ name: "NoSuchBucket" });
  await expect(copy("d", { CopySource: "models" })).rejects.toMatchObject({ name: "InvalidArgument" });
  await expect(copy("d", { MetadataDirective: "MOVE" })).rejects.toMatchObject({ name: "InvalidArgument" });
  await expect(client.send(new HeadObjectCommand({ Bucket, Key: "d" }))).rejects.toMatchObject({
    name: "NotFound",
  });
});

test("delete: of what is there and of what is not", async () => {
  const { client, put } = await portWithBucket();
  const { ETag } = await put("a", "1");
  const remove = (Key: string, IfMatch?: string) =>
    client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch }));
  await expect(remove("a", '"other"')).rejects.toMatchObject({ name: "PreconditionFailed" });
  expect((await remove("a", ETag)).$metadata.httpStatusCode).toBe(204);
  expect((await remove("a")).$metadata.httpStatusCode).toBe(204);
  await expect(client.send(new DeleteObjectCommand({ Bucket: "other", Key: "a" }))).rejects.toMatchObject({
    name: "NoSuchBucket",
  });
});

test("delete: of many at once, each with its own result", async () => {
  const { client, put } = await portWithBucket();
  for (const key of ["a", "b<&>", "c", "d"]) await put(key, key);
  const answer = await client.send(
    new DeleteObjectsCommand({
      Bucket,
      Delete: { Objects: [{ Key: "a" }, { Key: "b<&>" }, { Key: "no" }, { Key: "c", ETag: '"other"' }] },
    }),
  );
  expect(answer.Deleted).toEqual([{ Key: "a" }, { Key: "b<&>" }, { Key: "no" }]);
  expect(answer.Errors).toMatchObject([{ Key: "c", Code: "PreconditionFailed" }]);
  const quiet = await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Quiet: true, Objects: [{ Key: "c" }] } }),
  );
  expect(quiet.Deleted).toBeUndefined();
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
  expect(Contents?.map(({ Key }) => Key)).toEqual(["d"]);
});

const withMd5 = (body: string) => ({ body, headers: { "content-md5": md5(body, "base64") } });

test.each([
  ["without a digest", { body: "<Delete><Object><Key>a</Key></Object></Delete>" }, "InvalidRequest"],
  [
    "with another's digest",
    { body: "<Delete/>", headers: { "content-md5": md5("", "base64") } },
    "BadDigest",
  ],
  ["of nothing", withMd5("<Delete></Delete>"), "MalformedXML"],
  ["of an object without a key", withMd5("<Delete><Object/></Delete>"), "MalformedXML"],
  ["that is not well-formed", withMd5("<Delete><Object><Key>a</Key></Delete>"), "MalformedXML"],
  ["that is no XML", withMd5("{}"), "MalformedXML"],
  [
    "of more than 1000",
    withMd5(`<Delete>${"<Object><Key>a</Key></Object>".repeat(1001)}</Delete>`),
    "MalformedXML",
  ],
])("delete: a list %s is refused, and nothing deleted", async (_, request, code) => {
  const { put, send, text } = await portWithBucket();
  await put("a", "1");
  const answer = await send("POST", "/models?delete", request);
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain(`<Code>${code}</Code>`);
  expect(await text("a")).toBe("1");
});
