/**
 * Expressions of CloudWatch's metric math: + - * / ^, comparisons, AND OR, and the functions of `functions` below. A value is a
 * number (S in AWS's words), a series (TS) or an array of series.
 */

/** Values by the start of their period, seconds since 1970. */
export interface Series {
  readonly label: string;
  readonly periodS: number;
  readonly values: ReadonlyMap<number, number>;
}

export type Value = number | Series | readonly Series[];

/** What the names in an expression stand for. */
export interface MathScope {
  /** Seconds since 1970, end not included: what FILL fills. */
  readonly startS: number;
  readonly endS: number;
  /** Periods begin so many times their length after it. */
  readonly originS: number;
  /** @throws MathError when there is no such id */
  value(id: string): Value;
  /** The queried metrics, expressions not among them, by id. */
  metrics(): ReadonlyMap<string, Series>;
}

/** What is wrong with an expression, in words for its author. */
export class MathError extends Error {}

export type Expression =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "array"; readonly items: readonly Expression[] }
  | { readonly kind: "negative"; readonly of: Expression }
  | {
      readonly kind: "binary";
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] };

/** @throws MathError */
export const parseExpression = (text: string): Expression => new Parser(text).parse();

/** @throws MathError */
export const evaluate = (expression: Expression, scope: MathScope): Value => {
  switch (expression.kind) {
    case "number":
      return expression.value;
    case "text":
      throw new MathError(`A text cannot stand here: '${expression.value}'`);
    case "name":
      return keywords.has(expression.name) ? keyword(expression.name) : scope.value(expression.name);
    case "array":
      return expression.items.flatMap((item) => seriesList(evaluate(item, scope)));
    case "negative":
      return map(evaluate(expression.of, scope), (value) => -value);
    case "binary":
      return combine(
        evaluate(expression.left, scope),
        evaluate(expression.right, scope),
        operators[expression.operator]!,
        expression.operator,
      );
    case "call":
      return call(expression.name, expression.args, scope);
  }
};

/** Ids that an expression needs; null = METRICS(), all of them. */
export const namesIn = (expression: Expression): readonly string[] | null => {
  switch (expression.kind) {
    case "number":
    case "text":
      return [];
    case "name":
      return keywords.has(expression.name) ? [] : [expression.name];
    case "array":
      return allNames(expression.items);
    case "negative":
      return namesIn(expression.of);
    case "binary":
      return allNames([expression.left, expression.right]);
    case "call":
      return expression.name === "METRICS" ? null : allNames(expression.args);
  }
};

const allNames = (expressions: readonly Expression[]): readonly string[] | null => {
  const names = expressions.map(namesIn);
  return names.some((each) => each === null) ? null : names.flatMap((each) => each ?? []);
};

const truth = (value: boolean): number => (value ? 1 : 0);

const operators: Readonly<Record<string, (left: number, right: number) => number>> = {
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
  "^": (left, right) => left ** right,
  "==": (left, right) => truth(left === right),
  "!=": (left, right) => truth(left !== right),
  ">=": (left, right) => truth(left >= right),
  "<=": (left, right) => truth(left <= right),
  ">": (left, right) => truth(left > right),
  "<": (left, right) => truth(left < right),
  AND: (left, right) => truth(left !== 0 && right !== 0),
  OR: (left, right) => truth(left !== 0 || right !== 0),
};

/** Each binds tighter than those before it. */
const precedence: readonly (readonly string[])[] = [
  ["OR"],
  ["AND"],
  ["==", "!=", ">=", "<=", ">", "<"],
  ["+", "-"],
  ["*", "/"],
  ["^"],
];

const keywords = new Set(["REPEAT", "LINEAR"]);

const keyword = (name: string): never => {
  throw new MathError(`${name} stands only in FILL`);
};

const TOKEN =
  /\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z][A-Za-z0-9_]*)|"([^"]*)"|'([^']*)'|(==|!=|>=|<=|&&|\|\||[-+*/^<>()[\],]))/y;

interface Token {
  readonly kind: "number" | "word" | "text" | "mark";
  readonly text: string;
}

