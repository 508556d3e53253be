import { request } from "node:http";

export interface ContainerOptions {
  readonly image: string;
  readonly command: readonly string[];
  /** Folder inside by folder on this machine; nobody writes there. */
  readonly folders: ReadonlyMap<string, string>;
  readonly memoryBytes: number;
  readonly shmBytes: number;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Inside; each is published on a free port of loopback. */
  readonly ports: readonly number[];
}

export interface ContainerProcess {
  /** On the engine's machine. */
  readonly pid: number;
  readonly command: string;
}

/** The few calls of Docker's API that a container with a memory limit needs, without a client library. */
export class DockerEngine {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  async version(): Promise<string> {
    return textOf(await this.#json("GET", "/version"), "Version");
  }

  async create(options: ContainerOptions): Promise<string> {
    const ports = options.ports.map((port) => `${port}/tcp`);
    const made = await this.#json("POST", "/containers/create", {
      Image: options.image,
      Entrypoint: options.command.slice(0, 1),
      Cmd: options.command.slice(1),
      Env: Object.entries(options.env).map(([name, value]) => `${name}=${value}`),
      Labels: options.labels,
      ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])),
      HostConfig: {
        Binds: [...options.folders].map(([here, inside]) => `${here}:${inside}:ro`),
        Memory: options.memoryBytes,
        MemorySwap: options.memoryBytes,
        ShmSize: options.shmBytes,
        PortBindings: Object.fromEntries(
          ports.map((port) => [port, [{ HostIp: "127.0.0.1", HostPort: "" }]]),
        ),
      },
    });
    return textOf(made, "Id");
  }

  async start(id: string): Promise<void> {
    await this.#json("POST", `/containers/${id}/start`);
  }

  async remove(id: string): Promise<void> {
    await this.#json("DELETE", `/containers/${id}?force=true&v=true`);
  }

  /** Port on this machine by port inside. */
  async publishedPorts(id: string, inside: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const network = childOf(await this.#json("GET", `/containers/${id}/json`), "NetworkSettings");
    const bound = childOf(network, "Ports");
    return new Map(
      inside.map((port) => [port, Number(textOf(childOf(childOf(bound, `${port}/tcp`), "0"), "HostPort"))]),
    );
  }

  /** @returns empty once it has ended */
  async processes(id: string): Promise<readonly ContainerProcess[]> {
    const answer = await this.#send("GET", `/containers/${id}/top?ps_args=-eo%20pid,args`);
    if (answer.status !== 200) return [];
    const rows = childOf(JSON.parse(answer.body), "Processes");
    return Array.isArray(rows)
      ? rows.map(([pid, command]) => ({ pid: Number(pid), command: String(command) }))
      : [];
  }

  /** What the kernel cannot take back of a container: all that is charged to it but the pages of files. Null once it has ended. */
  async heldBytes(id: string): Promise<number | null> {
    const statistics = await this.#json("GET", `/containers/${id}/stats?stream=false&one-shot=true`);
    const memory = childOf(statistics, "memory_stats");
    const files = childOf(memory, "stats");
    const [usage, active, inactive] = [
      childOf(memory, "usage"),
      childOf(files, "active_file"),
      childOf(files, "inactive_file"),
    ].map(Number);
    const held = (usage ?? Number.NaN) - (active ?? 0) - (inactive ?? 0);
    return Number.isFinite(held) ? held : null;
  }

  async isRunning(id: string): Promise<boolean> {
    const state = childOf(await this.#json("GET", `/containers/${id}/json`), "State");
    return childOf(state, "Running") === true;
  }

  /** What it wrote so far, both streams, with the frames of the engine between the lines. */
  async output(id: string): Promise<string> {
    return (await this.#send("GET", `/containers/${id}/logs?stdout=true&stderr=true`)).body;
  }

  async #json(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await this.#send(method, path, body);
    if (answer.status >= 400)
      throw new Error(`Docker: ${method} ${path} answered ${answer.status}: ${answer.body.trim()}`);
    return answer.body === "" || answer.status === 204 ? null : JSON.parse(answer.body);
  }

  #send(method: string, path: string, body?: object): Promise<{ status: number; body: string }> {
    const bytes = Buffer.from(body === undefined ? "" : JSON.stringify(body));
    const headers = { "content-type": "application/json", "content-length": bytes.length };
    const options = { socketPath: this.#socket, method, path, headers, timeout: ENGINE_TIMEOUT_MS };
    return new Promise((resolve, reject) => {
      const sent = request(options, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        answer.once("error", reject);
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, body: text }));
      });
      sent.once("timeout", () => sent.destroy(new Error(`Docker: no answer to ${method} ${path}`)));
      sent.once("error", reject);
      sent.end(bytes);
    });
  }
}

const ENGINE_TIMEOUT_MS = 60_000;

const childOf = (parent: unknown, name: string): unknown =>
  typeof parent === "object" && parent !== null ? Reflect.get(parent, name) : undefined;

const textOf = (parent: unknown, name: string): string => {
  const text = childOf(parent, name);
  if (typeof text !== "string") throw new Error(`Docker: an answer without ${name}`);
  return text;
};
