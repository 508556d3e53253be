import type { Surface } from "../surface.ts";

/** How requests lie on the connection, which the answers only show byte for byte. */
export const framing: Surface = {
  name: "framing",
  title: "framing of HTTP",
  weight: 1,
  make: (chance, { models }) => {
    const { name } = chance.pick(models);
    const path = chance.pick(["/v2/health/live", `/v2/models/${name}/ready`, "/none"]);
    const body = "{}";
    const post = (head: string, content: string): string =>
      `POST /v2/repository/models/none/load HTTP/1.1\r\n${head}\r\n\r\n${content}`;
    const text = chance.pick([
      `GET ${path} HTTP/1.0\r\n\r\n`,
      `GET ${path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`,
      `GET ${path} HTTP/1.1\r\n\r\n`,
      `GET ${path} HTTP/1.1\r\nConnection: close\r\n\r\n`,
      `get ${path} HTTP/1.1\r\n\r\n`,
      `GET ${path} HTTP/2.0\r\n\r\n`,
      `GET ${path}\r\n\r\n`,
      `GET  ${path} HTTP/1.1\r\n\r\n`,
      `GET ${path} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`,
      `GET ${path} HTTP/1.1\r\nNo colon\r\n\r\n`,
      `GET ${path} HTTP/1.1\r\nA : b\r\n\r\n`,
      `GET ${path} HTTP/1.1\r\nA: b\r\n c\r\n\r\n`,
      `CONNECT ${path} HTTP/1.1\r\n\r\n`,
      `GET ${path} HTTP/1.1\r\n\r\nGET ${path} HTTP/1.1\r\n\r\n`,
      post("Content-Length: 2", body),
      post("Content-Length: 5", body),
      post("Content-Length: 1", body),
      post("Content-Length: x", body),
      post("Content-Length: -2", body),
      post("Content-Length: 2\r\nContent-Length: 2", body),
      post("Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n"),
      post("Transfer-Encoding: chunked", "1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n"),
      post("Transfer-Encoding: chunked", "g\r\n{}\r\n0\r\n\r\n"),
      post("Transfer-Encoding: chunked\r\nContent-Length: 9", "2\r\n{}\r\n0\r\n\r\n"),
      post("Transfer-Encoding: identity\r\nContent-Length: 2", body),
      post("Expect: 100-continue\r\nContent-Length: 2", body),
      post("", body),
    ]);
    return { kind: "raw", bytes: Buffer.from(text, "latin1") };
  },
};
