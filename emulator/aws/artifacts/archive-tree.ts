import type { TritonError } from "../../common/status.ts";
import type { ArtifactLimits } from "./artifact-limits.ts";
import { refusal } from "./refusal.ts";
import { printable, type TarEntry } from "./tar-reader.ts";

type Node =
  | { readonly kind: "file" | "folder"; readonly path: string }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

export interface Link {
  readonly path: string;
  readonly target: string;
}

/** What is to be done on the disk for an entry; paths are relative to the folder, and safe. */
export type Step =
  | { readonly do: "make folder"; readonly path: string }
  | { readonly do: "write file"; readonly path: string; readonly mode: number }
  | { readonly do: "link file"; readonly path: string; readonly to: string }
  /** A link, made at the end by `links()`; or the folder itself. */
  | { readonly do: "nothing" };

/**
 * The files, folders and links of an archive as they come. Says for each entry what is to be done, or throws its refusal
 * (a TritonError). Links are made when all else is written, so nothing is ever written through one.
 */
export class ArchiveTree {
  readonly #targetModel: string;
  readonly #limits: ArtifactLimits;
  /** By path as a disk that takes upper and lower case for the same would compare it. */
  readonly #nodes = new Map<string, Node>();
  #entries = 0;
  #files = 0;

  constructor(targetModel: string, limits: ArtifactLimits) {
    this.#targetModel = targetModel;
    this.#limits = limits;
  }

