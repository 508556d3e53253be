import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, YAMLParseError } from "yaml";
import { fail, type Result } from "../common/status.ts";
import {
  combineProfiles,
  type MemoryProfiles,
  type ProfileFile,
  parseProfile,
} from "../core/memory/profile.ts";

/** Beside the folder of this file in the checkout, beside that of the chunks in the package. */
const shippedFolder = (): string => fileURLToPath(new URL("../memory-profiles", import.meta.url));

const readProfile = (path: string): Result<ProfileFile> => {
  let document: unknown;
  try {
    document = parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (!(error instanceof YAMLParseError) && !(error instanceof Error && "code" in error)) throw error;
    return fail("INVALID_ARG", `memory profile: cannot read ${path}: ${error.message.split("\n", 1)[0]}`);
  }
  return parseProfile(document, basename(path));
};

/** The profiles that come with the emulator; each file of `paths` replaces the one of the same backend or adds one. */
export const readMemoryProfiles = (paths: readonly string[]): Result<MemoryProfiles> => {
  const folder = shippedFolder();
  const shipped = readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort();
  const files: ProfileFile[] = [];
  for (const path of [...shipped.map((name) => join(folder, name)), ...paths]) {
    const file = readProfile(path);
    if (!file.ok) return file;
    files.push(file.value);
  }
  return combineProfiles(files);
};
