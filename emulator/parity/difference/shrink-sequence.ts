import { smallerTexts } from "../traffic/configurations/smaller.ts";
import type { Operation, Sequence } from "../traffic/sequences/sequence.ts";

/** A step simpler, the boldest first. */
export const shorterSequences = function* (sequence: Sequence): Generator<Sequence> {
  const { models, steps } = sequence;
  // What comes after the difference was never played.
  for (const [index] of steps.entries()) if (index > 0) yield { ...sequence, steps: steps.slice(0, index) };
  for (const [index] of steps.entries()) yield { ...sequence, steps: steps.filter((_, at) => at !== index) };
  for (const [index, step] of steps.entries())
    if (step.length > 1)
      for (const [place] of step.entries())
        yield {
          ...sequence,
          steps: steps.map((one, at) => (at === index ? one.filter((_, p) => p !== place) : one)),
        };
  for (const [index] of models.entries())
    yield { ...sequence, models: models.filter((_, at) => at !== index) };
  for (const [index, model] of models.entries()) {
    const withModel = (changed: typeof model): Sequence => ({
      ...sequence,
      models: models.map((one, at) => (at === index ? changed : one)),
    });
    const versions = Object.entries(model.versions);
    for (const [version] of versions)
      yield withModel({
        ...model,
        versions: Object.fromEntries(versions.filter(([name]) => name !== version)),
      });
    if (model.files !== undefined) {
      const { files: _, ...withoutFiles } = model;
      yield withModel(withoutFiles);
    }
    if (model.config === null) continue;
    yield withModel({ ...model, config: null });
    for (const config of smallerTexts(model.config)) yield withModel({ ...model, config });
  }
  for (const [index, step] of steps.entries())
    for (const [place, operation] of step.entries())
      for (const simpler of simplerOperations(operation))
        yield {
          ...sequence,
          steps: steps.map((one, at) =>
            at === index ? one.map((o, p) => (p === place ? simpler : o)) : one,
          ),
        };
};

const simplerOperations = function* (operation: Operation): Generator<Operation> {
  if (operation.do === "load") {
    const { config, files, ...plain } = operation;
    if (files !== undefined) yield { ...plain, ...(config === undefined ? {} : { config }) };
    if (config !== undefined) yield { ...plain, ...(files === undefined ? {} : { files }) };
    if (config !== undefined && config !== "{}") yield { ...operation, config: "{}" };
    if (config !== undefined)
      for (const smaller of smallerTexts(config)) yield { ...operation, config: smaller };
  }
  if (operation.do === "unload" && operation.dependents !== undefined)
    yield { do: "unload", model: operation.model };
  if (operation.do === "infer" && operation.version !== undefined)
    yield { do: "infer", model: operation.model };
};
