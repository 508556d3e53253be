import { expect, test, vi } from "vitest";
import { VirtualClock } from "../../../emulator/common/virtual-clock.ts";
import { asyncObjectsOf } from "../../../emulator/composition/async-objects.ts";
import { localObjectStore } from "../../support/local-object-store.ts";

const objectsWithBucket = async () => {
  const { store } = await localObjectStore();
  await store.createBucket({ name: "calls", region: "us-east-1", createdMs: 1 });
  return { store, objects: asyncObjectsOf(store, new VirtualClock()) };
};

test("objects of asynchronous calls: what was written is read, with its type and ETag", async () => {
  const { store, objects } = await objectsWithBucket();
  await objects.write("calls", "in.json", Buffer.from("{}"), "application/json");
  expect((await objects.read("calls", "in.json"))?.toString()).toBe("{}");
  expect(await store.head("calls", "in.json")).toMatchObject({
    etag: "99914b932bd37a50b983c5e7c90ae93b",
    headers: { "content-type": "application/json" },
  });
});

test("objects of asynchronous calls: null, when there is no such object", async () => {
  const { objects } = await objectsWithBucket();
  expect(await objects.read("calls", "nothing")).toBeNull();
});

// Node ends the process when it collects a file that nobody closed.
test("objects of asynchronous calls: the file is closed, when it has been read", async () => {
  const { store, objects } = await objectsWithBucket();
  await objects.write("calls", "in.json", Buffer.from("{}"), "application/json");
  const open = vi.spyOn(store, "open");
  await objects.read("calls", "in.json");
  const opened = await open.mock.results[0]?.value;
  await expect(opened?.read(0, 2)[Symbol.asyncIterator]().next()).rejects.toThrow("closed");
});
