import { expect, test } from "vitest";
import { RequestValidator } from "../../../../emulator/core/inference/request-validation.ts";
import { prepareConfig } from "../../../../emulator/core/model-config/prepare.ts";
import {
  InferenceRequest,
  type InferenceRequestFields,
} from "../../../../emulator/core/tensor/inference-request.ts";
import { tensor } from "../../../support/core-fixture.ts";

const batchNote =
  "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting max_batch_size to zero. See the model configuration docs for more info on max_batch_size.";

/** Inputs by name: `type dims [more fields]`, e.g. `INT32 [ 2 ] optional: true`. One output OUT. */
const validatorOf = (inputs: Readonly<Record<string, string>>, maxBatchSize = 0): RequestValidator => {
  const fields = Object.entries(inputs).map(([name, text]) => {
    const [type, ...rest] = text.split(" ");
    return `input { name: "${name}" data_type: TYPE_${type} dims: ${rest.join(" ")} }`;
  });
  const text = `backend: "b" max_batch_size: ${maxBatchSize} ${fields.join("\n")}
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }`;
  const prepared = prepareConfig(
    { text },
    "m",
    { path: "m", changedMs: 0, entries: [], config: null },
    { autoComplete: true },
  );
  if (!prepared.ok) throw prepared.error;
  return new RequestValidator(prepared.value);
};

const requestOf = (fields: Omit<InferenceRequestFields, "respond">): InferenceRequest =>
  new InferenceRequest({ respond: () => {}, ...fields });

const messageOf = (
  validator: RequestValidator,
  fields: Omit<InferenceRequestFields, "respond">,
): string | null => {
  const error = validator.validate(requestOf(fields));
  if (error !== null) expect(error.code).toBe("INVALID_ARG");
  return error?.message ?? null;
};

const strings = (name: string, shape: readonly number[], data: readonly number[]) => ({
  name,
  datatype: "BYTES",
  shape,
  data: new Uint8Array(data),
});

test("request: is accepted and its rows are counted, when everything is as configured", () => {
  const request = requestOf({ inputs: [tensor({ shape: [3, 2] })], requestedOutputs: ["OUT"] });
  expect(validatorOf({ IN: "INT32 [ 2 ]" }, 8).validate(request)).toBeNull();
  expect(request.batchSize).toBe(3);
  const single = requestOf({ inputs: [tensor({ shape: [2] })] });
  expect(validatorOf({ IN: "INT32 [ 2 ]" }).validate(single)).toBeNull();
  expect(single.batchSize).toBe(0);
});

test("requested output: is refused without a prefix, when the model has none of that name", () => {
  expect(
    messageOf(validatorOf({ IN: "INT32 [ 1 ]" }), {
      id: "r",
      inputs: [tensor()],
      requestedOutputs: ["NOPE"],
    }),
  ).toBe("unexpected inference output 'NOPE' for model 'm'");
});

test("requested output: of several that there are none of the first by name is told", () => {
  const validator = validatorOf({ IN: "INT32 [ 1 ]" });
  expect(messageOf(validator, { inputs: [tensor()], requestedOutputs: ["b", "a"] })).toContain("output 'a'");
});

test("batch size: is kept in 32 bits, and held against the limit with a sign", () => {
  const validator = validatorOf({ IN: "INT32 [ 1 ]" }, 4);
  const rows = (count: number): string | null =>
    messageOf(validator, { inputs: [{ ...tensor(), shape: [count, 1] }] });
  expect(rows(2 ** 32 + 1)).toBeNull();
  expect(rows(2 ** 32)).toBeNull();
  expect(rows(2 ** 31 - 1)).toContain("batch-size must be <= 4");
  expect(rows(-1)).toContain("Expected 17179869180, got 4");
});

test("requested output: is looked at before the inputs", () => {
  expect(messageOf(validatorOf({ IN: "INT32 [ 1 ]" }), { inputs: [], requestedOutputs: ["NOPE"] })).toContain(
    "unexpected inference output",
  );
});

test("input count: names what was given and what is missing", () => {
  const validator = validatorOf({ A: "INT32 [ 1 ]", B: "INT32 [ 1 ]" });
  expect(messageOf(validator, { id: "r1", inputs: [tensor({ name: "A" })] })).toBe(
    "[request id: r1] expected 2 inputs but got 1 inputs for model 'm'. Got input(s) ['A'], but missing required input(s) ['B']. Please provide all required input(s).",
  );
  expect(messageOf(validator, { inputs: [] })).toBe(
    "[request id: <id_unknown>] expected 2 inputs but got 0 inputs for model 'm'. Got input(s) [], but missing required input(s) ['A','B']. Please provide all required input(s).",
  );
});

test("input count: writes the missing list as a lone bracket, when there is one input too many", () => {
  expect(
    messageOf(validatorOf({ A: "INT32 [ 1 ]" }), { inputs: [tensor({ name: "A" }), tensor({ name: "B" })] }),
  ).toBe(
    "[request id: <id_unknown>] expected 1 inputs but got 2 inputs for model 'm'. Got input(s) ['B','A'], but missing required input(s) ]. Please provide all required input(s).",
  );
});

