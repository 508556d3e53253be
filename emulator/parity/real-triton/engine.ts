import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { cacheFolder } from "./cache-folder.ts";
import { installPackages, isRoot, programPath, type Say } from "./programs.ts";
import { Unavailable } from "./unavailable.ts";

/** A Docker engine on this machine. */
export interface Engine {
  /** Path of its socket. */
  readonly socket: string;
  /** What testcontainers and the docker command need to know of it. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends it if it was started here; leaves one alone that was there before. */
  stop(): Promise<void>;
}

/** Ports are published on loopback of this machine; the helper image that would clean up is in no package registry. */
const engineAt = (socket: string, stop: () => Promise<void> = () => Promise.resolve()): Engine => ({
  socket,
  env: {
    DOCKER_HOST: `unix://${socket}`,
    TESTCONTAINERS_RYUK_DISABLED: "true",
    TESTCONTAINERS_HOST_OVERRIDE: "127.0.0.1",
  },
  stop,
});

/** The engine that answers: where DOCKER_HOST says, else on one of the usual sockets. Throws Unavailable if none does. */
export const runningEngine = async (): Promise<Engine> => {
  const sockets = engineSockets(process.env);
  const silent: string[] = [];
  for (const socket of sockets) {
    const reason = await silence(socket);
    if (reason === null) return engineAt(socket);
    silent.push(`${socket} (${reason})`);
  }
  throw new Unavailable(
    sockets.length === 0
      ? `DOCKER_HOST=${process.env.DOCKER_HOST} may be another machine, and a server needs the folders of this one`
      : `no Docker engine answers on ${silent.join(" or ")}`,
    "start Docker, or name its socket: DOCKER_HOST=unix://...",
  );
};

/** The engine that answers, else one of our own in the cache (Linux, root). Throws Unavailable where neither can be. */
export const runningOrOwnEngine = async (say: Say): Promise<Engine> => {
  try {
    return await runningEngine();
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return startEngine(cacheFolder("engine"), say);
  }
};

/** Sockets on which an engine of this machine may listen, the likeliest first. */
export const engineSockets = (
  env: Readonly<Record<string, string | undefined>>,
  home: string = homedir(),
): readonly string[] => {
  const host = env.DOCKER_HOST ?? "";
  if (host.startsWith("unix://")) return [host.slice("unix://".length)];
  if (host !== "") return [];
  const rootless = env.XDG_RUNTIME_DIR === undefined ? [] : [join(env.XDG_RUNTIME_DIR, "docker.sock")];
  return ["/var/run/docker.sock", ...rootless, join(home, ".docker/run/docker.sock")];
};

/** Why no engine answers there, in milliseconds; null = one does. */
const silence = async (socket: string): Promise<string | null> => {
  try {
    const { status } = await askEngine(socket, "GET", "/_ping");
    return status === 200 ? null : `status ${status}`;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return "code" in error ? String(error.code) : error.message;
  }
};

export interface EngineAnswer {
  readonly status: number;
  readonly text: string;
}

const PING_TIMEOUT_MS = 5000;

/** One request of the Docker Engine API. `body` makes it wait as long as that takes. */
export const askEngine = (
  socket: string,
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: Readable,
): Promise<EngineAnswer> =>
  new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, method, path }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.once("error", reject).once("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    call.once("error", reject);
    if (body === undefined) {
      call.setTimeout(PING_TIMEOUT_MS, () => call.destroy(new Error(`no answer on ${socket}`)));
      call.end();
    } else body.once("error", (error) => call.destroy(error)).pipe(call);
  });

const START_TIMEOUT_MS = 30_000;

/**
 * An engine of one's own in `folder` (socket, images and log lie there, and stay for the next time), published ports on
 * loopback. Installs Docker where it is missing (root, apt). One that runs in this folder already is used, and left alone.
 */
export const startEngine = async (folder: string, say: Say): Promise<Engine> => {
  const socket = join(folder, "docker.sock");
  if ((await silence(socket)) === null) return engineAt(socket);
  if (process.platform !== "linux")
    throw new Unavailable("an engine is started on Linux only", "start Docker");
  if (!isRoot())
    throw new Unavailable("only root can start a Docker engine", "start Docker, or run this as root");
  const missing = Object.entries({ dockerd: "docker.io", iptables: "iptables", setpriv: "util-linux" })
    .filter(([program]) => programPath(program) === null)
    .map(([, name]) => name);
  if (missing.length > 0) await installPackages(missing, `Docker (${missing.join(", ")})`, say);
  mkdirSync(folder, { recursive: true });
  say(`starting a Docker engine on ${socket}`);
  const logFile = join(folder, "dockerd.log");
  const log = openSync(logFile, "w");
  const daemon = spawn("setpriv", [...endsWithUs, "dockerd", ...daemonArguments(folder)], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const ended = new Promise<boolean>((resolve) => {
    daemon.once("error", () => resolve(true));
    daemon.once("exit", () => resolve(true));
  });
  daemon.unref();
  const stop = async (): Promise<void> => {
    daemon.ref();
    daemon.kill("SIGTERM");
    await ended;
    await endContainerd(folder);
  };
  const giveUp = Date.now() + START_TIMEOUT_MS;
  while ((await silence(socket)) !== null) {
    if (await Promise.race([ended, sleep(100, false)]))
      throw new Unavailable(`dockerd ended: ${lastLine(readFileSync(logFile, "utf8"))}`, `see ${logFile}`);
    if (Date.now() > giveUp) {
      await stop();
      throw new Unavailable(`dockerd does not answer after ${START_TIMEOUT_MS / 1000} s`, `see ${logFile}`);
    }
  }
  return engineAt(socket, stop);
};

/** However this process ends, the engine is told to end too. */
const endsWithUs = ["--pdeathsig", "TERM"];

/** Everything in one folder; ports for which no address is named are published on loopback alone. */
export const daemonArguments = (folder: string): readonly string[] => [
  ...["--ip", "127.0.0.1"],
  ...["--data-root", join(folder, "data")],
  ...["--exec-root", join(folder, "exec")],
  ...["--pidfile", join(folder, "pid")],
  ...["--host", `unix://${join(folder, "docker.sock")}`],
];

/** The containerd that a dockerd without one starts for itself goes with it, unless the dockerd was killed. */
const endContainerd = async (folder: string): Promise<void> => {
  const file = join(folder, "exec/containerd/containerd.pid");
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, "utf8"));
  const command = `/proc/${pid}/cmdline`;
  // The number may be another process's by now.
  if (!existsSync(command) || !readFileSync(command, "utf8").includes(join(folder, "exec"))) return;
  process.kill(pid, "SIGTERM");
  while (existsSync(command)) await sleep(50);
};

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";
