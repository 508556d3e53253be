import type { InputTensor } from "../tensor/inference-request.ts";

const PRIME_A = 0x01000193;
const PRIME_B = 0x85ebca6b;

/**
 * What a request is looked up by: 64 bits over model, version, and names and bytes of the inputs sorted by name. Type, shape,
 * parameters and requested outputs are no part of it, so that requests which differ only there get each other's answers
 * (spec/triton-core.md 4.5, seen on 2.51.0).
 * @returns a decimal number, as the log shows it
 */
export const cacheKey = (model: string, version: string, inputs: readonly InputTensor[]): string => {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  const add = (bytes: Uint8Array): void => {
    for (let i = 0; i < bytes.length; i++) {
      a = Math.imul(a ^ bytes[i]!, PRIME_A);
      b = Math.imul(b ^ bytes[i]!, PRIME_B);
      b = (b << 13) | (b >>> 19);
    }
    a = Math.imul(a ^ bytes.length, PRIME_A);
    b = Math.imul(b ^ bytes.length, PRIME_B);
  };
  const addText = (text: string): void => add(Buffer.from(text));
  addText(model);
  addText(version);
  for (const { name, data } of [...inputs].sort((x, y) => (x.name < y.name ? -1 : 1))) {
    addText(name);
    add(data);
  }
  return String((BigInt(mixed(a)) << 32n) | BigInt(mixed(b)));
};

const mixed = (hash: number): number => {
  let h = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
};
