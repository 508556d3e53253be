import { expect, test } from "vitest";
import { ok, type Result } from "../../../../emulator/common/status.ts";
import { fitEnsemble } from "../../../../emulator/core/model-config/fit-ensemble.ts";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";

const config = (text: string): ModelConfig => {
  const parsed = parseConfigText(text);
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
};

const tensor = (kind: "input" | "output", name: string, dims: string, type = "FP32", more = ""): string =>
  `${kind} { name: "${name}" data_type: TYPE_${type} dims: [ ${dims} ] ${more} }`;

/** One member with input I and output O; the ensemble's X and Y are tied to them. */
const fitOne = (ensemble: string, member: string): Result<ModelConfig> => {
  const whole = config(`${ensemble}
ensemble_scheduling { step {
  model_name: "m" model_version: -1
  input_map { key: "I" value: "X" } output_map { key: "O" value: "Y" } } }`);
  return fitEnsemble("e", whole, whole.ensemble_scheduling!, () => ok(config(member)));
};

const ends = (x: string, y: string): string => `${tensor("input", "X", x)} ${tensor("output", "Y", y)}`;
const member = (i: string, o: string): string => `${tensor("input", "I", i)} ${tensor("output", "O", o)}`;

test.each([
  { title: "equal", ensemble: ends("2, 3", "4"), inner: member("2, 3", "4") },
  { title: "variable in the ensemble", ensemble: ends("-1, 3", "-1"), inner: member("2, 3", "4") },
  { title: "variable in the member", ensemble: ends("2, 3", "4"), inner: member("-1, -1", "-1") },
  {
    title: "rows that the ensemble counts itself",
    ensemble: ends("-1, 3", "-1, 4"),
    inner: `max_batch_size: 8 ${member("3", "4")}`,
  },
  {
    title: "rows that the member counts itself",
    ensemble: `max_batch_size: 8 ${ends("3", "4")}`,
    inner: member("-1, 3", "-1, 4"),
  },
  {
    title: "reshaped by the ensemble",
    ensemble: `${tensor("input", "X", "6", "FP32", "reshape { shape: [ 2, 3 ] }")} ${tensor("output", "Y", "4")}`,
    inner: member("2, 3", "4"),
  },
  {
    title: "an optional input that no tensor goes to",
    ensemble: ends("3", "4"),
    inner: `${member("3", "4")} ${tensor("input", "K", "1", "FP32", "optional: true")}`,
  },
])("fit ensemble: shapes agree when they are $title", ({ ensemble, inner }) => {
  expect(fitOne(ensemble, inner)).toMatchObject({ ok: true });
});

test.each([
  {
    title: "of another rank",
    ensemble: ends("3", "4"),
    inner: member("3, 1", "4"),
    text: "in ensemble e, ensemble tensor X: inconsistent shape: [3] is inferred from model e while [3,1] is inferred from model m",
  },
  {
    title: "of another output",
    ensemble: ends("3", "4"),
    inner: member("3", "5"),
    text: "in ensemble e, ensemble tensor Y: inconsistent shape: [4] is inferred from model e while [5] is inferred from model m",
  },
  {
    title: "of a fixed size where the member has rows",
    ensemble: ends("2, 3", "4"),
    inner: `max_batch_size: 8 ${member("4", "4")}`,
    text: "in ensemble e, ensemble tensor X: inconsistent shape: [2,3] is inferred from model e while [-1,4] is inferred from model m",
  },
])("fit ensemble: an error for shapes $title", ({ ensemble, inner, text }) => {
  const fitted = fitOne(ensemble, inner);
  expect(fitted.ok ? null : fitted.error.asString()).toBe(`Invalid argument: ${text}`);
});

test("fit ensemble: says whether the ensemble is decoupled, whatever was written", () => {
  const decoupled = "model_transaction_policy { decoupled: true }";
  const policy = (ensemble: string, inner: string): boolean | undefined => {
    const fitted = fitOne(ensemble, inner);
    return fitted.ok ? fitted.value.model_transaction_policy?.decoupled : undefined;
  };
  expect(policy(ends("3", "4"), `${member("3", "4")} ${decoupled}`)).toBe(true);
  expect(policy(`${ends("3", "4")} ${decoupled}`, member("3", "4"))).toBe(false);
});
