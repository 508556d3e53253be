import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TritonError } from "../common/status.ts";

/**
 * Makes a new folder in the system's place for temporary ones; it is the caller's to remove.
 * @param name in its name, for who finds it
 * @param what goes there
 * @param option names another place for it
 * @returns its path; rejects with a TritonError, UNAVAILABLE, that says what to do
 */
export const temporaryFolder = async (name: string, what: string, option: string): Promise<string> => {
  const parent = tmpdir();
  try {
    return await mkdtemp(join(parent, `triton-local-${name}-`));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TritonError(
      "UNAVAILABLE",
      `no place for ${what}: a folder in ${parent} cannot be made (${why}); set TMPDIR to a folder that can be written to, or name one with ${option}`,
    );
  }
};
