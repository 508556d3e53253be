import type { Log } from "../../common/log.ts";
import type { HttpExchange } from "../http1/connection.ts";
import { type Listener, listen } from "../http1/listener.ts";

export type MetricsFrontend = Listener;

const contentType: readonly string[] = ["Content-Type", "text/plain; charset=utf-8"];

/**
 * The metrics port: the text under `/metrics`, an empty 200 under every other path, 405 for every method but GET
 * (spec/triton-wire.md 5, seen on 2.51.0). Rejects with the error of listening.
 */
export const startMetricsFrontend = (
  options: { readonly address: string; readonly port: number },
  text: () => string,
  log: Log,
): Promise<MetricsFrontend> =>
  listen({ ...options, isPaused: () => false, onRequest: (exchange) => answer(exchange, text) }, log);

const answer = ({ head, reply }: HttpExchange, text: () => string): void => {
  if (head.method !== "GET") {
    reply({ status: 405, headers: [], body: [Buffer.from('{"error":"Method Not Allowed"}')] });
  } else if (head.path === "/metrics" || head.path === "/metrics/") {
    reply({ status: 200, headers: contentType, body: [Buffer.from(text())] });
  } else reply({ status: 200, headers: contentType, body: [] });
};
