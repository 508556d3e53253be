import { gzipSync } from "node:zlib";

/** An entry as it is written; whatever is not given is that of a plain file. */
export interface RawEntry {
  readonly path: string;
  readonly content?: string | Uint8Array;
  /** The type flag of ustar. Default `0`, a file; `5` where the path ends in a slash. */
  readonly type?: string;
  readonly target?: string;
  readonly mode?: number;
  /** What the header says. Default: the bytes of the content. */
  readonly byteSize?: number;
  readonly prefix?: string;
  readonly magic?: string;
  /** Default: the right one. */
  readonly checksum?: number;
}

const BLOCK = 512;

const padded = (content: Uint8Array): Buffer =>
  Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);

/** One entry: its header, and its content filled up with zeros. */
export const tarEntry = (entry: RawEntry): Buffer => {
  const content = Buffer.from(entry.content ?? "");
  const header = Buffer.alloc(BLOCK);
  header.write(entry.path, 0, 100, "utf8");
  header.write(`${(entry.mode ?? 0o644).toString(8).padStart(7, "0")}\0`, 100);
  header.write("0000000\x000000000\0", 108);
  const byteSize = entry.byteSize ?? content.length;
  if (byteSize >= 8 ** 11) {
    header[124] = 0x80;
    header.writeBigUInt64BE(BigInt(byteSize), 128);
  } else header.write(`${byteSize.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write(entry.type ?? (entry.path.endsWith("/") ? "5" : "0"), 156, "latin1");
  header.write(entry.target ?? "", 157, 100, "utf8");
  header.write(entry.magic ?? "ustar\x0000", 257, "latin1");
  header.write(entry.prefix ?? "", 345, 155, "utf8");
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${(entry.checksum ?? sum).toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, padded(content)]);
};

/** A pax header for the entry after it. */
export const paxHeader = (records: Readonly<Record<string, string>>, type: "x" | "g" = "x"): Buffer => {
  const content = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + String(rest).length;
    length = rest + String(length).length;
    return `${length} ${key}=${value}\n`;
  });
  return tarEntry({ path: "PaxHeader/entry", type, content: content.join("") });
};

/** GNU's way of a long path (`L`) or target of a link (`K`) for the entry after it. */
export const gnuLongName = (name: string, type: "L" | "K" = "L"): Buffer =>
  tarEntry({ path: "././@LongLink", type, content: `${name}\0`, magic: "ustar  \0" });

export const tar = (...parts: readonly (RawEntry | Buffer)[]): Buffer =>
  Buffer.concat([
    ...parts.map((part) => (Buffer.isBuffer(part) ? part : tarEntry(part))),
    Buffer.alloc(2 * BLOCK),
  ]);

export const tarGz = (...parts: readonly (RawEntry | Buffer)[]): Buffer => gzipSync(tar(...parts));

/** Of a model that runs nothing: one INT32 in, one out; what it takes is told by its parameters. */
export const syntheticArchive = (name: string, parameters: Readonly<Record<string, string>> = {}): Buffer =>
  tarGz(
    { path: `${name}/` },
    {
      path: `${name}/config.pbtxt`,
      content: `backend: "synthetic"
        input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
        output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
        ${Object.entries(parameters)
          .map(([key, value]) => `parameters { key: "${key}" value { string_value: "${value}" } }`)
          .join("\n")}`,
    },
    { path: `${name}/1/` },
  );
