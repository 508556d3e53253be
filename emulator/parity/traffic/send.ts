import type { Answer } from "../exchange/answer.ts";
import type { GrpcClient } from "../exchange/grpc-client.ts";
import {
  exchange,
  exchangeUntilQuiet,
  PATIENT,
  type Patience,
  parseAnswer,
} from "../exchange/http-connection.ts";
import { exchangeFrames } from "../exchange/http2-connection.ts";
import type { RunningServer } from "../targets/target.ts";
import { bytesOf, type HttpPort, type Places, type TrafficRequest } from "./request.ts";

/** One of the two servers that are compared, with what is needed to talk to it. */
export interface Side {
  readonly name: string;
  readonly server: Pick<RunningServer, "httpPort" | "grpcPort" | "metricsPort" | "sagemakerPort">;
  /** Null where the packages for gRPC are not installed. */
  readonly grpc: GrpcClient | null;
  readonly places: Places;
}

const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Sends a request and waits for the whole answer. Every way in which there is none is an answer too.
 * @param patience where nobody but time tells that an answer is whole
 */
export const send = async (
  side: Side,
  request: TrafficRequest,
  patience: Patience = PATIENT,
): Promise<Answer> => withoutPlaces(await inTime(exchangeWith(side, request, patience)), side.places);

/** A call of gRPC waits for ever of its own. */
const inTime = async (answer: Promise<Answer>): Promise<Answer> => {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const timer = setTimeout(() => resolve({ kind: "connection", how: "no answer" }), 2 * ANSWER_TIMEOUT_MS);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
};

/** Where they have their backends. */
const backendFolder = /'[^' ]*\/backends\//g;

/** Where the two servers put the files of an override. */
const temporaryFolder = /\/tmp\/(folder\w{6}|triton-local-\w{6})/g;

/** Paths of the server's own folders as the names that requests have for them. */
const withoutPlaces = (answer: Answer, places: Places): Answer => {
  if (answer.kind === "http") {
    let text = answer.answer.body.toString("latin1");
    for (const [name, path] of Object.entries(places)) text = text.replaceAll(path, `{${name}}`);
    text = text.replace(temporaryFolder, "{override}").replace(backendFolder, "'{backends}/");
    return { ...answer, answer: { ...answer.answer, body: Buffer.from(text, "latin1") } };
  }
  if (answer.kind !== "grpc") return answer;
  let text = JSON.stringify(answer.answer);
  for (const [name, path] of Object.entries(places)) text = text.replaceAll(path, `{${name}}`);
  text = text.replace(temporaryFolder, "{override}").replace(backendFolder, "'{backends}/");
  const replaced: typeof answer.answer = JSON.parse(text);
  return { ...answer, answer: replaced };
};

const exchangeWith = async (side: Side, request: TrafficRequest, patience: Patience): Promise<Answer> => {
  switch (request.kind) {
    case "http": {
      const started = performance.now();
      const port = portOf(side, request.port);
      const raw = await exchange(
        port,
        bytesOf(request, side.places),
        (all) => parseAnswer(all) !== null,
        ANSWER_TIMEOUT_MS,
      );
      const answer = parseAnswer(raw.received);
      const seconds = (performance.now() - started) / 1000;
      if (answer !== null) return { kind: "http", answer, seconds };
      return { kind: "connection", how: raw.ended ?? "no answer" };
    }
    case "raw": {
      const { port = "http", bytes, later, ends = false, calls = [] } = request;
      if (port === "grpc")
        return { kind: "raw", answer: await exchangeFrames(side.server.grpcPort, bytes, calls, patience) };
      const parts = later === undefined ? [bytes] : [bytes, later];
      return { kind: "raw", answer: await exchangeUntilQuiet(portOf(side, port), parts, ends, patience) };
    }
    case "grpc":
      return {
        kind: "grpc",
        answer: await clientOf(side).unary(request.rpc, request.message, request.metadata),
      };
    case "stream":
      return {
        kind: "stream",
        answer: await clientOf(side).stream(request.rpc, request.messages, request.metadata),
      };
  }
};

const portOf = ({ server }: Side, port: HttpPort): number =>
  ({ http: server.httpPort, metrics: server.metricsPort, sagemaker: server.sagemakerPort })[port];

const clientOf = ({ grpc, name }: Side): GrpcClient => {
  if (grpc === null) throw new Error(`no gRPC client for ${name}`);
  return grpc;
};
