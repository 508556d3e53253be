import { expect, test } from "vitest";
import { fail, ok } from "../../../../emulator/common/status.ts";
import {
  type DecodedInferRequest,
  decodeInferRequest,
  inferenceHeaderLength,
  parseHeaderNumber,
  type SharedMemoryRegions,
} from "../../../../emulator/frontends/kserve-json/infer-request.ts";

const decode = (
  json: string,
  binary = Buffer.alloc(0),
  regions?: SharedMemoryRegions,
): DecodedInferRequest => {
  const head = Buffer.from(json);
  const result = decodeInferRequest(Buffer.concat([head, binary]), head.length, "m", regions);
  if (!result.ok) throw result.error;
  return result.value;
};

const failure = (json: string): string => {
  const body = Buffer.from(json);
  const result = decodeInferRequest(body, body.length, "m");
  return result.ok ? "" : `${result.error.code}: ${result.error.message}`;
};

const input = (datatype: string, data: string, count: number): string =>
  `{"inputs":[{"name":"X","datatype":"${datatype}","shape":[${count}],"data":${data}}]}`;

/** The same input with `data` in front, so that it cannot be converted while it is read. */
const dataFirst = (datatype: string, data: string, count: number): string =>
  `{"inputs":[{"data":${data},"name":"X","datatype":"${datatype}","shape":[${count}]}]}`;

const elements = (json: string): string => Buffer.from(decode(json).fields.inputs[0]!.data).toString("hex");

const literals: Readonly<Record<string, readonly string[]>> = {
  BOOL: ["true", "false"],
  INT8: ["0", "-0", "127", "-128", "128", "-129", "1234567890123456", "9223372036854775807"],
  UINT8: ["0", "-0", "255", "256", "18446744073709551615"],
  INT16: ["32767", "-32768", "70000", "-9223372036854775808"],
  UINT16: ["65535", "65536"],
  INT32: ["2147483647", "-2147483648", "2147483648", "99999999999999", "123456789012345678"],
  UINT32: ["4294967295", "4294967296", "18446744073709551615"],
  INT64: [
    "0",
    "-1",
    "4294967296",
    "-4294967297",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
  ],
  UINT64: ["0", "4294967295", "4294967296", "9007199254740993", "18446744073709551615"],
  FP32: [
    "1",
    "-0",
    "-0.0",
    "0.1",
    "-2.5e-3",
    "1e39",
    "NaN",
    "-Inf",
    "Infinity",
    "0.30000001192092896",
    "1E+2",
  ],
  FP64: ["1", "0.1", "123456789.123456789", "18446744073709551616", "5e-324", "-1e308", "900719925474099.25"],
};

for (const [datatype, values] of Object.entries(literals)) {
  test(`infer request: converts ${datatype} alike whether or not its type is known when the data comes`, () => {
    const data = `[ ${values[0]},[[${values.join(" , ")}],[]],\n[${values.at(-1)}] ]`;
    const direct = elements(input(datatype, data, values.length + 2));
    expect(direct).toBe(elements(dataFirst(datatype, data, values.length + 2)));
    expect(direct).not.toBe("");
  });
}

for (const [datatype, data] of [
  ["INT32", "[1,2.0]"],
  ["INT32", '[1,"2"]'],
  ["INT64", "[1,9223372036854775808]"],
  ["UINT8", "[1,-1]"],
  ["UINT64", "[1,18446744073709551616]"],
  ["FP32", "[1,true]"],
  ["FP32", "[1,null]"],
  ["BOOL", "[true,1]"],
  ["INT32", "[1,{}]"],
  ["INT32", "[1]"],
  ["INT32", "[1,2,3]"],
  ["FP64", "[1,2,3]"],
  ["BOOL", "[true]"],
] as const) {
  test(`infer request: refuses ${data} as two ${datatype} alike whether or not its type is known in time`, () => {
    const direct = failure(input(datatype, data, 2));
    expect(direct).toMatch(/^INTERNAL: Unable to parse 'data': /);
    expect(direct).toBe(failure(dataFirst(datatype, data, 2)));
  });
}

test("infer request: a syntax error behind a wrong element wins", () => {
  expect(failure(`${input("INT32", "[1.5]", 1)}x`)).toMatch(/must not be followed by other values/);
});

test("infer request: takes no memory for elements that were not sent", () => {
  expect(failure(input("FP64", "[1]", 1e15))).toMatch(/Shape does not match/);
  expect(failure(dataFirst("FP64", "[1]", 1e15))).toMatch(/Shape does not match/);
});

test("infer request: binary tensors are views of the body", () => {
  const head = Buffer.from(
    '{"inputs":[{"name":"A","datatype":"UINT8","shape":[3],"parameters":{"binary_data_size":3}},{"name":"B","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}}]}',
  );
  const body = Buffer.concat([head, Buffer.from([1, 2, 3, 4, 5])]);
  const result = decodeInferRequest(body, head.length, "m");
  if (!result.ok) throw result.error;
  body[head.length + 4] = 9;
  expect(result.value.fields.inputs.map(({ data }) => [...data])).toEqual([
    [1, 2, 3],
    [4, 9],
  ]);
});

const binaryInput = (name: string): string =>
  `{"name":"${name}","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}}`;

