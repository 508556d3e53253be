import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { exchange, type HttpCall, parseAnswer, requestBytes } from "../exchange/http-connection.ts";
import type { DockerEngine } from "./docker-engine.ts";
import type { Fleet, Step } from "./fleet.ts";
import { deadProcess, fleetFiles, HOSTED, processNames, REPOSITORY, SERVES } from "./fleet-models.ts";
import { type FleetRequest, pingRequest, requestOf } from "./fleet-request.ts";
import { killedPids } from "./kernel-log.ts";
import type { FleetRecording, Seen, StepSeen } from "./recording.ts";

export const SHM_BYTES = 256 * 2 ** 20;

/** So that containers of a run that was broken off can be found: `docker ps -a --filter label=triton-local.memory-fidelity`. */
const LABEL = "triton-local.memory-fidelity";

const KSERVE_PORT = 8000;
const CONTAINER_PORT = 8080;

export interface RealServer {
  readonly engine: DockerEngine;
  readonly image: string;
  readonly release: string;
}

/** Plays a fleet on a real Triton in a container with that much memory and no swap. The container is removed afterwards. */
export const playOnRealServer = async (server: RealServer, fleet: Fleet): Promise<FleetRecording> => {
  const { engine, image, release } = server;
  const folder = mkdtempSync(join(tmpdir(), "triton-local-fleet-"));
  writeFiles(folder, fleetFiles(fleet, "python"));
  const id = await engine.create({
    image,
    command: [
      "tritonserver",
      `--model-repository=${REPOSITORY}`,
      "--model-control-mode=explicit",
      `--model-namespacing=${fleet.surface === "container"}`,
      "--allow-sagemaker=true",
      `--sagemaker-port=${CONTAINER_PORT}`,
    ],
    // Python would write its cache into a model's folder, which would count as a change of the model at the next load.
    folders: new Map([REPOSITORY, HOSTED].map((path) => [join(folder, path), path])),
    memoryBytes: fleet.limitMib * 2 ** 20,
    shmBytes: SHM_BYTES,
    env: { SAGEMAKER_MULTI_MODEL: String(fleet.surface === "container") },
    labels: { [LABEL]: String(fleet.seed) },
    ports: [KSERVE_PORT, CONTAINER_PORT],
  });
  try {
    await engine.start(id);
    const player = new Player(engine, id, await engine.publishedPorts(id, [KSERVE_PORT, CONTAINER_PORT]));
    await player.waitUntilReady();
    const seen: StepSeen[] = [];
    let stalled = false;
    let loadAverage = 0;
    for (const step of fleet.steps) {
      const one = await player.play(fleet, step);
      loadAverage = Math.max(loadAverage, loadavg()[0] ?? 0);
      stalled = one.status === null && !(await player.answersHealth()) && (await engine.isRunning(id));
      if (stalled) break;
      seen.push(one);
    }
    const killsFrom = (await killedPids(id)) === null ? "process list" : "kernel log";
    const busy = { loadAverage: Math.round(loadAverage * 10) / 10, processors: availableParallelism() };
    return { release, image, engine: await engine.version(), killsFrom, ...busy, stalled, fleet, seen };
  } finally {
    await engine.remove(id);
    rmSync(folder, { recursive: true, force: true });
  }
};

const writeFiles = (folder: string, files: ReadonlyMap<string, string>): void => {
  for (const path of [REPOSITORY, HOSTED]) mkdirSync(join(folder, path), { recursive: true });
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
};

/** Files that the server and its stubs are made of are read once, so that no fleet pays for their pages. */
export const warmPageCache = async (server: RealServer): Promise<void> => {
  const model = { name: "warm", holdsMib: 1, growsMib: 0, instances: 1 };
  await playOnRealServer(server, {
    seed: 0,
    limitMib: 1024,
    surface: "kserve",
    kind: "equal",
    models: [model],
    steps: [
      { call: "load", model: "warm" },
      { call: "infer", model: "warm" },
      { call: "unload", model: "warm" },
    ],
  });
};

