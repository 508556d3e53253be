import type { Observation } from "../cases/dialogue.ts";
import { completed, type GrpcAnswer } from "../exchange/grpc-client.ts";
import type { RawAnswer } from "../exchange/http-connection.ts";
import type { JsonObject } from "../exchange/json.ts";

/** An observation as a line of a recording holds it; fixtures/recordings/README.md explains the fields. */
export type WrittenObservation =
  | ({ readonly http: readonly string[]; readonly seconds?: number } & WrittenBody)
  | { readonly connection: string }
  | { readonly raw: string; readonly ended: RawAnswer["ended"] }
  | { readonly grpc: string; readonly replies: readonly JsonObject[]; readonly details?: string }
  | { readonly stream: string; readonly replies: readonly JsonObject[]; readonly details?: string }
  | { readonly log: string | null }
  | { readonly exit: number | null; readonly output: string; readonly seconds?: number }
  | { readonly files: readonly string[] }
  | { readonly file: string | null }
  | { readonly instances: number };

type WrittenBody = { readonly text: string } | { readonly base64: string };

export const write = (observation: Observation): WrittenObservation => {
  switch (observation.kind) {
    case "http": {
      const { statusLine, headers, body } = observation.answer;
      const head = [statusLine, ...headers.map(([name, value]) => `${name}: ${value}`)];
      return { http: head, ...writtenBody(body), ...writtenSeconds(observation.seconds) };
    }
    case "connection":
      return { connection: observation.how };
    case "raw":
      return { raw: observation.answer.received.toString("latin1"), ended: observation.answer.ended };
    case "grpc":
      return { grpc: observation.answer.code, ...writtenReplies(observation.answer) };
    case "stream":
      return { stream: observation.answer.code, ...writtenReplies(observation.answer) };
    case "log":
      return { log: observation.output };
    case "exit": {
      const { exitCode, output, seconds } = observation;
      return { exit: exitCode, output, ...writtenSeconds(seconds) };
    }
    case "files":
      return { files: observation.names };
    case "file":
      return { file: observation.text };
    case "instances":
      return { instances: observation.distinct };
  }
};

/** @param rpc whose replies a gRPC answer holds */
export const read = (written: WrittenObservation, rpc: string): Observation => {
  if ("http" in written) {
    const [statusLine = "", ...lines] = written.http;
    const headers = lines.map((line): readonly [string, string] => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon), line.slice(colon + 2)];
    });
    const body = "text" in written ? Buffer.from(written.text) : Buffer.from(written.base64, "base64");
    const answer = { statusLine, status: Number(statusLine.split(" ")[1]), headers, body };
    return { kind: "http", answer, seconds: written.seconds ?? 0 };
  }
  if ("connection" in written) return { kind: "connection", how: written.connection };
  if ("raw" in written)
    return { kind: "raw", answer: { received: Buffer.from(written.raw, "latin1"), ended: written.ended } };
  if ("grpc" in written)
    return { kind: "grpc", answer: grpcAnswer(written.grpc, written.details, written.replies, rpc) };
  if ("stream" in written)
    return { kind: "stream", answer: grpcAnswer(written.stream, written.details, written.replies, rpc) };
  if ("log" in written) return { kind: "log", output: written.log };
  if ("exit" in written) {
    const { exit, output, seconds = 0 } = written;
    return { kind: "exit", exitCode: exit, output, seconds };
  }
  if ("files" in written) return { kind: "files", names: written.files };
  return "file" in written
    ? { kind: "file", text: written.file }
    : { kind: "instances", distinct: written.instances };
};

const writtenBody = (body: Buffer): WrittenBody => {
  const text = body.toString("utf8");
  return Buffer.from(text).equals(body) ? { text } : { base64: body.toString("base64") };
};

/** What took less than half a second counts as at once. */
const writtenSeconds = (seconds: number): { readonly seconds?: number } => {
  const rounded = Math.round(seconds);
  return rounded === 0 ? {} : { seconds: rounded };
};

const writtenReplies = ({
  details,
  replies,
}: GrpcAnswer): { readonly replies: readonly JsonObject[]; readonly details?: string } => ({
  ...(details === "" ? {} : { details }),
  replies: replies.map(({ asSent }) => asSent),
});

const grpcAnswer = (
  code: string,
  details: string | undefined,
  replies: readonly JsonObject[],
  rpc: string,
): GrpcAnswer => ({
  code,
  details: details ?? "",
  replies: replies.map((asSent) => ({ asSent, complete: completed(rpc, asSent) })),
});
