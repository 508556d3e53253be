import { object } from "../../exchange/json-text.ts";
import { plainBody } from "../request.ts";
import type { Surface } from "../surface.ts";

/** Paths that are none, methods that are not theirs, headers that nobody asked for. */
export const routes: Surface = {
  name: "routes",
  title: "routes, methods, headers",
  weight: 8,
  make: (chance, { models }) => {
    const { name } = chance.pick(models);
    const sound = chance.pick([
      "/v2",
      "/v2/health/live",
      "/v2/health/ready",
      "/v2/models/stats",
      `/v2/models/${name}`,
      `/v2/models/${name}/config`,
      `/v2/models/${name}/ready`,
      `/v2/models/${name}/stats`,
      `/v2/models/${name}/infer`,
      `/v2/models/${name}/versions/1/config`,
      `/v2/models/${name}/trace/setting`,
      "/v2/repository/index",
      "/v2/repository/models/none/unload",
      "/v2/logging",
      "/v2/trace/setting",
      "/v2/systemsharedmemory/status",
      "/v2/systemsharedmemory/region/none/status",
      "/v2/cudasharedmemory/status",
      "/",
      "/metrics",
      "/v1",
    ]);
    const path = chance.oneIn(2)
      ? sound
      : chance.pick([
          `${sound}/`,
          `/${sound}`,
          `${sound}?a=b`,
          `${sound}#x`,
          `http://127.0.0.1${sound}`,
          sound.replace("/", "//"),
          sound.toUpperCase(),
          sound.slice(0, -1),
          `${sound}/x`,
          sound.replace("models", "model%73"),
          `${sound}%`,
          sound.replaceAll("/", "/./"),
          `${sound};a`,
        ]);
    const method = chance.weighted([
      [4, "GET"],
      [4, "POST"],
      [1, "HEAD"],
      [1, "PUT"],
      [1, "DELETE"],
      [1, "OPTIONS"],
      [1, "PATCH"],
      [1, "TRACE"],
      [1, "BREW"],
    ] as const);
    const headers = chance.oneIn(2) ? [] : [chance.pick(someHeaders)];
    const body = method === "GET" || method === "HEAD" || chance.oneIn(2) ? null : plainBody(object([]));
    return { kind: "http", port: "http", method, path, headers, body };
  },
};

const someHeaders: readonly (readonly [string, string])[] = [
  ["Connection", "close"],
  ["Connection", "keep-alive"],
  ["Connection", "CLOSE"],
  ["Connection", "upgrade"],
  ["Accept", "application/xml"],
  ["Content-Type", "text/plain"],
  ["Content-Type", ""],
  ["Accept-Encoding", "gzip"],
  ["Expect", "100-continue"],
  ["Inference-Header-Content-Length", "2"],
  ["Origin", "http://example.com"],
  ["Cookie", "a=b"],
  ["Authorization", "Bearer x"],
  ["X-Long", "y".repeat(4000)],
  ["Range", "bytes=0-1"],
  ["If-None-Match", "*"],
  ["TE", "trailers"],
];