/** Calls that move memory; after the others nobody looks. */
const moves: ReadonlySet<Step["call"]> = new Set(["load", "unload", "infer", "wait"]);

/** It was killed before its name was seen. */
const UNKNOWN = "?";

/**
 * Names those who were killed before their name was seen, where it can only be they: seed 15 had one, once in eight plays.
 * @param killed a name, or `?`
 * @param lost instances of the model that was loaded that are not there afterwards
 */
export const nameUnseen = (killed: readonly string[], lost: readonly string[]): readonly string[] => {
  const unseen = lost.filter((name) => !killed.includes(name));
  if (unseen.length !== killed.filter((name) => name === UNKNOWN).length) return killed;
  return killed.map((name) => (name === UNKNOWN ? (unseen.shift() ?? UNKNOWN) : name));
};

class Player {
  readonly #engine: DockerEngine;
  readonly #id: string;
  readonly #ports: Readonly<Record<FleetRequest["port"], number>>;
  /** Every process that was ever seen, by number. */
  readonly #names = new Map<number, string>();
  #alive: ReadonlySet<number> = new Set();
  readonly #killsTold = new Set<number>();
  /** By model of several instances. */
  readonly #runsTold = new Map<string, number>();

  constructor(engine: DockerEngine, id: string, ports: ReadonlyMap<number, number>) {
    this.#engine = engine;
    this.#id = id;
    this.#ports = { kserve: ports.get(KSERVE_PORT) ?? 0, container: ports.get(CONTAINER_PORT) ?? 0 };
  }