test("input count: gives a range, when the model has optional inputs", () => {
  const validator = validatorOf({ A: "INT32 [ 1 ]", B: "INT32 [ 1 ] optional: true" });
  expect(messageOf(validator, { inputs: [] })).toBe(
    "[request id: <id_unknown>] expected number of inputs between 1 and 2 but got 0 inputs for model 'm'. Got input(s) [], but missing required input(s) ['A']. Please provide all required input(s).",
  );
});

test("input count: only counts, so that an optional input can stand in for a required one", () => {
  const validator = validatorOf({ A: "INT32 [ 1 ]", B: "INT32 [ 1 ] optional: true" });
  expect(messageOf(validator, { inputs: [tensor({ name: "B" })] })).toBeNull();
});

test("input name: is refused without a prefix, when the model has none of that name", () => {
  expect(messageOf(validatorOf({ A: "INT32 [ 1 ]" }), { id: "r", inputs: [tensor({ name: "X" })] })).toBe(
    "unexpected inference input 'X' for model 'm'",
  );
});

test("batch dimension: must be there, equal for all inputs, and within the limit", () => {
  const one = validatorOf({ IN: "INT32 [ 1 ]" }, 4);
  expect(messageOf(one, { inputs: [tensor({ shape: [] })] })).toBe(
    "[request id: <id_unknown>] input 'IN' has no shape but model requires batch dimension for 'm'",
  );
  expect(messageOf(one, { inputs: [tensor({ shape: [5, 1] })] })).toBe(
    "[request id: <id_unknown>] inference request batch-size must be <= 4 for 'm'",
  );
  const two = validatorOf({ A: "INT32 [ 1 ]", B: "INT32 [ 1 ]" }, 4);
  expect(
    messageOf(two, { inputs: [tensor({ name: "A", shape: [1, 1] }), tensor({ name: "B", shape: [2, 1] })] }),
  ).toMatch(/^\[request id: <id_unknown>\] input '[AB]' batch size does not match other inputs for 'm'$/);
});

test("data type: must be the configured one; an unknown one is called <invalid>", () => {
  const validator = validatorOf({ IN: "FP32 [ 1 ]" });
  expect(messageOf(validator, { inputs: [tensor()] })).toBe(
    "[request id: <id_unknown>] inference input 'IN' data-type is 'INT32', but model 'm' expects 'FP32'",
  );
  expect(messageOf(validator, { inputs: [tensor({ datatype: "FLOAT" })] })).toContain(
    "data-type is '<invalid>'",
  );
});

test("shape: a negative dimension is refused before the shape is compared", () => {
  expect(messageOf(validatorOf({ IN: "INT32 [ 4, 4 ]" }), { inputs: [tensor({ shape: [-1, 3] })] })).toBe(
    "[request id: <id_unknown>] All input dimensions should be specified for input 'IN' for model 'm', got [-1,3]",
  );
});

test("shape: a negative dimension behind the batch is refused with the whole shape", () => {
  expect(
    messageOf(validatorOf({ IN: "INT32 [ 4 ]" }, 8), { inputs: [tensor({ shape: [1, -1] })] }),
  ).toContain("for model 'm', got [1,-1]");
});

test("shape: must match the configured dimensions; the note on the batch dimension comes only with batching", () => {
  expect(messageOf(validatorOf({ IN: "INT32 [ 3 ]" }, 4), { inputs: [tensor({ shape: [1, 2] })] })).toBe(
    `[request id: <id_unknown>] unexpected shape for input 'IN' for model 'm'. Expected [-1,3], got [1,2]. ${batchNote}`,
  );
  expect(messageOf(validatorOf({ IN: "INT32 [ 3 ]" }), { inputs: [tensor({ shape: [1, 3] })] })).toBe(
    "[request id: <id_unknown>] unexpected shape for input 'IN' for model 'm'. Expected [3], got [1,3]. ",
  );
  expect(
    messageOf(validatorOf({ IN: "INT32 [ -1, 2 ]" }), { inputs: [tensor({ shape: [7, 2] })] }),
  ).toBeNull();
});

test("byte size: must be that of the shape", () => {
  expect(
    messageOf(validatorOf({ IN: "INT32 [ 3 ]" }), {
      inputs: [tensor({ shape: [3], data: new Uint8Array(8) })],
    }),
  ).toBe(
    "[request id: <id_unknown>] input byte size mismatch for input 'IN' for model 'm'. Expected 12, got 8",
  );
});

test("batch of 0: passes the tests of the batch and fails with the size of one row", () => {
  expect(
    messageOf(validatorOf({ IN: "FP32 [ 16 ]" }, 4), {
      inputs: [{ name: "IN", datatype: "FP32", shape: [0, 16], data: new Uint8Array(0) }],
    }),
  ).toBe(
    "[request id: <id_unknown>] input byte size mismatch for input 'IN' for model 'm'. Expected 64, got 0",
  );
  expect(messageOf(validatorOf({ IN: "STRING [ 1 ]" }, 4), { inputs: [strings("IN", [0, 1], [])] })).toBe(
    "[request id: <id_unknown>] expected 1 string elements for inference input 'IN' for model 'm', got 0",
  );
});

