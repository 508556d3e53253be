import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ConformanceCase, readCases } from "../../../../emulator/parity/cases/conformance-case.ts";
import { play } from "../../../../emulator/parity/cases/play.ts";
import { recordCases } from "../../../../emulator/parity/recordings/record-cases.ts";
import { recordedPartner } from "../../../../emulator/parity/recordings/recorded-partner.ts";
import { emulatorTarget } from "../../../support/targets/emulator.ts";

const parent = pathToFileURL(`${mkdtempSync(join(tmpdir(), "recordings-"))}/`);
let folder: URL;
beforeAll(async () => {
  const target = { ...emulatorTarget, real: true };
  const done = await recordCases(target, { areas: ["control-mode"], folder: parent, date, say: () => {} });
  folder = done.folder;
  expect(done).toMatchObject({ recorded: 2, disagreements: [] });
});
afterAll(() => rmSync(parent, { recursive: true }));

const date = new Date("2026-11-25T12:00:00Z");
const [testCase] = readCases("control-mode") as [ConformanceCase];
const over = (way: "http" | "grpc", changed: object = {}): Promise<readonly string[]> =>
  play({ ...testCase, ...changed }, recordedPartner(folder), { over: way, differences: [] });

test("a recorded case: is played without a server, over HTTP and over gRPC", async () => {
  expect(await over("http")).toEqual([]);
  expect(await over("grpc")).toEqual([]);
});

test("a file: says first what answered, when, and how it is remade", () => {
  expect(folder.pathname).toMatch(/\/2\.51\.0-ort-1\.30\.0\/$/);
  const [first = ""] = readFileSync(new URL("control-mode.jsonl", folder), "utf8").split("\n");
  expect(JSON.parse(first)).toEqual({
    server: "2.51.0",
    onnxRuntime: "1.30.0",
    target: "triton-local",
    date: "2026-11-25",
    command: "npm run parity -- --record",
  });
});

test("a case that expects something else since: is told as a disagreement", async () => {
  const [step] = testCase.steps;
  const steps = [{ ...step, response: { status: 418 } }];
  expect(await over("http", { steps })).toEqual([
    expect.stringMatching(/^step 0: status \d+ instead of 418/),
  ]);
});

test("a case that asks something else since: is not played, and the command that remakes it is named", async () => {
  const changed = { server: { flags: ["--model-control-mode=none"] } };
  expect(await over("http", changed)).toEqual([
    `${testCase.id} over http asks something else since it was recorded; record it again with: npm run parity -- --record`,
  ]);
});

test("a case that was never recorded: is not played, and the command that records it is named", async () => {
  expect(await over("http", { id: "control-mode-99" })).toEqual([
    "control-mode-99 over http is not recorded; record it with: npm run parity -- --record",
  ]);
});

test("a recording that breaks off: the missing step is named", async () => {
  const file = new URL("control-mode.jsonl", folder);
  const whole = readFileSync(file, "utf8");
  writeFileSync(file, whole.replace(/^\{"step":0.*\n/m, ""));
  try {
    expect(await over("http")).toEqual([
      expect.stringContaining(`step 0 of ${testCase.id} over http is not recorded`),
    ]);
  } finally {
    writeFileSync(file, whole);
  }
});

test("no recordings: said at once, with the command that makes them", () => {
  expect(() => recordedPartner(new URL("nothing/", parent))).toThrow(
    "make them with: npm run parity -- --record",
  );
});

/** Records a case from a server that was started otherwise than asked for the first `count` times that it was played. */
const recordedFrom = async (count: number) => {
  const elsewhere = pathToFileURL(`${mkdtempSync(join(tmpdir(), "recordings-"))}/`);
  const said: string[] = [];
  let starts = 0;
  try {
    const { disagreements } = await recordCases(
      {
        ...emulatorTarget,
        real: true,
        start: (wanted) => {
          // The first start only asks for the version.
          const wrong = starts > 0 && starts <= count;
          starts++;
          return emulatorTarget.start(wrong ? { ...wanted, flags: ["--model-control-mode=none"] } : wanted);
        },
      },
      { areas: ["control-mode"], folder: elsewhere, date, say: (line) => said.push(line) },
    );
    return { disagreements, said };
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
};

test("recording: a case that was otherwise beside others is played again alone, and that is told", async () => {
  const { disagreements, said } = await recordedFrom(1);
  expect(disagreements).toEqual([]);
  expect(said).toContainEqual(
    expect.stringContaining(`as its case says when played alone: ${testCase.id} over `),
  );
});

test("recording: a case that stays otherwise is told as a disagreement", async () => {
  const { disagreements } = await recordedFrom(Number.POSITIVE_INFINITY);
  expect(disagreements).toEqual([
    expect.stringContaining(`${testCase.id} over http:`),
    expect.stringContaining(`${testCase.id} over grpc:`),
  ]);
});
