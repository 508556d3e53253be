import { expect, test } from "vitest";
import type { InferenceRequest } from "../../../../emulator/core/tensor/inference-request.ts";
import {
  type CallFields,
  type CoreFixture,
  int32,
  modelConfig,
  tensor,
  tritonServer,
} from "../../../support/core-fixture.ts";

const controls = `
control_input { name: "START" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }
control_input { name: "END" control { kind: CONTROL_SEQUENCE_END bool_false_true: [ false, true ] } }
control_input { name: "READY" control { kind: CONTROL_SEQUENCE_READY fp32_false_true: [ 0, 1 ] } }
control_input { name: "CORRID" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } }`;

const config = (
  { strategy = "direct { }", idleUs = 1_000_000, more = "" } = {},
  maxBatchSize = 0,
  instances = 1,
): string =>
  modelConfig(
    `max_batch_size: ${maxBatchSize}
sequence_batching { ${strategy} max_sequence_idle_microseconds: ${idleUs} ${controls} ${more} }`,
    instances,
  );

const served = (text: string, files: Record<string, Uint8Array> = {}): CoreFixture =>
  tritonServer({ models: { m: { config: text, files } }, loaded: ["m"] });

type Flags = "start" | "end" | "start end" | "";

/** A request of a sequence; its id is `<sequence>.<number>`. */
const send = (fixture: CoreFixture, id: string, flags: Flags = "", fields: CallFields = {}) =>
  fixture.infer("m", {
    id,
    sequenceId: Number(id.split(".")[0]),
    sequenceStart: flags.includes("start"),
    sequenceEnd: flags.includes("end"),
    ...fields,
  });

/** The control tensors of a request as the backend got them. */
const controlsOf = (request: InferenceRequest): Record<string, unknown> => {
  const read = (name: string): DataView => {
    const { data } = request.inputs.find((input) => input.name === name)!;
    return new DataView(data.buffer, data.byteOffset, data.byteLength);
  };
  return {
    START: read("START").getInt32(0, true),
    END: read("END").getUint8(0),
    READY: read("READY").getFloat32(0, true),
    CORRID: read("CORRID").getBigUint64(0, true),
  };
};

test("sequence request: is refused without an id, with more than one row, or without a START", () => {
  const fixture = served(config({}, 2));
  for (const sequenceId of [0, 0n, ""]) {
    expect(send(fixture, "1", "start", { sequenceId }).error?.asString()).toBe(
      "Invalid argument: inference request to model 'm' must specify a non-zero or non-empty correlation ID",
    );
  }
  expect(send(fixture, "5", "start", { rows: 2 }).error?.asString()).toBe(
    "Invalid argument: inference request to model 'm' must specify batch-size 1 due to requirements of sequence batcher",
  );
  for (const flags of ["", "end"] as const) {
    expect(send(fixture, "99", flags).error?.asString()).toBe(
      "Invalid argument: inference request for sequence 99 to model 'm' must specify the START flag on the first request of the sequence",
    );
  }
  expect(fixture.statistics("m").inference_stats.fail.count).toBe(0);
  expect(fixture.metricsOf("m").pending).toBe(0);
});

test("sequence controls: say start, end, ready and the id, shape [1] without batching", () => {
  const fixture = served(config());
  for (const [id, flags] of [
    ["7.1", "start"],
    ["7.2", ""],
    ["7.3", "end"],
  ] as const)
    send(fixture, id, flags);
  fixture.clock.runAll();
  const seen = fixture.backend.runs.flatMap(({ requests }) => requests.map(controlsOf));
  expect(seen).toEqual([
    { START: 1, END: 0, READY: 1, CORRID: 7n },
    { START: 0, END: 0, READY: 1, CORRID: 7n },
    { START: 0, END: 1, READY: 1, CORRID: 7n },
  ]);
  const { inputs } = fixture.backend.runs[0]!.requests[0]!;
  expect(inputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
    ["IN", "INT32", [1]],
    ["START", "INT32", [1]],
    ["END", "BOOL", [1]],
    ["READY", "FP32", [1]],
    ["CORRID", "UINT64", [1]],
  ]);
});

test("sequence controls: have shape [1,1] for a model that batches", () => {
  const fixture = served(config({}, 2));
  send(fixture, "7.1", "start end");
  fixture.clock.runAll();
  const { inputs } = fixture.backend.runs[0]!.requests[0]!;
  expect(inputs.map(({ shape }) => shape)).toEqual([
    [1, 1],
    [1, 1],
    [1, 1],
    [1, 1],
    [1, 1],
  ]);
});

