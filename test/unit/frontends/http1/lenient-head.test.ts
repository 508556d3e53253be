import { describe, expect, test } from "vitest";
import { type HeadOutcome, LenientHeadReader } from "../../../../emulator/frontends/http1/lenient-head.ts";
import { parseRequestHead, type RequestHead } from "../../../../emulator/frontends/http1/request-head.ts";

const outcomeOf = (text: string): HeadOutcome =>
  new LenientHeadReader().push(Buffer.from(text, "latin1"), 0).outcome;

const read = (text: string): RequestHead => {
  const outcome = outcomeOf(`${text}\r\n\r\n`);
  if (typeof outcome === "string") throw new Error(outcome);
  return outcome;
};

const withHeaders = (...headers: string[]): RequestHead =>
  read(["GET /v2 HTTP/1.1", ...headers].join("\r\n"));

// Every row of these tables was seen on 2.51.0.
test.each([
  ["GET http://a/v2 HTTP/1.1", "/v2"],
  ["GET HTTP://a:80/v2?x HTTP/1.1", "/v2"],
  ["GET ftp://a/v2 HTTP/1.1", "/v2"],
  ["GET http://[::1]:8000/v2 HTTP/1.1", "/v2"],
  ["GET http://a HTTP/1.1", "/"],
  ["GET http://a:80 HTTP/1.1", "/"],
  ["CONNECT x:1 HTTP/1.1", "/"],
  ["CONNECT [::1]:1 HTTP/1.1", "/"],
  ["\n\rGET /v2 HTTP/1.1", "/v2"],
  ["GET /v2\0x HTTP/1.1", "/v2"],
])("%j: its path is %j", (line, path) => {
  expect(read(line).path).toBe(path);
});

test.each([
  ["GET /v2?a=b?c#d HTTP/1.1", "a=b?c#d"],
  ["GET http://a:80/v2?x HTTP/1.1", "x"],
])("the query of %s is %s", (line, query) => {
  expect(read(line).query).toBe(query);
});

test.each([
  ["GET /v2 HTTP/1.2", "1.2", 1, true],
  ["GET /v2 HTTP/1.10", "1.:", 1, true],
  ["GET /v2 HTTP/1.256", "1.0", 0, false],
  ["GET /v2 HTTP/2.0", "2.0", 0, false],
  ["GET /v2 HTTP/3.1", "3.1", 1, true],
  ["GET /v2 HTTP/1.128", "1.\xb0", 0, true],
  ["GET /v2 ", "0.9", 0, false],
])("%j: is answered as HTTP/%s, by the rules of 1.%i", (line, version, versionMinor, stays) => {
  const keepAlive = version === "1.\xb0" ? ["Connection: keep-alive"] : [];
  expect(read([line, ...keepAlive].join("\r\n"))).toMatchObject({ version, versionMinor, keepAlive: stays });
});

test.each([
  ["GET /v2\r\n\r\n", true],
  ["GET /v2?x\r\n\r\n", undefined],
  ["GET /v2 \r\n\r\n", undefined],
])("%j: is left unanswered = %j", (text, unanswered) => {
  expect(outcomeOf(text)).toMatchObject(unanswered === undefined ? { path: "/v2" } : { unanswered });
});

test("a line feed behind the request line waits for more bytes", () => {
  const reader = new LenientHeadReader();
  expect(reader.push(Buffer.from("GET /v2 HTTP/1.1\r\n\n\r\n"), 0)).toEqual({ taken: 19, outcome: "wait" });
  expect(reader.push(Buffer.from("\r\n"), 0).outcome).toMatchObject({ path: "/v2" });
});

