import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compareFleet } from "../../../../emulator/parity/memory/compare.ts";
import { readFleetRecordings } from "../../../../emulator/parity/memory/recordings.ts";
import { fidelityPage, totalsOf } from "../../../../emulator/parity/memory/report.ts";
import { recordedMemoryFidelity } from "../../../../emulator/parity/memory/run.ts";
import { TRITON_VERSION } from "../../../../emulator/parity/real-triton/server-files.ts";

/* What a real server did in containers with a memory limit (fixtures/recordings), again through the ledger. */

const recordings = readFleetRecordings(TRITON_VERSION);

describe("as seen on a real server", () => {
  test.each(
    recordings
      .filter(({ stalled }) => !stalled)
      .map((recording) => [recording.fleet.seed, recording.fleet.kind, recording] as const),
  )("memory fidelity: fleet %d (%s) fits, dies and answers as it did there", (_seed, _kind, recording) => {
    const { fit, differences, kills } = compareFleet(recording);
    expect(Math.abs(fit.real - fit.ledger)).toBeLessThanOrEqual(1);
    expect(differences.filter(({ reason }) => reason === null)).toEqual([]);
    expect(kills.length).toBeGreaterThan(0);
  });

  test("memory fidelity: the page tells of these recordings (npm run parity -- --memory --recorded)", () => {
    const report = recordedMemoryFidelity();
    if (report === null) throw new Error("no recordings");
    const page = readFileSync(new URL("../../../../docs/memory-fidelity.md", import.meta.url), "utf8");
    expect(page).toBe(fidelityPage(report));
    expect(totalsOf(report).fleets).toBe(report.fleets.length);
  });
});
