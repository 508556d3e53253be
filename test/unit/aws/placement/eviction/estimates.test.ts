import { expect, test } from "vitest";
import { estimates } from "../../../../../emulator/aws/placement/eviction/estimates.ts";

const known = { artifactBytes: 1001, profileBytes: 5000, lastLoadBytes: 7000 };
const unknown = { artifactBytes: 1001, profileBytes: null, lastLoadBytes: null };

test.each([
  ["artifact-times-1.2", 1202, 1202],
  ["artifact-times-1.25", 1252, 1252],
  ["artifact-times-2.75", 2753, 2753],
  ["profile", 5000, 1001],
  ["last-load", 7000, 1001],
] as const)("estimate %s: %i bytes, %i where only the artifact is known", (name, bytes, bytesOfUnknown) => {
  expect([estimates[name](known), estimates[name](unknown)]).toEqual([bytes, bytesOfUnknown]);
});
