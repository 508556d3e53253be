import { expect, test } from "vitest";
import { FakeInferenceServer } from "../../../../support/fake-inference-server.ts";
import { startHttpFixture, textOf } from "../../../../support/http-frontend.ts";

test("server metadata, health and model metadata: the texts of the wire", async () => {
  const server = new FakeInferenceServer();
  await using fixture = await startHttpFixture(server);
  expect(textOf(await fixture.ask("/v2"))).toBe(
    '{"name":"triton","version":"2.51.0","extensions":["classification","sequence"]}',
  );
  expect(textOf(await fixture.ask("/v2/models/echo"))).toBe(
    '{"name":"echo","versions":["1"],"platform":"onnxruntime_onnx","inputs":[{"name":"IN","datatype":"FP32","shape":[-1,3]}],"outputs":[{"name":"OUT","datatype":"BYTES","shape":[-1,1]}]}',
  );
  expect((await fixture.ask("/v2/health/ready")).status).toBe(200);
  server.ready = false;
  const notReady = await fixture.ask("/v2/health/ready");
  expect([notReady.status, textOf(notReady)]).toEqual([400, ""]);
});

test("ready: an unknown model or version is not ready, a version of too many digits is an error", async () => {
  await using fixture = await startHttpFixture(new FakeInferenceServer());
  for (const path of ["none", "echo/versions/2", "echo/versions/0"]) {
    const answer = await fixture.ask(`/v2/models/${path}/ready`);
    expect([answer.status, textOf(answer)]).toEqual([400, '{"error":"Model version not ready"}']);
  }
  const endless = await fixture.ask(`/v2/models/echo/versions/${"9".repeat(20)}/ready`);
  expect(endless.status).toBe(400);
  expect(textOf(endless)).toContain("(details: stol)");
});

test("config, stats and metadata: a version of too many digits is an error, an unknown model is not found", async () => {
  await using fixture = await startHttpFixture(new FakeInferenceServer());
  for (const end of ["", "/config", "/stats"]) {
    const endless = await fixture.ask(`/v2/models/echo/versions/9223372036854775808${end}`);
    expect(endless.status).toBe(400);
    expect(textOf(endless)).toContain("(details: stol)");
    if (end !== "/stats") expect((await fixture.ask(`/v2/models/none${end}`)).status).toBe(404);
  }
});