test("infer request: the same JSON again takes the binary tensors of its own body", () => {
  const json = `{"id":"1","inputs":[${binaryInput("A")},${binaryInput("B")}]}`;
  const dataOf = (binary: readonly number[]) =>
    decode(json, Buffer.from(binary)).fields.inputs.map(({ data }) => [...data]);
  const datas = [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
    [1, 2, 3, 4],
  ].map(dataOf);
  expect(datas).toEqual([
    [
      [1, 2],
      [3, 4],
    ],
    [
      [5, 6],
      [7, 8],
    ],
    [
      [1, 2],
      [3, 4],
    ],
  ]);
  expect(decode(json.replace('"1"', '"2"'), Buffer.from([1, 2, 3, 4])).fields.id).toBe("2");
});

test.each(["data", "\\u0064ata"])(
  "infer request: elements under %s before binary data have memory of their own",
  (name) => {
    const json = `{"inputs":[{"name":"A","datatype":"UINT8","shape":[2],"${name}":[7,8]},${binaryInput("B")}]}`;
    const first = decode(json, Buffer.from([1, 2])).fields.inputs;
    first[0]!.data.fill(0);
    const second = decode(json, Buffer.from([3, 4])).fields.inputs;
    expect(second.map(({ data }) => [...data])).toEqual([
      [7, 8],
      [3, 4],
    ]);
  },
);

test("infer request: a header of no bytes makes the body one raw tensor, and outputs binary", () => {
  const result = decodeInferRequest(Buffer.from("abcd"), 0, "m");
  expect(result).toMatchObject({
    value: { fields: { raw: true, inputs: [{ name: "raw_input" }] }, outputs: [], binaryOutputs: true },
  });
});

test("infer request: reads the parameters that the server knows and keeps the others in order", () => {
  const { fields, binaryOutputs } = decode(
    '{"id":"7","parameters":{"z":1,"sequence_id":18446744073709551615,"sequence_start":true,"sequence_end":true,"priority":2,"timeout":5000,"binary_data_output":true,"a":1.0,"s":"t","b":false,"big":9007199254740993,"huge":18446744073709551615,"z":2},"inputs":[]}',
  );
  expect(fields).toMatchObject({
    id: "7",
    sequenceId: 18446744073709551615n,
    sequenceStart: true,
    sequenceEnd: true,
    priority: 2,
    timeoutUs: 5000,
  });
  expect(binaryOutputs).toBe(true);
  expect(fields.parameters).toEqual([
    { name: "z", value: { kind: "int", value: 1 } },
    { name: "a", value: { kind: "double", value: 1 } },
    { name: "s", value: { kind: "string", value: "t" } },
    { name: "b", value: { kind: "bool", value: false } },
    { name: "big", value: { kind: "int", value: 9007199254740993n } },
    { name: "huge", value: { kind: "double", value: 18446744073709552000 } },
    { name: "z", value: { kind: "int", value: 1 } },
  ]);
});

test("infer request: the first entry of an output counts", () => {
  const { fields, outputs } = decode(
    '{"inputs":[],"outputs":[{"name":"B","parameters":{"binary_data":true}},{"name":"A","parameters":{"classification":3}},{"name":"B"}]}',
  );
  expect(fields.requestedOutputs).toEqual(["B", "A"]);
  expect(outputs).toEqual([
    { name: "B", binary: true, classCount: 0, sharedMemory: null },
    { name: "A", binary: false, classCount: 3, sharedMemory: null },
  ]);
});

test("infer request: takes inputs and outputs from shared memory", () => {
  const memory = Buffer.from([0, 1, 2, 3, 4, 5, 6, 7]);
  const regions: SharedMemoryRegions = {
    view: (region, offset, byteSize) =>
      region === "r" ? ok(memory.subarray(offset, offset + byteSize)) : fail("NOT_FOUND", region),
  };
  const place = (offset: number) =>
    `"parameters":{"shared_memory_region":"r","shared_memory_offset":${offset},"shared_memory_byte_size":2}`;
  const { fields, outputs } = decode(
    `{"inputs":[{"name":"A","datatype":"UINT8","shape":[2],${place(3)}}],"outputs":[{"name":"B",${place(6)}}]}`,
    undefined,
    regions,
  );
  expect([...fields.inputs[0]!.data]).toEqual([3, 4]);
  expect([...outputs[0]!.sharedMemory!]).toEqual([6, 7]);
});

test("parseHeaderNumber: reads as atoi does", () => {
  for (const [text, value] of [
    ["12", 12],
    [" \t+12x", 12],
    ["-5", -5],
    ["x", 0],
    ["", 0],
    ["4294967300", 4],
    ["99999999999999999999999", -1],
  ] as const) {
    expect(parseHeaderNumber(text)).toBe(value);
  }
});

test("inferenceHeaderLength: is the whole body without a header, and never more than the body", () => {
  expect(inferenceHeaderLength(undefined, 7)).toEqual({ ok: true, value: 7 });
  expect(inferenceHeaderLength("5", 7)).toEqual({ ok: true, value: 5 });
  expect(inferenceHeaderLength("8x", 7)).toMatchObject({
    error: { code: "INVALID_ARG", message: "inference header size should be in range (0, 7), got: 8x" },
  });
});
