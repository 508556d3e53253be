import { hostname } from "node:os";
import { finished } from "node:stream/promises";
import {
  type ContainerRuntimeClient,
  GenericContainer,
  getContainerRuntimeClient,
  type WaitStrategy,
} from "testcontainers";
import { becomesReady, serverFlags, withoutLogPrefix } from "./start-up.ts";
import { stopWithUs } from "./stop-all.ts";
import { type RunningServer, StartFailure, type StartOptions } from "./target.ts";

type DockerContainer = ReturnType<ContainerRuntimeClient["container"]["getById"]>;

/** By this label containers are found that nobody cleaned up; its value says whose they were. */
const OWNER = "triton-local.parity.owner";

/** Where the server listens inside. */
const ports = { http: 8000, grpc: 8001, metrics: 8002, sagemaker: 8080 } as const;

/** Python models talk to the server through it, a mebibyte or more each; a container has 64 MiB unless told. */
const SHARED_MEMORY_BYTES = 2 ** 30;

/** Runs an image whose program is tritonserver; the folders of the case lie where they lie on this machine. */
export const startServerContainer = async (image: string, options: StartOptions): Promise<RunningServer> => {
  const container = new ServerContainer(image, options);
  let exitCode: number | null = null;
  const exited = container.exited.then((code) => {
    exitCode = code;
    return code;
  });
  const started = container.start();
  // A container that ends at once never has the ports that its start waits for.
  const up = await Promise.race([started, exited]);
  if (typeof up === "number") {
    started.catch(() => {});
    await container.remove();
    throw new StartFailure(up, container.output());
  }
  const running: RunningServer = {
    httpPort: up.getMappedPort(ports.http),
    grpcPort: up.getMappedPort(ports.grpc),
    metricsPort: up.getMappedPort(ports.metrics),
    sagemakerPort: up.getMappedPort(ports.sagemaker),
    output: () => container.output(),
    signal: (name) => container.signal(name),
    exited,
    stop: () => container.remove(),
  };
  try {
    if (await becomesReady({ http: running.httpPort, metrics: running.metricsPort }, () => exitCode !== null))
      return running;
  } catch (error) {
    await container.remove();
    throw new Error(`${error instanceof Error ? error.message : error}:\n${container.output()}`);
  }
  await container.remove();
  throw new StartFailure(await exited, container.output());
};

/** Whether it is ready is asked from outside, once its end can be noticed too. */
const notAtAll: WaitStrategy = {
  waitUntilReady: () => Promise.resolve(),
  withStartupTimeout: () => notAtAll,
  isStartupTimeoutSet: () => true,
  getStartupTimeout: () => 0,
};

class ServerContainer extends GenericContainer {
  /** Exit code, negative for a signal. */
  readonly exited: Promise<number>;
  readonly #hasExited: (code: Promise<number>) => void;
  readonly #removed: () => void;
  #docker: DockerContainer | null = null;
  #isRemoved = false;
  #text = "";

  constructor(image: string, options: StartOptions) {
    super(image);
    const { promise, resolve } = Promise.withResolvers<number>();
    this.exited = promise;
    this.#hasExited = resolve;
    this.#removed = stopWithUs(() => this.remove());
    const folders = [options.repository, ...(options.folders ?? [])];
    this.withExposedPorts(...Object.values(ports))
      // Whatever the image starts otherwise: the official one begins with a banner.
      .withEntrypoint(["tritonserver"])
      .withCommand([...serverFlags(options, ports)])
      .withEnvironment({ ...options.env })
      .withBindMounts(folders.map((folder) => ({ source: folder, target: folder, mode: "rw" })))
      .withSharedMemorySize(SHARED_MEMORY_BYTES)
      .withLabels({ [OWNER]: ownerLabel() })
      .withWaitStrategy(notAtAll);
    // What the server writes into the folders must be the caller's to remove.
    const [user, group] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    if (user !== 0) this.withUser(`${user}:${group}`);
  }

  /** Everything written so far, log lines without time and process id. */
  output(): string {
    return withoutLogPrefix(this.#text);
  }

  signal(name: string): void {
    // It may have ended meanwhile.
    this.#docker?.kill({ signal: name }).catch(() => {});
  }

  /** Ends it at once and takes it away. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    await this.#docker?.remove({ force: true, v: true }).catch(() => {});
    this.#removed();
    if (this.#docker !== null) await this.exited;
  }

  protected override beforeContainerCreated(): Promise<void> {
    // Published on loopback whatever the engine's default address is.
    const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
    for (const port of Object.values(ports))
      bindings[`${port}/tcp`] = [{ HostIp: "127.0.0.1", HostPort: "0" }];
    this.hostConfig.PortBindings = bindings;
    return Promise.resolve();
  }

  protected override async containerCreated(id: string): Promise<void> {
    const client = await getContainerRuntimeClient();
    const docker = client.container.getById(id);
    this.#docker = docker;
    if (this.#isRemoved) {
      await docker.remove({ force: true, v: true }).catch(() => {});
      throw new Error("the container was taken away before it was there");
    }
    const written = await client.container.attach(docker);
    written.setEncoding("utf8").on("data", (chunk: string) => {
      this.#text += chunk;
    });
    this.#hasExited(exitCodeOf(docker, finished(written)));
  }
}

/** The code of a container whose output has ended, or that was removed meanwhile. */
const exitCodeOf = async (docker: DockerContainer, outputEnded: Promise<void>): Promise<number> => {
  await outputEnded.catch(() => {});
  const code = await docker.wait().then(
    (answer: { readonly StatusCode: number }) => answer.StatusCode,
    () => SIGKILLED,
  );
  return code > SIGNAL_BASE ? SIGNAL_BASE - code : code;
};

/** A process that a signal ended has this code and the signal's number. */
const SIGNAL_BASE = 128;
const SIGKILLED = 137;

const ownerLabel = (): string => `${hostname()}:${process.pid}`;

/** Removes containers of processes of this machine that are no more. */
export const removeAbandoned = async (): Promise<void> => {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  for (const { Id, Labels } of await dockerode.listContainers({ all: true, filters: { label: [OWNER] } })) {
    const [host, pid] = (Labels[OWNER] ?? "").split(":");
    if (host === hostname() && !isAlive(Number(pid)))
      await dockerode
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch(() => {});
  }
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
};
