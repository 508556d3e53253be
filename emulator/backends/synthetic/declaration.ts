import { fail, ok, type Result } from "../../common/status.ts";
import type { ModelConfig } from "../../core/model-config/model-config.ts";
import { type Duration, durationSyntax, parseDuration } from "./duration.ts";

/** What a model says of itself in `parameters` of its configuration: docs/synthetic-backend.md has the table. */
export interface Declaration {
  /** Of the weights: for each instance, one after the other, or once where every device holds them once. */
  readonly load: Duration;
  /** A run, but the first of an instance. */
  readonly warm: Duration;
  /** The first run of an instance. */
  readonly cold: Duration;
  /** Comes on top for every row of the batch. */
  readonly item: Duration;
  /** Of an instance, after its last batch. */
  readonly unload: Duration;
  readonly content: "zeros" | "hash";
  /** Output -> the input whose shape gives the output's dimensions of -1. */
  readonly shapeOf: ReadonlyMap<string, string>;
}

const PREFIX = "synthetic.";

const durationParameters = ["load_us", "warm_us", "cold_us", "item_us", "unload_us"] as const;
const contents = ["zeros", "hash"] as const;

type DurationParameter = (typeof durationParameters)[number];

const SHAPE_OF = "shape_of.";

/** Every parameter's name, `shape_of.<output>` standing for those of all outputs. */
export const parameterNames: readonly string[] = [
  ...durationParameters,
  "outputs",
  `${SHAPE_OF}<output>`,
].map((name) => PREFIX + name);

/**
 * Reads what a configuration declares; what is not said is 0, and zeros. Parameters that do not begin with `synthetic.` are
 * other people's; those that begin with `memory.` tell its bytes, to the core.
 * Error: INVALID_ARG that names the model, the parameter, its value and what is allowed.
 */
export const readDeclaration = (config: ModelConfig): Result<Declaration> => {
  const durations = new Map<DurationParameter, Duration>();
  const shapeOf = new Map<string, string>();
  let content: Declaration["content"] = "zeros";
  for (const [parameter, { string_value: value }] of config.parameters) {
    if (!parameter.startsWith(PREFIX)) continue;
    const name = parameter.slice(PREFIX.length);
    const refuse = (allowed: string) =>
      fail("INVALID_ARG", `model '${config.name}': parameter '${parameter}' is '${value}', ${allowed}`);
    const durationParameter = durationParameters.find((known) => known === name);
    if (durationParameter !== undefined) {
      const duration = parseDuration(value);
      if (duration === null) return refuse(`expected ${durationSyntax}`);
      durations.set(durationParameter, duration);
    } else if (name === "outputs") {
      const choice = contents.find((known) => known === value);
      if (choice === undefined) return refuse(`expected ${contents.join(" or ")}`);
      content = choice;
    } else if (name.startsWith(SHAPE_OF)) {
      const output = name.slice(SHAPE_OF.length);
      if (!config.output.some((known) => known.name === output)) {
        return refuse(`but the model has no output '${output}': it has ${listed(config.output)}`);
      }
      if (!config.input.some((known) => known.name === value)) {
        return refuse(`expected the name of an input: ${listed(config.input)}`);
      }
      shapeOf.set(output, value);
    } else {
      return refuse(
        `but the synthetic backend knows no such parameter, only ${parameterNames.join(", ")}; bytes are stated as 'memory.'`,
      );
    }
  }
  const shapes = completeShapes(config, shapeOf);
  if (!shapes.ok) return shapes;
  const durationOf = (name: DurationParameter): Duration => durations.get(name) ?? { kind: "fixed", us: 0 };
  return ok({
    load: durationOf("load_us"),
    warm: durationOf("warm_us"),
    cold: durations.get("cold_us") ?? durationOf("warm_us"),
    item: durationOf("item_us"),
    unload: durationOf("unload_us"),
    content,
    shapeOf: shapes.value,
  });
};

/** An output with free dimensions takes them from the input it names, or from the only one of as many dimensions. */
const completeShapes = (
  config: ModelConfig,
  named: ReadonlyMap<string, string>,
): Result<ReadonlyMap<string, string>> => {
  const shapes = new Map<string, string>();
  for (const { name, dims } of config.output) {
    if (!dims.includes(-1)) continue;
    const candidates = config.input.filter((input) => {
      return (input.reshape?.shape ?? input.dims).length === dims.length && !input.optional;
    });
    const source = named.get(name) ?? (candidates.length === 1 ? candidates[0]?.name : undefined);
    const parameter = `${PREFIX}${SHAPE_OF}${name}`;
    if (source === undefined) {
      return fail(
        "INVALID_ARG",
        `model '${config.name}': output '${name}' has a dimension of -1, so parameter '${parameter}' has to name the input that gives it, one of ${listed(config.input)}`,
      );
    }
    if (!candidates.some((input) => input.name === source)) {
      return fail(
        "INVALID_ARG",
        `model '${config.name}': parameter '${parameter}' is '${source}', expected an input that is not optional and has ${dims.length} dimensions, as the output has`,
      );
    }
    shapes.set(name, source);
  }
  return ok(shapes);
};

const listed = (tensors: readonly { readonly name: string }[]): string =>
  tensors.map(({ name }) => `'${name}'`).join(", ");
