import { expect, test } from "vitest";
import { resetModels } from "../../../emulator/composition/reset-models.ts";
import { modelConfig, tritonServer } from "../../support/core-fixture.ts";

test("reset: models are those of the start, and the response cache answers nobody any more", async () => {
  const config = modelConfig("response_cache { enable: true }");
  const fixture = tritonServer({
    models: { m: config, later: config },
    loaded: ["m"],
    responseCacheByteSize: 4096,
  });
  fixture.load("later");
  fixture.infer("m");
  fixture.clock.runAll();
  const reset = resetModels(fixture.server, ["m"]);
  fixture.clock.runAll();
  await reset;
  expect(fixture.server.isModelReady("later", -1)).toBe(false);
  fixture.infer("m");
  fixture.clock.runAll();
  expect(fixture.backend.runs.length).toBe(2);
  expect(fixture.server.responseCacheStatistics()).toMatchObject({ entries: 1, hits: 0 });
});
