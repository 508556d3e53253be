import { expect, test } from "vitest";
import type { InvocationRecord } from "../../../../emulator/aws/runtime/endpoints.ts";
import { DataCapture } from "../../../../emulator/aws/sagemaker/data-capture.ts";
import type { DataCaptureConfig } from "../../../../emulator/aws/sagemaker/input-shapes.ts";
import type { Log } from "../../../../emulator/common/log.ts";
import { silentLog } from "../../../../emulator/common/log.ts";
import { Random } from "../../../../emulator/common/random.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";

const config: DataCaptureConfig = {
  EnableCapture: true,
  InitialSamplingPercentage: 100,
  DestinationS3Uri: "s3://captures/team/",
  KmsKeyId: undefined,
  CaptureOptions: [{ CaptureMode: "InputAndOutput" }],
  CaptureContentTypeHeader: { JsonContentTypes: ["application/json"], CsvContentTypes: undefined },
};

const record: InvocationRecord = {
  endpoint: "e",
  region: "us-east-1",
  variant: "AllTraffic",
  requestId: "id",
  inferenceId: null,
  targetModel: "a.tar.gz",
  request: { contentType: "application/json", customAttributes: "c=1", body: Buffer.from('{"in":1}') },
  answer: {
    status: 200,
    from: "container",
    headers: ["Content-Type", "image/png"],
    body: Buffer.from([1, 2]),
    error: null,
    cacheHit: true,
    times: { waitUs: 0, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: 0 },
  },
  status: 200,
  durationUs: 1,
};

const capturing = (
  change: Partial<DataCaptureConfig> = {},
  write?: () => Promise<void>,
  log: Log = silentLog,
) => {
  const clock = new VirtualClock(Date.UTC(2026, 1, 3, 4, 5, 6, 78));
  const files: { key: string; lines: readonly unknown[] }[] = [];
  const capture = new DataCapture({
    clock,
    random: new Random(1),
    log,
    configOf: (_region, endpoint) => (endpoint === "e" ? { ...config, ...change } : undefined),
    write:
      write ??
      ((bucket, key, content) => {
        const lines = content.toString().trimEnd().split("\n");
        files.push({ key: `${bucket}/${key}`, lines: lines.map((line): unknown => JSON.parse(line)) });
        return Promise.resolve();
      }),
  });
  return { clock, capture, files };
};

test("data capture: input and output of a second are lines of one object, by endpoint, variant and hour", () => {
  const { clock, capture, files } = capturing();
  capture.invoked(record);
  capture.invoked({ ...record, inferenceId: "mine" });
  expect(files).toEqual([]);
  clock.advance(1_000_000);
  expect(files).toHaveLength(1);
  expect(files[0]?.key).toMatch(
    /^captures\/team\/e\/AllTraffic\/2026\/02\/03\/04\/05-06-078-[0-9a-f]{8}\.jsonl$/,
  );
  expect(files[0]?.lines).toMatchObject([
    {
      captureData: {
        endpointInput: {
          observedContentType: "application/json",
          mode: "INPUT",
          data: '{"in":1}',
          encoding: "JSON",
        },
        endpointOutput: {
          observedContentType: "image/png",
          mode: "OUTPUT",
          data: "AQI=",
          encoding: "BASE64",
        },
      },
      eventMetadata: { eventId: "id", customAttributes: ["c=1"], inferenceTime: "2026-02-03T04:05:06Z" },
      eventVersion: "0",
    },
    { eventMetadata: { inferenceId: "mine" } },
  ]);
});

test("data capture: only what is asked for, of a share of the requests, of endpoints that have it", async () => {
  const { capture, files } = capturing({
    CaptureOptions: [{ CaptureMode: "Input" }],
    InitialSamplingPercentage: 30,
  });
  for (let i = 0; i < 1000; i++) capture.invoked(record);
  capture.invoked({ ...record, endpoint: "other" });
  capture.invoked({ ...record, variant: null });
  await capture.flush();
  expect(files).toHaveLength(1);
  const lines = files[0]?.lines ?? [];
  expect(lines.length).toBeGreaterThan(200);
  expect(lines.length).toBeLessThan(400);
  expect(lines[0]).toMatchObject({ captureData: { endpointInput: {} } });
  expect(lines[0]).not.toHaveProperty("captureData.endpointOutput");
});

test("data capture: off, it captures nothing", async () => {
  const { capture, files } = capturing({ EnableCapture: false });
  capture.invoked(record);
  await capture.flush();
  expect(files).toEqual([]);
});

test("data capture: what cannot be written is said in the log", async () => {
  const errors: string[] = [];
  const { capture } = capturing({}, () => Promise.reject(new Error("NoSuchBucket")), {
    ...silentLog,
    error: (message) => errors.push(message),
  });
  capture.invoked(record);
  await capture.flush();
  expect(errors).toEqual([
    expect.stringMatching(/^data capture: cannot write s3:\/\/captures\/team\/e\/.*: NoSuchBucket$/),
  ]);
});
