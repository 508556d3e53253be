import { createHash } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { checksumOf } from "../../../../emulator/aws/object-store/checksum.ts";
import { filesOf } from "../../../support/local-object-store.ts";
import { s3Port } from "../../../support/s3-port.ts";

const Bucket = "models";
const Key = "a.tar.gz";
const MIB5 = 5 * 1024 * 1024;
const first = Buffer.alloc(MIB5, "one");
const second = Buffer.from("two");

const md5 = (bytes: Uint8Array): Buffer => createHash("md5").update(bytes).digest();

const portWithUpload = async (options: Partial<CreateMultipartUploadCommandInput> = {}) => {
  const port = await s3Port();
  const { client } = port;
  await client.send(new CreateBucketCommand({ Bucket }));
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...options }));
  const part = async (PartNumber: number, Body: Uint8Array): Promise<CompletedPart> => {
    const { $metadata, ...answer } = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }),
    );
    return { PartNumber, ...answer };
  };
  const complete = (Parts: CompletedPart[], more: Partial<CompleteMultipartUploadCommandInput> = {}) =>
    client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...more }),
    );
  const listed = () => client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
  const head = (more: object = {}) =>
    client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED", ...more }));
  return { ...port, UploadId, part, complete, listed, head };
};

test("upload: becomes one object, whose ETag is that of its parts", async () => {
  const { client, part, complete, listed, head, root } = await portWithUpload({
    ContentType: "application/gzip",
    Metadata: { owner: "me" },
  });
  const parts = [await part(1, first), await part(2, second)];
  expect(await listed()).toMatchObject({
    IsTruncated: false,
    Parts: [
      { PartNumber: 1, Size: MIB5, ETag: `"${md5(first).toString("hex")}"` },
      { PartNumber: 2, Size: 3 },
    ],
  });
  await expect(head()).rejects.toMatchObject({ name: "NotFound" });
  const ETag = `"${md5(Buffer.concat([md5(first), md5(second)])).toString("hex")}-2"`;
  expect(await complete(parts)).toMatchObject({ ETag, Bucket, Key });
  expect(await head()).toMatchObject({
    ETag,
    ContentLength: MIB5 + 3,
    ContentType: "application/gzip",
    Metadata: { owner: "me" },
  });
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  expect(Buffer.concat([first, second]).equals((await Body?.transformToByteArray()) ?? Buffer.of())).toBe(
    true,
  );
  await expect(listed()).rejects.toMatchObject({ name: "NoSuchUpload" });
  expect(filesOf(root).filter((path) => /uploads\/|temporary\//.test(path))).toEqual([]);
});

test("upload: its object can be read part by part", async () => {
  const { client, part, complete, head, send } = await portWithUpload();
  await complete([await part(2, first), await part(7, second)]);
  expect(await head({ PartNumber: 1 })).toMatchObject({ ContentLength: MIB5, PartsCount: 2 });
  const got = await client.send(new GetObjectCommand({ Bucket, Key, PartNumber: 2 }));
  expect(got).toMatchObject({
    PartsCount: 2,
    ContentRange: `bytes ${MIB5}-${MIB5 + 2}/${MIB5 + 3}`,
    $metadata: { httpStatusCode: 206 },
  });
  expect(await got.Body?.transformToString()).toBe("two");
  expect((await send("GET", `/models/${Key}?partNumber=3`)).status).toBe(416);
  expect((await send("GET", `/models/${Key}?partNumber=0`)).status).toBe(400);
  expect((await send("GET", `/models/${Key}?partNumber=1`, { headers: { range: "bytes=0-1" } })).status).toBe(
    400,
  );
});

test.each([
  ["CRC32", "COMPOSITE"],
  ["CRC32C", "COMPOSITE"],
  ["SHA1", "COMPOSITE"],
  ["SHA256", "COMPOSITE"],
  ["CRC32", "FULL_OBJECT"],
  ["CRC64NVME", "FULL_OBJECT"],
] as const)("upload: with a checksum %s, %s", async (ChecksumAlgorithm, ChecksumType) => {
  const { complete, head, listed, send, UploadId } = await portWithUpload({
    ChecksumAlgorithm,
    ChecksumType,
  });
  const member = `Checksum${ChecksumAlgorithm}` as const;
  const wrong = await send("PUT", `/models/${Key}?uploadId=${UploadId}&partNumber=1`, {
    body: "x",
    headers: { [`x-amz-checksum-${ChecksumAlgorithm.toLowerCase()}`]: checksumOf(ChecksumAlgorithm, second) },
  });
  expect(await wrong.text()).toContain("<Code>BadDigest</Code>");
  const stated = (PartNumber: number, bytes: Uint8Array) =>
    send("PUT", `/models/${Key}?uploadId=${UploadId}&partNumber=${PartNumber}`, {
      body: Buffer.from(bytes),
      headers: {
        [`x-amz-checksum-${ChecksumAlgorithm.toLowerCase()}`]: checksumOf(ChecksumAlgorithm, bytes),
      },
    });
  await stated(1, first);
  await stated(2, second);
  const { Parts = [] } = await listed();
  expect(Parts[1]?.[member]).toBe(checksumOf(ChecksumAlgorithm, second));
  const ofParts = [first, second].map((bytes) => Buffer.from(checksumOf(ChecksumAlgorithm, bytes), "base64"));
  const value =
    ChecksumType === "FULL_OBJECT"
      ? checksumOf(ChecksumAlgorithm, Buffer.concat([first, second]))
      : `${checksumOf(ChecksumAlgorithm, Buffer.concat(ofParts))}-2`;
  const named = Parts.map(({ PartNumber, ETag, ...rest }) => ({ PartNumber, ETag, [member]: rest[member] }));
  await expect(
    complete([{ ...named[0], [member]: checksumOf(ChecksumAlgorithm, second) }, named[1] ?? {}]),
  ).rejects.toMatchObject({ name: "InvalidPart" });
  expect(await complete(named)).toMatchObject({ [member]: value, ChecksumType });
  expect(await head()).toMatchObject({ [member]: value, ChecksumType });
});

test("create: a type of checksum that does not fit is refused", async () => {
  const { client } = await portWithUpload();
  const create = (more: Partial<CreateMultipartUploadCommandInput>) =>
    client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }));
  await expect(create({ ChecksumAlgorithm: "SHA256", ChecksumType: "FULL_OBJECT" })).rejects.toMatchObject({
    name: "InvalidRequest",
  });
  await expect(create({ ChecksumAlgorithm: "CRC64NVME", ChecksumType: "COMPOSITE" })).rejects.toMatchObject({
    name: "InvalidRequest",
  });
});

