import type { Chance } from "../chance.ts";
import type { HttpPort, RawTraffic } from "../request.ts";
import type { Surface, World } from "../surface.ts";

/** How requests lie on the connection, which the answers only show byte for byte: heads and bodies in parts, most of them odd. */
export const framing: Surface = {
  name: "framing",
  title: "framing of HTTP",
  weight: 7,
  make: (chance, world): RawTraffic => {
    const port = chance.weighted<HttpPort>([
      [7, "http"],
      [3, "sagemaker"],
      [1, "metrics"],
    ]);
    const first = message(chance, question(chance, port, world));
    const text = chance.oneIn(4) ? brokenAnywhere(chance, first) : first;
    const second = message(chance, question(chance, port, world));
    // A second one shows what was left of the first: in the same segment, or when there is no more of an answer.
    const next = chance.oneIn(8) ? second : "";
    const later =
      chance.oneIn(8) && !endsInTarget(text + next) ? { later: Buffer.from(second, "latin1") } : {};
    const ends = chance.oneIn(8) ? { ends: true as const } : {};
    return { kind: "raw", port, bytes: Buffer.from(text + next, "latin1"), ...later, ...ends };
  },
};

/** A request in the parts that are put together on the wire. */
interface Parts {
  readonly before: string;
  readonly method: string;
  readonly target: string;
  /** Of the request line, and between its words. */
  readonly version: string;
  readonly blanks: readonly [string, string];
  readonly lines: readonly string[];
  readonly lineEnd: string;
  readonly body: string;
}

const question = (chance: Chance, port: HttpPort, world: World): Parts => {
  const { name } = chance.pick(world.models);
  const get = (target: string): Parts => partsOf("GET", target, [], "");
  const post = (target: string, body: string): Parts =>
    partsOf("POST", target, [`Content-Length: ${body.length}`], body);
  switch (port) {
    case "http":
      return chance.weighted([
        [4, get(chance.pick(["/v2/health/live", `/v2/models/${name}/ready`, "/none", "/v2"]))],
        [4, post("/v2/repository/models/none/load", "{}")],
        [1, post(`/v2/models/${name}/infer`, "{}")],
      ]);
    case "sagemaker":
      return chance.weighted([
        // Not the list of models: it comes in the order of a hash table, with each server's own paths.
        [3, get(chance.pick(["/ping", "/models/none", "/none"]))],
        [1, post("/models/none/invoke", "{}")],
        [1, partsOf("DELETE", "/models/none", [], "")],
      ]);
    case "metrics":
      return chance.pick([get("/metrics"), get("/none"), post("/metrics", "{}")]);
  }
};

const partsOf = (method: string, target: string, lines: readonly string[], body: string): Parts => ({
  before: "",
  method,
  target,
  version: "HTTP/1.1",
  blanks: [" ", " "],
  lines,
  lineEnd: "\r\n",
  body,
});

const message = (chance: Chance, sound: Parts): string => {
  let parts = sound;
  for (let left = chance.pick([0, 1, 1, 1, 1, 2, 2, 3]); left > 0; left--) parts = odd(chance, parts);
  const { before, method, target, version, blanks, lines, lineEnd, body } = parts;
  const head = [`${method}${blanks[0]}${target}${blanks[1]}${version}`, ...lines, "", ""];
  return before + head.join(lineEnd) + body;
};

