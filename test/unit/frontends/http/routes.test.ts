import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RestrictedCategory } from "../../../../emulator/frontends/http/restricted-api.ts";
import { FakeInferenceServer } from "../../../support/fake-inference-server.ts";
import { type HttpFixture, headerOf, startHttpFixture, textOf } from "../../../support/http-frontend.ts";

type Row = readonly [
  method: "GET" | "POST",
  path: string,
  category: RestrictedCategory,
  wrongMethodType: string,
];

const JSON_TYPE = "application/json";
const TEXT_TYPE = "text/plain";

/** Every endpoint, by the table of spec/triton-wire.md 1.3. */
const rows: readonly Row[] = [
  ["GET", "/v2", "metadata", JSON_TYPE],
  ["GET", "/v2/health/live", "health", TEXT_TYPE],
  ["GET", "/v2/health/ready", "health", TEXT_TYPE],
  ["GET", "/v2/models/stats", "statistics", JSON_TYPE],
  ["GET", "/v2/models/echo", "metadata", JSON_TYPE],
  ["GET", "/v2/models/echo/versions/1", "metadata", JSON_TYPE],
  ["GET", "/v2/models/echo/ready", "health", TEXT_TYPE],
  ["GET", "/v2/models/echo/versions/1/ready", "health", TEXT_TYPE],
  ["GET", "/v2/models/echo/config", "model-config", JSON_TYPE],
  ["GET", "/v2/models/echo/versions/1/config", "model-config", JSON_TYPE],
  ["GET", "/v2/models/echo/stats", "statistics", JSON_TYPE],
  ["GET", "/v2/models/echo/versions/1/stats", "statistics", JSON_TYPE],
  ["GET", "/v2/models/echo/trace/setting", "trace", JSON_TYPE],
  ["GET", "/v2/trace/setting", "trace", JSON_TYPE],
  ["GET", "/v2/logging", "logging", JSON_TYPE],
  ["POST", "/v2/models/echo/infer", "inference", TEXT_TYPE],
  ["POST", "/v2/models/echo/versions/1/infer", "inference", TEXT_TYPE],
  ["GET", "/v2/systemsharedmemory/status", "shared-memory", JSON_TYPE],
  ["GET", "/v2/cudasharedmemory/status", "shared-memory", JSON_TYPE],
  ["POST", "/v2/systemsharedmemory/unregister", "shared-memory", JSON_TYPE],
  ["POST", "/v2/cudasharedmemory/region/r/unregister", "shared-memory", JSON_TYPE],
  ["POST", "/v2/repository/index", "model-repository", JSON_TYPE],
  ["POST", "/v2/repository/any/index", "model-repository", JSON_TYPE],
  ["POST", "/v2/repository/models/m/load", "model-repository", JSON_TYPE],
  ["POST", "/v2/repository/models/m/unload", "model-repository", JSON_TYPE],
];

const takesBoth = (path: string): boolean => path.endsWith("/trace/setting") || path === "/v2/logging";

const sound = { inputs: [{ name: "A", datatype: "INT32", shape: [1], data: [7] }] };

let fixture: HttpFixture;
let restricted: HttpFixture;

beforeAll(async () => {
  const server = new FakeInferenceServer();
  fixture = await startHttpFixture(server);
  const categories = new Set(rows.map(([, , category]) => category));
  restricted = await startHttpFixture(server, {
    restrictedApis: [...categories].map((category) => ({
      category,
      header: "X-Key",
      value: `of ${category}`,
    })),
  });
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
  await restricted[Symbol.asyncDispose]();
});

describe("the right method", () => {
  test.each(rows)("%s %s answers 200", async (method, path) => {
    const answer = await fixture.ask(path, method === "GET" ? {} : { body: sound });
    expect(answer.status).toBe(200);
    expect(fixture.errors).toEqual([]);
  });
});

describe("a wrong method", () => {
  test.each(rows)("not %s %s: answers 405 in the type of its handler", async (method, path, _, type) => {
    const wrong = ["HEAD", "DELETE", "BREW", ...(takesBoth(path) ? [] : [method === "GET" ? "POST" : "GET"])];
    for (const other of wrong) {
      const answer = await fixture.ask(path, { method: other });
      expect(answer.statusLine).toBe("HTTP/1.1 405 Not Allowed");
      expect(textOf(answer)).toBe('{"error":"Method Not Allowed"}');
      expect(headerOf(answer, "Content-Type")).toBe(type);
    }
  });
});

describe("restricted", () => {
  test.each(rows)(
    "%s %s: 403 before 405, and the value of its category opens it",
    async (method, path, category) => {
      for (const [right, headers] of [
        [false, {}],
        [false, { "X-Key": "wrong" }],
        [false, { "X-Key": `of ${category} `.toUpperCase() }],
        [true, { "x-KEY": `of ${category}` }],
      ] as const) {
        const wrongMethod = await restricted.ask(path, { method: "DELETE", headers });
        expect(wrongMethod.status).toBe(right ? 405 : 403);
        const answer = await restricted.ask(path, method === "GET" ? { headers } : { headers, body: sound });
        expect(answer.status).toBe(right ? 200 : 403);
        if (right) continue;
        expect(textOf(answer)).toBe(`{"error":"This API is restricted, expecting header 'X-Key'"}`);
        expect(headerOf(answer, "Content-Type")).toBe(TEXT_TYPE);
      }
    },
  );
});

describe("no route", () => {
  test.each([
    "/",
    "/v2/",
    "//v2",
    "/v1",
    "/V2",
    "/v2/health",
    "/v2/health/alive",
    "/v2/models",
    "/v2/models/",
    "/v2/models/echo/",
    "/v2/models/echo/versions",
    "/v2/models/echo/versions/",
    "/v2/models/echo/versions/x",
    "/v2/models/echo/versions/-1",
    "/v2/models/echo/versions/1/trace/setting",
    "/v2/models/echo/ready/",
    "/v2/models/a/b",
    "/v2/models/\xe9",
    "/v2/repository",
    "/v2/repository/models/m",
    "/v2/systemsharedmemory",
    "/v2/systemsharedmemory/region/status",
    "/v2/rocmsharedmemory/status",
    "/v2/trace",
    "/metrics",
  ])("%j answers 404", async (path) => {
    for (const method of ["GET", "POST"]) {
      const answer = await fixture.ask(path, { method });
      expect(answer.status).toBe(404);
      expect(textOf(answer)).toBe('{"error":"Not Found"}');
      expect(headerOf(answer, "Content-Type")).toBe(TEXT_TYPE);
    }
  });
});

test("the query is not looked at, and a path is not decoded", async () => {
  expect((await fixture.ask("/v2/health/live?x=/nope")).status).toBe(200);
  const answer = await fixture.ask("/v2/models/%65cho");
  expect(textOf(answer)).toBe(`{"error":"Request for unknown model: '%65cho' is not found"}`);
});

test("a model named stats has no metadata address", async () => {
  expect(textOf(await fixture.ask("/v2/models/stats"))).toBe('{"model_stats":[]}');
});
