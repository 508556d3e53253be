import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { sagemakerPlatform } from "../../../../emulator/aws/placement/platform-settings.ts";
import { sagemakerRouter } from "../../../../emulator/aws/placement/router.ts";

const page = readFileSync(new URL("../../../../docs/placement.md", import.meta.url), "utf8");

test("docs/placement.md: has every setting with its value, each known, reported or assumed", () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+) \| (known|reported|assumed) \|/gm)];
  expect(Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)]))).toEqual({
    ...sagemakerPlatform,
    ...sagemakerRouter,
  });
});
