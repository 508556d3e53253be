import { describe, expect, test } from "vitest";
import { parseRequestHead, type RequestHead } from "../../../../emulator/frontends/http1/request-head.ts";

const LIVE = "GET /v2/health/live HTTP/1.1";

const parsed = (text: string): RequestHead => {
  const head = parseRequestHead(text);
  if (head === null) throw new Error("broken");
  return head;
};

const withHeaders = (...headers: string[]): string => [LIVE, ...headers].join("\r\n");

test("parseRequestHead: a plain request without headers", () => {
  expect(parsed(LIVE)).toEqual({
    method: "GET",
    path: "/v2/health/live",
    query: "",
    versionMinor: 1,
    headers: new Map(),
    rawHeaders: [],
    contentLength: 0,
    keepAlive: true,
    expectsContinue: false,
  });
});

test.each([
  ["GET /v2?a=b?c#d HTTP/1.1", "a=b?c#d"],
  ["GET /v2? HTTP/1.1", ""],
])("parseRequestHead: the query of %s is %s", (line, query) => {
  expect(parsed(line).query).toBe(query);
});

// Every row of these tables was seen on 2.51.0, unless it says otherwise.
describe("request line", () => {
  test.each([
    ["GET /v2 HTTP/1.1", "/v2"],
    ["GET  /v2 HTTP/1.1", "/v2"],
    ["GET /v2  HTTP/1.1", "/v2"],
    ["GET /v2 HTTP/1.1 ", "/v2"],
    ["GET /v2?a=b?c#d HTTP/1.1", "/v2"],
    ["GET /v2#d?a HTTP/1.1", "/v2#d"],
    ["GET /v2/models/%69d HTTP/1.1", "/v2/models/%69d"],
    ["GET /v2/models/../x HTTP/1.1", "/v2/models/../x"],
    ["GET /v2/models/a\0b HTTP/1.1", "/v2/models/a"],
    ["GET /v2?a\0b HTTP/1.1", "/v2"],
    ["GET /v2/models/a\tb HTTP/1.1", "/v2/models/a\tb"],
    ["GET /v2/models/a\xa0b HTTP/1.1", "/v2/models/a\xa0b"],
    ["A_B /v2 HTTP/1.1", "/v2"],
    [`${"A".repeat(40)} /v2 HTTP/1.1`, "/v2"],
  ])("%j: its path is %j", (line, path) => {
    expect(parsed(line).path).toBe(path);
  });

  test.each([
    "",
    "nonsense",
    "GET",
    "GET /v2",
    " GET /v2 HTTP/1.1",
    "GET\t/v2\tHTTP/1.1",
    "get /v2 HTTP/1.1",
    "Get /v2 HTTP/1.1",
    "G3T /v2 HTTP/1.1",
    "M-SEARCH /v2 HTTP/1.1",
    "GET /v2 http/1.1",
    "GET /v2 HTTP/1",
    "GET /v2 HTTP/01.1",
    "GET /v2 HTTP/0.9",
    "PRI * HTTP/2.0",
    "OPTIONS * HTTP/1.1",
    "GET v2 HTTP/1.1",
    "GET http://u:p@a/v2 HTTP/1.1",
    "GET http://a?x HTTP/1.1",
    "CONNECT /v2 HTTP/1.1",
    "GET /v2\rx HTTP/1.1",
    "GET /v2\nx HTTP/1.1",
  ])("%j: is not as it should be", (line) => {
    expect(parseRequestHead(line)).toBeNull();
  });

  test("a target of 8189 bytes is the longest", () => {
    const line = (byteSize: number) => `GET /${"a".repeat(byteSize - 1)} HTTP/1.1`;
    expect(parsed(line(8189)).path).toHaveLength(8189);
    expect(parseRequestHead(line(8190))).toBeNull();
  });

  test("HTTP/1.0 is told from HTTP/1.1", () => {
    expect(parsed("GET /v2 HTTP/1.0").versionMinor).toBe(0);
  });
});

