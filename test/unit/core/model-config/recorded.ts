import { readFileSync } from "node:fs";
import type { ModelFolder, ModelFolderEntry } from "../../../../emulator/core/storage.ts";

const read = (name: string): string =>
  readFileSync(new URL(`../../../../fixtures/model-config/${name}`, import.meta.url), "utf8");

/** See fixtures/model-config/README.md for what each file holds. */
export const recordedTexts: { text: string; errors: string[] }[] = JSON.parse(read("text-format.json"));
export const recordedOverrides: { json: string; error: string | null }[] = JSON.parse(
  read("load-override.json"),
);
export const recordedOrders: { keys: string[]; order: string[] }[] = JSON.parse(read("map-order.json"));
export const recordedProtobuf: { text: string; json: string; bytes: string }[] = JSON.parse(
  read("protobuf.json"),
);

export interface PreparedRecord {
  name: string;
  text: string | null;
  files: string[];
  autoComplete: boolean;
  completed?: boolean;
  poll?: string;
  load?: string;
  config?: string;
}

export const recordedModels: PreparedRecord[] = JSON.parse(read("prepared.json"));

/** A model folder that holds these files; a path that ends in `/` is an empty folder. */
export const modelFolder = (
  name: string,
  files: readonly string[],
  text: string | null = null,
): ModelFolder => {
  const entries = new Map<string, ModelFolderEntry>();
  for (const file of files) {
    const parts = file.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      const path = parts.slice(0, depth).join("/");
      entries.set(path, { path, kind: "folder", byteSize: 0, changedMs: 0 });
    }
    if (!file.endsWith("/")) entries.set(file, { path: file, kind: "file", byteSize: 1, changedMs: 0 });
  }
  return {
    path: `{repo}/${name}`,
    changedMs: 0,
    entries: [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
    config: text === null ? null : { path: "config.pbtxt", text },
  };
};
