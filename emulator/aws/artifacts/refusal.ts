import { fail, type Result } from "../../common/status.ts";
import type { ArtifactLimits } from "./artifact-limits.ts";

type Refusal = Extract<Result<never>, { ok: false }>;

const refuse = (targetModel: string, what: string): Refusal =>
  fail("INVALID_ARG", `archive '${targetModel}' ${what}`);

const refuseEntry = (targetModel: string, entry: string, what: string): Refusal =>
  refuse(targetModel, `is refused: '${entry}' ${what}`);

/** Every reason why an archive is not unpacked, in its own words: the same for real and for declared archives. */
export const refusal = {
  missing: (targetModel: string): Refusal => fail("NOT_FOUND", `there is no archive '${targetModel}'`),
  /** @param why the operating system's words */
  failed: (targetModel: string, why: string): Refusal =>
    fail("UNKNOWN", `archive '${targetModel}' cannot be fetched: ${why}`),
  /** The operating system's words; a container whose answer holds them is asked to make room. */
  diskFull: (): Refusal => fail("UNAVAILABLE", "No space left on device"),
  notGzip: (targetModel: string): Refusal =>
    refuse(targetModel, "is not gzip: make it with 'tar -czf', other formats are not unpacked"),
  damaged: (targetModel: string, why: string): Refusal => refuse(targetModel, `is damaged: ${why}`),
  /** @param where what was being read when it ended, with a preposition */
  cutOff: (targetModel: string, where: string): Refusal =>
    refuse(targetModel, `is cut off: it ends ${where}; copy it again`),
  notTar: (targetModel: string): Refusal =>
    refuse(targetModel, "is gzip, but holds no tar: make it with 'tar -czf'"),
  empty: (targetModel: string): Refusal => refuse(targetModel, "holds no file"),
  changed: (targetModel: string): Refusal =>
    refuse(targetModel, "was changed while it was read; put a new archive in place by renaming it"),
  badHeader: (targetModel: string, after: string): Refusal =>
    refuse(targetModel, `is damaged: what belongs to or follows '${after}' is no tar header`),
  leaves: (targetModel: string, entry: string): Refusal =>
    refuseEntry(targetModel, entry, "leads out of the folder it is unpacked into"),
  badName: (targetModel: string, entry: string): Refusal =>
    refuseEntry(targetModel, entry, "is no name of a file"),
  linkLeaves: (targetModel: string, entry: string, target: string): Refusal =>
    refuseEntry(targetModel, entry, `is a link to '${target}', which leads out of the folder`),
  linkTooLong: (targetModel: string, entry: string): Refusal =>
    refuseEntry(targetModel, entry, "is a link whose way is too long to be followed"),
  linkDangles: (targetModel: string, entry: string, target: string): Refusal =>
    refuseEntry(targetModel, entry, `is a link to '${target}', which is not in the archive`),
  linksInLink: (targetModel: string, entry: string, target: string): Refusal =>
    refuseEntry(targetModel, entry, `is a link to '${target}', a folder that holds links to folders itself`),
  throughLink: (targetModel: string, entry: string, link: string): Refusal =>
    refuseEntry(targetModel, entry, `would be written through the link '${link}'`),
  special: (targetModel: string, entry: string, kind: string): Refusal =>
    refuseEntry(targetModel, entry, `is a ${kind}; only files, folders and links are unpacked`),
  duplicate: (targetModel: string, entry: string): Refusal =>
    refuseEntry(targetModel, entry, "is there twice"),
  caseCollision: (targetModel: string, entry: string, other: string): Refusal =>
    refuseEntry(targetModel, entry, `differs from '${other}' by upper and lower case only`),
  fileIsFolder: (targetModel: string, entry: string, file: string): Refusal =>
    refuseEntry(targetModel, entry, `needs '${file}' to be a folder, but it is a file`),
  folderIsFile: (targetModel: string, entry: string): Refusal =>
    refuseEntry(targetModel, entry, "is a file, but was a folder before"),
  tooMany: (targetModel: string, entry: string, { entries }: ArtifactLimits): Refusal =>
    refuseEntry(targetModel, entry, `is one more than the ${entries} files and folders an archive may hold`),
  tooDeep: (targetModel: string, entry: string, { depth }: ArtifactLimits): Refusal =>
    refuseEntry(targetModel, entry, `lies deeper than ${depth} folders`),
  tooLong: (targetModel: string, entry: string, { pathLength, nameBytes }: ArtifactLimits): Refusal =>
    refuseEntry(
      targetModel,
      `${entry.slice(0, 60)}...`,
      `is longer than ${pathLength} characters, or has a part of more than ${nameBytes} bytes`,
    ),
  tooLarge: (targetModel: string, { unpackedBytes }: ArtifactLimits): Refusal =>
    refuse(targetModel, `is refused: it unpacks to more than ${unpackedBytes} bytes`),
  bomb: (targetModel: string, { ratio, freeBytes }: ArtifactLimits): Refusal =>
    refuse(
      targetModel,
      `is refused: it unpacks to more than ${ratio} times its size, which is allowed for the first ${freeBytes} bytes only`,
    ),
} as const;

/** How many bytes an archive may unpack to, and which limit that is. */
export const unpackLimit = (
  targetModel: string,
  archiveBytes: number,
  limits: ArtifactLimits,
): { readonly bytes: number; readonly refused: () => Refusal } => {
  const byRatio = Math.max(limits.freeBytes, archiveBytes * limits.ratio);
  return byRatio < limits.unpackedBytes
    ? { bytes: byRatio, refused: () => refusal.bomb(targetModel, limits) }
    : { bytes: limits.unpackedBytes, refused: () => refusal.tooLarge(targetModel, limits) };
};