describe("headers", () => {
  test("names are found in any case and kept as sent, values lose the spaces before them", () => {
    const head = parsed(withHeaders("hOST: x", "A:  x \ty\t ", "Empty:", "Blank:  "));
    expect([...head.headers]).toEqual([
      ["host", "x"],
      ["a", "x \ty\t "],
      ["empty", ""],
      ["blank", ""],
    ]);
    expect(head.rawHeaders.map(({ name }) => name)).toEqual(["hOST", "A", "Empty", "Blank"]);
  });

  test("of equal names the first counts, and all are kept as sent", () => {
    const head = parsed(withHeaders("A: 1", "a: 2"));
    expect(head.headers.get("a")).toBe("1");
    expect(head.rawHeaders).toEqual([
      { name: "A", value: "1" },
      { name: "a", value: "2" },
    ]);
  });

  test.each([
    "A*!#$%&'+.^`|~b: x",
    "A(b): x",
    "A\xe9b: x",
    "A/b: x",
    'A"b: x',
    "A: x\0y",
    "A: x\x01y\xff\x7f",
  ])("%j: is taken", (line) => {
    expect(parsed(withHeaders(line)).rawHeaders).toHaveLength(1);
  });

  test.each(["Host", ": x", " folded", "\tfolded", "A: x\ry", "A: x\ny", "A: b\r\n c"])(
    "%j: is not as it should be",
    (line) => {
      expect(parseRequestHead(withHeaders(line))).toBeNull();
    },
  );

  test("names and values of 8191 bytes are the longest", () => {
    const long = "a".repeat(8191);
    expect(parsed(withHeaders(`${long}: ${long}`)).headers.get(long)).toBe(long);
    expect(parseRequestHead(withHeaders(`a: ${long}a`))).toBeNull();
    expect(parseRequestHead(withHeaders(`${long}a: a`))).toBeNull();
  });

  test("any value of Expect asks for 100 Continue", () => {
    expect(parsed(withHeaders("Expect: anything")).expectsContinue).toBe(true);
  });
});

describe("length of the body", () => {
  test.each([
    [[], 0],
    [["Content-Length: 5"], 5],
    [["Content-Length: 005"], 5],
    [["Content-Length: 5", "content-length: 5"], 5],
    [["Transfer-Encoding: chunked"], null],
  ])("%j: is %j", (headers, length) => {
    expect(parsed(withHeaders(...headers)).contentLength).toBe(length);
  });

  test.each(["+2", "-2", "0x2", "2 2", "2,2", "2abc", "1e3", "18446744073709551618"])(
    "Content-Length: %s is not as it should be",
    (length) => {
      expect(parseRequestHead(withHeaders(`Content-Length: ${length}`))).toBeNull();
    },
  );
});

describe("connection", () => {
  test.each([
    ["1.1", [], true],
    ["1.1", ["Connection: close"], false],
    ["1.1", ["connection: Close"], false],
    ["1.1", ["Connection: close, TE"], true],
    ["1.1", ["Connection: closed"], true],
    ["1.1", ["Connection: close", "Connection: keep-alive"], false],
    ["1.1", ["Connection: keep-alive", "Connection: close"], false],
    ["1.1", ["Connection: Upgrade", "Upgrade: h2c"], true],
    ["1.0", [], false],
    ["1.0", ["Connection: Keep-Alive"], true],
    ["1.0", ["Connection: Keep-Alive", "Connection: close"], true],
    ["1.0", ["Connection: keep-alive, TE"], false],
    ["1.0", ["Proxy-Connection: keep-alive"], false],
  ])("HTTP/%s %j: stays open = %j", (version, headers, keepAlive) => {
    expect(parsed([`GET /v2 HTTP/${version}`, ...headers].join("\r\n")).keepAlive).toBe(keepAlive);
  });
});

test("parseRequestHead: takes time in proportion to a head of blanks", () => {
  const blanks = " ".repeat(65_000);
  const started = process.cpuUsage();
  expect(parseRequestHead(withHeaders(`a: x${blanks}y`))).toBeNull();
  expect(parseRequestHead(withHeaders(`a:${blanks}\ny`))).toBeNull();
  expect(parseRequestHead(`GET${blanks}/v2${blanks}x`)).toBeNull();
  const { user } = process.cpuUsage(started);
  // It is well under a millisecond; a pattern that backtracks took minutes.
  expect(user).toBeLessThan(2_000_000);
});
