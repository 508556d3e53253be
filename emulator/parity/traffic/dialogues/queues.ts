import { type Member, token } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import type { TrafficRequest } from "../request.ts";
import { ask, inferenceOf } from "./ask.ts";
import type { Dialogue, DialogueModel, Step } from "./dialogue.ts";
import { fp32, memberModel } from "./member-models.ts";

/** So long that no batch leaves for it. */
const NEVER_US = 3_600_000_000;

/** Requests that meet in a queue, or do not: outcomes hang on how many there are, never on when they come. */
export const queues = (chance: Chance): Dialogue =>
  chance.weighted<(chance: Chance) => Dialogue>([
    [3, oneByOne],
    [4, filled],
    [2, full],
    [2, expired],
    [2, outgrown],
  ])(chance);

interface QueueModel {
  readonly model: DialogueModel;
  readonly maxBatchSize: number;
}

const queueModel = (
  chance: Chance,
  batching: readonly string[] | null,
  maxBatchSize: number,
  dims: readonly number[] = [4],
): QueueModel => {
  const op = chance.pick(["Neg", "Identity"]);
  const order = chance.oneIn(3) ? ["preserve_ordering: true"] : [];
  return {
    model: memberModel({
      letter: "a",
      kind: {
        inputs: [fp32("X", dims)],
        outputs: [fp32("Y", dims), fp32("Z", dims)],
        nodes: [
          { op, inputs: ["X"], outputs: ["Y"] },
          { op: "Add", inputs: ["X", "X"], outputs: ["Z"] },
        ],
      },
      maxBatchSize,
      config: [
        ...(batching === null ? [] : [`dynamic_batching { ${[...batching, ...order].join(" ")} }`]),
        `instance_group [ { kind: KIND_CPU count: ${chance.pick([1, 1, 2])} } ]`,
      ],
    }),
    maxBatchSize,
  };
};

interface Extra {
  readonly priority?: number;
  readonly timeout?: number;
  readonly free?: number;
}

const request = (
  chance: Chance,
  { model: { sketch } }: QueueModel,
  rows: number,
  { priority, timeout, free = 4 }: Extra = {},
): TrafficRequest => {
  const parameters: Member[] = [];
  if (priority !== undefined) parameters.push(["priority", token(priority)]);
  if (timeout !== undefined) parameters.push(["timeout", token(timeout)]);
  return ask(chance, inferenceOf(chance, sketch, { rows, free, parameters }));
};

const step = (requests: readonly TrafficRequest[], left: number, held = false): Step => ({
  do: "ask",
  turns: requests.map((one) => (held ? { request: one, held } : { request: one })),
  left,
});

/** Each answered before the next; without a batcher also at the same time. */
const oneByOne = (chance: Chance): Dialogue => {
  const isDynamic = chance.oneIn(2);
  const levels = chance.pick([0, 0, 3]);
  const batching = levels === 0 ? [] : [`priority_levels: ${levels} default_priority_level: 2`];
  const made = queueModel(
    chance,
    isDynamic ? batching : null,
    chance.pick([0, 4, 4].slice(isDynamic ? 1 : 0)),
  );
  const one = (): TrafficRequest =>
    request(chance, made, chance.between(1, Math.max(1, made.maxBatchSize + (chance.oneIn(8) ? 1 : 0))), {
      ...(chance.oneIn(3) ? { priority: chance.between(0, 4) } : {}),
      ...(chance.oneIn(4) ? { timeout: chance.pick([0, 1, 1_000_000]) } : {}),
    });
  const steps = chance.times(chance.between(3, 8), () =>
    step(chance.times(isDynamic || chance.oneIn(2) ? 1 : chance.between(2, 4), one), 0),
  );
  return { models: [made.model], steps };
};

/** A batch that leaves when it is as large as it is wanted. */
const filled = (chance: Chance): Dialogue => {
  const maxBatchSize = chance.pick([2, 4, 8]);
  const wanted = chance.oneIn(3) ? maxBatchSize : chance.between(2, maxBatchSize);
  const levels = chance.pick([0, 0, 1, 3]);
  const made = queueModel(
    chance,
    [
      `max_queue_delay_microseconds: ${NEVER_US}`,
      ...(wanted === maxBatchSize && chance.oneIn(2) ? [] : [`preferred_batch_size: [ ${wanted} ]`]),
      ...(levels === 0
        ? []
        : [`priority_levels: ${levels} default_priority_level: ${chance.between(1, levels)}`]),
    ],
    maxBatchSize,
  );
  const steps: Step[] = [];
  for (let round = chance.between(1, 3); round > 0; round--) {
    const sizes = parts(chance, wanted);
    const requests = sizes.map((rows) =>
      request(chance, made, rows, chance.oneIn(3) ? { priority: chance.between(0, levels + 1) } : {}),
    );
    if (chance.oneIn(3)) steps.push(step(requests, 0));
    else steps.push(...oneAfterAnother(requests, 0));
  }
  return { models: [made.model], steps };
};

