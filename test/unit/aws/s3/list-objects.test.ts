import {
  CreateBucketCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { s3Port } from "../../../support/s3-port.ts";

const Bucket = "models";
const keys = ["a b&<c>.gz", "t/1", "t/2", "t/u/3", "v/4", "ä+%.gz"];

const portWithObjects = async () => {
  const port = await s3Port();
  await port.client.send(new CreateBucketCommand({ Bucket }));
  for (const Key of keys) await port.client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  const list = async (options: Partial<ListObjectsV2CommandInput>) => {
    const answer = await port.client.send(new ListObjectsV2Command({ Bucket, ...options }));
    return {
      ...answer,
      keys: answer.Contents?.map(({ Key }) => Key) ?? [],
      prefixes: answer.CommonPrefixes?.map(({ Prefix }) => Prefix) ?? [],
    };
  };
  return { ...port, list };
};

test("v2: keys, sizes, ETags and dates", async () => {
  const { list } = await portWithObjects();
  const answer = await list({});
  expect(answer.keys).toEqual(keys);
  expect(answer).toMatchObject({ Name: Bucket, KeyCount: 6, MaxKeys: 1000, IsTruncated: false, Prefix: "" });
  expect(answer.Contents?.[1]).toMatchObject({ Key: "t/1", Size: 3, StorageClass: "STANDARD" });
  expect(answer.Contents?.[1]?.ETag).toMatch(/^"[0-9a-f]{32}"$/);
  expect(answer.Contents?.[1]?.LastModified).toBeInstanceOf(Date);
  expect(answer.Contents?.[1]?.Owner).toBeUndefined();
  const withOwner = await list({ FetchOwner: true });
  expect(withOwner.Contents?.[0]?.Owner).toEqual({ ID: "0".repeat(64), DisplayName: "triton-local" });
});

test("v2: prefix, delimiter and start", async () => {
  const { list } = await portWithObjects();
  expect(await list({ Prefix: "t/" })).toMatchObject({ keys: ["t/1", "t/2", "t/u/3"], Prefix: "t/" });
  expect(await list({ Delimiter: "/" })).toMatchObject({
    keys: ["a b&<c>.gz", "ä+%.gz"],
    prefixes: ["t/", "v/"],
    Delimiter: "/",
    KeyCount: 4,
  });
  expect(await list({ Prefix: "t/", Delimiter: "/" })).toMatchObject({
    keys: ["t/1", "t/2"],
    prefixes: ["t/u/"],
  });
  expect(await list({ StartAfter: "t/2" })).toMatchObject({
    keys: ["t/u/3", "v/4", "ä+%.gz"],
    StartAfter: "t/2",
  });
  expect(await list({ Prefix: "none" })).toMatchObject({ keys: [], KeyCount: 0 });
});

test("v2: page by page all come once, prefixes too", async () => {
  const { client } = await portWithObjects();
  for (const [Delimiter, all] of [
    [undefined, keys],
    ["/", ["a b&<c>.gz", "t/", "v/", "ä+%.gz"]],
  ] as const) {
    for (const pageSize of [1, 2, 3, 6, 7]) {
      const seen: (string | undefined)[] = [];
      for await (const page of paginateListObjectsV2({ client, pageSize }, { Bucket, Delimiter })) {
        seen.push(
          ...[
            ...(page.Contents ?? []).map(({ Key }) => Key),
            ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
          ].sort(),
        );
      }
      expect(seen).toEqual(all);
    }
  }
});

test("v2: keys are encoded where it is asked for", async () => {
  const { list } = await portWithObjects();
  expect(await list({ EncodingType: "url", Delimiter: "/" })).toMatchObject({
    keys: ["a%20b%26%3Cc%3E.gz", "%C3%A4%2B%25.gz"],
    prefixes: ["t/", "v/"],
    EncodingType: "url",
  });
});

test("v1: markers", async () => {
  const { client } = await portWithObjects();
  const list = async (Marker: string | undefined, Delimiter?: string) =>
    client.send(new ListObjectsCommand({ Bucket, MaxKeys: 2, Marker, Delimiter }));
  const first = await list(undefined);
  expect(first).toMatchObject({ IsTruncated: true, MaxKeys: 2, Marker: "" });
  expect(first.NextMarker).toBeUndefined();
  expect(first.Contents?.map(({ Key }) => Key)).toEqual(["a b&<c>.gz", "t/1"]);
  expect((await list("t/1")).Contents?.map(({ Key }) => Key)).toEqual(["t/2", "t/u/3"]);
  const rolled = await list(undefined, "/");
  expect(rolled).toMatchObject({ NextMarker: "t/", CommonPrefixes: [{ Prefix: "t/" }] });
  expect(await list(rolled.NextMarker, "/")).toMatchObject({
    IsTruncated: false,
    CommonPrefixes: [{ Prefix: "v/" }],
    Contents: [{ Key: "ä+%.gz" }],
  });
});

test.each([
  ["max-keys=-1", "InvalidArgument"],
  ["max-keys=many", "InvalidArgument"],
  ["encoding-type=html", "InvalidArgument"],
  ["list-type=2&continuation-token=mine", "InvalidArgument"],
])("list: %s is refused", async (query, code) => {
  const { send } = await portWithObjects();
  const answer = await send("GET", `/models?${query}`);
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain(`<Code>${code}</Code>`);
});

test("list: max-keys is at most 1000, and may be 0", async () => {
  const { list, send } = await portWithObjects();
  expect(await list({ MaxKeys: 5000 })).toMatchObject({ MaxKeys: 1000, KeyCount: 6 });
  expect(await list({ MaxKeys: 0 })).toMatchObject({ KeyCount: 0, IsTruncated: false });
  expect((await send("GET", "/nobody")).status).toBe(404);
});
