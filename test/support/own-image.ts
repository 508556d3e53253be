import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Engine } from "../../emulator/parity/real-triton/engine.ts";
import { installPackages, programPath, run, type Say } from "../../emulator/parity/real-triton/programs.ts";
import { Unavailable } from "../../emulator/parity/real-triton/unavailable.ts";

const ROOT = resolve(import.meta.dirname, "..", "..");
const REPOSITORY = "triton-local-checkout";

/** What the build stage starts from where no registry of images can be reached. */
const LOCAL_BASE = "triton-local-base:local";
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

/**
 * Name of our image, there on this engine: the one that TRITON_LOCAL_IMAGE names, else one of this checkout, built when
 * something in it has changed (two minutes). Throws Unavailable where that cannot be.
 */
export const ownImage = async (engine: Engine, say: Say): Promise<string> => {
  const named = process.env.TRITON_LOCAL_IMAGE ?? "";
  if (named !== "") return named;
  if (programPath("docker") === null)
    throw new Unavailable(
      "the docker command that builds the image is missing",
      "install it, or name an image: TRITON_LOCAL_IMAGE",
    );
  const image = `${REPOSITORY}:${contentHash()}`;
  if (await hasImage(engine, image)) return image;
  const build = (...args: readonly string[]): Promise<string> =>
    docker(engine, "build", "--tag", image, ...args, ROOT);
  if (await isThereOrPulled(engine, officialBase())) {
    say(`building ${image}`);
    await build();
  } else {
    if (!(await hasImage(engine, LOCAL_BASE))) await makeBase(engine, say);
    say(`building ${image} from ${LOCAL_BASE}`);
    await build("--network=host", `--build-arg=BASE_IMAGE=${LOCAL_BASE}`);
  }
  await removeOthers(engine, image);
  return image;
};

/** @returns bytes */
export const imageSize = async (engine: Engine, image: string): Promise<number> =>
  Number(await docker(engine, "image", "inspect", "--format", "{{.Size}}", image));

/** Runs a docker command on this engine. @returns what it wrote to standard output */
export const docker = ({ env }: Engine, ...args: readonly string[]): Promise<string> =>
  run("docker", args, { env });

/** Of what .dockerignore lets through. */
const contentHash = (): string => {
  const lines = readFileSync(join(ROOT, ".dockerignore"), "utf8").split("\n");
  const names = lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  const hash = createHash("sha256");
  for (const file of ["Dockerfile", ".dockerignore", ...names].flatMap(filesIn).sort())
    hash.update(`${file}\0`).update(readFileSync(join(ROOT, file)));
  return hash.digest("hex").slice(0, 16);
};

const filesIn = (path: string): readonly string[] => {
  if (!statSync(join(ROOT, path)).isDirectory()) return [path];
  const entries = readdirSync(join(ROOT, path), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(ROOT.length + 1));
};

const officialBase = (): string =>
  /^ARG BASE_IMAGE=(\S+)$/m.exec(readFileSync(join(ROOT, "Dockerfile"), "utf8"))?.[1] ?? "";

const hasImage = (engine: Engine, image: string): Promise<boolean> =>
  docker(engine, "image", "inspect", image).then(
    () => true,
    () => false,
  );

const isThereOrPulled = async (engine: Engine, image: string): Promise<boolean> =>
  (await hasImage(engine, image)) ||
  docker(engine, "pull", "--quiet", image).then(
    () => true,
    () => false,
  );

/** Debian with this Node and npm of this machine, from packages alone: 20 s, as root. */
const makeBase = async (engine: Engine, say: Say): Promise<void> => {
  const npm = programPath("npm");
  if (npm === null) throw new Unavailable("npm is not on the PATH", "install npm");
  if (programPath("mmdebstrap") === null) await installPackages(["mmdebstrap"], "mmdebstrap", say);
  say(`no registry answers: making ${LOCAL_BASE} from packages of Debian`);
  const [, release = ""] = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync("/etc/os-release", "utf8")) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "triton-local-base-"));
  try {
    const root = join(folder, "root.tar");
    const local = join(folder, "local");
    cpSync(process.execPath, join(local, "bin", "node"));
    cpSync(dirname(dirname(realpathSync(npm))), join(local, "lib", "node_modules", "npm"), {
      recursive: true,
    });
    const hooks = [
      `copy-in ${local} /usr`,
      'ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"',
      // The way to the registry of npm may have certificates that only this machine knows.
      ...(existsSync(CERTIFICATES)
        ? ['mkdir -p "$1/etc/ssl/certs"', `upload ${CERTIFICATES} ${CERTIFICATES}`]
        : []),
    ].map((hook) => `--customize-hook=${hook}`);
    const packages = "--include=libstdc++6,libatomic1";
    await run("mmdebstrap", ["--quiet", "--variant=essential", packages, ...hooks, release, root]);
    await docker(engine, "import", `--change=ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}`, root, LOCAL_BASE);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Images of earlier states of the checkout; one that a container runs from stays. */
const removeOthers = async (engine: Engine, image: string): Promise<void> => {
  const names = await docker(engine, "images", "--format={{.Repository}}:{{.Tag}}", REPOSITORY);
  for (const name of names.split("\n").filter((candidate) => candidate !== "" && candidate !== image))
    await docker(engine, "rmi", name).catch(() => {});
};