test.each([
  "g",
  "G3",
  "GET\t",
  "GET *",
  "GET /v2 x",
  "GET /v2 HTTP/0",
  "GET /v2 HTTP/1.\r",
  "GET /v2 HTTP/1.1\n",
  "GET /v2 HTTP/1.1 x",
  "GET /v2\rx",
  "GET http:/a",
  "GET http://a_",
  "GET http://a?",
  "GET http://a:99999/",
  "GET http://[x",
  "CONNECT /",
  `${"A".repeat(8192)}`,
  `GET /${"a".repeat(8189)}`,
  "GET /v2 HTTP/1.1\r\nA: b\n",
  "GET /v2 HTTP/1.1\r\nA: b\rc",
  "GET /v2 HTTP/1.1\r\nNo colon\r\n\r",
  "GET /v2 HTTP/1.1\r\nA: b\r\n c\r\n\r",
  "GET /v2 HTTP/1.1\r\n: b\r\n\r",
  `GET /v2 HTTP/1.1\r\n${"A".repeat(8192)}`,
  `GET /v2 HTTP/1.1\r\nA: ${"b".repeat(8192)}`,
  "POST /v2 HTTP/1.1\r\nContent-Length: +2\r",
  "POST /v2 HTTP/1.1\r\nContent-Length: 18446744073709551616\r",
  `POST /v2 HTTP/1.1\r\nContent-Length: ${"0".repeat(21)}\r`,
])("%# breaks the connection with its last byte", (text) => {
  expect(outcomeOf(text)).toBe("broken");
  expect(outcomeOf(text.slice(0, -1))).toBe("more");
});

describe("headers", () => {
  test.each([
    ["A : b", [["A ", "b"]]],
    [" A: b", [[" A", "b"]]],
    ["A b: c", [["A b", "c"]]],
    ["A\0b: c", [["A\0b", "c"]]],
    ["::", [[":", ""]]],
    ["A: b\r\n\tc", [["A", "bc"]]],
    ["A\n\tb: c\r\nD: e", null],
    [
      "A: b\r\n c: d",
      [
        ["A", "b"],
        [" c", "d"],
      ],
    ],
  ])("%j: is read as %j", (lines, headers) => {
    if (headers === null) expect(() => withHeaders(lines)).toThrow("broken");
    else expect(withHeaders(lines).rawHeaders.map(({ name, value }) => [name, value])).toEqual(headers);
  });

  test("a value that goes on is looked at again", () => {
    expect(withHeaders("Content-Length: 1\r\n\t0").contentLength).toBe(10);
  });
});

test.each([
  [["Content-Length: 5  "], 5, undefined],
  [["Content-Length: "], 0, undefined],
  [["Content-Length: 2", "Content-Length: 4"], 4, 2],
  [["Transfer-Encoding: Chunked"], null, undefined],
  [["Transfer-Encoding: chunked", "Content-Length: 3"], null, 3],
  [["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], null, undefined],
  [["Transfer-Encoding: CHUNKED"], 0, undefined],
  [["Transfer-Encoding: gzip, chunked"], 0, undefined],
  [["Transfer-Encoding: identity", "Content-Length: 2"], 2, undefined],
  [["Content-Length: 18446744073709551615"], 2 ** 64, -1],
])("%j: the body has %j bytes, and inference is told %j", (headers, contentLength, statedLength) => {
  const head = withHeaders(...headers);
  expect(head.contentLength).toBe(contentLength);
  expect(head.statedLength).toBe(statedLength);
});

test("what parseRequestHead takes is read the same, byte by byte", () => {
  for (const lines of [
    ["GET /v2?a=b HTTP/1.0", "Connection: keep-alive", "A:  b\t "],
    ["POST  /v2/x  HTTP/1.1 ", "content-length: 12", "Expect: x", "A: 1", "a: 2", "Empty:"],
    ["PUT /v2#a HTTP/1.1", "Transfer-Encoding: chunked", "Connection: Close"],
  ]) {
    const text = lines.join("\r\n");
    const { version, ...head } = read(text);
    expect(version).toBe(text.includes("HTTP/1.0") ? "1.0" : "1.1");
    expect(head).toEqual(parseRequestHead(text));
  }
});
