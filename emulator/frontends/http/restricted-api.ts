/** The groups of endpoints that `--http-restricted-api` names (spec/triton-wire.md 1.14). */
export type RestrictedCategory =
  | "health"
  | "metadata"
  | "inference"
  | "shared-memory"
  | "model-config"
  | "model-repository"
  | "statistics"
  | "trace"
  | "logging";

/** A category that may be used only with a header of an exact value. */
export interface RestrictedApi {
  readonly category: RestrictedCategory;
  /** As the user wrote it; compared without regard to case. */
  readonly header: string;
  readonly value: string;
}

/** Null when the call may go on, else the message of the 403. */
export const restrictionError = (
  restricted: ReadonlyMap<RestrictedCategory, RestrictedApi>,
  category: RestrictedCategory,
  headers: ReadonlyMap<string, string>,
): string | null => {
  if (restricted.size === 0) return null;
  const rule = restricted.get(category);
  if (rule === undefined || headers.get(rule.header.toLowerCase()) === rule.value) return null;
  return `This API is restricted, expecting header '${rule.header}'`;
};
