import type { GrpcAnswer } from "./grpc-client.ts";
import type { HttpAnswer, RawAnswer } from "./http-connection.ts";

/** What came back, before anybody judges it. */
export type Answer =
  | { readonly kind: "http"; readonly answer: HttpAnswer; readonly seconds: number }
  | { readonly kind: "connection"; readonly how: string }
  | { readonly kind: "raw"; readonly answer: RawAnswer }
  | { readonly kind: "grpc"; readonly answer: GrpcAnswer }
  | { readonly kind: "stream"; readonly answer: GrpcAnswer };