const odd = (chance: Chance, parts: Parts): Parts => {
  const hasBody = parts.body !== "";
  const line = (text: string): Parts => ({ ...parts, lines: withLine(chance, parts.lines, text) });
  switch (
    chance.weighted([
      [2, 0],
      [4, 1],
      [2, 2],
      [2, 3],
      [5, 4],
      [3, 5],
      [hasBody ? 8 : 2, 6],
      [hasBody ? 8 : 0, 7],
      [2, 8],
      [1, 9],
    ])
  ) {
    case 0:
      return { ...parts, method: chance.pick(methods) };
    case 1:
      return { ...parts, target: oddTarget(chance, parts.target) };
    case 2:
      return { ...parts, version: chance.pick(versions) };
    case 3:
      return {
        ...parts,
        blanks: chance.pick([
          ["  ", " "],
          [" ", "  "],
          ["\t", " "],
          [" ", "\t"],
          ["", " "],
          [" ", ""],
        ]),
      };
    case 4:
      return line(oddLine(chance));
    case 5:
      return line(
        `${chance.pick(["Connection", "connection", "Proxy-Connection"])}: ${chance.pick(connections)}`,
      );
    case 6:
      return { ...parts, lines: withLength(chance, parts.lines, lengthLine(chance, parts.body.length)) };
    case 7:
      return chunked(chance, parts);
    case 8:
      return line(chance.pick(expectations));
    default:
      return {
        ...parts,
        ...chance.pick([{ lineEnd: "\n" }, { before: "\r\n" }, { before: "\n\r\n\r" }, { before: " " }]),
      };
  }
};

const methods = [
  "get",
  "Get",
  "",
  "G",
  "GETT",
  "HEAD",
  "PUT",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "TRACE",
  "CONNECT",
  "PROPFIND",
  "PRI",
  "M-SEARCH",
  "A_B",
  "_",
  "G3T",
  "G\0T",
  "GÄT",
  "A".repeat(300),
  "A".repeat(9000),
];

const versions = [
  "HTTP/1.0",
  "HTTP/1.2",
  "HTTP/1.9",
  "HTTP/1.10",
  "HTTP/1.01",
  "HTTP/1.128",
  "HTTP/1.256",
  "HTTP/1.257",
  "HTTP/2.0",
  "HTTP/2",
  "HTTP/3.1",
  "HTTP/0.9",
  "HTTP/10.1",
  "HTTP/257.1",
  "HTTP/1.",
  "HTTP/1",
  "HTTP/",
  "HTTP/1.1 ",
  "HTTP/1.1  x",
  "HTTP/1.1\t",
  "HTTP/1.x",
  "http/1.1",
  "HTTPS/1.1",
  "H",
  "x",
  "",
];

const oddTarget = (chance: Chance, path: string): string =>
  chance.pick([
    `http://127.0.0.1${path}`,
    `HTTP://a:80${path}?x`,
    `http://a.b-c:99999${path}`,
    `http://a_b${path}`,
    `http://u@a${path}`,
    `http://[::1]:8000${path}`,
    `http://[::1]${path}`,
    `http://[x]${path}`,
    `http://${path}`,
    `http:/${path}`,
    `ftp://a${path}`,
    `a1://a${path}`,
    "http://a",
    "http://a:80",
    "http://a:",
    "http://a?x",
    "a:80",
    "[::1]:80",
    "*",
    "",
    "?",
    "/",
    "//",
    path.slice(1),
    `/${path}`,
    `${path}/`,
    `${path}?`,
    `${path}?a=b&c`,
    `${path}?a?b#c`,
    `${path}?%&=&&;%zz`,
    `${path}?#`,
    `${path}#a`,
    `${path}#a?b`,
    `${path}%20`,
    `${path}%`,
    `${path}%00`,
    path.replace(/.$/, "%65"),
    path.replaceAll("/", "%2F"),
    path.replaceAll("/", "\\"),
    `/.${path}`,
    `/x/..${path}`,
    `${path}\0x`,
    `${path}\tx`,
    `${path}\x7f`,
    `${path}ä`,
    `/ä${path}`,
    `${path}?ä\0`,
    `${path} x`,
    `/${"a".repeat(2000)}`,
    `/${"a".repeat(9000)}`,
    `${path}?${"a".repeat(2000)}`,
    `${path}?${"a".repeat(9000)}`,
  ]);

