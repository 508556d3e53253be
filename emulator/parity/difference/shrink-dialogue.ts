import type { Dialogue, DialogueModel, Step } from "../traffic/dialogues/dialogue.ts";
import { smallerRequests } from "./shrink.ts";

/** A step simpler, the boldest first. A step that is gone may have been what others waited for: then they are answered late, and the dialogue differs otherwise. */
export const shorterDialogues = function* (dialogue: Dialogue): Generator<Dialogue> {
  const { models, steps } = dialogue;
  const without = (at: number): Dialogue => ({
    ...dialogue,
    steps: steps.filter((_, index) => index !== at),
  });
  const withStep = (at: number, changed: Step): Dialogue => ({
    ...dialogue,
    steps: steps.map((step, index) => (index === at ? changed : step)),
  });
  for (const [at] of steps.entries()) if (at > 0) yield { ...dialogue, steps: steps.slice(0, at) };
  for (const [at] of steps.entries()) yield without(at);
  for (const [at, step] of steps.entries())
    if (step.do === "ask" && step.turns.length > 1)
      for (const [place] of step.turns.entries())
        yield withStep(at, { ...step, turns: step.turns.filter((_, index) => index !== place) });
  for (const [at] of models.entries())
    yield { ...dialogue, models: models.filter((_, index) => index !== at) };
  for (const [at, model] of models.entries())
    for (const smaller of smallerModels(model))
      yield { ...dialogue, models: models.map((one, index) => (index === at ? smaller : one)) };
  for (const [at, step] of steps.entries())
    if (step.do === "ask")
      for (const [place, turn] of step.turns.entries())
        for (const request of smallerRequests(turn.request))
          yield withStep(at, {
            ...step,
            turns: step.turns.map((one, index) => (index === place ? { ...turn, request } : one)),
          });
};

const smallerModels = function* (model: DialogueModel): Generator<DialogueModel> {
  const { config } = model;
  for (const [at] of config.entries()) yield { ...model, config: config.filter((_, index) => index !== at) };
};