/** Positive numbers with that sum. */
const parts = (chance: Chance, sum: number): number[] => {
  const sizes: number[] = [];
  for (let left = sum; left > 0; left -= sizes.at(-1) ?? left)
    sizes.push(chance.between(1, Math.min(left, 3)));
  return sizes;
};

/** All but the last wait. @param before requests that wait already and go with the last */
const oneAfterAnother = (requests: readonly TrafficRequest[], before: number): Step[] =>
  requests.map((one, index) => {
    const isLast = index === requests.length - 1;
    return step([one], isLast ? 0 : before + index + 1, !isLast);
  });

/** A level of the queue takes no more; requests of another make the batch whole. */
const full = (chance: Chance): Dialogue => {
  const most = chance.between(1, 3);
  const made = queueModel(
    chance,
    [
      `max_queue_delay_microseconds: ${NEVER_US} preferred_batch_size: [ 8 ]`,
      "priority_levels: 2 default_priority_level: 1",
      `priority_queue_policy [ { key: 1 value: { max_queue_size: ${most} } } ]`,
    ],
    8,
  );
  const steps: Step[] = [];
  for (let waiting = 1; waiting <= most; waiting++)
    steps.push(step([request(chance, made, 1, chance.oneIn(2) ? { priority: 1 } : {})], waiting, true));
  for (let more = chance.between(1, 3); more > 0; more--)
    steps.push(
      step([request(chance, made, chance.between(1, 2), { priority: chance.pick([0, 1, 3]) })], most),
    );
  const rest = parts(chance, 8 - most).map((rows) => request(chance, made, rows, { priority: 2 }));
  steps.push(...oneAfterAnother(rest, most));
  return { models: [made.model], steps };
};

const SHORT_US = 150_000;
const REST_MS = 900;

/** Requests of one level wait for too long: they are refused, or come after the others. */
const expired = (chance: Chance): Dialogue => {
  const isRefused = chance.oneIn(2);
  const hasOverride = chance.oneIn(2);
  const policy = [
    `timeout_action: ${isRefused ? "REJECT" : "DELAY"}`,
    `default_timeout_microseconds: ${hasOverride ? NEVER_US : SHORT_US}`,
    `allow_timeout_override: ${hasOverride}`,
  ];
  const made = queueModel(
    chance,
    [
      `max_queue_delay_microseconds: ${NEVER_US} preferred_batch_size: [ 8 ]`,
      "priority_levels: 2 default_priority_level: 2",
      `priority_queue_policy [ { key: 1 value: { ${policy.join(" ")} } } ]`,
    ],
    8,
  );
  const steps: Step[] = [];
  const patient = chance.between(0, 2);
  for (let waiting = 1; waiting <= patient; waiting++)
    steps.push(step([request(chance, made, 1, { timeout: chance.pick([0, 1, SHORT_US]) })], waiting, true));
  const short = hasOverride ? { timeout: SHORT_US } : chance.oneIn(2) ? { timeout: 1 } : {};
  const impatient = chance.between(1, 2);
  for (let index = 1; index <= impatient; index++)
    steps.push(
      step(
        [request(chance, made, 1, { priority: 1, ...short })],
        isRefused ? patient : patient + index,
        true,
      ),
    );
  if (!isRefused) steps.push({ do: "rest", milliseconds: REST_MS });
  const left = isRefused ? patient : patient + impatient;
  const others = parts(chance, 8 - left).map((rows) => request(chance, made, rows, { priority: 2 }));
  steps.push(...oneAfterAnother(others, left));
  return { models: [made.model], steps };
};

/** What does not fit to those that wait sends them away, and waits itself. */
const outgrown = (chance: Chance): Dialogue => {
  const isByShape = chance.oneIn(2);
  const made = queueModel(
    chance,
    [`max_queue_delay_microseconds: ${NEVER_US} preferred_batch_size: [ 4 ]`],
    4,
    isByShape ? [-1] : [4],
  );
  const steps: Step[] = [];
  let waiting = 0;
  let free = 1;
  for (let rounds = chance.between(1, 4); rounds > 0; rounds--) {
    if (isByShape) {
      free = free === 4 ? 1 : free + 1;
      steps.push(step([request(chance, made, chance.between(1, 3), { free })], 1, true));
      waiting = 1;
    } else {
      steps.push(step([request(chance, made, 3, { free })], 1, true));
      waiting = 1;
    }
  }
  steps.push(...oneAfterAnother([request(chance, made, 4, { free: free + 1 })], waiting));
  return { models: [made.model], steps };
};
