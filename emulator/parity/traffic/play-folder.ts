import type { Answer } from "../exchange/answer.ts";
import { array, memberOf, readJsonText, writeJsonText } from "../exchange/json-text.ts";

/** The disk of one server, for the models of one play. */
export interface PlayFolder {
  /** The server's model repository. */
  readonly path: string;
  /** Before the letter of each model; no other play has it. */
  readonly prefix: string;
}

/** A configuration with the names that models have in this play: `{a}` is model a. */
export const named = (text: string, { prefix }: PlayFolder): string =>
  text.replace(/\{([a-z]+)\}/g, `${prefix}$1`);

/** An index without the rows of other plays. */
export const ownRows = (answer: Answer, { prefix }: PlayFolder): Answer => {
  if (answer.kind !== "http") return answer;
  const rows = readJsonText(answer.answer.body.toString("latin1"));
  if (rows?.kind !== "array") return answer;
  const own = rows.items.filter((row) => {
    const name = memberOf(row, "name");
    return name?.kind === "string" && name.value.startsWith(prefix);
  });
  return { ...answer, answer: { ...answer.answer, body: Buffer.from(writeJsonText(array(own)), "latin1") } };
};

/** Names without the prefix of this play, so that plays can be compared. */
export const plain = (answer: Answer, { prefix }: PlayFolder): Answer => {
  switch (answer.kind) {
    case "http": {
      const body = Buffer.from(answer.answer.body.toString("latin1").replaceAll(prefix, ""), "latin1");
      return { ...answer, answer: { ...answer.answer, body } };
    }
    case "grpc":
    case "stream": {
      const whole: typeof answer.answer = JSON.parse(JSON.stringify(answer.answer).replaceAll(prefix, ""));
      return { ...answer, answer: whole };
    }
    default:
      return answer;
  }
};
