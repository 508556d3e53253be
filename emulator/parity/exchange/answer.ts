import type { GrpcAnswer } from "./grpc-client.ts";
import type { HttpAnswer, RawAnswer } from "./http-connection.ts";

/** What came back, before anybody judges it. */
export type Answer =
  | { readonly kind: "http"; readonly answer: HttpAnswer; readonly seconds: number }
  | { readonly kind: "connection"; readonly how: string }
  | { readonly kind: "raw"; readonly answer: RawAnswer }
  | { readonly kind: "grpc"; readonly answer: GrpcAnswer }
  | { readonly kind: "stream"; readonly answer: GrpcAnswer };

/** In one line, for a message. */
export const describe = (answer: Answer): string => {
  switch (answer.kind) {
    case "http":
      return `${answer.answer.statusLine} ${answer.answer.body.toString("utf8").slice(0, 500)}`;
    case "connection":
      return answer.how;
    case "raw":
      return answer.answer.received.toString("latin1");
    default:
      return `${answer.answer.code} ${answer.answer.details} ${JSON.stringify(answer.answer.replies.map((r) => r.asSent))}`;
  }
};