test("sequence id: a string reaches a UINT64 control as its first eight serialised bytes", () => {
  const fixture = served(config());
  send(fixture, "1", "start end", { sequenceId: "abc" });
  fixture.clock.runAll();
  expect(controlsOf(fixture.backend.runs[0]!.requests[0]!).CORRID).toBe(27974191445704707n);
});

test("sequence id: the number 5 and the string 5 are two sequences", () => {
  const fixture = served(config({}, 2));
  send(fixture, "5.1", "start");
  expect(send(fixture, "5.2", "", { sequenceId: "5" }).error?.message).toContain(
    "must specify the START flag",
  );
  expect(send(fixture, "5.3", "", { sequenceId: 5n }).error).toBeNull();
});

test("sequence end: frees the id at once", () => {
  const fixture = served(config());
  send(fixture, "7.1", "start end");
  expect(send(fixture, "7.2").error?.message).toContain("must specify the START flag");
  const again = send(fixture, "7.3", "start");
  fixture.clock.runAll();
  expect(again.error).toBeNull();
  expect(fixture.batches()).toEqual(["7.1", "7.3"]);
});

test("sequence start of an open sequence: is served after what went before, with a warning", () => {
  const fixture = served(config());
  for (const [id, flags] of [
    ["3.1", "start"],
    ["3.2", "start"],
    ["3.3", "end"],
  ] as const)
    send(fixture, id, flags);
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["3.1", "3.2", "3.3"]);
  expect(fixture.logged).toContain(
    "sequence 3 for model 'm' has a conflict. The previous sequence did not end before this sequence start. Previous sequence will be terminated early.",
  );
});

test("sequence: runs its requests one at a time and in order, on one instance", () => {
  const fixture = served(config({}, 0, 2));
  for (const [id, flags] of [
    ["1.1", "start"],
    ["2.1", "start"],
    ["1.2", ""],
    ["2.2", ""],
    ["1.3", "end"],
  ] as const) {
    send(fixture, id, flags);
  }
  fixture.clock.runAll();
  const of = (sequence: string) => fixture.backend.runs.filter(({ ids }) => ids[0]!.startsWith(sequence));
  expect(of("1").map(({ ids }) => ids[0])).toEqual(["1.1", "1.2", "1.3"]);
  expect(new Set(of("1").map(({ instance }) => instance)).size).toBe(1);
  expect(new Set(fixture.backend.runs.map(({ instance }) => instance)).size).toBe(2);
});

test("direct: every sequence keeps its slot, and padding rows keep the place of silent ones", () => {
  const fixture = served(config({}, 4));
  for (const id of ["1", "2", "3"]) send(fixture, `${id}.1`, "start");
  fixture.clock.advance(10_000);
  send(fixture, "3.2");
  fixture.clock.advance(10_000);
  send(fixture, "1.2");
  send(fixture, "2.2");
  fixture.clock.advance(10_000);
  expect(fixture.batches()).toEqual(["1.1,2.1,3.1", "-,-,3.2", "1.2,2.2"]);
  expect(fixture.backend.runs[1]!.requests.map(controlsOf).map(({ READY }) => READY)).toEqual([0, 0, 1]);
  expect(fixture.statistics("m")).toMatchObject({ inference_count: 6, execution_count: 3 });
  expect(fixture.statistics("m").batch_stats.map(({ batch_size }) => batch_size)).toEqual([2, 3]);
});

const utilised = {
  strategy: "direct { max_queue_delay_microseconds: 1500000 minimum_slot_utilization: 1.0 }",
  idleUs: 9_000_000,
};

test("direct with a minimum slot utilization: runs when enough slots are ready, before the delay is over", () => {
  const fixture = served(config(utilised, 2));
  send(fixture, "1.1", "start");
  fixture.clock.advance(500_000);
  expect(fixture.batches()).toEqual([]);
  send(fixture, "2.1", "start");
  fixture.clock.settle();
  expect(fixture.batches()).toEqual(["1.1,2.1"]);
  fixture.clock.advance(2_500_000);
  send(fixture, "1.2");
  fixture.clock.advance(1_499_999);
  expect(fixture.batches()).toHaveLength(1);
  fixture.clock.advance(1);
  expect(fixture.batches()).toEqual(["1.1,2.1", "1.2"]);
});

const oldest = (candidates: number) => ({
  strategy: `oldest { max_candidate_sequences: ${candidates} max_queue_delay_microseconds: 100000 }`,
  idleUs: 3_000_000,
});

