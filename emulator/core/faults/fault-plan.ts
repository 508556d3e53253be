import { Random } from "../../common/random.ts";
import { ok, type Result, TritonError } from "../../common/status.ts";
import { type FaultRule, type FaultSet, parseRequestedFault } from "./fault-rule.ts";
import type { Fault, FaultOperation, FaultPoint, FaultSource } from "./fault-source.ts";
import type { Imitation } from "./imitations.ts";
import { modelMatcher } from "./model-pattern.ts";

/** How often a rule was asked and what came of it. */
export interface FaultCounts {
  /** Calls of its operation, whatever the model. */
  readonly asked: number;
  /** Of these, calls about its models: what nth, first and every count. */
  readonly matched: number;
  readonly struck: number;
  /** It was its turn, but a rule before it struck that call. */
  readonly overruled: number;
}

export interface FaultStrike {
  readonly fault: string;
  readonly point: FaultPoint;
}

interface RuleState {
  readonly rule: FaultRule;
  readonly fault: Fault;
  readonly concerns: (model: string) => boolean;
  asked: number;
  matched: number;
  struck: number;
  overruled: number;
}

/**
 * Rules that strike. Whether a rule's turn has come follows from the rule, its seed and the number of its call alone:
 * neither other rules nor what they did change it. Where the turn of several has come, the first one strikes.
 */
export class FaultPlan implements FaultSource {
  readonly #onStrike: (strike: FaultStrike) => void;
  readonly #byOperation = new Map<FaultOperation, RuleState[]>();
  /** In the order they were added. */
  readonly #rules = new Map<string, RuleState>();
  readonly #imitations = new Set<Imitation>();
  /** Values of the header that were met, so that each is parsed once. */
  readonly #requested = new Map<string, Result<FaultRule>>();

  /** @param onStrike told of every strike, before it takes effect */
  constructor(
    set: FaultSet = { rules: [], imitations: [] },
    onStrike: (strike: FaultStrike) => void = () => {},
  ) {
    this.#onStrike = onStrike;
    this.add(set);
  }

  /** Adds all or, where a name is taken, none; their counts begin at 0. */
  add({ rules, imitations }: FaultSet): TritonError | null {
    const taken = rules.find(({ name }) => this.#rules.has(name));
    if (taken !== undefined) {
      return new TritonError(
        "ALREADY_EXISTS",
        `there is a fault named '${taken.name}' already: give this one another name, or remove that one first`,
      );
    }
    for (const rule of rules) {
      const fault = { name: rule.name, effect: rule.effect };
      const concerns = rule.model === null ? () => true : modelMatcher(rule.model);
      this.#rules.set(rule.name, { rule, fault, concerns, asked: 0, matched: 0, struck: 0, overruled: 0 });
    }
    for (const name of imitations) this.#imitations.add(name);
    this.#index();
    return null;
  }

  /** Removes the rule or ends the imitation. @returns false where there is none of that name */
  remove(name: string): boolean {
    const removed =
      this.#rules.delete(name) ||
      [...this.#imitations].some((known) => {
        return known === name && this.#imitations.delete(known);
      });
    this.#index();
    return removed;
  }

  clear(): void {
    this.#rules.clear();
    this.#imitations.clear();
    this.#index();
  }

  at(point: FaultPoint): Fault | null {
    const states = this.#byOperation.get(point.operation);
    if (states === undefined) return null;
    let strikes: Fault | null = null;
    for (const state of states) {
      if (!takeTurn(state, point.model)) continue;
      if (strikes === null) {
        strikes = state.fault;
        state.struck++;
        this.#onStrike({ fault: state.fault.name, point });
      } else state.overruled++;
    }
    return strikes;
  }

  /** The name of a rule, an effect, or the fields of a rule; docs/faults.md. The counts of rules stay as they are. */
  requestedAt(point: FaultPoint, value: string): Result<Fault | null> {
    let asked = this.#requested.get(value);
    if (asked === undefined) {
      asked = parseRequestedFault(
        value,
        [...this.#rules.values()].map(({ rule }) => rule),
      );
      if (this.#requested.size >= MOST_REQUESTED) this.#requested.clear();
      this.#requested.set(value, asked);
    }
    if (!asked.ok) return asked;
    const { name, operation, effect } = asked.value;
    if (operation !== point.operation) return ok(null);
    this.#onStrike({ fault: name, point });
    return ok({ name, effect });
  }

  imitates(name: string): boolean {
    return [...this.#imitations].some((known) => known === name);
  }

  /** In the order they were added. */
  rules(): readonly { readonly rule: FaultRule; readonly counts: FaultCounts }[] {
    return [...this.#rules.values()].map(({ rule, asked, matched, struck, overruled }) => ({
      rule,
      counts: { asked, matched, struck, overruled },
    }));
  }

  imitations(): readonly Imitation[] {
    return [...this.#imitations];
  }

  #index(): void {
    this.#requested.clear();
    this.#byOperation.clear();
    for (const state of this.#rules.values()) {
      const known = this.#byOperation.get(state.rule.operation);
      if (known === undefined) this.#byOperation.set(state.rule.operation, [state]);
      else known.push(state);
    }
  }
}

const MOST_REQUESTED = 1000;

/** Counts the call. @returns whether it is the rule's turn */
const takeTurn = (state: RuleState, model: string | null): boolean => {
  const { rule } = state;
  state.asked++;
  if (model !== null && !state.concerns(model)) return false;
  state.matched++;
  if (rule.times !== null && state.struck + state.overruled >= rule.times) return false;
  const { occasion } = rule;
  switch (occasion.kind) {
    case "all":
      return true;
    case "nth":
      return state.matched === occasion.call;
    case "first":
      return state.matched <= occasion.calls;
    case "every":
      return state.matched % occasion.calls === 0;
    case "chance":
      return draw(occasion.seed, rule.name, state.matched) < occasion.probability;
  }
};

/** 0 to below 1, from seed, rule and number of the call. */
const draw = (seed: number, name: string, call: number): number => {
  let mixed = new Random(seed).nextUint32();
  for (let i = 0; i < name.length; i++) mixed = Math.imul(mixed ^ name.charCodeAt(i), 0x01000193);
  return new Random(mixed ^ Math.imul(call, 0x9e3779b1)).nextUint32() / 2 ** 32;
};
