import { expect, test } from "vitest";
import { ContainerFixture } from "../../../support/container-calls.ts";
import { modelConfig } from "../../../support/core-fixture.ts";
import { backendError } from "../../../support/scripted-backend.ts";

test("load: serves the model by the TargetModel, or else by the platform's name", () => {
  const fixture = new ContainerFixture();
  for (const hash of ["h1", "h2"]) fixture.put(hash, modelConfig('name: "other"'));
  expect(fixture.loadHash("h1", "team/x.tar.gz")).toMatchObject({ status: 200, body: "" });
  expect(fixture.loadHash("h2").status).toBe(200);
  expect([...fixture.models]).toEqual([
    ["h1", "/opt/ml/models/h1/model"],
    ["h2", "/opt/ml/models/h2/model"],
  ]);
  expect(fixture.core.index()).toEqual(["team/x.tar.gz:1 READY", "h2:1 READY"]);
  expect(fixture.core.logged).toContain("Loading SageMaker TargetModel: team/x.tar.gz");
  expect(fixture.core.logged).toContain("Loading SageMaker TargetModel: ");
});

test("load: a repository twice, or a TargetModel under two hashes, is 409 and changes nothing", () => {
  const fixture = new ContainerFixture();
  for (const hash of ["h1", "h2"]) fixture.put(hash);
  fixture.loadHash("h1", "x");
  expect(fixture.loadHash("h1", "y")).toMatchObject({
    status: 409,
    body: `{"error":"model repository '/opt/ml/models/h1/model' has already been registered"}`,
  });
  expect(fixture.loadHash("h2", "x")).toMatchObject({
    status: 409,
    body: `{"error":"failed to register 'x', there is a conflicting mapping for 'x'"}`,
  });
  expect([...fixture.models.keys()]).toEqual(["h1"]);
  expect(fixture.core.index()).toEqual(["x:1 READY"]);
});

test("load: a name that is listed keeps its first repository", () => {
  const fixture = new ContainerFixture();
  for (const hash of ["h1", "h2"]) fixture.put(hash);
  fixture.loadHash("h1", "x");
  expect(fixture.load({ model_name: "h1", url: "/opt/ml/models/h2/model" }, "y").status).toBe(200);
  expect([...fixture.models]).toEqual([["h1", "/opt/ml/models/h1/model"]]);
  expect(fixture.core.index()).toEqual(["x:1 READY", "y:1 READY"]);
});

test("load: of a repository whose first load still runs is 409", () => {
  const fixture = new ContainerFixture();
  fixture.put("h1");
  fixture.core.backend.initializeUs = 1_000_000;
  const first = fixture.loadHash("h1", "x");
  expect(fixture.loadHash("h1", "x").status).toBe(409);
  expect(fixture.models.size).toBe(0);
  fixture.core.clock.advance(1_000_000);
  expect(first.status).toBe(200);
});

test.each([
  ["CUDA out of memory. Tried to allocate 2.00 GiB", 507],
  ["no room", 400],
])("load: failing with %s is %i, and may be tried again", (message, status) => {
  const fixture = new ContainerFixture();
  fixture.put("h1");
  fixture.core.backend.failInitialize = () => backendError(message);
  const text = `load failed for model '/opt/ml/models/h1/model::x': version 1 is at UNAVAILABLE state: Internal: ${message};\\n`;
  expect(fixture.loadHash("h1", "x")).toMatchObject({ status, body: `{"error":"${text}"}` });
  expect(fixture.models.size).toBe(0);
  expect(fixture.core.index()).toEqual([]);
  expect(fixture.core.server.isReady()).toBe(false);
  fixture.core.backend.failInitialize = () => null;
  expect(fixture.loadHash("h1", "x").status).toBe(200);
  expect(fixture.core.server.isReady()).toBe(true);
});

const nowhere = `{"error":"failed to register '', repository not found"}`;

test.each([
  ["", nowhere],
  ["[]", nowhere],
  ['{"model_name":"h1"}', nowhere],
  ['{"model_name":"h1","url":""}', nowhere],
  ['{"model_name":"h1","url":"/none"}', `{"error":"failed to register '/none', repository not found"}`],
  ["{", `{"error":"failed to parse the request JSON buffer: Missing a name for object member. at 1"}`],
  ['{"model_name":1,"url":"/x"}', `{"error":"attempt to access JSON non-string as string"}`],
  ['{"model_name":"h1","url":null}', `{"error":"attempt to access JSON non-string as string"}`],
  ['{"url":"/x"}', `{"error":"a load needs the name of the model in 'model_name'"}`],
])("load: the body %s is 400", (body, answer) => {
  const fixture = new ContainerFixture();
  expect(fixture.load(body)).toMatchObject({ status: 400, body: answer });
  expect(fixture.models.size).toBe(0);
  expect(fixture.core.server.isReady()).toBe(true);
});

test("load: a folder without a model in it is 400, and nothing stays registered", () => {
  const fixture = new ContainerFixture();
  fixture.core.storage.write("/opt/ml/models/h1/model/");
  expect(fixture.loadHash("h1", "x")).toMatchObject({
    status: 400,
    body: `{"error":"failed to load 'x', failed to poll from model repository"}`,
  });
  fixture.put("h1");
  expect(fixture.loadHash("h1", "x").status).toBe(200);
});
