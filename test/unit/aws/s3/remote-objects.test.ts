import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { RemoteObjects } from "../../../../emulator/aws/s3/remote-objects.ts";
import { SystemClock } from "../../../../emulator/common/system-clock.ts";
import { contentOf, described } from "../../../support/local-object-store.ts";
import { s3Port } from "../../../support/s3-port.ts";

const clock = new SystemClock();
const region = "us-east-1";
const credentials = { accessKeyId: "test", secretAccessKey: "secret", sessionToken: "token" };

/** Our own S3, which looks at signatures. */
const remote = async (given: typeof credentials | null = credentials) => {
  const port = await s3Port({ credentials });
  await port.store.createBucket({ name: "models", region, createdMs: 0 });
  const objects = new RemoteObjects({ endpoint: new URL(port.url), region, credentials: given, clock });
  const put = (key: string, content: Uint8Array) => port.store.put("models", key, [content], described);
  return { ...port, objects, put };
};

test.each(["a.tar.gz", "team/ä +&%(1)*'!.tar.gz", "empty"])("object '%s': is found and read", async (key) => {
  const { objects, put } = await remote();
  const content = key === "empty" ? Buffer.of() : Buffer.alloc(300_000, key);
  const { etag, byteSize } = await put(key, content);
  expect(await objects.head("models", key)).toMatchObject({ key, etag, byteSize });
  expect((await contentOf(objects, "models", key))?.equals(content)).toBe(true);
});

test("object: one that is not there, in a bucket or without one", async () => {
  const { objects } = await remote();
  expect(await objects.head("models", "no")).toBeNull();
  expect(await objects.open("models", "no")).toBeNull();
  expect(await objects.head("nobody", "no")).toBeNull();
});

test("object: one that is overwritten while it is read is an error", async () => {
  const { objects, put } = await remote();
  await put("a", Buffer.from("old"));
  const open = await objects.open("models", "a");
  await put("a", Buffer.from("new"));
  const read = async (): Promise<void> => {
    for await (const bytes of open?.read(0, 3) ?? []) expect(bytes).toBeNull();
  };
  await expect(read()).rejects.toMatchObject({
    code: "PreconditionFailed",
    message:
      "s3://models/a is answered with PreconditionFailed At least one of the pre-conditions you specified did not hold",
  });
});

test("credentials: without them, or with others, what the service says is the error", async () => {
  const { objects } = await remote(null);
  await expect(objects.head("models", "a")).rejects.toMatchObject({
    code: "403",
    message: "s3://models/a is answered with status 403",
  });
  const { objects: others } = await remote({ ...credentials, secretAccessKey: "other" });
  await expect(others.head("models", "a")).rejects.toMatchObject({ code: "403" });
});

test("service: one that does not answer, or breaks off, is an error", async () => {
  const server = createServer((request, response) => {
    response.writeHead(request.method === "HEAD" ? 200 : 206, { "content-length": 10 });
    if (request.method === "HEAD") response.end();
    else response.write("half", () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => {
    server.close();
  });
  const objects = new RemoteObjects({
    endpoint: new URL(`http://127.0.0.1:${port}`),
    region,
    credentials,
    clock,
  });
  await expect(contentOf(objects, "models", "a")).rejects.toMatchObject({ code: "ECONNRESET" });
  await new Promise((resolve) => server.close(resolve));
  await expect(objects.head("models", "a")).rejects.toMatchObject({ code: "ECONNREFUSED" });
});
