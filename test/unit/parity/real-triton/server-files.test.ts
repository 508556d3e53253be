import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { checksums, serverFiles, verify } from "../../../../emulator/parity/real-triton/server-files.ts";
import { Unavailable } from "../../../../emulator/parity/real-triton/unavailable.ts";
import { onnxRuntimeBackendFolder } from "../../../../emulator/parity/shipped-files.ts";

const folder = fileURLToPath(onnxRuntimeBackendFolder);
const scratch = mkdtempSync(join(tmpdir(), "triton-local-checksums-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("checksums: name and sum of each line that sha256sum wrote, text or binary", () => {
  const [one, two] = ["1".repeat(64), "2".repeat(64)];
  expect(checksums(`${one}  a.so\n# note\n${two} *b c.so\n`)).toEqual([
    ["a.so", one],
    ["b c.so", two],
  ]);
});

test("the shipped ONNX Runtime backend: is the file whose checksum stands beside it, and its licence comes along", async () => {
  const sums = checksums(readFileSync(join(folder, "SHA256SUMS"), "utf8"));
  expect(sums.map(([file]) => file)).toEqual(["libtriton_onnxruntime.so"]);
  for (const [file, sha256] of sums) await verify(join(folder, file), sha256);
  expect(readFileSync(join(folder, "LICENSE"), "utf8")).toContain("Redistributions in binary form");
});

test("verify: names both sums of a file that was changed", async () => {
  const file = join(scratch, "changed");
  copyFileSync(join(folder, "LICENSE"), file);
  const [[, sha256] = ["", ""]] = checksums(readFileSync(join(folder, "SHA256SUMS"), "utf8"));
  writeFileSync(file, "changed");
  const failure = await verify(file, sha256).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Unavailable);
  expect(String(failure)).toMatch(new RegExp(`has SHA-256 [0-9a-f]{64} instead of ${sha256}`));
});

test("serverFiles: refuses an ONNX Runtime that was never tried and names those that were", async () => {
  const failure = await serverFiles({ onnxRuntime: "1.2.3", python: "3.11", say: () => {} }).catch(
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({
    message: "ONNX Runtime 1.2.3 was never tried",
    remedy: "REAL_ORT takes 1.19.2 and 1.30.0",
  });
});
