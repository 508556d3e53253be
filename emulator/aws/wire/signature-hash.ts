import { createHash, createHmac, timingSafeEqual } from "node:crypto";

export const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

export const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");

/** Takes as long wherever they differ. */
export const same = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a, "latin1"), Buffer.from(b, "latin1"));
