import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import type { Finding } from "../../../../emulator/parity/difference/finding.ts";
import {
  playRecordedTraffic,
  recordTraffic,
} from "../../../../emulator/parity/recordings/recorded-traffic.ts";
import { emulatorTarget } from "../../../support/targets/emulator.ts";

const folder = pathToFileURL(`${mkdtempSync(join(tmpdir(), "recordings-"))}/`);
afterAll(() => rmSync(folder, { recursive: true }));

const from = { server: "2.51.0", onnxRuntime: "1.30.0", target: "ours", date: "2026-11-25", command: "none" };

test("generated requests: recorded, they are sent again without their generator; an answer that changes is found", async () => {
  const file = new URL("traffic/requests.jsonl", folder);
  const recorded = await recordTraffic(emulatorTarget, { file, from: { ...from, seed: 3 }, count: 40, say });
  expect(recorded).toBe(40);
  const findings: Finding[] = [];
  const play = (): ReturnType<typeof playRecordedTraffic> =>
    playRecordedTraffic(emulatorTarget, {
      file,
      tolerance: 0,
      accepted: [],
      say: () => {},
      onProgress: () => {},
      onFinding: (finding) => findings.push(finding),
    });
  const same = await play();
  expect(findings).toEqual([]);
  expect(same.surfaces.reduce((sum, { agree }) => sum + agree, 0)).toBe(40);
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace('"http":["HTTP/1.1 200 OK"', '"http":["HTTP/1.1 201 Created"'));
  const other = await play();
  expect(findings).toHaveLength(1);
  expect(findings[0]?.divergences[0]).toMatchObject({ where: "status" });
  expect(other.surfaces.reduce((sum, { differ }) => sum + differ, 0)).toBe(1);
});

const say = (): void => {};