test("oldest: puts the oldest requests of several sequences together after the delay", () => {
  const fixture = served(config(oldest(2), 4));
  const calls = [send(fixture, "31.1", "start"), send(fixture, "32.1", "start")];
  fixture.clock.advance(150_000);
  calls.push(send(fixture, "31.2", "end"), send(fixture, "32.2", "end"));
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["31.1,32.1", "31.2,32.2"]);
  expect(calls.every((call) => call.answeredUs !== null)).toBe(true);
});

test("oldest: does not wait for the delay, when a preferred size is reached", () => {
  const fixture = served(
    config(
      {
        strategy:
          "oldest { max_candidate_sequences: 4 preferred_batch_size: [ 2 ] max_queue_delay_microseconds: 100000 }",
      },
      4,
    ),
  );
  send(fixture, "1.1", "start");
  fixture.clock.advance(10);
  send(fixture, "2.1", "start");
  fixture.clock.settle();
  expect(fixture.batches()).toEqual(["1.1,2.1"]);
});

test("oldest: a sequence past the candidates waits until one of them ends", () => {
  const fixture = served(config(oldest(2), 4));
  send(fixture, "1.1", "start");
  send(fixture, "2.1", "start");
  fixture.clock.advance(200_000);
  const waiting = send(fixture, "3.1", "start end");
  fixture.clock.advance(500_000);
  expect(waiting.open).toBe(true);
  send(fixture, "1.2", "end");
  fixture.clock.advance(300_000);
  expect(waiting.open).toBe(false);
  expect(waiting.error).toBeNull();
});

test("idle sequence: loses its slot when the limit has passed, and the waiting one gets it", () => {
  const fixture = served(config({ idleUs: 600_000 }));
  send(fixture, "21.1", "start");
  const waiting = send(fixture, "22.1", "start end");
  fixture.clock.advance(600_999);
  expect(waiting.open).toBe(true);
  fixture.clock.advance(1_001);
  expect(waiting.answeredUs).toBe(602_000);
  expect(send(fixture, "21.2").error?.message).toContain("must specify the START flag");
});

test("idle sequence: keeps its slot as long as requests come, and the backlog waits without a limit", () => {
  const fixture = served(config({ idleUs: 600_000 }));
  send(fixture, "1.0", "start");
  fixture.clock.advance(100_000);
  const waiting = send(fixture, "2.0", "start");
  for (let i = 1; i < 8; i++) {
    fixture.clock.advance(300_000);
    expect(send(fixture, `1.${i}`).error).toBeNull();
  }
  expect(waiting.open).toBe(true);
  fixture.clock.advance(700_000);
  expect(waiting.error).toBeNull();
  expect(waiting.open).toBe(false);
});

test("backlog: refuses all requests of a sequence that waits longer than the shortest of their timeouts", () => {
  const fixture = served(config());
  send(fixture, "1.1", "start");
  const ended = send(fixture, "2.1", "start end", { timeoutUs: 300_000 });
  const expiring = [
    send(fixture, "3.1", "start"),
    send(fixture, "3.2", "", { timeoutUs: 500_000 }),
    send(fixture, "3.3", "", { timeoutUs: 900_000 }),
  ];
  const patient = send(fixture, "4.1", "start");
  fixture.clock.advance(300_000);
  expect(ended.error?.asString()).toBe("Unavailable: timeout of the corresponding sequence has been expired");
  expect(expiring.map(({ open }) => open)).toEqual([true, true, true]);
  fixture.clock.advance(200_000);
  for (const { error } of expiring) expect(error?.code).toBe("UNAVAILABLE");
  expect(send(fixture, "3.4", "end").error?.message).toContain("must specify the START flag");
  expect(patient.open).toBe(true);
  send(fixture, "1.2", "end");
  fixture.clock.runAll();
  expect(patient.error).toBeNull();
  expect(patient.open).toBe(false);
  expect(fixture.metricsOf("m").pending).toBe(0);
  expect(fixture.statistics("m").inference_stats.fail.count).toBe(4);
});

test("timeout of a request whose sequence has a slot: changes nothing", () => {
  const fixture = served(config());
  send(fixture, "1.1", "start", { timeoutUs: 1 });
  fixture.clock.advance(100_000);
  const second = send(fixture, "1.2", "end", { timeoutUs: 1 });
  fixture.clock.runAll();
  expect(second.error).toBeNull();
  expect(fixture.statistics("m").inference_stats.success.count).toBe(2);
});

