import type { HttpExchange } from "../http1/connection.ts";
import { type Problem, problemReply } from "./control-reply.ts";
import type { ControlTarget } from "./target.ts";

/** A request that a route was found for. */
export interface ControlCall {
  readonly exchange: HttpExchange;
  readonly target: ControlTarget;
  /** Only names that the route takes. */
  readonly query: URLSearchParams;
  /** What stands for `{name}` in the path, decoded; empty where the route has none. */
  readonly name: string;
}

/** The body as JSON; null = it was none, and the answer has said so. An empty body is `{}`. */
export const jsonBody = ({ exchange }: ControlCall): { readonly value: unknown } | null => {
  const text = exchange.body.toString("utf8");
  try {
    const value: unknown = text.trim() === "" ? {} : JSON.parse(text);
    return { value };
  } catch (error) {
    refuse(exchange, {
      status: 400,
      code: "no-json",
      message: `the body is no JSON: ${error instanceof Error ? error.message : error}`,
      howToFix: "send JSON",
    });
    return null;
  }
};

export const refuse = (exchange: HttpExchange, problem: Problem, headers: readonly string[] = []): void =>
  exchange.reply(problemReply(problem, headers));

/** Whether the client would rather have JSON than text. */
export const wantsJson = ({ exchange }: ControlCall): boolean =>
  (exchange.head.headers.get("accept") ?? "").includes("application/json");
