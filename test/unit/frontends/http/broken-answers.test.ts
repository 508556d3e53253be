import { expect, test } from "vitest";
import { FaultPlan } from "../../../../emulator/core/faults/fault-plan.ts";
import { parseFaults } from "../../../../emulator/core/faults/fault-rule.ts";
import { startHttpFrontend } from "../../../../emulator/frontends/http/server.ts";
import { requestBytes } from "../../../../emulator/parity/exchange/http-connection.ts";
import { FakeInferenceServer } from "../../../support/fake-inference-server.ts";
import { sendAndClose } from "../../../support/http-frontend.ts";

const silent = { info: () => {}, warning: () => {}, error: () => {}, verbose: () => {} };

/** What a client receives of the answers to these paths, one connection each. */
const received = async (
  faults: FaultPlan,
  paths: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Promise<string[]> => {
  const frontend = await startHttpFrontend(
    new FakeInferenceServer(),
    {
      address: "127.0.0.1",
      port: 0,
      reusePort: false,
      restrictedApis: [],
      headerForwardPattern: null,
      faults,
    },
    silent,
  );
  const body = Buffer.from('{"inputs":[{"name":"A","datatype":"INT32","shape":[2],"data":[7,9]}]}');
  const texts: string[] = [];
  for (const path of paths) {
    const infers = path.endsWith("/infer");
    const bytes = requestBytes({
      method: infers ? "POST" : "GET",
      path,
      headers,
      body: infers ? body : null,
    });
    texts.push((await sendAndClose(frontend.port, bytes)).toString("latin1"));
  }
  await frontend.close();
  return texts;
};

const plan = (...rules: readonly object[]): FaultPlan => {
  const set = parseFaults(rules, "faults");
  if (!set.ok) throw set.error;
  return new FaultPlan(set.value);
};

const INFER = "/v2/models/echo/infer";

test("broken answers: the nth answer of a model ends after so many bytes, those around it are whole", async () => {
  const faults = plan({ operation: "respond", effect: "reset", after_bytes: 20, model: "echo", nth: 2 });
  const [first = "", second, other, third] = await received(faults, [
    INFER,
    INFER,
    "/v2/models/batched/ready",
    INFER,
  ]);
  expect(first).toMatch(/"data":\[7,9\]}\]}$/);
  expect(second).toBe(first.slice(0, 20));
  expect(other).toMatch(/^HTTP\/1\.1 200/);
  expect(third).toBe(first);
  expect(faults.rules()[0]?.counts).toEqual({ asked: 3, matched: 3, struck: 1, overruled: 0 });
});

test("broken answers: none of it arrives, when nothing is said of bytes, and whatever the version", async () => {
  const faults = plan({ operation: "respond", effect: "reset" });
  expect(await received(faults, ["/v2/models/echo/versions/1/infer"])).toEqual([""]);
});

test("broken answers: a header breaks its own answer; one that asks for something else does not", async () => {
  const faults = plan();
  const header = (value: string) => ({ "X-Triton-Local-Fault": value });
  expect(await received(faults, [INFER], header("effect=reset,after_bytes=12"))).toEqual(["HTTP/1.1 200"]);
  const [whole] = await received(faults, [INFER], header("out-of-memory"));
  expect(whole).toMatch(/"data":\[7,9\]}\]}$/);
});