test("complete: what does not fit is refused, and the upload is as before", async () => {
  const { client, part, complete, listed, send, UploadId, head } = await portWithUpload();
  const [one, two, three] = [await part(1, first), await part(2, second), await part(3, second)];
  const refused = async (parts: CompletedPart[], error: object) => {
    await expect(complete(parts)).rejects.toMatchObject(error);
    await expect(head()).rejects.toMatchObject({ name: "NotFound" });
    expect((await listed()).Parts).toHaveLength(3);
  };
  await refused([two, one], { name: "InvalidPartOrder" });
  await refused([one, one], { name: "InvalidPartOrder" });
  await refused([{ ...one, ETag: two.ETag }], { name: "InvalidPart", PartNumber: "1" });
  await refused([one, { PartNumber: 9, ETag: two.ETag }], { name: "InvalidPart", PartNumber: "9" });
  await refused([two, three], {
    name: "EntityTooSmall",
    message: "Your proposed upload is smaller than the minimum allowed size",
    ProposedSize: "3",
    MinSizeAllowed: String(MIB5),
    PartNumber: "2",
  });
  for (const body of [
    "",
    "<CompleteMultipartUpload/>",
    "<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
    "<",
  ]) {
    const answer = await send("POST", `/models/${Key}?uploadId=${UploadId}`, { body });
    expect(await answer.text()).toContain("<Code>MalformedXML</Code>");
  }
  await expect(complete([one, two], { MpuObjectSize: 1 })).rejects.toMatchObject({ name: "InvalidRequest" });
  await client.send(new PutObjectCommand({ Bucket, Key, Body: "other" }));
  await expect(complete([one, two], { IfNoneMatch: "*" })).rejects.toMatchObject({
    name: "PreconditionFailed",
  });
  await complete([one, two]);
  expect((await head()).ContentLength).toBe(MIB5 + 3);
});

