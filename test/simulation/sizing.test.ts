import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  answersWith,
  type Fit,
  moveNumbers,
  playRow,
  type SizingNumber,
  sizingNumbers,
  sizingRows,
  usualFits,
  withSizingTable,
} from "../../docs/sizing-table.ts";
import { readScenarioFile } from "../../emulator/scenario/files.ts";
import { readMemoryProfiles } from "../../emulator/storage/memory-profiles.ts";

const [four, ten, twelve] = sizingRows;
const GIB = 2 ** 30;

const documentOf = (row: string): Readonly<Record<string, unknown>> => {
  const file = readScenarioFile(row);
  if (!file.ok) throw new Error(file.message);
  return { ...Object(file.file.document) };
};

const modelsOf = (row: string): readonly Readonly<Record<string, unknown>>[] => {
  const { models } = documentOf(row);
  return Array.isArray(models) ? models : [];
};

const counts = (fits: readonly Fit[]): number[] => fits.map((fit) => fit.fits);

/** A row on its own machine with this much of a memory. */
const withMemory = (row: (typeof sizingRows)[number], memory: object): number =>
  playRow(row, { machine: { type: String(documentOf(row).machine), ...memory } }, 30).fits;

test("sizing: one set of numbers, but for what the rows themselves changed", () => {
  for (const row of sizingRows) {
    const { profile, policy, faults } = documentOf(row);
    expect({ profile, policy, faults }).toEqual({ policy: { preset: "sagemaker", measure: "larger" } });
  }
  const [first] = modelsOf(four);
  const [second] = modelsOf(ten);
  expect({ ...second, host: null, count: null }).toEqual({ ...first, host: null, count: null });
  const read = readMemoryProfiles([]);
  if (!read.ok) throw read.error;
  const { backends } = read.value;
  expect(backends.get("python-pytorch")?.stub).toMatchObject({
    private_bytes: { value: backends.get("python")?.stub?.private_bytes.value },
    first_run_bytes: { value: backends.get("python")?.stub?.first_run_bytes.value },
    kernel_bytes: { value: backends.get("python")?.stub?.kernel_bytes.value },
    server_bytes: { value: backends.get("python")?.stub?.server_bytes.value },
    shm_bytes: { value: backends.get("python")?.stub?.shm_bytes.value },
    file_bytes: { value: backends.get("python")?.stub?.file_bytes.value },
  });
});

test("sizing: the numbers of a process lie within what was reported of one", () => {
  const value = (name: string): number => sizingNumbers.find((number) => number.name === name)?.value ?? 0;
  const host = value("PyTorch imported in a process, host") + value("first CUDA use of such a process, host");
  expect(host).toBeGreaterThanOrEqual(1.3e9);
  expect(host).toBeLessThanOrEqual(3e9);
  expect(value("the same, GPU")).toBeGreaterThanOrEqual(0.3e9);
  expect(value("the same, GPU")).toBeLessThanOrEqual(0.5e9);
});

describe("sizing: four autocomplete models", () => {
  test("the host is what is full, and one more unloads several, not only the least recently used", () => {
    expect(usualFits[0]).toEqual({
      fits: 4,
      full: ["host"],
      victims: ["autocomplete-1", "autocomplete-2"],
      endedBy: "eviction",
    });
  });

  test("more host memory lets more fit, more GPU memory does not", () => {
    expect(withMemory(four, { host: 32 * GIB })).toBe(8);
    expect(withMemory(four, { gpus: [30 * GIB] })).toBe(4);
  });

  test("several go because the platform knows archives only: by what loads took, one would do", () => {
    expect(playRow(four, { "policy.estimate": "last-load" }).victims).toEqual(["autocomplete-1"]);
  });
});

