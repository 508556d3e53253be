import { expect, test } from "vitest";
import { play } from "../agent-real/play.ts";
import { recorded, textOf } from "../agent-real/recorded.ts";
import { runs } from "../agent-real/runs.ts";
import { simulatedSide } from "../agent-real/sides.ts";

test.each(runs)("agent: decides in the simulation as it did on a real tritonserver: $name", async (run) => {
  expect(textOf(await play(simulatedSide, run))).toBe(recorded(run));
});
