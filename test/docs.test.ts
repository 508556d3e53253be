import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const pages = [
  "README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

test.each(pages)("%s: names only files and folders that are there", (page) => {
  const text = readFileSync(join(root, page), "utf8");
  const named = [
    ...text.matchAll(/`((?:emulator|fixtures|protos|test|docs|bench|model-repo)\/[\w./-]*)`/g),
  ].map(([, path]) => path!);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test.each(pages)("%s: its links to other pages lead somewhere", (page) => {
  const text = readFileSync(join(root, page), "utf8");
  const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, link]) => link!);
  expect(links.filter((link) => !existsSync(join(root, page, "..", link)))).toEqual([]);
});
