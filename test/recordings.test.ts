import { statSync } from "node:fs";
import { expect, test } from "vitest";
import { areas, waysOf } from "../emulator/parity/cases/areas.ts";
import { readCases } from "../emulator/parity/cases/conformance-case.ts";
import { recordedPartner } from "../emulator/parity/recordings/recorded-partner.ts";
import { readRecordings, recordingFiles } from "../emulator/parity/recordings/recording-file.ts";
import { conformance } from "./conformance/conformance.ts";

// What a real server once answered still agrees with every case, on a machine that has none.
const partner = recordedPartner();
for (const area of areas) conformance(area, partner);

test("recordings: hold every case in every way and nothing else, from one server, in files below 2 MB", () => {
  const wanted = areas.flatMap((area) =>
    readCases(area).flatMap((testCase) =>
      waysOf(area, testCase).map((way) => `${area}: ${testCase.id} ${way}`),
    ),
  );
  const found = recordingFiles(partner.folder).flatMap((file) => {
    const area = /([^/]+)\.jsonl$/.exec(file.pathname)?.[1];
    const { from, recordings } = readRecordings(file);
    expect(from).toMatchObject({ server: partner.from.server, onnxRuntime: partner.from.onnxRuntime });
    expect(statSync(file).size).toBeLessThan(2_000_000);
    return recordings.map(({ case: id, over }) => `${area}: ${id} ${over}`);
  });
  expect(found.sort()).toEqual(wanted.sort());
});
