import type { Invocation } from "../../../../emulator/aws/placement/instance-agent.ts";
import type { PlatformAnswer } from "../../../../emulator/aws/placement/platform-answer.ts";
import { ControlPlane, type ControlPlaneOptions } from "../../../../emulator/aws/sagemaker/control-plane.ts";
import {
  type Fleet,
  type InstanceSpec,
  pingFailure,
  type StartedInstance,
} from "../../../../emulator/aws/sagemaker/fleet.ts";
import { forgetfulStore, type StateStore } from "../../../../emulator/aws/sagemaker/state-store.ts";
import { AwsError } from "../../../../emulator/aws/wire/aws-error.ts";
import type { AwsRequest } from "../../../../emulator/aws/wire/aws-request.ts";
import { Timestamp } from "../../../../emulator/aws/wire/timestamp.ts";
import { silentLog } from "../../../../emulator/common/log.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { noJournal } from "../../../../emulator/journal/event.ts";

export const SECOND = 1_000_000;

/** An instance that answers with its name, after as long as a test says. */
export interface ScriptedInstance {
  readonly spec: InstanceSpec;
  readonly invocations: string[];
  healthy: boolean;
  resets: number;
  stopped: boolean;
}

/** Instances that are up a second after they were ordered, unless a test says otherwise. */
export class ScriptedFleet implements Fleet {
  readonly instances: ScriptedInstance[] = [];
  readonly cancelled: string[] = [];
  /** Null = it comes up. */
  failureOf: (spec: InstanceSpec) => string | null = () => null;
  startUs = SECOND;
  answerUs = 0;
  mostOfVariant = Number.POSITIVE_INFINITY;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get running(): readonly string[] {
    return this.instances.filter(({ stopped }) => !stopped).map(({ spec }) => spec.name);
  }

  start(spec: InstanceSpec, started: (result: StartedInstance) => void): { cancel(): void } {
    const timer = this.#clock.setTimer(this.startUs, () => {
      const failureReason = this.failureOf(spec);
      started(
        failureReason === null ? { ok: true, instance: this.#add(spec) } : { ok: false, failureReason },
      );
    });
    return {
      cancel: () => {
        timer.cancel();
        this.cancelled.push(spec.name);
      },
    };
  }

  #add(spec: InstanceSpec) {
    const scripted: ScriptedInstance = { spec, invocations: [], healthy: true, resets: 0, stopped: false };
    this.instances.push(scripted);
    let open = 0;
    let drained: (() => void) | null = null;
    const agent = {
      instance: spec.name,
      get healthy() {
        return scripted.healthy;
      },
      modelCount: 0,
      freeShare: null,
      holds: () => "loaded" as const,
      invoke: ({ requestId }: Invocation, answered: (answer: PlatformAnswer) => void): void => {
        scripted.invocations.push(requestId);
        open++;
        const answer = (): void => {
          open--;
          answered(answerOf(spec.name));
          if (open === 0) drained?.();
        };
        if (this.answerUs === 0) answer();
        else this.#clock.setTimer(this.answerUs, answer);
      },
      drain: (done: () => void): void => {
        if (open === 0) done();
        else drained = done;
      },
    };
    return {
      agent,
      memory: () => null,
      gauges: () => ({ loadedModels: 0, memory: null, gpuCount: 0, requests: open }),
      reset: (done: () => void) => {
        scripted.resets++;
        done();
      },
      stop: () => {
        scripted.stopped = true;
      },
    };
  }
}

const answerOf = (text: string): PlatformAnswer => ({
  status: 200,
  from: "container",
  headers: [],
  body: new TextEncoder().encode(text),
  error: null,
  cacheHit: true,
  times: { waitUs: 0, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: 0 },
});

/** Remembers what a process would find on its disk. */
export class MemoryStore implements StateStore {
  lines: string[];
  broken = false;

  constructor(lines: readonly string[] = []) {
    this.lines = [...lines];
  }

  read(): readonly unknown[] {
    return this.lines.map((line): unknown => JSON.parse(line));
  }

  append(entry: object): void {
    if (this.broken) throw new Error("ENOSPC: no space left on device");
    this.lines.push(JSON.stringify(entry));
  }

  replace(entries: readonly object[]): void {
    this.lines = entries.map((entry) => JSON.stringify(entry));
  }

  close(): void {}
}

