import type { Storage } from "../../core/storage.ts";

/** What is registered for a load: a repository, and the subfolder in it that holds the model. */
export interface ModelLocation {
  readonly repository: string;
  readonly folder: string;
}

/** `<parent>/<hash>/model[/<folder>]`. The real server knows `/opt/ml/models` as the only parent. */
const loadUrl = /^(.+\/[0-9A-Za-z._]+)\/(model)\/?([0-9A-Za-z._]+)?$/;

const ensemble = /platform:\s*"ensemble"/;

/**
 * Finds the model below the url of a load: the folder itself, where it has a config.pbtxt; else the subfolder whose
 * configuration says ensemble; else the last subfolder. A url without subfolders, or that is no folder, is told by what
 * comes after: `folder` is then empty.
 */
export const locateModel = (storage: Storage, url: string, done: (found: ModelLocation) => void): void => {
  storage.listModels(url, (listed) => {
    const folders = listed.ok ? listed.value : [];
    lastEnsemble(storage, url, folders, (found) => {
      const location = { repository: url, folder: found ?? folders.at(-1) ?? "" };
      const [, repository = "", folder = "", below = ""] = loadUrl.exec(url) ?? [];
      if (folder === "") {
        done(location);
        return;
      }
      // With a subfolder in the url it is that one's configuration that counts, and its parent that is registered: such
      // a model cannot be loaded (2.51.0).
      const config = [repository, folder, below, "config.pbtxt"].filter((part) => part !== "").join("/");
      storage.readFile(config, (read) => done(read.ok ? { repository, folder } : location));
    });
  });
};

const lastEnsemble = (
  storage: Storage,
  url: string,
  folders: readonly string[],
  done: (folder: string | null) => void,
): void => {
  let found: string | null = null;
  const next = (index: number): void => {
    const folder = folders[index];
    if (folder === undefined) {
      done(found);
      return;
    }
    storage.readFile(`${url}/${folder}/config.pbtxt`, (read) => {
      if (read.ok && ensemble.test(Buffer.from(read.value).toString("latin1"))) found = folder;
      next(index + 1);
    });
  };
  next(0);
};
