import type { Parameter } from "../../core/tensor/inference-request.ts";
import type { Headers } from "./http2/hpack.ts";

/** Picks the request headers that go on to the backend as string parameters. */
export type HeaderForwarding = (headers: Headers) => readonly Parameter[];

const nothing: readonly Parameter[] = [];

/**
 * Headers whose name the pattern finds become parameters, sorted by name, one for each value; binary ones (`-bin`) are
 * decoded. What belongs to HTTP/2 and gRPC themselves is never among them (2.51.0).
 * @param pattern `--grpc-header-forward-pattern`; null = no header
 */
export const createHeaderForwarding = (pattern: RegExp | null): HeaderForwarding => {
  if (pattern === null) return () => nothing;
  return (headers) => {
    const forwarded: Parameter[] = [];
    for (const name of Object.keys(headers).sort()) {
      if (isProtocolHeader(name) || !pattern.test(name)) continue;
      for (const value of (headers[name] ?? "").split("\n")) {
        const text = name.endsWith("-bin") ? Buffer.from(value, "base64").toString() : value;
        forwarded.push({ name, value: { kind: "string", value: text } });
      }
    }
    return forwarded;
  };
};

const isProtocolHeader = (name: string): boolean =>
  name.startsWith(":") || name.startsWith("grpc-") || name === "content-type" || name === "te";
