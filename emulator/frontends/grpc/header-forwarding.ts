import type { Parameter } from "../../core/tensor/inference-request.ts";
import type { Headers } from "./http2/hpack.ts";

/** Picks the request headers that go on to the backend as string parameters. */
export type HeaderForwarding = (headers: Headers) => readonly Parameter[];

const nothing: readonly Parameter[] = [];

/** @param pattern `--grpc-header-forward-pattern`; null = no header */
export const createHeaderForwarding = (pattern: RegExp | null): HeaderForwarding => {
  if (pattern === null) return () => nothing;
  return (headers) => {
    const forwarded: Parameter[] = [];
    for (const [name, value] of Object.entries(headers)) {
      if (name.startsWith(":") || value === undefined || !pattern.test(name)) continue;
      forwarded.push({ name, value: { kind: "string", value } });
    }
    return forwarded;
  };
};
