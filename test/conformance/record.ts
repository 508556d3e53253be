/**
 * Asks a real server for the answers that are missing in case files and writes them in:
 *   REAL_SERVER=<tritonserver> node test/conformance/record.ts <area> ...
 * A case is written by hand without its responses, or loses those that are to be asked again.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type ConformanceCase,
  type Response,
  readCases,
  type Step,
} from "../../emulator/parity/cases/conformance-case.ts";
import { isAnswer, overheard } from "../../emulator/parity/cases/dialogue.ts";
import { play } from "../../emulator/parity/cases/play.ts";
import { withServer } from "../../emulator/parity/cases/server-dialogue.ts";
import type { Answer } from "../../emulator/parity/exchange/answer.ts";
import { conformanceFolder } from "../../emulator/parity/shipped-files.ts";
import { realServer } from "../support/targets/real-server.ts";

const responseOf = (answer: Answer): Response => {
  switch (answer.kind) {
    case "http": {
      const { status, headers, body } = answer.answer;
      return {
        status,
        headers: Object.fromEntries(headers.filter(([name]) => name !== "Content-Length")),
        ...bodyOf(body),
      };
    }
    case "connection":
      if (answer.how !== "closed without a reply" && answer.how !== "refused" && answer.how !== "reset")
        throw new Error(answer.how);
      return { connection: answer.how };
    case "raw":
      return { raw: answer.answer.received.toString("latin1"), closed: answer.answer.ended !== null };
    case "grpc": {
      const { code, details, replies } = answer.answer;
      return code === "OK" ? { reply: replies[0]?.asSent ?? {} } : { grpc: code, message: details };
    }
    case "stream": {
      const { code, details, replies } = answer.answer;
      const stream = replies.map(({ asSent }) => asSent);
      return code === "OK" ? { stream } : { stream, grpc: code, message: details };
    }
  }
};

const bodyOf = (body: Buffer): { body: string } | { body_base64: string } => {
  const text = body.toString("utf8");
  return Buffer.from(text).equals(body) && !text.includes("\0")
    ? { body: reduce(text) }
    : { body_base64: body.toString("base64") };
};

/** Durations, time stamps and places differ from run to run. */
const reduce = (text: string): string =>
  text
    .replace(/"(ns|last_inference)":[1-9]\d*/g, '"$1":"*"')
    .replace(/(_us\{[^}]*\}) [1-9]\d*$/gm, "$1 *")
    .replace(/\/\S*\/conformance-\w+/g, "{repo}");

const record = async (testCase: ConformanceCase): Promise<ConformanceCase> => {
  const answers = new Map<number, Answer>();
  const server = withServer(realServer(process.env.REAL_SERVER ?? "tritonserver"));
  const partner = overheard(server, {
    observed: (step, observation) => {
      if (isAnswer(observation)) answers.set(step, observation);
    },
  });
  const differences = await play(testCase, partner, { over: "http", differences: [] });
  for (const difference of differences) console.error(`${testCase.id}: ${difference}`);
  const steps = testCase.steps.map((step, index): Step => {
    const answer = answers.get(index);
    const missing = ("request" in step || "await" in step) && step.response === undefined;
    return missing && answer !== undefined ? { ...step, response: responseOf(answer) } : step;
  });
  return { ...testCase, steps };
};

for (const area of process.argv.slice(2)) {
  const recorded: ConformanceCase[] = [];
  for (const testCase of readCases(area)) recorded.push(await record(testCase));
  const file = fileURLToPath(new URL(`${area}.json`, conformanceFolder));
  writeFileSync(file, `${JSON.stringify(recorded, null, 1)}\n`);
  execFileSync(fileURLToPath(new URL("../../node_modules/.bin/biome", import.meta.url)), [
    "format",
    "--write",
    file,
  ]);
}