const sameOperator: Readonly<Record<string, string>> = { "&&": "AND", "||": "OR" };

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  parse(): Expression {
    const expression = this.#binary(0);
    const rest = this.#tokens[this.#at];
    if (rest !== undefined) throw new MathError(`Unexpected '${rest.text}'`);
    return expression;
  }

  #binary(level: number): Expression {
    const own = precedence[level];
    if (own === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const token = this.#tokens[this.#at];
      const operator =
        token === undefined || token.kind === "text" ? undefined : (sameOperator[token.text] ?? token.text);
      if (operator === undefined || !own.includes(operator)) return left;
      this.#at++;
      left = { kind: "binary", operator, left, right: this.#binary(level + 1) };
    }
  }

  #unary(): Expression {
    if (this.#takes("-")) return { kind: "negative", of: this.#unary() };
    return this.#primary();
  }

  #primary(): Expression {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new MathError("The expression ends too early");
    if (token.kind === "number") return { kind: "number", value: Number(token.text) };
    if (token.kind === "text") return { kind: "text", value: token.text };
    if (token.kind === "word") {
      if (!this.#takes("(")) return { kind: "name", name: token.text };
      return { kind: "call", name: token.text.toUpperCase(), args: this.#listUntil(")") };
    }
    if (token.text === "(") {
      const inner = this.#binary(0);
      if (!this.#takes(")")) throw new MathError("A ')' is missing");
      return inner;
    }
    if (token.text === "[") return { kind: "array", items: this.#listUntil("]") };
    throw new MathError(`Unexpected '${token.text}'`);
  }

  #listUntil(end: string): Expression[] {
    const items: Expression[] = [];
    if (this.#takes(end)) return items;
    do items.push(this.#binary(0));
    while (this.#takes(","));
    if (!this.#takes(end)) throw new MathError(`A '${end}' is missing`);
    return items;
  }

  #takes(mark: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "mark" || token.text !== mark) return false;
    this.#at++;
    return true;
  }
}

const tokensOf = (text: string): Token[] => {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (found === null) throw new MathError(`Unexpected '${text.slice(at).trim().charAt(0)}'`);
    const [, number, word, double, single, mark] = found;
    if (number !== undefined) tokens.push({ kind: "number", text: number });
    else if (word !== undefined) tokens.push({ kind: "word", text: word });
    else if (mark !== undefined) tokens.push({ kind: "mark", text: mark });
    else tokens.push({ kind: "text", text: double ?? single ?? "" });
  }
  return tokens;
};

export const isSeries = (value: Value): value is Series => typeof value === "object" && "periodS" in value;

const seriesList = (value: Value): readonly Series[] => {
  if (typeof value === "number")
    throw new MathError("An array has numbers in it, where only time series may be");
  return isSeries(value) ? [value] : value;
};

/** What is no number, as after a division by zero, has no data point. */
const withValues = (series: Series, values: Iterable<readonly [number, number]>): Series => ({
  ...series,
  values: new Map([...values].filter(([, value]) => Number.isFinite(value))),
});

const map = (value: Value, change: (value: number) => number): Value => {
  if (typeof value === "number") return change(value);
  if (!isSeries(value)) return value.map((each) => mapSeries(each, change));
  return mapSeries(value, change);
};

const mapSeries = (series: Series, change: (value: number) => number): Series =>
  withValues(
    series,
    [...series.values].map(([at, value]) => [at, change(value)]),
  );

const combine = (
  left: Value,
  right: Value,
  operate: (left: number, right: number) => number,
  operator: string,
): Value => {
  if (typeof left === "number" && typeof right === "number") return operate(left, right);
  if (typeof right === "number") return map(left, (value) => operate(value, right));
  if (typeof left === "number") return map(right, (value) => operate(left, value));
  if (isSeries(left) && isSeries(right)) return combineSeries(left, right, operate);
  if (isSeries(left) && !isSeries(right)) return right.map((each) => combineSeries(left, each, operate));
  if (!isSeries(left) && isSeries(right)) return left.map((each) => combineSeries(each, right, operate));
  throw new MathError(
    `Unsupported operand type(s) for ${operator}: 'array of time series' and 'array of time series'`,
  );
};

/** Only where both have a value. */
const combineSeries = (
  left: Series,
  right: Series,
  operate: (left: number, right: number) => number,
): Series =>
  withValues(
    left.periodS >= right.periodS ? left : right,
    [...left.values].flatMap(([at, value]) => {
      const other = right.values.get(at);
      return other === undefined ? [] : [[at, operate(value, other)] as const];
    }),
  );

const call = (name: string, args: readonly Expression[], scope: MathScope): Value => {
  if (!Object.hasOwn(functions, name)) throw new MathError(`The function ${name} is not known`);
  return functions[name]!(args, scope, name);
};

type MathFunction = (args: readonly Expression[], scope: MathScope, name: string) => Value;

/** Of a series a number, of an array a series with one value for each moment at which any has one. */
const aggregate =
  (of: (values: readonly number[]) => number): MathFunction =>
  (args, scope, name) => {
    const value = evaluate(only(args, name), scope);
    if (typeof value === "number") return value;
    if (isSeries(value)) {
      if (value.values.size === 0) throw new EmptySeries();
      return of([...value.values.values()]);
    }
    const moments = new Set(value.flatMap(({ values }) => [...values.keys()]));
    const periodS = Math.max(0, ...value.map((series) => series.periodS));
    return withValues(
      { label: name, periodS, values: new Map() },
      [...moments].map((at) => [at, of(value.flatMap(({ values }) => values.get(at) ?? []))]),
    );
  };

/** A series without data points has no sum: what is made of it has none either. */
export class EmptySeries extends MathError {
  constructor() {
    super("A time series without data points has no value");
  }
}

const each =
  (change: (value: number) => number): MathFunction =>
  (args, scope, name) =>
    map(evaluate(only(args, name), scope), change);

/** Of a series to a series, for each of an array. */
const along =
  (
    change: (
      entries: readonly (readonly [number, number])[],
      periodS: number,
    ) => Iterable<readonly [number, number]>,
  ): MathFunction =>
  (args, scope, name) => {
    const value = evaluate(only(args, name), scope);
    if (typeof value === "number") throw new MathError(`${name} needs a time series`);
    const changed = (series: Series) => withValues(series, change(inTime(series), series.periodS));
    return isSeries(value) ? changed(value) : value.map(changed);
  };

const inTime = ({ values }: Series): [number, number][] => [...values].sort(([a], [b]) => a - b);

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const average = (values: readonly number[]): number => sum(values) / values.length;

const functions: Readonly<Record<string, MathFunction>> = {
  SUM: aggregate(sum),
  AVG: aggregate(average),
  MIN: aggregate((values) => Math.min(...values)),
  MAX: aggregate((values) => Math.max(...values)),
  STDDEV: aggregate((values) => {
    const mean = average(values);
    return Math.sqrt(average(values.map((value) => (value - mean) ** 2)));
  }),
  ABS: each(Math.abs),
  CEIL: each(Math.ceil),
  FLOOR: each(Math.floor),
  METRICS: (args, scope) => {
    const [part] = args;
    if (part !== undefined && part.kind !== "text") throw new MathError("METRICS takes a text");
    return [...scope.metrics()].flatMap(([id, series]) =>
      part === undefined || id.includes(part.value) ? [series] : [],
    );
  },
  METRIC_COUNT: (args, scope, name) => seriesList(evaluate(only(args, name), scope)).length,
  PERIOD: (args, scope, name) => oneSeries(args, scope, name).periodS,
  FIRST: (args, scope, name) => edge(seriesList(evaluate(only(args, name), scope))[0]),
  LAST: (args, scope, name) => edge(seriesList(evaluate(only(args, name), scope)).at(-1)),
  RATE: along((entries) =>
    entries
      .slice(1)
      .map(([at, value], index) => [at, (value - entries[index]![1]) / (at - entries[index]![0])]),
  ),
  DIFF: along((entries) => entries.slice(1).map(([at, value], index) => [at, value - entries[index]![1]])),
  RUNNING_SUM: along((entries) => {
    let total = 0;
    return entries.map(([at, value]) => {
      total += value;
      return [at, total];
    });
  }),
  IF: (args, scope) => {
    if (args.length < 2 || args.length > 3)
      throw new MathError("IF takes a condition, a value and perhaps another value");
    return choose(
      evaluate(args[0]!, scope),
      evaluate(args[1]!, scope),
      args[2] === undefined ? null : evaluate(args[2], scope),
    );
  },
  FILL: (args, scope) => {
    if (args.length !== 2) throw new MathError("FILL takes a time series and what to fill in");
    const value = evaluate(args[0]!, scope);
    if (typeof value === "number") throw new MathError("FILL needs a time series");
    const filled = (series: Series) => fill(series, fillerOf(args[1]!, scope), scope);
    return isSeries(value) ? filled(value) : value.map(filled);
  },
};

const only = (args: readonly Expression[], name: string): Expression => {
  const [first] = args;
  if (first === undefined || args.length > 1) throw new MathError(`${name} takes one argument`);
  return first;
};

const oneSeries = (args: readonly Expression[], scope: MathScope, name: string): Series => {
  const value = evaluate(only(args, name), scope);
  if (typeof value === "number" || !isSeries(value)) throw new MathError(`${name} needs a time series`);
  return value;
};

const edge = (series: Series | undefined): Series => {
  if (series === undefined) throw new MathError("An array without time series has no first and no last one");
  return series;
};

/** A missing `otherwise` leaves out the data points where the condition does not hold. */
const choose = (condition: Value, then: Value, otherwise: Value | null): Value => {
  if (typeof condition === "number") {
    if (condition !== 0) return then;
    if (otherwise === null) throw new MathError("IF with a condition that does not hold needs another value");
    return otherwise;
  }
  if (!isSeries(condition)) throw new MathError("The condition of IF is an array");
  const at = (value: Value, moment: number): number | undefined => {
    if (typeof value === "number") return value;
    if (!isSeries(value)) throw new MathError("A value of IF is an array");
    return value.values.get(moment);
  };
  return withValues(
    condition,
    [...condition.values].flatMap(([moment, holds]) => {
      const chosen = holds !== 0 ? at(then, moment) : otherwise === null ? undefined : at(otherwise, moment);
      return chosen === undefined ? [] : [[moment, chosen] as const];
    }),
  );
};

/** The value of a moment that has none; undefined = none either. */
type Filler = (
  moment: number,
  before: readonly [number, number] | null,
  after: readonly [number, number] | null,
) => number | undefined;

const fillerOf = (what: Expression, scope: MathScope): Filler => {
  if (what.kind === "name" && what.name === "REPEAT") return (_, before) => before?.[1];
  if (what.kind === "name" && what.name === "LINEAR") {
    return (moment, before, after) => {
      if (before === null || after === null) return undefined;
      return before[1] + ((after[1] - before[1]) * (moment - before[0])) / (after[0] - before[0]);
    };
  }
  const value = evaluate(what, scope);
  if (typeof value === "number") return () => value;
  if (!isSeries(value)) throw new MathError("FILL takes a number, a time series, REPEAT or LINEAR");
  return (moment) => value.values.get(moment);
};

/** The start of the period in which the time begins that is looked at. */
export const firstPeriod = (
  { startS, originS }: Pick<MathScope, "startS" | "originS">,
  periodS: number,
): number => originS + Math.floor((startS - originS) / periodS) * periodS;

/** CloudWatch answers with no more data points at a time. */
const MAX_FILLED = 100_800;

const fill = (series: Series, filler: Filler, scope: MathScope): Series => {
  const { periodS } = series;
  if ((scope.endS - scope.startS) / periodS > MAX_FILLED)
    throw new MathError(`FILL over more than ${MAX_FILLED} periods: take a shorter time or a longer period`);
  const known = inTime(series);
  const filled = new Map<number, number>();
  let next = 0;
  for (let moment = firstPeriod(scope, periodS); moment < scope.endS; moment += periodS) {
    while (next < known.length && known[next]![0] < moment) next++;
    const value = series.values.get(moment) ?? filler(moment, known[next - 1] ?? null, known[next] ?? null);
    if (value !== undefined) filled.set(moment, value);
  }
  return withValues(series, filled);
};
