import type { Storage } from "../../core/storage.ts";

/** What is registered for a load: a repository, and the subfolder in it that holds the model. */
export interface ModelLocation {
  readonly repository: string;
  readonly folder: string;
}

/** `<parent>/<hash>/model[/<folder>]`. The real server knows `/opt/ml/models` as the only parent. */
const loadUrl = /^(.+\/[0-9A-Za-z._]+)\/(model)\/?[0-9A-Za-z._]*$/;

const ensemble = /platform:\s*"ensemble"/;

/**
 * Finds the model below the url of a load. With a config.pbtxt on top it is `<parent>/<hash>` and the folder `model` in it,
 * also where the url names a folder below; nothing at all where the url has another form. Else it is the subfolder whose
 * configuration says ensemble, else the last subfolder (2.51.0; links to folders, which count here, do not count there).
 * What is not there is told by what comes after: the names are then empty, or those of the url.
 */
export const locateModel = (storage: Storage, url: string, done: (found: ModelLocation) => void): void => {
  storage.readFile(`${url}/config.pbtxt`, (onTop) => {
    if (onTop.ok) {
      const [, repository = "", folder = ""] = loadUrl.exec(url) ?? [];
      done({ repository, folder });
      return;
    }
    storage.listModels(url, (listed) => {
      const folders = listed.ok ? listed.value : [];
      lastEnsemble(storage, url, folders, (found) => {
        done({ repository: url, folder: found ?? folders.at(-1) ?? "" });
      });
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