test("unequal shapes: do not run in one batch", () => {
  const fixture = served(
    `backend: "scripted" max_batch_size: 4
input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }
sequence_batching { oldest { max_candidate_sequences: 4 } ${controls} }`,
  );
  for (const [id, length] of [
    ["1.1", 1],
    ["2.1", 2],
    ["3.1", 1],
  ] as const) {
    send(fixture, id, "start", { inputs: [tensor({ shape: [1, length] })] });
  }
  fixture.clock.advance(10_000);
  expect(fixture.batches()).toEqual(["1.1,3.1", "2.1"]);
});

const state = (initial: string): string =>
  `state { input_name: "STATE_IN" output_name: "STATE_OUT" data_type: TYPE_INT32 dims: [ 1 ] ${initial} }`;

/** OUT = STATE_OUT = STATE_IN + IN. */
const accumulate = (fixture: CoreFixture): void => {
  fixture.backend.responsesOf = (request) => {
    const read = (name: string): number => {
      const { data } = request.inputs.find((input) => input.name === name)!;
      return new DataView(data.buffer, data.byteOffset).getInt32(0, true);
    };
    const sum = { datatype: "INT32", shape: [1], data: int32(read("STATE_IN") + read("IN")) } as const;
    return [
      {
        final: true,
        outputs: [
          { ...sum, name: "OUT" },
          { ...sum, name: "STATE_OUT" },
        ],
      },
    ];
  };
};

const valuesOf = (calls: readonly ReturnType<typeof send>[]): unknown[] =>
  calls.map((call) =>
    call.responses[0]!.outputs.map(({ name, data }) => [
      name,
      new DataView(data.buffer, data.byteOffset).getInt32(0, true),
    ]),
  );

test("implicit state: starts at the data file, goes from request to request, and starts over with START", () => {
  const fixture = served(
    config({
      more: state(`initial_state { name: "i" data_type: TYPE_INT32 dims: [ 1 ] data_file: "five" }`),
    }),
    { "initial_state/five": int32(5) },
  );
  accumulate(fixture);
  const calls = [
    send(fixture, "1.1", "start", { value: 1 }),
    send(fixture, "1.2", "", { value: 10 }),
    send(fixture, "1.3", "start", { value: 100 }),
    send(fixture, "1.4", "end", { value: 1 }),
  ];
  fixture.clock.runAll();
  expect(valuesOf(calls)).toEqual([[["OUT", 6]], [["OUT", 16]], [["OUT", 105]], [["OUT", 106]]]);
});

test("implicit state: is answered, when the configuration lists it among the outputs", () => {
  const fixture = served(
    config({ more: state(`initial_state { name: "i" data_type: TYPE_INT32 dims: [ 1 ] zero_data: true }`) }) +
      `output { name: "STATE_OUT" data_type: TYPE_INT32 dims: [ 1 ] }`,
  );
  accumulate(fixture);
  const calls = [
    send(fixture, "1.1", "start", { value: 1 }),
    send(fixture, "1.2", "end", { value: 2, requestedOutputs: ["OUT"] }),
  ];
  fixture.clock.runAll();
  expect(valuesOf(calls)).toEqual([
    [
      ["OUT", 1],
      ["STATE_OUT", 1],
    ],
    [["OUT", 3]],
  ]);
});

test("implicit state: of two sequences is kept apart", () => {
  const fixture = served(
    config(
      { more: state(`initial_state { name: "i" data_type: TYPE_INT32 dims: [ 1 ] zero_data: true }`) },
      0,
      2,
    ),
  );
  accumulate(fixture);
  const calls = [
    send(fixture, "1.1", "start", { value: 1 }),
    send(fixture, "2.1", "start", { value: 1000 }),
    send(fixture, "1.2", "end", { value: 2 }),
    send(fixture, "2.2", "end", { value: 2000 }),
  ];
  fixture.clock.runAll();
  expect(valuesOf(calls)).toEqual([[["OUT", 1]], [["OUT", 1000]], [["OUT", 3]], [["OUT", 3000]]]);
});

