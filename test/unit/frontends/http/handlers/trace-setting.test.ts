import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeInferenceServer } from "../../../../support/fake-inference-server.ts";
import { type HttpFixture, startHttpFixture, textOf } from "../../../../support/http-frontend.ts";

const PATH = "/v2/trace/setting";

let server: FakeInferenceServer;
let fixture: HttpFixture;

beforeEach(async () => {
  server = new FakeInferenceServer();
  fixture = await startHttpFixture(server);
});

afterEach(() => fixture[Symbol.asyncDispose]());

test("settings: numbers are strings, in the order of the wire", async () => {
  server.trace = { ...server.trace, trace_level: ["TIMESTAMPS", "TENSORS"], trace_file: 'a"b' };
  expect(textOf(await fixture.ask(PATH))).toBe(
    '{"trace_level":["TIMESTAMPS","TENSORS"],"trace_rate":"1000","trace_count":"-1","log_frequency":"0","trace_file":"a\\"b","trace_mode":"triton"}',
  );
});

test("an update is answered with the settings it makes", async () => {
  const body = { trace_level: ["TIMESTAMPS"], trace_rate: "7", trace_count: "3", log_frequency: "2" };
  const answer = await fixture.ask(PATH, { body });
  expect(JSON.parse(textOf(answer))).toMatchObject(body);
  expect(JSON.parse(textOf(await fixture.ask(PATH)))).toMatchObject(body);
});

test.each([
  [["OFF"], ["OFF"]],
  [[], ["OFF"]],
  [["nonsense"], ["OFF"]],
  [["TENSORS", "nonsense"], ["TENSORS"]],
])("levels %j are taken as %j", async (given, taken) => {
  server.trace = { ...server.trace, trace_level: ["TIMESTAMPS"] };
  expect((await fixture.ask(PATH, { body: { trace_level: given } })).status).toBe(200);
  expect(server.trace.trace_level).toEqual(taken);
});

test.each([
  [500, "{"],
  [501, '{"trace_file":"x"}'],
  [400, '{"trace_level":["OFF","TENSORS"]}'],
  [500, '{"trace_level":"OFF"}'],
  [500, '{"trace_level":[1]}'],
  [500, '{"trace_rate":5}'],
  [400, '{"trace_rate":"x"}'],
  [400, '{"trace_count":"x"}'],
])("%i answers %j, and nothing changes", async (status, body) => {
  const before = server.trace;
  expect((await fixture.ask(PATH, { body })).status).toBe(status);
  expect(server.trace).toEqual(before);
});

test("a model that is not known answers 400", async () => {
  for (const method of ["GET", "POST"]) {
    const answer = await fixture.ask("/v2/models/none/trace/setting", { method });
    expect([answer.status, textOf(answer)]).toEqual([400, '{"error":"Request for unknown model : none"}']);
  }
});
