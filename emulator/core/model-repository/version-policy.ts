import type { VersionPolicy } from "../model-config/model-config.ts";
import type { ModelFolder } from "../storage.ts";

/** Subfolders of a model that are never versions. */
const reserved = new Set(["warmup", "initial_state", "configs"]);

/** A version that may be served. `folder` is its subfolder's name. */
interface Selection {
  /** Ascending. */
  readonly versions: readonly number[];
  readonly warnings: readonly string[];
}

/**
 * The versions that a policy selects from the subfolders that are there (spec/triton-core.md 1.1): leading digits make a
 * version, as the real server reads them.
 */
export const selectVersions = (
  model: string,
  folder: ModelFolder,
  policy: VersionPolicy | undefined,
): Selection => {
  const warnings: string[] = [];
  const present = new Set<number>();
  for (const { kind, path } of folder.entries) {
    if (kind !== "folder" || path.includes("/") || reserved.has(path)) continue;
    if (path.length > 1 && path.startsWith("0")) {
      warnings.push(`ignore version directory '${path}' which contains leading zeros in its directory name`);
      continue;
    }
    const digits = /^\s*[+-]?\d+/.exec(path)?.[0];
    const version = digits === undefined ? Number.NaN : Number(digits);
    if (!Number.isSafeInteger(version)) {
      warnings.push(`ignore version directory '${path}' which fails to convert to integral number`);
    } else present.add(version);
  }
  const sorted = [...present].sort((a, b) => a - b);
  if (policy?.specific !== undefined) {
    const wanted = new Set(policy.specific.versions);
    for (const version of wanted) {
      if (!present.has(version)) {
        warnings.push(
          `version ${version} is specified for model '${model}', but the version directory is not present`,
        );
      }
    }
    return { versions: sorted.filter((version) => wanted.has(version)), warnings };
  }
  // A policy that makes no choice takes all, and the latest 0 are none (2.51.0).
  if (policy !== undefined && policy.latest === undefined) return { versions: sorted, warnings };
  const count = policy?.latest?.num_versions ?? 1;
  return { versions: count === 0 ? [] : sorted.slice(-count), warnings };
};