describe("sizing: ten autocomplete models on twice the host memory", () => {
  test("host and GPU are both full", () => {
    expect(usualFits[1]).toMatchObject({ fits: 10, full: ["host", "gpu:0"], endedBy: "eviction" });
  });

  test("more of one memory alone lets no more fit, more of both does", () => {
    expect(withMemory(ten, { host: 64 * GIB })).toBe(10);
    expect(withMemory(ten, { gpus: [30 * GIB] })).toBe(10);
    expect(withMemory(ten, { host: 64 * GIB, gpus: [30 * GIB] })).toBe(20);
  });

  test("without the optimisation fewer fit, and the host alone is full", () => {
    const [first] = modelsOf(four);
    expect(playRow(ten, { "models.autocomplete-{i}.host": first?.host })).toMatchObject({
      fits: 8,
      full: ["host"],
    });
  });
});

describe("sizing: twelve embedding models", () => {
  test("the GPU is what is full", () => {
    expect(usualFits[2]).toMatchObject({ fits: 12, full: ["gpu:0"], endedBy: "eviction" });
  });

  test("more GPU memory lets more fit, more host memory does not", () => {
    expect(withMemory(twelve, { gpus: [30 * GIB] })).toBe(25);
    expect(withMemory(twelve, { host: 32 * GIB })).toBe(12);
  });

  test("with a process for each encoder the host is full long before", () => {
    const changes = {
      "models.encoder-a-{i}.backend": "python-pytorch",
      "models.encoder-b-{i}.backend": "python-pytorch",
    };
    expect(playRow(twelve, changes).fits).toBe(2);
  });
});

test("sizing: what others saw a process take lets as many fit as docs/sizing.md says", () => {
  const page = readFileSync(new URL("../../docs/sizing.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| ([\d.]+) GB \| .* \| (\d+) \| (host|GPU) \|$/gm)];
  expect(rows).toHaveLength(4);
  const imported = 322e6;
  for (const [, gigabytes, fits, full] of rows) {
    const changes = { "profile.python-pytorch.cuda.host_bytes": Number(gigabytes) * 1e9 - imported };
    expect(playRow(four, changes, 16)).toMatchObject({
      fits: Number(fits),
      full: [full === "GPU" ? "gpu:0" : "host"],
    });
  }
});

const moved = moveNumbers();

/** Whether more of the number may not let more fit (or less of a capacity), in any row. */
const isPhysical = ({ isCapacity }: SizingNumber, less: readonly Fit[], more: readonly Fit[]): boolean => {
  const [fewest, most] = isCapacity ? [less, more] : [more, less];
  return usualFits.every(
    ({ fits }, row) => (fewest[row]?.fits ?? Number.NaN) <= fits && fits <= (most[row]?.fits ?? Number.NaN),
  );
};

test.each(moved.map((entry) => [entry.number.name, entry] as const))(
  "sizing: a tenth more or less of it moves the answers the way physics says: %s",
  (_name, { number, less, more }) => {
    expect(isPhysical(number, less, more), `${counts(less)} with less, ${counts(more)} with more`).toBe(true);
  },
);

test("sizing: each row depends on the numbers that it is about, and not on the others", () => {
  /** Rows that fewer models fit in with twice the bytes, by what is doubled. */
  const hurt = (name: string): number[] => {
    const number = sizingNumbers.find((known) => known.name === name);
    if (number === undefined) throw new Error(`no number ${name}`);
    return counts(answersWith(number, 2)).flatMap((fits, row) => (fits < usualFits[row]!.fits ? [row] : []));
  };
  expect(hurt("first CUDA use of such a process, host")).toEqual([0, 1]);
  expect(hurt("the same, GPU")).toEqual([1]);
  expect(hurt("allocator and workspaces of an autocomplete model, GPU")).toEqual([1]);
  expect(hurt("weights of an encoder, GPU (host while loading)")).toEqual([2]);
  expect(hurt("workspace of an encoder, GPU")).toEqual([2]);
});

test("sizing: docs/sizing.md has the table that the scenarios make now (npm run docs)", () => {
  const page = readFileSync(new URL("../../docs/sizing.md", import.meta.url), "utf8").replaceAll(
    "\r\n",
    "\n",
  );
  expect(page).toBe(withSizingTable(page, moved));
});