test("initial state: a wrong one fails the load and says why", () => {
  const one = `name: "i" data_type: TYPE_INT32 dims: [ 1 ]`;
  const zero = `${one} zero_data: true`;
  const cases: [string, string][] = [
    [
      state(`initial_state { ${zero} } initial_state { ${zero} }`),
      "Invalid argument: initial_state field for state input 'STATE_IN' must contain exactly one or zero element. Found '2' elements.",
    ],
    [
      state(`initial_state { data_type: TYPE_INT32 dims: [ 1 ] zero_data: true }`),
      "Invalid argument: Field 'name' must be set when using initial_state for state input 'STATE_IN'.",
    ],
    [
      state(`initial_state { name: "i" data_type: TYPE_FP32 dims: [ 1 ] zero_data: true }`),
      "Invalid argument: The data type used for 'initial_state' field of state 'STATE_IN' does not match the state data type.",
    ],
    [
      state(`initial_state { name: "i" data_type: TYPE_INT32 dims: [ 1, 1 ] zero_data: true }`),
      "Invalid argument: Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions for state input 'STATE_IN'. 2 != 1",
    ],
    [
      state(`initial_state { name: "i" data_type: TYPE_INT32 dims: [ -1 ] zero_data: true }`),
      "Invalid argument: 'initial_state' field for state input name 'STATE_IN' contains variable dimensions.",
    ],
    [
      state(`initial_state { name: "i" data_type: TYPE_INT32 dims: [ 2 ] zero_data: true }`),
      "Invalid argument: 'initial_state' dim for input name 'STATE_IN' doesn't match 'state' dim description. 2 != 1",
    ],
    [
      state(`initial_state { ${one} }`),
      "Invalid argument: initial_state setting expects state'STATE_IN' to have state_data set",
    ],
    [
      state(`initial_state { ${one} data_file: "three" }`),
      "Invalid argument: initial_state setting expects 4 bytes, but the data provided from threeonly has 3 bytes.",
    ],
    [
      state(`initial_state { ${one} data_file: "nofile" }`),
      "Internal: failed to open text file for read repository/m/initial_state/nofile: No such file or directory",
    ],
    [
      `${state(`initial_state { ${zero} }`)} ${state("")}`,
      "Invalid argument: State input name 'STATE_IN' specified more than once.",
    ],
  ];
  for (const [more, reason] of cases) {
    const fixture = tritonServer({
      models: { m: { config: config({ more }), files: { "initial_state/three": "abc" } } },
    });
    expect(fixture.load("m").error?.message).toBe(
      `load failed for model 'm': version 1 is at UNAVAILABLE state: ${reason};\n`,
    );
    expect(fixture.account.used("host")).toBe(0);
  }
});

test("stopping: refuses new sequences and finishes open ones", () => {
  const fixture = served(config());
  const open = [send(fixture, "1.1", "start"), send(fixture, "1.2")];
  fixture.clock.settle();
  fixture.server.stop(30, () => {});
  expect(send(fixture, "2.1", "start").error).toMatchObject({
    code: "UNAVAILABLE",
    message: "Server is stopping, scheduler for model has stopped accepting new inference requests",
  });
  open.push(send(fixture, "1.3", "end"));
  fixture.clock.runAll();
  expect(open.map((call) => [call.error, call.open])).toEqual([
    [null, false],
    [null, false],
    [null, false],
  ]);
});

test("instance that goes: serves its open sequence to the end before it is released", () => {
  const fixture = served(config({ idleUs: 5_000_000 }, 0, 2));
  send(fixture, "1.1", "start");
  send(fixture, "2.1", "start");
  fixture.clock.advance(10_000);
  fixture.storage.write("repository/m/config.pbtxt", config({ idleUs: 5_000_000 }, 0, 1));
  const load = fixture.load("m");
  expect(load.done).toBe(false);
  const more = [send(fixture, "1.2"), send(fixture, "2.2")];
  fixture.clock.advance(10_000);
  expect(more.map(({ error, open }) => [error, open])).toEqual([
    [null, false],
    [null, false],
  ]);
  const ends = [send(fixture, "1.3", "end"), send(fixture, "2.3", "end")];
  fixture.clock.advance(10_000);
  expect(ends.every((call) => !call.open)).toBe(true);
  expect(load).toEqual({ done: true, error: null });
  expect(fixture.backend.events.filter((event) => event.startsWith("release"))).toHaveLength(1);
});

test("instance that goes: is released, when its sequence falls silent", () => {
  const fixture = served(config({ idleUs: 600_000 }, 0, 2));
  send(fixture, "1.1", "start");
  send(fixture, "2.1", "start");
  fixture.clock.advance(10_000);
  fixture.storage.write("repository/m/config.pbtxt", config({ idleUs: 600_000 }, 0, 1));
  const load = fixture.load("m");
  fixture.clock.advance(500_000);
  expect(load.done).toBe(false);
  fixture.clock.advance(200_000);
  expect(load).toEqual({ done: true, error: null });
});
