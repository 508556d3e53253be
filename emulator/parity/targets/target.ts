/** What the conformance cases are played against. */
export interface Target {
  readonly name: string;
  /** True for a tritonserver of NVIDIA's: everything recorded must match, log positions included. */
  readonly real: boolean;
  /** Version of the ONNX Runtime inside; some texts of its errors depend on it. */
  readonly onnxRuntime: string;
  /** The one repository of a server that is not started here; absent = each server gets a folder of its own. */
  readonly sharedRepository?: string;
  /** Why it cannot play a case; null = it can. */
  cannotPlay?(needs: Pick<StartOptions, "flags" | "ownProcess">): string | null;
  /** Starts a server of its own, ready when the promise resolves. Rejects with StartFailure when it ends before. */
  start(options: StartOptions): Promise<RunningServer>;
}

export interface StartOptions {
  readonly repository: string;
  /** Other folders of this machine that the server reads or writes. */
  readonly folders?: readonly string[];
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The case signals the server or waits for its end, so it must be a process of its own. */
  readonly ownProcess: boolean;
}

export interface RunningServer {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
  /** 0 where that front end is off. */
  readonly sagemakerPort: number;
  /** Everything written so far: log lines without time and process id, and plain output. Null = out of reach. */
  output(): string | null;
  signal(name: "SIGINT" | "SIGTERM"): void;
  /** Exit code once the process has ended, negative for a signal. */
  readonly exited: Promise<number>;
  /** Ends it at once, without a drain. */
  stop(): Promise<void>;
}

/** Of a server's environment: the cases were observed, and generated requests are made, for machines without a GPU. */
export const withoutGpus = { CUDA_VISIBLE_DEVICES: "" };

export class StartFailure extends Error {
  readonly exitCode: number;
  readonly output: string;

  constructor(exitCode: number, output: string) {
    super(`the server ended with code ${exitCode} before it was ready:\n${output}`);
    this.name = "StartFailure";
    this.exitCode = exitCode;
    this.output = output;
  }
}