  /** Folders that are only named as part of a path are made by whoever writes below them. */
  add(entry: TarEntry): Step {
    const name = printable(entry.path);
    const path = this.#path(entry.path);
    if (++this.#entries > this.#limits.entries)
      throw refusal.tooMany(this.#targetModel, name, this.#limits).error;
    switch (entry.kind) {
      case "folder":
        if (path === "") return { do: "nothing" };
        this.#addFolders(name, path, path);
        return { do: "make folder", path };
      case "file":
        this.#addLeaf(name, { kind: "file", path });
        this.#files++;
        return { do: "write file", path, mode: entry.mode };
      case "hard link": {
        const to = this.#path(entry.target);
        const known = this.#node(to);
        if (known?.kind !== "file" || known.path !== to) {
          throw refusal.linkDangles(this.#targetModel, name, printable(entry.target)).error;
        }
        this.#addLeaf(name, { kind: "file", path });
        return { do: "link file", path, to };
      }
      case "link":
        this.#addLeaf(name, { kind: "link", path, target: entry.target });
        return { do: "nothing" };
      default:
        throw refusal.special(this.#targetModel, name, entry.kind).error;
    }
  }

  /**
   * Call it when the archive has ended. Throws the refusal of a link that leads out of the folder or nowhere, and of links
   * to folders by which the same files would be seen without end, or more often than the limit on entries.
   */
  links(): readonly Link[] {
    if (this.#files === 0) throw refusal.empty(this.#targetModel).error;
    const links = [...this.#nodes.values()].filter((node) => node.kind === "link");
    const toFolders = links
      .map((link) => ({ link, to: this.#follow(link) }))
      .filter(({ to }) => to === "" || this.#node(to)?.kind === "folder");
    if (toFolders.length > 0) this.#checkFolderLinks(toFolders);
    return links;
  }

  #checkFolderLinks(links: readonly { readonly link: Link; readonly to: string }[]): void {
    const holdsLinks = new Set(links.flatMap(({ link }) => foldersOf(link.path)));
    const sizes = new Map<string, number>();
    for (const { path } of this.#nodes.values()) {
      for (const folder of foldersOf(path)) sizes.set(folder, (sizes.get(folder) ?? 0) + 1);
    }
    let seen = this.#nodes.size;
    for (const { link, to } of links) {
      const name = printable(link.path);
      if (holdsLinks.has(to)) {
        throw refusal.linksInLink(this.#targetModel, name, printable(link.target)).error;
      }
      seen += sizes.get(to) ?? 0;
      if (seen > this.#limits.entries) throw refusal.tooMany(this.#targetModel, name, this.#limits).error;
    }
  }

  /** As a path below the folder, `.` and doubled slashes left out; "" = the folder itself. */
  #path(written: string): string {
    const name = printable(written);
    const { pathLength, nameBytes, depth } = this.#limits;
    const parts = written.split("/").filter((part) => part !== "" && part !== ".");
    if (written.length > pathLength || parts.some((part) => Buffer.byteLength(part) > nameBytes)) {
      throw refusal.tooLong(this.#targetModel, name, this.#limits).error;
    }
    if (written.startsWith("/") || parts.includes("..")) throw refusal.leaves(this.#targetModel, name).error;
    // A backslash separates folders on some disks, and a control character hides what is really there.
    if (/[\\\p{Cc}]/u.test(written)) throw refusal.badName(this.#targetModel, name).error;
    if (parts.length > depth) throw refusal.tooDeep(this.#targetModel, name, this.#limits).error;
    return parts.join("/");
  }

  #node(path: string): Node | undefined {
    return this.#nodes.get(compared(path));
  }

  #addLeaf(name: string, node: Node): void {
    const { path } = node;
    const end = path.lastIndexOf("/");
    if (path === "") throw refusal.badName(this.#targetModel, name).error;
    if (end > 0) this.#addFolders(name, path, path.slice(0, end));
    const known = this.#node(path);
    if (known !== undefined) throw this.#taken(name, path, known);
    this.#nodes.set(compared(path), node);
  }

  /** @param folder `path`, or the folder it lies in */
  #addFolders(name: string, path: string, folder: string): void {
    for (let end = folder.indexOf("/"); ; end = folder.indexOf("/", end + 1)) {
      const part = end < 0 ? folder : folder.slice(0, end);
      const known = this.#node(part);
      if (known === undefined) this.#nodes.set(compared(part), { kind: "folder", path: part });
      else if (known.path !== part) throw this.#taken(name, part, known);
      else if (known.kind === "link") {
        throw part === path
          ? refusal.duplicate(this.#targetModel, name).error
          : refusal.throughLink(this.#targetModel, name, printable(part)).error;
      } else if (known.kind === "file")
        throw refusal.fileIsFolder(this.#targetModel, name, printable(part)).error;
      if (end < 0) return;
    }
  }

  #taken(name: string, path: string, known: Node): TritonError {
    if (known.path !== path)
      return refusal.caseCollision(this.#targetModel, name, printable(known.path)).error;
    return known.kind === "folder"
      ? refusal.folderIsFile(this.#targetModel, name).error
      : refusal.duplicate(this.#targetModel, name).error;
  }

  /** Walks a link as a file system does: what it passes on the way must be there, and inside. @returns where it ends */
  #follow(link: Link): string {
    const leaves = (): TritonError =>
      refusal.linkLeaves(this.#targetModel, printable(link.path), printable(link.target)).error;
    const dangles = (): TritonError =>
      refusal.linkDangles(this.#targetModel, printable(link.path), printable(link.target)).error;
    if (link.target === "") throw dangles();
    const at = link.path.split("/").slice(0, -1);
    const ahead = targetParts(link.target);
    if (link.target.startsWith("/")) throw leaves();
    if (link.target.length > this.#limits.pathLength || ahead.length > 2 * this.#limits.depth) {
      throw refusal.linkTooLong(this.#targetModel, printable(link.path)).error;
    }
    let hops = 0;
    for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
      if (part === "..") {
        if (at.pop() === undefined) throw leaves();
        continue;
      }
      const path = [...at, part].join("/");
      const node = this.#node(path);
      if (node === undefined || node.path !== path) throw dangles();
      if (node.kind === "link") {
        // What Linux allows, too.
        if (++hops > 40) throw dangles();
        ahead.unshift(...targetParts(node.target));
      } else if (node.kind === "file" && ahead.length > 0) throw dangles();
      else at.push(part);
    }
    return at.join("/");
  }
}

/** All it lies in, from the folder itself ("") down. */
const foldersOf = (path: string): string[] => {
  const folders = [""];
  for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
    folders.push(path.slice(0, end));
  }
  return folders;
};

const targetParts = (target: string): string[] =>
  target.split("/").filter((part) => part !== "" && part !== ".");

const compared = (path: string): string => path.normalize("NFC").toUpperCase();