test("part: its number is from 1 to 10000, its upload one that is there, of that key", async () => {
  const { send, UploadId, client } = await portWithUpload();
  for (const number of ["0", "10001", "x", ""]) {
    const answer = await send("PUT", `/models/${Key}?uploadId=${UploadId}&partNumber=${number}`, {
      body: "x",
    });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain("<Code>InvalidArgument</Code>");
  }
  for (const [key, uploadId] of [
    [Key, "../../temporary"],
    ["other", UploadId],
  ]) {
    const answer = await send("PUT", `/models/${key}?uploadId=${uploadId}&partNumber=1`, { body: "x" });
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain("<Code>NoSuchUpload</Code>");
  }
  await expect(
    client.send(new UploadPartCommand({ Bucket: "nobody", Key, UploadId, PartNumber: 1, Body: "x" })),
  ).rejects.toMatchObject({ name: "NoSuchBucket" });
});

test("part: may be a copy of an object, or of a range of it", async () => {
  const { client, complete, UploadId } = await portWithUpload();
  await client.send(new PutObjectCommand({ Bucket, Key: "source", Body: Buffer.concat([first, second]) }));
  const copy = (PartNumber: number, CopySourceRange?: string) =>
    client.send(
      new UploadPartCopyCommand({
        Bucket,
        Key,
        UploadId,
        PartNumber,
        CopySource: "models/source",
        CopySourceRange,
      }),
    );
  const whole = (await copy(1)).CopyPartResult;
  const range = (await copy(2, `bytes=${MIB5}-${MIB5 + 2}`)).CopyPartResult;
  expect(range?.ETag).toBe(`"${md5(second).toString("hex")}"`);
  await expect(copy(3, `bytes=${MIB5}-${MIB5 + 3}`)).rejects.toMatchObject({ name: "InvalidArgument" });
  await expect(copy(3, "bytes=1-")).rejects.toMatchObject({ name: "InvalidArgument" });
  await complete([
    { PartNumber: 1, ETag: whole?.ETag },
    { PartNumber: 2, ETag: range?.ETag },
  ]);
  const got = await client.send(new GetObjectCommand({ Bucket, Key, Range: "bytes=-6" }));
  expect(await got.Body?.transformToString()).toBe("twotwo");
});

test("abort: the upload is gone, and so are its parts", async () => {
  const { client, part, root, UploadId, complete } = await portWithUpload();
  const one = await part(1, second);
  const abort = () => client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  expect((await abort()).$metadata.httpStatusCode).toBe(204);
  await expect(abort()).rejects.toMatchObject({ name: "NoSuchUpload" });
  await expect(complete([one])).rejects.toMatchObject({ name: "NoSuchUpload" });
  await expect(part(2, second)).rejects.toMatchObject({ name: "NoSuchUpload" });
  expect(filesOf(root).filter((path) => /uploads\/|temporary\//.test(path))).toEqual([]);
});

test("uploads and parts: are listed page by page", async () => {
  const { client, part, UploadId } = await portWithUpload();
  for (const number of [3, 1, 2]) await part(number, second);
  const parts = (PartNumberMarker?: string) =>
    client.send(new ListPartsCommand({ Bucket, Key, UploadId, MaxParts: 2, PartNumberMarker }));
  const page = await parts();
  expect(page).toMatchObject({ IsTruncated: true, NextPartNumberMarker: "2" });
  expect(page.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([1, 2]);
  expect((await parts(page.NextPartNumberMarker)).Parts?.map(({ PartNumber }) => PartNumber)).toEqual([3]);
  for (const key of ["team/b", "team/c", "z"]) {
    await client.send(new CreateMultipartUploadCommand({ Bucket, Key: key }));
  }
  const all = await client.send(new ListMultipartUploadsCommand({ Bucket }));
  expect(all.Uploads?.map((upload) => upload.Key)).toEqual([Key, "team/b", "team/c", "z"]);
  const some = await client.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 2 }));
  expect(some).toMatchObject({ IsTruncated: true, NextKeyMarker: "team/b" });
  const rest = await client.send(
    new ListMultipartUploadsCommand({
      Bucket,
      KeyMarker: some.NextKeyMarker,
      UploadIdMarker: some.NextUploadIdMarker,
    }),
  );
  expect(rest.Uploads?.map((upload) => upload.Key)).toEqual(["team/c", "z"]);
  const rolled = await client.send(new ListMultipartUploadsCommand({ Bucket, Delimiter: "/" }));
  expect(rolled.Uploads?.map((upload) => upload.Key)).toEqual([Key, "z"]);
  expect(rolled.CommonPrefixes).toEqual([{ Prefix: "team/" }]);
});
