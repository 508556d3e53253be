import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEmulator, type TestEmulator } from "../emulator/testing/start-emulator.ts";
import { Aws } from "./aws-errors/aws.ts";
import { documented } from "./aws-errors/documented.ts";
import { errorsPage } from "./aws-errors/page.ts";
import { elsewhere, notProvoked, provoked } from "./aws-errors/rows.ts";

const root = resolve(import.meta.dirname, "..");

let emulator: TestEmulator;
let aws: Aws;

beforeAll(async () => {
  emulator = await startEmulator();
  aws = new Aws(emulator);
  await aws.prepare();
}, 60_000);

afterAll(() => emulator.stop());

describe("errors of AWS's services", () => {
  test.each(provoked)(
    "$operation: $error, when $when",
    async ({ error, status, text, members = {}, provoke }) => {
      const refused = await provoke(aws);
      expect(refused).toMatchObject({ code: error, status, members });
      if (typeof text === "string") expect(refused.message).toBe(text);
      else expect(refused.message).toMatch(text);
    },
  );

  test("what another test brings about is named there", () => {
    const missing = elsewhere.filter(
      ({ file, test: name }) => !readFileSync(join(root, file), "utf8").includes(name),
    );
    expect(missing).toEqual([]);
  });

  test("every documented error of every operation is brought about, or there is a reason why not", () => {
    const told = new Set(
      [...provoked, ...elsewhere, ...notProvoked].map(({ operation, error }) => `${operation}: ${error}`),
    );
    const all = Object.entries(documented).flatMap(([operation, errors]) =>
      errors.map((error) => `${operation}: ${error}`),
    );
    expect(all.filter((pair) => !told.has(pair))).toEqual([]);
  });

  test("docs/aws-errors.md is what `npm run docs` makes", () => {
    expect(readFileSync(join(root, "docs", "aws-errors.md"), "utf8")).toBe(errorsPage());
  });
});
