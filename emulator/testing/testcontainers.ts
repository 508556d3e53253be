import { AbstractStartedContainer, GenericContainer, Wait } from "testcontainers";
import { ControlClient, type EmulatorControl } from "./control.ts";
import { areAllServed, type EmulatorUrls, environmentOf, urlsOf } from "./environment.ts";

/* `triton-local/testing/testcontainers`. */

/** What it listens on inside. */
const ports = { http: 8000, grpc: 8001, metrics: 8002, sagemaker: 8080, emulator: 4570 } as const;

/** Where folders are copied to. */
const MODEL_DATA = "/triton-local/model-data";
const MODEL_REPOSITORY = "/triton-local/models";

/** triton-local in a container, as testcontainers starts it. */
export class TritonLocalContainer extends GenericContainer {
  /** @param image whose command is `triton-local serve`, or which has `withCommand` say so */
  constructor(image: string) {
    super(image);
    this.withExposedPorts(...Object.values(ports))
      .withEnvironment({
        // Of the container alone; outside only the mapped ports are open.
        TRITON_LOCAL_HTTP_ADDRESS: "0.0.0.0",
        TRITON_LOCAL_GRPC_ADDRESS: "0.0.0.0",
        TRITON_LOCAL_HTTP_PORT: String(ports.http),
        TRITON_LOCAL_GRPC_PORT: String(ports.grpc),
        TRITON_LOCAL_METRICS_PORT: String(ports.metrics),
        TRITON_LOCAL_ALLOW_SAGEMAKER: "true",
        TRITON_LOCAL_SAGEMAKER_PORT: String(ports.sagemaker),
        TRITON_LOCAL_EMULATOR_PORT: String(ports.emulator),
      })
      .withWaitStrategy(
        Wait.forHttp("/_emulator/health", ports.emulator, { abortOnContainerExit: true })
          .forStatusCode(200)
          // How often it is asked, too.
          .withReadTimeout(250),
      );
  }

  /** Instance type or size whose memory is emulated. */
  withMachine(machine: string): this {
    return this.withEnvironment({ TRITON_LOCAL_MACHINE: machine });
  }

  /** Copies a folder of model archives into the container, where it is served as a multi-model endpoint. */
  withModelData(folder: string): this {
    return this.withCopyDirectoriesToContainer([{ source: folder, target: MODEL_DATA }]).withEnvironment({
      TRITON_LOCAL_MODEL_DATA: MODEL_DATA,
    });
  }

  /** Copies a folder of models into the container, where they are loaded at the start. */
  withModelRepository(folder: string): this {
    return this.withCopyDirectoriesToContainer([
      { source: folder, target: MODEL_REPOSITORY },
    ]).withEnvironment({ TRITON_LOCAL_MODEL_REPOSITORY: MODEL_REPOSITORY });
  }

  override async start(): Promise<StartedTritonLocalContainer> {
    return new StartedTritonLocalContainer(await super.start());
  }
}

/** The same as what `startEmulator` gives, in a container. A restart maps other ports: `urls` and `env` follow. */
export class StartedTritonLocalContainer extends AbstractStartedContainer implements EmulatorControl {
  readonly faults: EmulatorControl["faults"] = {
    add: (...rules) => this.#control().faults.add(...rules),
    clear: () => this.#control().faults.clear(),
  };

  get urls(): EmulatorUrls {
    const mapped = (service: keyof typeof ports): number => this.getMappedPort(ports[service]);
    const urls = urlsOf(this.getHost(), {
      http: mapped("http"),
      grpc: mapped("grpc"),
      metrics: mapped("metrics"),
      sagemaker: mapped("sagemaker"),
      emulator: mapped("emulator"),
    });
    if (!areAllServed(urls)) throw new Error("a port of the container is not mapped");
    return urls;
  }

  get env(): Readonly<Record<string, string>> {
    return environmentOf(this.urls, null);
  }

  reset(): Promise<void> {
    return this.#control().reset();
  }

  journal: EmulatorControl["journal"] = (query) => this.#control().journal(query);

  explain(requestModelOrEndpoint: string): Promise<string> {
    return this.#control().explain(requestModelOrEndpoint);
  }

  memory: EmulatorControl["memory"] = () => this.#control().memory();

  advance(time: string): Promise<Date> {
    return this.#control().advance(time);
  }

  #control(): EmulatorControl {
    return new ControlClient(this.urls.aws);
  }
}
