import { readFileSync } from "node:fs";
import { parityFolder } from "../shipped-files.ts";
import type { Divergence } from "./compare-json.ts";

/** One entry of fixtures/parity/accepted-differences.json: here the two servers answer differently, and this is why. */
export interface AcceptedDifference {
  readonly name: string;
  /** Names of surfaces; absent = any. */
  readonly surfaces?: readonly string[];
  /** Patterns that the place and both values must match as a whole; absent = anything. */
  readonly where?: string;
  readonly ours?: string;
  readonly theirs?: string;
  /** Pattern in both values, whose groups must have found the same; not there in both is the same. */
  readonly same?: string;
  /** Pattern somewhere in the command that sends the request. */
  readonly request?: string;
  /** Only where the two servers have ONNX Runtime in different versions. */
  readonly otherOnnxRuntime?: true;
  readonly reason: string;
}

export const readAcceptedDifferences = (): readonly AcceptedDifference[] => {
  const parsed: readonly AcceptedDifference[] = JSON.parse(
    readFileSync(new URL("accepted-differences.json", parityFolder), "utf8"),
  );
  return parsed;
};

/** The entry that covers every place in which two answers differ; null = there is none. */
export const acceptedBy = (
  entries: readonly AcceptedDifference[],
  surface: string,
  command: string,
  divergences: readonly Divergence[],
): AcceptedDifference | null =>
  entries.find(
    ({ surfaces, request, where, ours, theirs, same }) =>
      (surfaces === undefined || surfaces.includes(surface)) &&
      (request === undefined || new RegExp(request).test(command)) &&
      divergences.every(
        (divergence) =>
          matches(where, divergence.where) &&
          matches(ours, divergence.ours) &&
          matches(theirs, divergence.theirs) &&
          (same === undefined || groups(same, divergence.ours) === groups(same, divergence.theirs)),
      ),
  ) ?? null;

const groups = (pattern: string, text: string): string =>
  JSON.stringify(new RegExp(pattern, "s").exec(text)?.slice(1));

const matches = (pattern: string | undefined, text: string): boolean =>
  pattern === undefined || new RegExp(`^(?:${pattern})$`, "s").test(text);
