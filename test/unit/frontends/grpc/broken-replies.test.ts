import { expect, test } from "vitest";
import { FaultPlan } from "../../../../emulator/core/faults/fault-plan.ts";
import { parseFaults } from "../../../../emulator/core/faults/fault-rule.ts";
import { GrpcFixture } from "../../../support/grpc-frontend.ts";

const plan = (...rules: readonly object[]): FaultPlan => {
  const set = parseFaults(rules, "faults");
  if (!set.ok) throw set.error;
  return new FaultPlan(set.value);
};

const request = {
  model_name: "echo",
  inputs: [{ name: "A", datatype: "INT32", shape: ["2"], contents: { int_contents: [7, 9] } }],
};

test("broken replies: the nth inference is broken off, those around it and other calls are not", async () => {
  const faults = plan({ operation: "respond", effect: "reset", after_bytes: 12, model: "echo", nth: 2 });
  await using fixture = await GrpcFixture.start({ faults });
  const codes: string[] = [];
  for (let i = 0; i < 3; i++) codes.push((await fixture.client.unary("ModelInfer", request, {})).code);
  expect(codes).toEqual(["OK", "INTERNAL", "OK"]);
  expect((await fixture.client.unary("ServerLive", {}, {})).code).toBe("OK");
  expect(faults.rules()[0]?.counts).toEqual({ asked: 3, matched: 3, struck: 1, overruled: 0 });
});

test("broken replies: a stream ends with the reply that is broken off, and keeps those before it", async () => {
  const faults = plan({ operation: "respond", effect: "reset", after_bytes: 12, nth: 3 });
  await using fixture = await GrpcFixture.start({ faults });
  const answer = await fixture.client.stream(
    "ModelStreamInfer",
    [1, 2, 3, 4].map(() => request),
    {},
  );
  expect(answer.code).toBe("INTERNAL");
  expect(answer.replies).toHaveLength(2);
});

test("broken replies: the header of a call breaks its own reply", async () => {
  await using fixture = await GrpcFixture.start({ faults: plan() });
  const metadata = { "x-triton-local-fault": "reset" };
  expect((await fixture.client.unary("ModelInfer", request, metadata)).code).toBe("INTERNAL");
  expect((await fixture.client.unary("ModelInfer", request, {})).code).toBe("OK");
});
