import { expect, test } from "vitest";
import { checksumOf, runningChecksum } from "../../../../emulator/aws/object-store/checksum.ts";
import { Random } from "../../../../emulator/common/random.ts";

const digits = Buffer.from("123456789");

/** The check values of the catalogue of CRCs; those of the hashes are known from everywhere. */
test.each([
  ["CRC32", "cbf43926"],
  ["CRC32C", "e3069283"],
  ["CRC64NVME", "ae8b14860a799888"],
  ["SHA1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"],
  ["SHA256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"],
] as const)("%s: of the digits 1 to 9 is %s", (algorithm, hex) => {
  expect(Buffer.from(checksumOf(algorithm, digits), "base64").toString("hex")).toBe(hex);
});

/** Bit by bit, as the definition has it. */
const slowCrc = (bytes: Uint8Array, polynomial: bigint, width: bigint): bigint => {
  const ones = (1n << width) - 1n;
  let value = ones;
  for (const byte of bytes) {
    value ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ polynomial : value >> 1n;
  }
  return value ^ ones;
};

test.each([
  ["CRC32C", 0x82f63b78n, 32n],
  ["CRC64NVME", 0x9a6c9329ac4bc9b5n, 64n],
] as const)("%s: of any bytes, cut anywhere, is what the definition says", (algorithm, polynomial, width) => {
  const random = new Random(3);
  for (let round = 0; round < 50; round++) {
    const bytes = Buffer.from(
      Array.from({ length: random.nextUint32() % 70 }, () => random.nextUint32() & 0xff),
    );
    const cut = random.nextUint32() % (bytes.length + 1);
    const running = runningChecksum(algorithm);
    running.update(bytes.subarray(0, cut));
    running.update(bytes.subarray(cut));
    const hex = slowCrc(bytes, polynomial, width)
      .toString(16)
      .padStart(Number(width / 4n), "0");
    expect(Buffer.from(running.digest(), "base64").toString("hex")).toBe(hex);
  }
});
