import { gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { TritonError } from "../../../../emulator/common/status.ts";
import { FakeInferenceServer } from "../../../support/fake-inference-server.ts";
import { headerOf, startHttpFixture, textOf } from "../../../support/http-frontend.ts";

const echoed = (data: readonly number[]): object => ({
  inputs: [{ name: "A", datatype: "INT32", shape: [data.length], data }],
});
const answered = (data: readonly number[]): string =>
  `{"model_name":"echo","model_version":"1","outputs":[{"name":"A","datatype":"INT32","shape":[${data.length}],"data":[${data.join(",")}]}]}`;

const INFER = "/v2/models/echo/infer";

describe("compression", () => {
  test("a gzip request is read, an answer is compressed as asked, its length is that of what is sent", async () => {
    await using fixture = await startHttpFixture(new FakeInferenceServer());
    for (const size of [3, 100_000]) {
      const data = Array.from({ length: size }, (_, i) => (i * 7919) % 65_521);
      for (const encoding of ["gzip", "deflate"]) {
        const answer = await fixture.ask(INFER, {
          headers: { "Content-Encoding": "gzip", "Accept-Encoding": encoding },
          body: gzipSync(JSON.stringify(echoed(data))),
        });
        expect(answer.headers.map(([name]) => name)).toEqual([
          "Content-Type",
          "Content-Encoding",
          "Content-Length",
        ]);
        expect(headerOf(answer, "Content-Encoding")).toBe(encoding);
        const plain = encoding === "gzip" ? gunzipSync(answer.body) : inflateSync(answer.body);
        expect(plain.toString() === answered(data)).toBe(true);
      }
    }
  });

  test("an unknown encoding answers 501 and says which there are", async () => {
    await using fixture = await startHttpFixture(new FakeInferenceServer());
    const answer = await fixture.ask(INFER, { headers: { "Content-Encoding": "br" }, body: echoed([1]) });
    expect(answer.status).toBe(501);
    expect(headerOf(answer, "Accept-Encoding")).toBe("gzip, deflate");
  });

  test("only inference is compressed", async () => {
    await using fixture = await startHttpFixture(new FakeInferenceServer());
    const answer = await fixture.ask("/v2", { headers: { "Accept-Encoding": "gzip" } });
    expect(headerOf(answer, "Content-Encoding")).toBeUndefined();
  });
});

describe("header forwarding", () => {
  const forwarded = async (pattern: RegExp | null, body: object = echoed([1])) => {
    const server = new FakeInferenceServer();
    await using fixture = await startHttpFixture(server, { headerForwardPattern: pattern });
    await fixture.ask(INFER, { headers: { "X-A": "1", "y-B": "zwei", "Other-X-C": "" }, body });
    return server.requests[0]?.parameters.map(({ name, value }) => [name, value]);
  };

  test("headers that match become string parameters, in the client's spelling and order", async () => {
    expect(await forwarded(/x-|y-/i)).toEqual([
      ["X-A", { kind: "string", value: "1" }],
      ["y-B", { kind: "string", value: "zwei" }],
      ["Other-X-C", { kind: "string", value: "" }],
    ]);
  });

  test("they come after the parameters of the request", async () => {
    const own = { ...echoed([1]), parameters: { mine: 5 } };
    expect((await forwarded(/^x-a$/i, own))?.map(([name]) => name)).toEqual(["mine", "X-A"]);
  });

  test("without a pattern, or a match, there are none", async () => {
    expect(await forwarded(null)).toEqual([]);
    expect(await forwarded(/nothing/i)).toEqual([]);
  });
});

describe("errors of an inference", () => {
  test.each([
    ["refused by the core", (error: TritonError) => error, "application/json"],
    ["answered by the backend", null, "text/plain"],
  ])("%s: its code and type", async (_, refuse, type) => {
    const server = new FakeInferenceServer();
    const error = new TritonError("UNAVAILABLE", "no");
    server.onInfer = (request) => {
      if (refuse !== null) return refuse(error);
      request.respond({ final: true, error, outputs: [] });
      return null;
    };
    await using fixture = await startHttpFixture(server);
    const answer = await fixture.ask(INFER, { body: echoed([1]) });
    expect(answer.status).toBe(503);
    expect(textOf(answer)).toBe('{"error":"no"}');
    expect(headerOf(answer, "Content-Type")).toBe(type);
  });

  test("a decoupled model answers 501, an unknown one 404, a wrong version 404, an endless one 400", async () => {
    await using fixture = await startHttpFixture(new FakeInferenceServer());
    for (const [path, status] of [
      ["/v2/models/decoupled/infer", 501],
      ["/v2/models/none/infer", 404],
      ["/v2/models/echo/versions/2/infer", 404],
      [`/v2/models/echo/versions/${"9".repeat(30)}/infer`, 400],
    ] as const) {
      const answer = await fixture.ask(path, { body: echoed([1]) });
      expect(answer.status).toBe(status);
      expect(headerOf(answer, "Content-Type")).toBe("text/plain");
    }
  });

  test("what is not foreseen answers 500, is in the log, and the next request is served", async () => {
    const server = new FakeInferenceServer();
    await using fixture = await startHttpFixture(server);
    const sound = server.onInfer;
    server.onInfer = () => {
      throw new Error("oops");
    };
    expect((await fixture.ask(INFER, { body: echoed([1]) })).status).toBe(500);
    expect(fixture.errors).toHaveLength(1);
    expect(fixture.errors[0]).toContain(`unexpected failure of POST ${INFER}: Error: oops`);
    server.onInfer = sound;
    expect(textOf(await fixture.ask(INFER, { body: echoed([5]) }))).toBe(answered([5]));
  });
});

test("a large binary tensor comes back as it was sent", async () => {
  const server = new FakeInferenceServer();
  await using fixture = await startHttpFixture(server);
  const data = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 31) & 0xff));
  const json = JSON.stringify({
    inputs: [
      { name: "A", datatype: "INT32", shape: [100_000], parameters: { binary_data_size: data.length } },
    ],
    parameters: { binary_data_output: true },
  });
  for (let i = 0; i < 3; i++) {
    const answer = await fixture.ask(INFER, {
      headers: { "Inference-Header-Content-Length": `${json.length}` },
      body: Buffer.concat([Buffer.from(json), data]),
    });
    const headerLength = Number(headerOf(answer, "Inference-Header-Content-Length"));
    expect(answer.body.subarray(headerLength).equals(data)).toBe(true);
  }
  // Where the bytes lie: at a multiple of 64, for models that read them in place.
  for (const { inputs } of server.requests) expect(inputs[0]!.data.byteOffset % 64).toBe(0);
});