/** A control plane on a clock of its own. */
export class Fixture {
  readonly clock: VirtualClock;
  readonly fleet: ScriptedFleet;
  readonly plane: ControlPlane;
  #requests = 0;

  constructor(store: StateStore = forgetfulStore, options: Partial<ControlPlaneOptions> = {}) {
    this.clock = new VirtualClock(1_700_000_000_000);
    this.fleet = new ScriptedFleet(this.clock);
    this.plane = new ControlPlane({
      clock: this.clock,
      journal: noJournal,
      log: silentLog,
      seed: 1,
      fleet: this.fleet,
      store,
      ...options,
    });
  }

  /** What an operation returns, at once or later. */
  start(operation: string, input: object, region = "us-east-1"): object | Promise<object> {
    const found = this.plane.service.operations[operation];
    if (found === undefined) throw new Error(`there is no operation ${operation}`);
    return found.call(input, "json", request(region));
  }

  /** What it answers at once, moments as seconds; throws the AwsError it ends with. */
  call(operation: string, input: object, region = "us-east-1"): Record<string, unknown> {
    const answer = this.start(operation, input, region);
    if (answer instanceof Promise) throw new Error(`${operation} does not answer at once`);
    return JSON.parse(
      JSON.stringify(answer, (_key, value: unknown) => (value instanceof Timestamp ? value.seconds : value)),
    );
  }

  /** `code: message` of the error it ends with; null = it succeeds. */
  errorOf(operation: string, input: object, region?: string): string | null {
    try {
      this.call(operation, input, region);
      return null;
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      return `${error.code}: ${error.message}`;
    }
  }

  statusOf(endpoint: string): unknown {
    return this.call("DescribeEndpoint", { EndpointName: endpoint }).EndpointStatus;
  }

  /** Model `m` and configuration `c`, with one variant `AllTraffic`. */
  prepare(variant: object = {}, container: object = {}): void {
    this.call("CreateModel", { ModelName: "m", PrimaryContainer: { ...multiModel, ...container } });
    this.createConfig("c", [{ ...allTraffic, ...variant }]);
  }

  createConfig(name: string, ProductionVariants: readonly object[], more: object = {}): void {
    this.call("CreateEndpointConfig", { EndpointConfigName: name, ProductionVariants, ...more });
  }

  /** Endpoint `e` of configuration `c`, in service. */
  serve(variant: object = {}, container: object = {}): void {
    this.prepare(variant, container);
    this.call("CreateEndpoint", { EndpointName: "e", EndpointConfigName: "c" });
    this.clock.advance(SECOND);
  }

  /** Who answered, by a variant of endpoint `e`. */
  invoke(variant = "AllTraffic", answered: (who: string) => void = () => {}): void {
    const found = this.plane.find("e", "us-east-1")?.variants.find(({ name }) => name === variant);
    if (found === undefined) throw new Error(`variant ${variant} does not serve`);
    const call: Invocation = {
      requestId: `r${++this.#requests}`,
      targetModel: `model-${this.#requests}.tar.gz`,
      headers: [],
      body: new Uint8Array(0),
    };
    found.invoke(call, ({ body, status }) =>
      answered(status === 200 ? new TextDecoder().decode(body) : String(status)),
    );
  }
}

export const multiModel = { Image: "triton:24.10", Mode: "MultiModel", ModelDataUrl: "s3://bucket/models/" };

export const allTraffic = {
  VariantName: "AllTraffic",
  ModelName: "m",
  InstanceType: "ml.g4dn.xlarge",
  InitialInstanceCount: 1,
};

export const arn = (path: string): string => `arn:aws:sagemaker:us-east-1:000000000000:${path}`;

export const PING_FAILURE = pingFailure("AllTraffic");

const request = (region: string): AwsRequest => ({
  service: "sagemaker",
  operation: null,
  region,
  accountId: "000000000000",
  requestId: "00000000-0000-4000-8000-000000000000",
  accessKeyId: null,
  head: {
    method: "POST",
    path: "/",
    query: "",
    versionMinor: 1,
    headers: new Map(),
    rawHeaders: [],
    contentLength: 0,
    keepAlive: true,
    expectsContinue: false,
  },
  query: new URLSearchParams(),
  hostBucket: null,
  body: Buffer.alloc(0),
  trailers: new Map(),
});