  async waitUntilReady(): Promise<void> {
    const giveUp = performance.now() + 60_000;
    while ((await this.#ask(pingRequest, 2)).status !== 200 || !(await this.answersHealth())) {
      if (performance.now() > giveUp)
        throw new Error(`the server did not become ready:\n${await this.#engine.output(this.#id)}`);
      await pause(0.1);
    }
    await this.#look();
  }

  async answersHealth(): Promise<boolean> {
    return (await this.#ask({ ...pingRequest, port: "kserve", path: "/v2/health/live" }, 10)).status === 200;
  }

  async play(fleet: Fleet, step: Step): Promise<StepSeen> {
    const before = new Set(this.#alive);
    const request = requestOf(fleet, step);
    let answered = false;
    const asked =
      request === null
        ? pause(step.seconds ?? 0).then((): Seen => ({ status: null, body: "", seconds: step.seconds ?? 0 }))
        : this.#ask(request, request.patienceSeconds);
    const pinged =
      step.pingAfterSeconds === undefined
        ? null
        : pause(step.pingAfterSeconds).then(() => this.#ask(pingRequest, pingRequest.patienceSeconds));
    const done = asked.finally(() => {
      answered = true;
    });
    // A stub that dies while it is loaded is in the list only now.
    while (!answered && step.call === "load") {
      await Promise.race([done, pause(0.2)]);
      if (!answered) await this.#look();
    }
    const seen = await done;
    const ping = await pinged;
    const served = await this.#served(fleet, step, seen);
    const answer = {
      ...seen,
      ...(served === null ? {} : { served }),
      ...(ping === null ? {} : { ping }),
    };
    if (!moves.has(step.call)) return { ...answer, killed: [], heldMib: null };
    await this.#look();
    const killed = await this.#killed(before, fleet, step, seen);
    const held = await this.#engine.heldBytes(this.#id);
    const heldMib = held === null ? null : Math.round((held / 2 ** 20) * 10) / 10;
    return { ...answer, killed, heldMib };
  }

  /** As the process wrote, or the error says. */
  async #served(fleet: Fleet, step: Step, { status, body }: Seen): Promise<string | null> {
    const model = fleet.models.find(({ name }) => name === step.model);
    if (step.call !== "infer" || model === undefined || model.instances === 1) return null;
    const names = processNames(fleet, model);
    const told = this.#runsTold.get(model.name) ?? 0;
    const giveUp = performance.now() + 2000;
    while (true) {
      const runs = servedIn(await this.#engine.output(this.#id), names);
      this.#runsTold.set(model.name, runs.length);
      if (status !== 200) return deadProcess(body);
      if (runs.length > told) return runs.at(-1) ?? null;
      if (performance.now() > giveUp) return null;
      await pause(0.05);
    }
  }

  async #look(): Promise<void> {
    const alive = new Set<number>();
    for (const { pid, command } of await this.#engine.processes(this.#id)) {
      // One that is ending has lost its command line.
      const name = instanceOf(command);
      if (name === null) continue;
      this.#names.set(pid, name);
      alive.add(pid);
    }
    this.#alive = alive;
  }

  async #killed(
    before: ReadonlySet<number>,
    fleet: Fleet,
    step: Step,
    { status, body }: Seen,
  ): Promise<readonly string[]> {
    const told = await killedPids(this.#id);
    if (told !== null) {
      const fresh = told.filter((pid) => !this.#killsTold.has(pid));
      for (const pid of fresh) this.#killsTold.add(pid);
      const killed = fresh.map((pid) => this.#names.get(pid) ?? UNKNOWN);
      return step.call === "load" ? nameUnseen(killed, this.#lost(fleet, step, status, body)) : killed;
    }
    // Without the kernel's word: who went while somebody else took memory, and who is said to be dead at its load.
    if (step.call !== "load" && step.call !== "infer") return [];
    const own = (name: string): boolean => step.model !== undefined && name.startsWith(step.model);
    const gone = [...before].filter((pid) => !this.#alive.has(pid));
    const went = gone.map((pid) => this.#names.get(pid) ?? UNKNOWN);
    const atItsLoad = step.call === "load" ? deadProcess(body) : null;
    return [
      ...went.filter((name) => step.call === "infer" || !own(name)),
      ...(atItsLoad === null ? [] : [atItsLoad]),
    ];
  }

  /** Of a load that failed the one that it died of alone is known: the server ends the others itself. */
  #lost(fleet: Fleet, step: Step, status: number | null, body: string): readonly string[] {
    const model = fleet.models.find(({ name }) => name === step.model);
    if (model === undefined) return [];
    if (status !== 200) return [deadProcess(body)].filter((name) => name !== null);
    const alive = new Set([...this.#alive].map((pid) => this.#names.get(pid)));
    return processNames(fleet, model).filter((name) => !alive.has(name));
  }

  async #ask({ port, method, path, targetModel, body }: FleetRequest, patience: number): Promise<Seen> {
    const headers = targetModel === undefined ? {} : { "X-Amzn-SageMaker-Target-Model": targetModel };
    const call: HttpCall = { method, path, headers, body: body === "" ? null : Buffer.from(body) };
    const start = performance.now();
    const { received } = await exchange(
      this.#ports[port],
      requestBytes(call),
      (all) => parseAnswer(all) !== null,
      patience * 1000,
    );
    const seconds = Math.round(performance.now() - start) / 1000;
    const answer = parseAnswer(received);
    return { status: answer?.status ?? null, body: answer?.body.toString() ?? "", seconds };
  }
}

/** Which of these instances ran, in order. @param output of the server */
const servedIn = (output: string, names: readonly string[]): readonly string[] =>
  output.split("\n").flatMap((line) => names.filter((name) => line.trim().endsWith(`${SERVES}${name}`)));

/** What process it is, as its command line says: a stub's names the instance. */
const instanceOf = (command: string): string | null =>
  command.includes("triton_python_backend_stub")
    ? (/ (\S+_\d+_\d+)(?= |$)/.exec(command)?.[1] ?? null)
    : command.startsWith("tritonserver")
      ? "tritonserver"
      : null;

const pause = (seconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, seconds * 1000));
