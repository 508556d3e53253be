import { request } from "node:http";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketLocationCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { clientOf, s3Port } from "../../../support/s3-port.ts";

test("buckets: are created, listed, found and deleted", async () => {
  const { client } = await s3Port();
  expect((await client.send(new ListBucketsCommand())).Buckets ?? []).toEqual([]);
  for (const Bucket of ["models", "archive.of.models"])
    expect(await client.send(new CreateBucketCommand({ Bucket }))).toMatchObject({ Location: `/${Bucket}` });
  const { Buckets } = await client.send(new ListBucketsCommand());
  expect(Buckets?.map(({ Name }) => Name)).toEqual(["archive.of.models", "models"]);
  expect(await client.send(new HeadBucketCommand({ Bucket: "models" }))).toMatchObject({
    BucketRegion: "us-east-1",
  });
  await client.send(new PutObjectCommand({ Bucket: "models", Key: "a", Body: "" }));
  await expect(client.send(new DeleteBucketCommand({ Bucket: "models" }))).rejects.toMatchObject({
    name: "BucketNotEmpty",
    message: "The bucket you tried to delete is not empty",
    $metadata: { httpStatusCode: 409 },
  });
  await client.send(new DeleteBucketCommand({ Bucket: "archive.of.models" }));
  await expect(client.send(new HeadBucketCommand({ Bucket: "archive.of.models" }))).rejects.toMatchObject({
    name: "NotFound",
  });
  const unknown = { name: "NoSuchBucket", BucketName: "nobody" };
  await expect(client.send(new DeleteBucketCommand({ Bucket: "nobody" }))).rejects.toMatchObject(unknown);
  await expect(client.send(new GetBucketLocationCommand({ Bucket: "nobody" }))).rejects.toMatchObject(
    unknown,
  );
});

test("buckets: are listed page by page and by prefix", async () => {
  const { client } = await s3Port();
  for (const Bucket of ["a-1", "a-2", "a-3", "b-1"]) await client.send(new CreateBucketCommand({ Bucket }));
  const first = await client.send(new ListBucketsCommand({ Prefix: "a-", MaxBuckets: 2 }));
  expect(first.Buckets?.map(({ Name }) => Name)).toEqual(["a-1", "a-2"]);
  const rest = await client.send(
    new ListBucketsCommand({ Prefix: "a-", MaxBuckets: 2, ContinuationToken: first.ContinuationToken }),
  );
  expect(rest.Buckets?.map(({ Name }) => Name)).toEqual(["a-3"]);
  expect(rest.ContinuationToken).toBeUndefined();
});

test("bucket: created again is an error everywhere but in us-east-1, as in AWS", async () => {
  const { client, url } = await s3Port();
  const elsewhere = clientOf(url, { region: "eu-west-1" });
  const CreateBucketConfiguration = { LocationConstraint: "eu-west-1" } as const;
  const command = new CreateBucketCommand({ Bucket: "models", CreateBucketConfiguration });
  await elsewhere.send(command);
  await expect(elsewhere.send(command)).rejects.toMatchObject({
    name: "BucketAlreadyOwnedByYou",
    $metadata: { httpStatusCode: 409 },
  });
  await client.send(new CreateBucketCommand({ Bucket: "models" }));
  const location = await elsewhere.send(new GetBucketLocationCommand({ Bucket: "models" }));
  expect(location.LocationConstraint).toBe("eu-west-1");
  elsewhere.destroy();
});

test("bucket: the location has to fit the region that is asked", async () => {
  const { client, send } = await s3Port();
  await client.send(new CreateBucketCommand({ Bucket: "models" }));
  expect(
    (await client.send(new GetBucketLocationCommand({ Bucket: "models" }))).LocationConstraint ?? "",
  ).toBe("");
  // The SDK names the location itself; a request that does not is refused outside of us-east-1.
  const authorization =
    "AWS4-HMAC-SHA256 Credential=test/20261125/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0";
  const incompatible = await send("PUT", "/other", { headers: { authorization } });
  expect(incompatible.status).toBe(400);
  expect(await incompatible.text()).toContain(
    "<Code>IllegalLocationConstraintException</Code><Message>The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.</Message>",
  );
  const configuration = (constraint: string): string =>
    `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${constraint}</LocationConstraint></CreateBucketConfiguration>`;
  const invalid = await send("PUT", "/third", { body: configuration("us-east-1") });
  expect(await invalid.text()).toContain("<Code>InvalidLocationConstraint</Code>");
  const broken = await send("PUT", "/third", { body: "<Create" });
  expect(await broken.text()).toContain("<Code>MalformedXML</Code>");
  expect((await send("HEAD", "/third")).status).toBe(404);
});

test.each(["ab", "Models", "a_b", "192.168.1.1", "a..b"])("bucket: '%s' is no name of one", async (name) => {
  const { send, failures } = await s3Port();
  const answer = await send("PUT", `/${name}`);
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain("<Code>InvalidBucketName</Code>");
  expect(failures).toEqual([]);
});

test("host: a bucket may be named there", async () => {
  const { client, url } = await s3Port();
  await client.send(new CreateBucketCommand({ Bucket: "models" }));
  await client.send(new PutObjectCommand({ Bucket: "models", Key: "team/a", Body: "hello" }));
  const { hostname, port } = new URL(url);
  const body = await new Promise<string>((resolve, reject) => {
    request(
      { hostname, port, path: "/team/a", headers: { host: `models.s3.localhost:${port}` } },
      (response) => {
        response.setEncoding("utf8");
        response.on("data", resolve);
      },
    )
      .on("error", reject)
      .end();
  });
  expect(body).toBe("hello");
});

test("what is not here: says so, and is not taken for something else", async () => {
  const { client, send } = await s3Port();
  await client.send(new CreateBucketCommand({ Bucket: "models" }));
  for (const path of ["/models?policy", "/models/a?tagging", "/models?lifecycle"]) {
    const answer = await send("PUT", path, { body: "<X/>" });
    expect(answer.status).toBe(501);
    expect(await answer.text()).toContain("<Code>NotImplemented</Code>");
  }
  expect((await send("HEAD", "/models/a")).status).toBe(404);
  const versions = await send("DELETE", "/models?policy");
  expect(versions.status).toBe(501);
  expect((await send("HEAD", "/models")).status).toBe(200);
  const patch = await send("PATCH", "/models");
  expect(patch.status).toBe(405);
  expect(await patch.text()).toContain("<Code>MethodNotAllowed</Code>");
  expect(await (await send("GET", "/models?versioning")).text()).toContain("VersioningConfiguration");
});
