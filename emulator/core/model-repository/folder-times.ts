import type { ModelFolder } from "../storage.ts";

/**
 * When what lies in a model folder was last changed, as the real server keeps it to see at the next load what is newer
 * (2.51.0: `ModelTimestamp`). Milliseconds since 1970.
 */
export interface FolderTimes {
  /** Of the folder itself: something came into it or went. */
  readonly ownMs: number;
  /** Of everything directly in it, by name; of a subfolder the newest in it. */
  readonly contents: ReadonlyMap<string, number>;
  /** Which of them the configuration is; null = there is none. */
  readonly configName: string | null;
}

/** Older than any folder: of a model that was not loaded before, and of one whose files came with its load. */
export const noTimes: FolderTimes = {
  ownMs: Number.NEGATIVE_INFINITY,
  contents: new Map(),
  configName: null,
};

/** @param configPath of the configuration file, in the folder, where it is or would be */
export const timesOf = (folder: ModelFolder, configPath: string): FolderTimes => {
  const contents = new Map<string, number>();
  for (const { path, changedMs } of folder.entries) {
    const name = path.split("/", 1)[0] ?? path;
    contents.set(name, Math.max(contents.get(name) ?? changedMs, changedMs));
  }
  // Whatever the path begins with is taken for the configuration; where two are, the folder never looks newer (2.51.0).
  const [configName, ...others] = [...contents.keys()].filter((name) => configPath.startsWith(name));
  if (others.length > 0) return noTimes;
  return { ownMs: folder.changedMs, contents, configName: configName ?? null };
};

/** As if the configuration had been written just then; nothing where there is none. */
export const withConfigTime = (times: FolderTimes, ms: number): FolderTimes =>
  times.configName === null
    ? times
    : { ...times, contents: new Map([...times.contents, [times.configName, ms]]) };

/** Whether anything is newer than the newest was. */
export const isNewer = (now: FolderTimes, before: FolderTimes): boolean => newest(now) > newest(before);

/** Whether a version is: its own folder, or what is neither configuration nor version. */
export const isVersionNewer = (now: FolderTimes, before: FolderTimes, version: number): boolean =>
  newestOfVersion(now, version) > newestOfVersion(before, version);

const newest = ({ ownMs, contents }: FolderTimes): number => {
  let ms = ownMs;
  for (const changedMs of contents.values()) ms = Math.max(ms, changedMs);
  return ms;
};

const newestOfVersion = ({ contents, configName }: FolderTimes, version: number): number => {
  let ms = contents.get(String(version)) ?? Number.NEGATIVE_INFINITY;
  for (const [name, changedMs] of contents)
    if (/\D/.test(name) && name !== configName) ms = Math.max(ms, changedMs);
  return ms;
};