const oddLine = (chance: Chance): string =>
  chance.pick([
    "A: b",
    "A:b",
    "A:   b",
    "A:\tb",
    "A: b ",
    "A: b\t",
    "A:",
    "A: ",
    "A:\t",
    "A : b",
    "A\t: b",
    " A: b",
    "\tA: b",
    "A b: c",
    "No colon",
    ": b",
    ":",
    "::",
    "A: b: c",
    "A: b\r\n c",
    "A: b\r\n\tc",
    "A: b\r\n c: d",
    "A:\r\n\tb",
    "Content-Length: 1\r\n\t0",
    "A: b\rc",
    "A: b\nc: d",
    "A\n: b",
    "A\r: b",
    "A\r\n\tB: c",
    "A: b\r",
    "A: \0",
    "A\0B: c",
    "Ä: ä",
    "A: \x7f\x80\xff",
    "Host: a",
    "Host: a\r\nHost: b",
    "Host:",
    "host: [::1]:80",
    "Accept: */*\r\nAccept: text/html",
    "Accept-Encoding: gzip",
    "Content-Encoding: identity",
    "Content-Type: application/json",
    "Upgrade: h2c",
    "Upgrade: websocket\r\nSec-WebSocket-Key: x",
    "HTTP2-Settings: AAMAAABkAAQAAP__",
    "Keep-Alive: timeout=5, max=2",
    "Trailer: A",
    "TE: trailers",
    "Range: bytes=0-1",
    "Inference-Header-Content-Length:",
    `A: ${"b".repeat(chance.pick([300, 8000, 9000]))}`,
    `${"A".repeat(chance.pick([300, 8000, 9000]))}: b`,
    many(100, 10),
    many(1000, 3),
    many(70, 1000),
  ]);

const many = (count: number, size: number): string =>
  Array.from({ length: count }, (_, index) => `A${index}: ${"b".repeat(size)}`).join("\r\n");

const connections = [
  "close",
  "Close",
  "CLOSE",
  "close ",
  "close, x",
  "keep-alive",
  "Keep-Alive",
  "keep-Alive",
  "KEEP-ALIVE",
  "keep-alive, close",
  "Upgrade",
  "Upgrade, HTTP2-Settings",
  "x",
  "",
  "close\r\nConnection: keep-alive",
  "keep-alive\r\nConnection: close",
];

const expectations = [
  "Expect: 100-continue",
  "expect: 100-Continue",
  "Expect: x",
  "Expect:",
  "EXPECT: 100-continue\r\nExpect: x",
];

const lengthLine = (chance: Chance, size: number): string => {
  const name = chance.weighted([
    [6, "Content-Length"],
    [1, "content-length"],
    [1, "CONTENT-LENGTH"],
    [1, "Content-length"],
  ]);
  const value = chance.pick([
    `+${size}`,
    `${size} ${size}`,
    `${size}, ${size}`,
    `0x${size}`,
    `0${size}`,
    `${"0".repeat(18)}${size}`,
    `${"0".repeat(30)}${size}`,
    `${size} `,
    `${size}\t`,
    `\t${size}`,
    `${size}.0`,
    `-${size}`,
    `${size}e0`,
    `${size};`,
    "",
    "0",
    "x",
    "é",
    String(size + 1),
    String(Math.max(0, size - 1)),
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    `1844674407370955161${6 + (size % 4)}`,
    "28446744073709551616",
    "99999999999999999999",
    "999999999999999999999",
  ]);
  const again = chance.oneIn(4) ? `\r\n${name}: ${chance.pick([value, String(size), "0"])}` : "";
  return `${name}: ${value}${again}`;
};

/** In the place of the length that is there, or beside it. */
const withLength = (chance: Chance, lines: readonly string[], line: string): readonly string[] => {
  const others = lines.filter((other) => !/^content-length/i.test(other));
  return withLine(chance, chance.oneIn(4) ? lines : others, line);
};

const withLine = (chance: Chance, lines: readonly string[], line: string): readonly string[] => {
  const at = chance.below(lines.length + 1);
  return [...lines.slice(0, at), line, ...lines.slice(at)];
};

