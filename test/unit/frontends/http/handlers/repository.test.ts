import { describe, expect, test } from "vitest";
import { TritonError } from "../../../../../emulator/common/status.ts";
import { FakeInferenceServer } from "../../../../support/fake-inference-server.ts";
import { type HttpFixture, headerOf, startHttpFixture, textOf } from "../../../../support/http-frontend.ts";

const start = async (): Promise<{ server: FakeInferenceServer; fixture: HttpFixture }> => {
  const server = new FakeInferenceServer();
  return { server, fixture: await startHttpFixture(server) };
};

const LOAD = "/v2/repository/models/m/load";
const UNLOAD = "/v2/repository/models/m/unload";

describe("index", () => {
  test("a field that is not known is absent, names are escaped", async () => {
    const { server, fixture } = await start();
    server.index = [
      { name: 'a"b' },
      { name: "b", version: "1", state: "READY" },
      { name: "c", version: "2", state: "UNAVAILABLE", reason: "un\nloaded" },
    ];
    expect(textOf(await fixture.ask("/v2/repository/index", { method: "POST" }))).toBe(
      '[{"name":"a\\"b"},{"name":"b","version":"1","state":"READY"},{"name":"c","version":"2","state":"UNAVAILABLE","reason":"un\\nloaded"}]',
    );
    await fixture[Symbol.asyncDispose]();
  });

  test.each([
    ["", 3],
    ["{}", 3],
    ['{"ready":false}', 3],
    ['{"ready":true}', 1],
  ])("%j lists %i", async (body, count) => {
    const { server, fixture } = await start();
    server.index = [{ name: "a" }, { name: "b", state: "READY" }, { name: "c", state: "LOADING" }];
    expect(JSON.parse(textOf(await fixture.ask("/v2/repository/index", { body })))).toHaveLength(count);
    await fixture[Symbol.asyncDispose]();
  });

  test.each(["{", '{"ready":1}', '{"ready":"true"}'])("%j answers 500", async (body) => {
    const { fixture } = await start();
    const answer = await fixture.ask("/v2/repository/index", { body });
    expect(answer.status).toBe(500);
    expect(headerOf(answer, "Content-Type")).toBe("application/json");
    await fixture[Symbol.asyncDispose]();
  });
});

describe("load", () => {
  test("parameters arrive in the order of the body, a file decoded", async () => {
    const { server, fixture } = await start();
    const parameters = { "file:1/model.onnx": "AQID", config: '{"backend":"x"}', "file:": "" };
    const answer = await fixture.ask(LOAD, { body: { parameters } });
    expect([answer.status, textOf(answer)]).toEqual([200, ""]);
    expect(server.loads).toEqual([
      {
        model: "m",
        parameters: [
          { kind: "file", path: "1/model.onnx", content: Buffer.from([1, 2, 3]) },
          { kind: "config", json: '{"backend":"x"}' },
          { kind: "file", path: "", content: Buffer.alloc(0) },
        ],
      },
    ]);
    await fixture[Symbol.asyncDispose]();
  });

  test.each(["", "{}", "[]", '{"parameters":{}}', '{"other":1}'])(
    "%j loads without parameters",
    async (body) => {
      const { server, fixture } = await start();
      expect((await fixture.ask(LOAD, { body })).status).toBe(200);
      expect(server.loads).toEqual([{ model: "m", parameters: [] }]);
      await fixture[Symbol.asyncDispose]();
    },
  );

  test.each([
    "{",
    '{"parameters":[]}',
    '{"parameters":{"config":{}}}',
    '{"parameters":{"file:1/a":1}}',
    '{"parameters":{"nope":"x"}}',
  ])("%j answers 500 and loads nothing", async (body) => {
    const { server, fixture } = await start();
    expect((await fixture.ask(LOAD, { body })).status).toBe(500);
    expect(server.loads).toEqual([]);
    await fixture[Symbol.asyncDispose]();
  });

  test("an error of the core is answered with its code", async () => {
    const { server, fixture } = await start();
    server.loadModel = (_model, _parameters, done) => done(new TritonError("INVALID_ARG", "load failed"));
    const answer = await fixture.ask(LOAD, { method: "POST" });
    expect([answer.status, textOf(answer)]).toEqual([400, '{"error":"load failed"}']);
    await fixture[Symbol.asyncDispose]();
  });
});

describe("unload", () => {
  test.each([
    ["", false],
    ["{", false],
    ["[]", false],
    ['{"parameters":{"unload_dependents":true}}', true],
    ['{"parameters":{"unload_dependents":false}}', false],
    ['{"parameters":{"unload_dependents":"true"}}', false],
  ])("%j unloads, with dependents = %j", async (body, unloadDependents) => {
    const { server, fixture } = await start();
    expect((await fixture.ask(UNLOAD, { body })).status).toBe(200);
    expect(server.unloads).toEqual([{ model: "m", unloadDependents }]);
    await fixture[Symbol.asyncDispose]();
  });
});

test("a repository's name is refused for load and unload", async () => {
  const { server, fixture } = await start();
  for (const verb of ["load", "unload"]) {
    const answer = await fixture.ask(`/v2/repository/r/models/m/${verb}`, { method: "POST" });
    expect([answer.status, textOf(answer)]).toEqual([
      501,
      `{"error":"'repository_name' specification is not supported"}`,
    ]);
  }
  expect([server.loads, server.unloads]).toEqual([[], []]);
  await fixture[Symbol.asyncDispose]();
});
