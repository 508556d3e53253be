import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GrpcClient, hasGrpc } from "./exchange/grpc-client.ts";
import type { Pair } from "./pair.ts";
import type { RunningServer, Target } from "./targets/target.ts";
import type { PairContent } from "./traffic/pair-content.ts";
import type { Side } from "./traffic/send.ts";

export interface StartedPairOptions {
  readonly ours: Target;
  readonly theirs: Target;
  readonly tolerance: number;
  /** What both serve. */
  readonly content: PairContent;
  /** False where one of them runs already and belongs to somebody. */
  readonly own: boolean;
}

/** Both servers started here, each with a copy of the same models in a folder of its own. */
export class StartedPair implements Pair, AsyncDisposable {
  readonly own: boolean;
  readonly tolerance: number;
  readonly #ours: StartedSide;
  readonly #theirs: StartedSide;
  readonly #folder: string;

  private constructor(
    folder: string,
    ours: StartedSide,
    theirs: StartedSide,
    tolerance: number,
    own: boolean,
  ) {
    this.own = own;
    this.#folder = folder;
    this.#ours = ours;
    this.#theirs = theirs;
    this.tolerance = tolerance;
  }

  static async start({ ours, theirs, tolerance, content, own }: StartedPairOptions): Promise<StartedPair> {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "parity-")));
    // Paths of one length: a text in which one stands is as long on both sides.
    const pair = new StartedPair(
      folder,
      new StartedSide(ours, content, join(folder, "ours")),
      new StartedSide(theirs, content, join(folder, "real")),
      tolerance,
      own,
    );
    try {
      await Promise.all([pair.#ours.start(), pair.#theirs.start()]);
      return pair;
    } catch (error) {
      await pair[Symbol.asyncDispose]();
      throw error;
    }
  }

  get ours(): Side {
    return this.#ours.side;
  }

  get theirs(): Side {
    return this.#theirs.side;
  }

  get repositories(): { readonly ours: string; readonly theirs: string } {
    return { ours: this.#ours.repository, theirs: this.#theirs.repository };
  }

  async restart(): Promise<void> {
    await Promise.all([this.#ours.stop(), this.#theirs.stop()]);
    await Promise.all([this.#ours.start(), this.#theirs.start()]);
  }

  dead(): ReturnType<Pair["dead"]> {
    if (this.#ours.exitCode !== null) return { side: "ours", code: this.#ours.exitCode };
    return this.#theirs.exitCode === null ? null : { side: "theirs", code: this.#theirs.exitCode };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#ours.stop(), this.#theirs.stop()]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** One of them; others may start it alone. */
export class StartedSide {
  readonly #target: Target;
  readonly #content: PairContent;
  readonly #repository: string;
  readonly #archives: string;
  #server: RunningServer | null = null;
  #grpc: GrpcClient | null = null;
  exitCode: number | null = null;

  constructor(target: Target, content: PairContent, folder: string) {
    this.#target = target;
    this.#content = content;
    this.#repository = join(folder, "models");
    this.#archives = join(folder, "archives");
    for (const path of [this.#repository, this.#archives]) mkdirSync(path, { recursive: true });
    content.layOut(this.#repository, this.#archives);
  }

  async start(): Promise<void> {
    const server = await this.#target.start({
      repository: this.#repository,
      folders: [this.#archives],
      flags: this.#content.flags,
      env: this.#content.environment,
      ownProcess: false,
    });
    this.#server = server;
    this.exitCode = null;
    server.exited.then(
      (code) => {
        if (this.#server === server) this.exitCode = code;
      },
      () => {},
    );
    this.#grpc = grpcClient(server.grpcPort);
  }

  get repository(): string {
    return this.#repository;
  }

  get side(): Side {
    if (this.#server === null) throw new Error(`${this.#target.name} does not run`);
    const places = { archives: this.#archives, repository: this.#repository };
    return { name: this.#target.name, server: this.#server, grpc: this.#grpc, places };
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#grpc?.close();
    await server?.stop();
  }
}

export const NO_GRPC =
  "gRPC: not checked, its client is not installed. To check it: npm install @grpc/grpc-js @grpc/proto-loader";

/** Null where the packages for gRPC are not installed. */
const grpcClient = (port: number): GrpcClient | null => (hasGrpc() ? new GrpcClient(port) : null);
