import { expect, test } from "vitest";
import { readJsonText, writeJsonText } from "../../../../emulator/parity/exchange/json-text.ts";
import { Chance } from "../../../../emulator/parity/traffic/chance.ts";
import { generateContainerSequence } from "../../../../emulator/parity/traffic/container-sequences/generate.ts";
import { containerSequenceText } from "../../../../emulator/parity/traffic/container-sequences/sequence.ts";
import { isLeftOut } from "../../../../emulator/parity/traffic/left-out.ts";
import type { ModelSketch } from "../../../../emulator/parity/traffic/model-sketch.ts";
import { bytesOf, get, plainBody, post, shellCommand } from "../../../../emulator/parity/traffic/request.ts";
import { generateSequence } from "../../../../emulator/parity/traffic/sequences/generate.ts";
import { sequenceText } from "../../../../emulator/parity/traffic/sequences/sequence.ts";
import { surfaces } from "../../../../emulator/parity/traffic/surfaces.ts";

const sketch = (name: string, datatype: string): ModelSketch => ({
  name,
  versions: ["1"],
  maxBatchSize: 8,
  inputs: [{ name: "I", datatype, shape: [-1, 4], optional: false }],
  outputs: [{ name: "O", datatype, shape: [-1, 4], optional: false }],
  decoupled: false,
  ensemble: false,
  sequence: false,
});

const models = [sketch("simple", "INT32"), sketch("strings", "BYTES"), sketch("floats", "FP32")];
const world = { models, spare: ["spare"], arithmetic: new Set<string>() };

test.each(surfaces)("$name: one seed and one number make the same request", ({ make }) => {
  for (let number = 0; number < 50; number++) {
    const made = [1, 1, 2].map((seed) => shellCommand(make(new Chance(seed, number), world)));
    expect(made[0]).toBe(made[1]);
  }
  const all = Array.from({ length: 50 }, (_, number) => shellCommand(make(new Chance(1, number), world)));
  expect(new Set(all).size).toBeGreaterThan(1);
});

test("generateSequence: one seed and one number make the same sequence, of models that it has", () => {
  for (let number = 0; number < 50; number++) {
    const made = generateSequence(new Chance(7, number));
    expect(sequenceText(generateSequence(new Chance(7, number)))).toBe(sequenceText(made));
    const names = [...made.models.map(({ letter }) => letter), "none"];
    for (const { model } of made.steps.flat()) expect(names).toContain(model);
  }
});

test("isLeftOut: what the real server does not survive", () => {
  const infer = (model: string, body: string) =>
    post(`/v2/models/${model}/infer`, plainBody(readJsonText(body) ?? { kind: "token", text: body }));
  const classes = '{"outputs":[{"name":"O","parameters":{"classification":1}}]}';
  expect(isLeftOut(infer("strings", classes), models)?.name).toBe("classification of strings");
  expect(isLeftOut(infer("floats", classes), models)).toBeNull();
  expect(isLeftOut(infer("floats", '{"inputs":[{"shape":[1,9223372036854775807]}]}'), models)?.name).toBe(
    "absurd shapes",
  );
  const written = post(
    "/v2/models/floats/infer",
    plainBody({ kind: "token", text: '{"inputs":[{"shape":[1,2147483648],"data":[NaN]}]} ' }),
  );
  expect(isLeftOut(written, models)?.name).toBe("absurd shapes");
});

test("readJsonText: keeps numbers, order and equal names as they are written", () => {
  const text = '{"b":1.0,"a":[-0,1e400,NaN],"b":{"":"\\"x"}}';
  expect(writeJsonText(readJsonText(text) ?? { kind: "token", text: "" })).toBe(text);
  for (const broken of ["", "{", '{"a"}', "[1,]", "[1] x"]) expect(readJsonText(broken)).toBeNull();
});

test("shellCommand: sends the same bytes as curl", () => {
  expect(shellCommand(get("/v2/health/live"))).toBe("curl -i --path-as-is http://$HTTP'/v2/health/live'");
  const posted = {
    ...post("/models", plainBody({ kind: "string", value: "it's" }), "sagemaker"),
    headers: [["A", ""] as const],
  };
  expect(shellCommand(posted)).toBe(
    "curl -i --path-as-is -X POST -H 'A;' http://$SAGEMAKER'/models' --data-binary '\"it'\\''s\"'",
  );
  expect(bytesOf(posted, {}).toString()).toContain('\r\nContent-Length: 6\r\n\r\n"it\'s"');
});

test("generateContainerSequence: one seed and one number make the same sequence, and the real server survives its loads", () => {
  for (let number = 0; number < 100; number++) {
    const made = generateContainerSequence(new Chance(7, number));
    expect(containerSequenceText(generateContainerSequence(new Chance(7, number)))).toBe(
      containerSequenceText(made),
    );
    for (const operation of made.steps.flat()) {
      if (operation.do === "unpack" || operation.request.method !== "POST") continue;
      const { path, body } = operation.request;
      const isLoad = path.startsWith("/models") && !/^\/models\/[^/]+\/invoke$/.test(path);
      if (!isLoad || body?.json?.kind !== "object") continue;
      const members = new Map(body.json.members);
      for (const value of members.values()) expect(value.kind).not.toBe("token");
      // A model without a name is never answered.
      if (JSON.stringify(members.get("model_name") ?? "").includes('"value":""'))
        expect(JSON.stringify(members.get("url"))).toContain('"value":""');
    }
  }
});
