import { expect, test } from "vitest";
import { silentLog } from "../../../../emulator/common/log.ts";
import { FaultPlan } from "../../../../emulator/core/faults/fault-plan.ts";
import { parseFaults } from "../../../../emulator/core/faults/fault-rule.ts";
import { createDispatch } from "../../../../emulator/frontends/http/server.ts";
import { exchangeOf } from "../../../../emulator/scenario/http-port.ts";
import { modelConfig, tritonServer } from "../../../support/core-fixture.ts";

/** Paths in the order of their answers, where the load of a model takes a second and everything is sent at once. */
const answersOf = (rules: readonly object[], paths: readonly string[]): readonly string[] => {
  const faults = parseFaults(rules, "faults");
  if (!faults.ok) throw faults.error;
  const fixture = tritonServer({ models: { m: modelConfig() } });
  fixture.backend.initializeUs = 1_000_000;
  const options = {
    restrictedApis: [],
    headerForwardPattern: null,
    faults: new FaultPlan(faults.value),
    threads: 1,
  };
  const dispatch = createDispatch(fixture.server, options, silentLog);
  const answered: string[] = [];
  for (const path of paths) {
    const method = path.endsWith("/load") ? "POST" : "GET";
    dispatch(exchangeOf(method, path, "", new Map(), () => answered.push(path)));
  }
  fixture.clock.runAll();
  return answered;
};

const LOAD = "/v2/repository/models/m/load";
const LIVE = "/v2/health/live";

test("blocked threads: a load holds up who comes after it where that is imitated, else nobody", () => {
  expect(answersOf([{ imitate: "load-blocks-worker" }], [LOAD, LIVE])).toEqual([LOAD, LIVE]);
  expect(answersOf([], [LOAD, LIVE])).toEqual([LIVE, LOAD]);
});
