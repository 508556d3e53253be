import type { ContainerOperation, ContainerSequence } from "../traffic/container-sequences/sequence.ts";

/** A step simpler, the boldest first. */
export const shorterContainerSequences = function* (
  sequence: ContainerSequence,
): Generator<ContainerSequence> {
  const { steps, archives, flags, environment } = sequence;
  const withStep = (at: number, step: readonly ContainerOperation[]): ContainerSequence => ({
    ...sequence,
    steps: steps.map((one, index) => (index === at ? step : one)),
  });
  // What comes after the difference was never played.
  for (const [index] of steps.entries()) if (index > 0) yield { ...sequence, steps: steps.slice(0, index) };
  for (const [index] of steps.entries()) yield { ...sequence, steps: steps.filter((_, at) => at !== index) };
  for (const [index, step] of steps.entries())
    if (step.length > 1)
      for (const [place] of step.entries())
        yield withStep(
          index,
          step.filter((_, at) => at !== place),
        );
  if (flags.length > 0) yield { ...sequence, flags: [] };
  if (Object.keys(environment).length > 0) yield { ...sequence, environment: {} };
  const without = <T>(record: Readonly<Record<string, T>>, name: string): Readonly<Record<string, T>> =>
    Object.fromEntries(Object.entries(record).filter(([one]) => one !== name));
  for (const [name, archive] of Object.entries(archives)) {
    yield { ...sequence, archives: without(archives, name) };
    for (const path of Object.keys(archive))
      yield { ...sequence, archives: { ...archives, [name]: without(archive, path) } };
  }
  for (const [index, step] of steps.entries())
    for (const [place, operation] of step.entries())
      for (const simpler of simplerOperations(operation))
        yield withStep(
          index,
          step.map((one, at) => (at === place ? simpler : one)),
        );
};

const simplerOperations = function* (operation: ContainerOperation): Generator<ContainerOperation> {
  if (operation.do !== "ask") return;
  const { request } = operation;
  if (request.headers.length > 0) yield { do: "ask", request: { ...request, headers: [] } };
};
