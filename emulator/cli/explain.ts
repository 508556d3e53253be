import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readJournal } from "../journal/event-text.ts";
import { explain, explanationText, questionOf } from "../journal/explain.ts";

export const EXPLAIN_USAGE = `Usage: triton-local explain <request id | model | endpoint> [options]

Says what became of a request, why a model is in memory or not, and what would have changed that; or which status an
endpoint has, since when and why.

  --url=URL       the server to ask (default http://127.0.0.1:4570)
  --journal=FILE  read this journal instead
  --help          print this

Exit codes: 0 = explained, 1 = nothing of that name, 2 = it could not be asked or read.
`;

const DEFAULT_URL = "http://127.0.0.1:4570";

/** What is printed, and the exit code. */
interface Outcome {
  readonly code: 0 | 1 | 2;
  readonly text: string;
}

/** `triton-local explain`. @returns the exit code */
export const explainCommand = async (args: readonly string[]): Promise<number> => {
  const { code, text } = await outcomeOf(args);
  (code === 2 ? process.stderr : process.stdout).write(text);
  return code;
};

const outcomeOf = async (args: readonly string[]): Promise<Outcome> => {
  const asked = parse(args);
  if (typeof asked === "string") return { code: 2, text: `${asked}\n\n${EXPLAIN_USAGE}` };
  if (asked.help) return { code: 0, text: EXPLAIN_USAGE };
  return asked.journal === null ? await askServer(asked.id, asked.url) : askFile(asked.id, asked.journal);
};

interface Asked {
  readonly id: string;
  readonly url: string;
  readonly journal: string | null;
  readonly help: boolean;
}

/** A text = what is wrong with the arguments. */
const parse = (args: readonly string[]): Asked | string => {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        url: { type: "string" },
        journal: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    const [id = "", ...more] = positionals;
    if (values.help) return { id, url: DEFAULT_URL, journal: null, help: true };
    if (id === "" || more.length > 0) return "explain takes one request id, model or endpoint";
    if (values.url !== undefined && values.journal !== undefined) return "give --url or --journal, not both";
    return { id, url: values.url ?? DEFAULT_URL, journal: values.journal ?? null, help: false };
  } catch (error) {
    return textOf(error);
  }
};

const askFile = (id: string, path: string): Outcome => {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    return { code: 2, text: `cannot read the journal: ${textOf(error)}\n` };
  }
  const events = readJournal(content);
  if (!events.ok) return { code: 2, text: `${path} is no journal: ${events.error.message}\n` };
  const explanation = explain(events.value, questionOf(events.value, id));
  return { code: explanation.known ? 0 : 1, text: explanationText(explanation) };
};

/** Whose the id is, the server knows: it is asked for one after the other. What nobody knows is told as of a model. */
const askServer = async (id: string, url: string): Promise<Outcome> => {
  const ofRequest = await askFor("request", id, url);
  if (ofRequest.code !== 1) return ofRequest;
  const ofModel = await askFor("model", id, url);
  if (ofModel.code !== 1) return ofModel;
  const ofEndpoint = await askFor("endpoint", id, url);
  return ofEndpoint.code === 1 ? ofModel : ofEndpoint;
};

const askFor = async (kind: string, id: string, url: string): Promise<Outcome> => {
  const at = `${url.replace(/\/+$/, "")}/_emulator/explain?${kind}=${encodeURIComponent(id)}`;
  try {
    const answer = await fetch(at, { headers: { accept: "text/plain" } });
    const text = await answer.text();
    const isExplanation = answer.headers.get("content-type")?.startsWith("text/plain") === true;
    if (answer.status === 200 && isExplanation) return { code: 0, text };
    if (answer.status === 404 && isExplanation) return { code: 1, text };
    return { code: 2, text: `${at} answered ${answer.status}: ${text.trim()}\n` };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return {
      code: 2,
      text: `cannot ask ${url}: ${textOf(cause)}\nIs the server running, and is that the port of its control API? --journal=FILE reads a journal instead.\n`,
    };
  }
};

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
