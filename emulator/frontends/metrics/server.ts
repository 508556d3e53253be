import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ResponseWithBody } from "../../common/response-with-body.ts";
import { nodeHttp } from "../node-http.ts";

export interface MetricsFrontend {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * The metrics port: the text under `/metrics`, an empty 200 under every other path, 405 for every method but GET
 * (spec/triton-wire.md 5, seen on 2.51.0).
 */
export const startMetricsFrontend = async (
  options: { readonly address: string; readonly port: number },
  text: () => string,
): Promise<MetricsFrontend> => {
  const server = nodeHttp.createServer(
    { ServerResponse: ResponseWithBody, keepAliveTimeout: 0 },
    (request, response) => {
      request.resume();
      response.sendDate = false;
      response.removeHeader("Connection");
      if (request.method !== "GET") {
        const body = '{"error":"Method Not Allowed"}';
        response.writeHead(405, "Not Allowed", [
          "Content-Length",
          String(body.length),
          "Content-Type",
          "text/plain",
        ]);
        response.end(body);
        return;
      }
      const path = (request.url ?? "").split("?", 1)[0];
      const body = Buffer.from(path === "/metrics" || path === "/metrics/" ? text() : "");
      response.writeHead(200, "OK", [
        "Content-Type",
        "text/plain; charset=utf-8",
        "Content-Length",
        String(body.length),
      ]);
      response.end(body);
    },
  );
  const port = await listen(server, options);
  return {
    port,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};

const listen = (
  server: Server,
  options: { readonly address: string; readonly port: number },
): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.address, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
