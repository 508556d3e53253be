import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeInferenceServer } from "../../../../support/fake-inference-server.ts";
import { type HttpFixture, startHttpFixture, textOf } from "../../../../support/http-frontend.ts";

const PATH = "/v2/logging";

let server: FakeInferenceServer;
let fixture: HttpFixture;

beforeEach(async () => {
  server = new FakeInferenceServer();
  fixture = await startHttpFixture(server);
});

afterEach(() => fixture[Symbol.asyncDispose]());

test("settings in the order of the wire", async () => {
  expect(textOf(await fixture.ask(PATH))).toBe(
    '{"log_file":"","log_info":true,"log_warning":true,"log_error":true,"log_verbose_level":0,"log_format":"default"}',
  );
});

test("an update is answered with the settings it makes", async () => {
  const body = {
    log_info: false,
    log_warning: false,
    log_error: false,
    log_verbose_level: 3,
    log_format: "ISO8601",
  };
  expect(JSON.parse(textOf(await fixture.ask(PATH, { body })))).toEqual({ log_file: "", ...body });
});

test("nulls and unknown fields change nothing", async () => {
  const before = server.log;
  const body = { log_file: null, log_info: null, log_verbose_level: null, log_format: null, nope: 1 };
  expect((await fixture.ask(PATH, { body })).status).toBe(200);
  expect(server.log).toEqual(before);
});

test.each([
  [500, "{"],
  [501, '{"log_file":"x"}'],
  [500, '{"log_info":1}'],
  [500, '{"log_verbose_level":-1}'],
  [500, '{"log_verbose_level":"1"}'],
  [500, '{"log_format":1}'],
  [503, '{"log_format":"nope"}'],
])("%i answers %j", async (status, body) => {
  expect((await fixture.ask(PATH, { body })).status).toBe(status);
});

test("fields before a wrong one stay applied", async () => {
  await fixture.ask(PATH, { body: '{"log_verbose_level":2,"log_warning":1,"log_info":false}' });
  expect([server.log.log_info, server.log.log_warning, server.log.log_verbose_level]).toEqual([
    false,
    true,
    0,
  ]);
});
