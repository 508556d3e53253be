import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { compareGrpc, compareHttp, compareMessages } from "../../../../emulator/parity/cases/compare.ts";
import { readCases, readDifferences } from "../../../../emulator/parity/cases/conformance-case.ts";
import type { HttpAnswer } from "../../../../emulator/parity/exchange/http-connection.ts";
import { conformanceFolder } from "../../../../emulator/parity/shipped-files.ts";

const answer = (body: string, status = 200, headers: HttpAnswer["headers"] = []): HttpAnswer => ({
  statusLine: `HTTP/1.1 ${status}`,
  status,
  headers,
  body: Buffer.from(body),
});
const context = { repository: "/r", models: ["m"], path: "/v2/models/m" };

test("bodies: compared to the byte, but for what a star or a folder stands for", () => {
  const same = (expected: string, actual: string): boolean =>
    compareHttp({ status: 200, body: expected }, answer(actual), context, 0).length === 0;
  expect(same('{"ns":"*"}', '{"ns":17}')).toBe(true);
  expect(same('{"ns":"*"}', '{"ns":0}')).toBe(false);
  expect(same('{"ns":0}', '{"ns":17}')).toBe(false);
  expect(same("{repo}/m", "/r/m")).toBe(true);
  expect(same("a.b", "axb")).toBe(false);
  expect(same('{"a":1,"b":2}', '{"b":2,"a":1}')).toBe(false);
});

test("status, headers and seconds: a difference in any of them is reported", () => {
  const expected = { status: 503, headers: { "Content-Type": "text/plain" }, body: "x", seconds: 3 };
  const headers = [["content-type", "text/plain"]] as const;
  expect(compareHttp(expected, answer("x", 503, headers), context, 3.2)).toEqual([]);
  expect(compareHttp(expected, answer("x", 500, headers), context, 3.2)).toHaveLength(1);
  expect(compareHttp(expected, answer("x", 503), context, 3.2)).toHaveLength(1);
  expect(compareHttp(expected, answer("x", 503, headers), context, 0.1)).toHaveLength(1);
});

test("config: the entries of maps may come in any order, nothing else", () => {
  const config = { ...context, path: "/v2/models/m/config" };
  const compare = (actual: string): number =>
    compareHttp({ status: 200, body: '{"parameters":{"a":1,"b":2},"name":"m"}' }, answer(actual), config, 0)
      .length;
  expect(compare('{"parameters":{"b":2,"a":1},"name":"m"}')).toBe(0);
  expect(compare('{"name":"m","parameters":{"a":1,"b":2}}')).toBe(1);
});

test("metrics: samples of a family in any order, none missing, none too many", () => {
  const metrics = { ...context, path: "/metrics" };
  const expected = '# HELP f help\n# TYPE f counter\nf{a="1"} *\nf{a="2"} 5\n';
  const compare = (actual: string): number =>
    compareHttp({ status: 200, body: expected }, answer(actual), metrics, 0).length;
  expect(compare('# HELP f help\n# TYPE f counter\nf{a="2"} 5\nf{a="1"} 9\n# HELP g x\n')).toBe(0);
  expect(compare('# HELP f help\n# TYPE f counter\nf{a="1"} 9\n')).toBeGreaterThan(0);
  expect(compare(`${expected.replace("*", "9")}f{a="3"} 1\n`)).toBeGreaterThan(0);
  expect(compare(expected.replace("*", "0"))).toBeGreaterThan(0);
});

test("protobuf messages: a field at its default equals an absent one, a member of a oneof does not", () => {
  expect(compareMessages({ a: "1" }, { a: "1", b: "", c: [] }, "")).toEqual([]);
  expect(compareMessages({ a: "1" }, { a: "2" }, "")).toHaveLength(1);
  expect(compareMessages({}, { bool_param: false }, "")).toHaveLength(1);
  expect(compareMessages({ a: [1, 2] }, { a: [2, 1] }, "")).toHaveLength(2);
});

test("gRPC: code and details both count", () => {
  const actual = { code: "INTERNAL", details: "x", replies: [] };
  expect(compareGrpc({ grpc: "INTERNAL", message: "x" }, actual, "/r")).toEqual([]);
  expect(compareGrpc({ grpc: "INTERNAL", message: "y" }, actual, "/r")).toHaveLength(1);
  expect(compareGrpc({ grpc: "UNKNOWN", message: "x" }, actual, "/r")).toHaveLength(1);
  expect(compareGrpc({ reply: {} }, actual, "/r")).toHaveLength(1);
});

test("differences: each names a step of a case and a reason", () => {
  const areas = readdirSync(conformanceFolder).filter(
    (name) => name.endsWith(".json") && name !== "differences.json",
  );
  const cases = new Map(
    areas.flatMap((name) => readCases(name.slice(0, -".json".length)).map((one) => [one.id, one])),
  );
  for (const { case: id, step, reason } of readDifferences()) {
    expect(cases.get(id), id).toBeDefined();
    if (step !== undefined) expect(cases.get(id)?.steps[step], `${id} step ${step}`).toBeDefined();
    expect(reason).not.toBe("");
  }
});

test("case files: each has its tests, and no case lacks an answer", () => {
  const areas = readdirSync(conformanceFolder).filter(
    (name) => name.endsWith(".json") && name !== "differences.json",
  );
  const tests = readdirSync(new URL("../../../conformance/", import.meta.url));
  for (const area of areas.map((name) => name.slice(0, -".json".length))) {
    expect(tests).toContain(`${area}.test.ts`);
    for (const { id, steps } of readCases(area)) {
      for (const [index, step] of steps.entries()) {
        const answered =
          !("request" in step || "await" in step) || "start" in step || step.response !== undefined;
        expect(answered, `${id} step ${index}`).toBe(true);
      }
    }
  }
});
