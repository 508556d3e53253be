import type { HttpReply } from "../http1/reply.ts";

/** Something asked for that cannot be done. */
export interface Problem {
  readonly status: number;
  /** For programs; does not change. */
  readonly code: string;
  /** What is wrong, and why. */
  readonly message: string;
  readonly howToFix: string;
}

export const jsonReply = (value: unknown, status = 200): HttpReply => ({
  status,
  headers: ["Content-Type", "application/json"],
  body: [Buffer.from(`${JSON.stringify(value)}\n`)],
});

export const textReply = (text: string, status = 200): HttpReply => ({
  status,
  headers: ["Content-Type", "text/plain; charset=utf-8"],
  body: [Buffer.from(text)],
});

/** `{ "error": { "code", "message", "howToFix" } }` */
export const problemReply = ({ status, ...error }: Problem, headers: readonly string[] = []): HttpReply => {
  const reply = jsonReply({ error }, status);
  return { ...reply, headers: [...reply.headers, ...headers] };
};