const chunked = (chance: Chance, parts: Parts): Parts => {
  const encoding = `Transfer-Encoding: ${chance.weighted([
    [8, "chunked"],
    [1, "Chunked"],
    [1, "CHUNKED"],
    [1, "chunked "],
    [1, "\tchunked"],
    [1, "gzip, chunked"],
    [1, "chunked, identity"],
    [1, "identity"],
    [1, "identity\r\nTransfer-Encoding: chunked"],
    [1, "chunked\r\nTransfer-Encoding: chunked"],
    [1, "gzip"],
    [1, "x"],
    [1, ""],
  ])}`;
  const lines = chance.oneIn(3) ? parts.lines : parts.lines.filter((line) => !/^content-length/i.test(line));
  const { body } = parts;
  const cut = chance.below(body.length);
  const pieces = [body.slice(0, cut), body.slice(cut)].filter((piece) => piece !== "");
  const oddAt = chance.below(2 * (pieces.length + 1));
  const chunks = pieces.map((piece, index) => (index === oddAt ? oddChunk(chance, piece) : chunk(piece)));
  const end = oddAt === pieces.length ? chance.pick(lastChunks) : "0\r\n\r\n";
  return { ...parts, lines: withLine(chance, lines, encoding), body: chunks.join("") + end };
};

const chunk = (piece: string): string => `${piece.length.toString(16)}\r\n${piece}\r\n`;

const oddChunk = (chance: Chance, piece: string): string => {
  const size = piece.length.toString(16);
  return chance.pick([
    `0${size}\r\n${piece}\r\n`,
    `${"0".repeat(40)}${size}\r\n${piece}\r\n`,
    `${size.toUpperCase()}\r\n${piece}\r\n`,
    ` ${size}\r\n${piece}\r\n`,
    `${size} \r\n${piece}\r\n`,
    `${size};a=b\r\n${piece}\r\n`,
    `${size};\r\n${piece}\r\n`,
    `0x${size}\r\n${piece}\r\n`,
    `+${size}\r\n${piece}\r\n`,
    `-${size}\r\n${piece}\r\n`,
    `1${size.padStart(16, "0")}\r\n${piece}\r\n`,
    `ffffffffffffffff\r\n${piece}\r\n`,
    `7fffffffffffffff\r\n${piece}\r\n`,
    `${size}\n${piece}\r\n`,
    `${size}\r${piece}\r\n`,
    `${size}\r\n${piece}`,
    `${size}\r\n${piece}\n`,
    `${size}\r\n${piece}x\r\n`,
    `${size}\r\n${piece}\r\n\r\n`,
    `g\r\n${piece}\r\n`,
    `\r\n${piece}\r\n`,
    `${size}é\r\n${piece}\r\n`,
  ]);
};

const lastChunks = [
  "0\r\n",
  "0\r\nA: b\r\n\r\n",
  "0\r\nA: b\r\nC: d\r\n\r\n",
  "0\r\nNo colon\r\n\r\n",
  "0\r\nA: b\n\r\n",
  "0\r\nA\n\r\n",
  "0\r\n\n",
  "0\r\n\r",
  `0\r\nA: ${"b".repeat(9000)}\r\n\r\n`,
  "00\r\n\r\n",
  "0;a\r\n\r\n",
  "0 \r\n\r\n",
  "0\n\n",
  "",
];

/** Cut off, or one byte of it gone, doubled, another one, or one more. */
const brokenAnywhere = (chance: Chance, text: string): string => {
  const at = chance.below(text.length);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  const other = chance.pick(["\r", "\n", "\r\n", " ", "\t", "\0", ":", "/", "x", "0", "\x7f", "é"]);
  switch (chance.below(5)) {
    case 0:
      return before;
    case 1:
      return before + after.slice(1);
    case 2:
      return before + after.slice(0, 1) + after;
    case 3:
      return before + other + after.slice(1);
    default:
      return before + other + after;
  }
};

/** Whether it is cut off in a target: 2.51.0 reads one byte more there than has come. */
const endsInTarget = (text: string): boolean => /[A-Z_]+ +[^ \r\n]*$/.test(text);
