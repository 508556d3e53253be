import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { silentLog } from "../../../emulator/common/log.ts";
import { temporaryFolder } from "../../../emulator/parity/cases/model-repository.ts";
import { DiskTraceSink } from "../../../emulator/storage/disk-trace-sink.ts";

test("trace sink: replaces a file, then adds to it", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "F");
  const sink = new DiskTraceSink(silentLog);
  sink.write(path, Buffer.from("old and long"));
  sink.write(path, Buffer.from([0x5b, 0xff]));
  sink.append(path, Buffer.from([0x5d]));
  expect([...readFileSync(path)]).toEqual([0x5b, 0xff, 0x5d]);
});

test("trace sink: a file that cannot be written is an error in the log", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "no", "F");
  const errors: string[] = [];
  const sink = new DiskTraceSink({ ...silentLog, error: (message) => errors.push(message) });
  sink.write(path, Buffer.from("x"));
  sink.append(path, Buffer.from("x"));
  expect(errors).toHaveLength(2);
  expect(errors[0]).toMatch(`cannot write trace file ${path}: ENOENT`);
});
