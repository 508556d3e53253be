import type { IncomingHttpHeaders } from "node:http2";
import type { Parameter } from "../../core/tensor/inference-request.ts";

/** Picks the request headers that go on to the backend as string parameters. */
export type HeaderForwarding = (headers: IncomingHttpHeaders) => readonly Parameter[];

const nothing: readonly Parameter[] = [];

/** @param pattern `--grpc-header-forward-pattern`; null = no header */
export const createHeaderForwarding = (pattern: RegExp | null): HeaderForwarding => {
  if (pattern === null) return () => nothing;
  return (headers) => {
    const forwarded: Parameter[] = [];
    for (const [name, value] of Object.entries(headers)) {
      if (name.startsWith(":") || value === undefined || !pattern.test(name)) continue;
      const values = Array.isArray(value) ? value : [value];
      for (const text of values) forwarded.push({ name, value: { kind: "string", value: text } });
    }
    return forwarded;
  };
};