test("strings: their number and length prefixes are checked", () => {
  const validator = validatorOf({ IN: "STRING [ 2 ]" });
  const a = [1, 0, 0, 0, 0x61];
  expect(messageOf(validator, { inputs: [strings("IN", [2], [...a, ...a])] })).toBeNull();
  expect(messageOf(validator, { inputs: [strings("IN", [2], [...a, 1, 0, 0])] })).toBe(
    "[request id: <id_unknown>] incomplete string length indicator for inference input 'IN' for model 'm', expecting 4 bytes but only 3 bytes available. Please make sure the string length indicator is in one buffer.",
  );
  expect(messageOf(validator, { inputs: [strings("IN", [2], [...a, ...a, ...a])] })).toBe(
    "[request id: <id_unknown>] unexpected number of string elements 3 for inference input 'IN' for model 'm', expecting 2",
  );
  expect(messageOf(validator, { inputs: [strings("IN", [2], a)] })).toBe(
    "[request id: <id_unknown>] expected 2 string elements for inference input 'IN' for model 'm', got 1",
  );
});

test("several faults: follow the order of the real server's hash map, which the client's order goes into", () => {
  const names = ["A", "B", "C", "D"];
  const given = names.map((name) => tensor({ name, datatype: "FP64" }));
  expect(messageOf(validatorOf({ X: "INT32 [ 1 ]" }), { inputs: given })).toContain(
    "Got input(s) ['B','D','C','A'],",
  );
  const validator = validatorOf(Object.fromEntries(names.map((name) => [name, "INT32 [ 1 ]"])));
  expect(messageOf(validator, { inputs: given })).toContain("inference input 'B' data-type");
});

test("raw body: gets the name, type and shape of the only input", () => {
  const request = requestOf({
    raw: true,
    inputs: [tensor({ name: "raw_input", shape: [], data: new Uint8Array(24) })],
  });
  expect(validatorOf({ IN: "INT32 [ -1, 2 ]" }, 4).validate(request)).toBeNull();
  expect(request.inputs).toEqual([
    { name: "IN", datatype: "INT32", shape: [1, 3, 2], data: new Uint8Array(24) },
  ]);
  expect(request.batchSize).toBe(1);
});

test("raw body: a string input takes it as its one element", () => {
  const request = requestOf({ raw: true, inputs: [strings("raw_input", [], [0x61, 0x62])] });
  expect(validatorOf({ IN: "STRING [ 1 ]" }).validate(request)).toBeNull();
  expect([...request.inputs[0]!.data]).toEqual([2, 0, 0, 0, 0x61, 0x62]);
});

test("raw body: is refused, when the input cannot be deduced", () => {
  const raw = (inputs: Readonly<Record<string, string>>, byteSize = 4): string | null =>
    messageOf(validatorOf(inputs), {
      id: "r",
      raw: true,
      inputs: [tensor({ name: "raw_input", shape: [], data: new Uint8Array(byteSize) })],
    });
  expect(raw({ A: "INT32 [ 1 ]", B: "INT32 [ 1 ]" })).toBe(
    "[request id: r] Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'm' model configuration",
  );
  expect(raw({ A: "INT32 [ -1, -1 ]" })).toBe(
    "[request id: r] The shape of the raw input 'A' can not be deduced because there are more than one variable-sized dimension",
  );
  expect(raw({ A: "STRING [ 2 ]" })).toBe(
    "[request id: r] For BYTE datatype raw input 'A', the model must have input shape [1]",
  );
  expect(raw({ A: "INT32 [ 2 ]" })).toBe(
    "[request id: r] input byte size mismatch for input 'raw_input' for model 'm'. Expected 8, got 4",
  );
});

test("reshape: the shape is compared with dims, and the backend sees the reshaped one", () => {
  const validator = validatorOf({ IN: "INT32 [ -1, 2, -1 ] reshape { shape: [ -1, 1, 2, -1 ] }" }, 4);
  const request = requestOf({ inputs: [tensor({ shape: [2, 3, 2, 5] })] });
  expect(validator.validate(request)).toBeNull();
  expect(request.inputs[0]!.shape).toEqual([2, 3, 1, 2, 5]);
  expect(messageOf(validator, { inputs: [tensor({ shape: [2, 3, 1, 2, 5] })] })).toContain(
    "unexpected shape",
  );
});

test("reshape: of an empty one and a batch of 0 no bytes are expected", () => {
  const validator = validatorOf({ IN: "INT32 [ 1 ] reshape { shape: [ ] }" }, 4);
  const error = validator.validate(requestOf({ inputs: [tensor({ shape: [0, 1], data: Buffer.alloc(4) })] }));
  expect(error?.message).toContain("Expected 0, got 4");
});

test("reshape: leaves nothing but the batch dimension, when it is empty", () => {
  const request = requestOf({ inputs: [tensor({ shape: [2, 1] })] });
  expect(validatorOf({ IN: "INT32 [ 1 ] reshape { shape: [ ] }" }, 4).validate(request)).toBeNull();
  expect(request.inputs[0]!.shape).toEqual([2]);
});
