import type { Log } from "../../emulator/common/log.ts";
import { silentLog } from "../../emulator/common/log.ts";
import {
  type GrpcFrontend,
  type GrpcFrontendOptions,
  startGrpcFrontend,
} from "../../emulator/frontends/grpc/server.ts";
import { GrpcClient } from "../../emulator/parity/exchange/grpc-client.ts";
import { FakeInferenceServer } from "./fake-inference-server.ts";

/** A gRPC front end on a port of its own, before a fake server, and a client of it. */
export class GrpcFixture {
  readonly server: FakeInferenceServer;
  readonly frontend: GrpcFrontend;
  readonly client: GrpcClient;

  private constructor(server: FakeInferenceServer, frontend: GrpcFrontend) {
    this.server = server;
    this.frontend = frontend;
    this.client = new GrpcClient(frontend.port);
  }

  static async start(options: Partial<GrpcFrontendOptions> = {}, log: Log = silentLog): Promise<GrpcFixture> {
    const server = new FakeInferenceServer();
    const frontend = await startGrpcFrontend(server, { address: "127.0.0.1", port: 0, ...options }, log);
    return new GrpcFixture(server, frontend);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await this.frontend.close();
  }
}
