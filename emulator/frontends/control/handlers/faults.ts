import type { FaultCounts } from "../../../core/faults/fault-plan.ts";
import { type FaultOccasion, type FaultRule, parseFaults } from "../../../core/faults/fault-rule.ts";
import { type ControlCall, jsonBody, refuse } from "../control-call.ts";
import { jsonReply } from "../control-reply.ts";
import type { ControlTarget } from "../target.ts";

/** All rules with their counts, and what is imitated. */
export const listFaults = ({ exchange, target }: ControlCall): void =>
  exchange.reply(jsonReply(faultsOf(target)));

/** Adds the rule or rules of the body (docs/faults.md), all or none. */
export const addFaults = (call: ControlCall): void => {
  const { exchange, target } = call;
  const body = jsonBody(call);
  if (body === null) return;
  const read = parseFaults(body.value, "the body");
  const error = read.ok ? target.faults.add(read.value) : read.error;
  if (error === null) {
    exchange.reply(jsonReply(faultsOf(target)));
    return;
  }
  refuse(exchange, {
    status: error.code === "ALREADY_EXISTS" ? 409 : 400,
    code: error.code === "ALREADY_EXISTS" ? "fault-exists" : "not-a-fault",
    message: error.message,
    howToFix: "docs/faults.md has every field of a rule; nothing was changed",
  });
};

export const removeAllFaults = ({ exchange, target }: ControlCall): void => {
  target.faults.clear();
  exchange.reply(jsonReply(faultsOf(target)));
};

export const removeFault = ({ exchange, target, name }: ControlCall): void => {
  if (target.faults.remove(name)) {
    exchange.reply(jsonReply(faultsOf(target)));
    return;
  }
  const known = [...target.faults.rules().map(({ rule }) => rule.name), ...target.faults.imitations()];
  refuse(exchange, {
    status: 404,
    code: "unknown-fault",
    message: `there is no fault named '${name}'`,
    howToFix: known.length === 0 ? "there is none at all" : `there are ${known.join(", ")}`,
  });
};

const faultsOf = ({ faults }: ControlTarget) => ({
  rules: faults.rules().map(({ rule, counts }) => ruleJson(rule, counts)),
  imitations: faults.imitations(),
});

const ruleJson = (rule: FaultRule, counts: FaultCounts) => ({
  name: rule.name,
  model: rule.model,
  operation: rule.operation,
  effect: rule.effectName,
  does: rule.effect,
  ...occasionJson(rule.occasion),
  ...(rule.times === null ? {} : { times: rule.times }),
  counts,
});

/** In the words of a rule. */
const occasionJson = (occasion: FaultOccasion): Readonly<Record<string, number>> => {
  switch (occasion.kind) {
    case "all":
      return {};
    case "nth":
      return { nth: occasion.call };
    case "first":
      return { first: occasion.calls };
    case "every":
      return { every: occasion.calls };
    case "chance":
      return { probability: occasion.probability, seed: occasion.seed };
  }
};
