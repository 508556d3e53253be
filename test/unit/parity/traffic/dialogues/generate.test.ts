import { expect, test } from "vitest";
import { Chance } from "../../../../../emulator/parity/traffic/chance.ts";
import { dialogueText } from "../../../../../emulator/parity/traffic/dialogues/dialogue.ts";
import { generateDialogue } from "../../../../../emulator/parity/traffic/dialogues/generate.ts";

const NUMBERS = Array.from({ length: 300 }, (_, number) => number);

test("dialogues: one seed makes the same ones again", () => {
  for (const number of NUMBERS.slice(0, 30)) {
    const [a, b] = [generateDialogue(new Chance(5, number)), generateDialogue(new Chance(5, number))];
    expect(dialogueText(a)).toBe(dialogueText(b));
  }
});

test("dialogues: nothing waits any more when they are over", () => {
  for (const number of NUMBERS) {
    const asked = generateDialogue(new Chance(5, number)).steps.filter((step) => step.do === "ask");
    expect(asked.at(-1)?.left).toBe(0);
  }
});
