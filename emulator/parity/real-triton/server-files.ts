import { createHash } from "node:crypto";
import { chmodSync, cpSync, createReadStream, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { onnxRuntimeBackendFolder } from "../shipped-files.ts";
import { cacheFolder, madeOnce } from "./cache-folder.ts";
import { installPackages, ProgramFailure, programPath, run, type Say } from "./programs.ts";
import { Unavailable } from "./unavailable.ts";

/** The real server that everything here is about: release 24.10. */
export const TRITON_VERSION = "2.51.0";

/** What release 24.10 ships. */
export const DEFAULT_ONNX_RUNTIME = "1.19.2";

interface Download {
  readonly version: string;
  readonly sha256: string;
}

/** The Python package that carries a tritonserver 2.51.0 with its Python backend, for x86-64 and glibc 2.35. */
const pytriton: Download = {
  version: "0.7.0",
  sha256: "21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df",
};

/** npm's onnxruntime-node, by version: its Linux build holds libonnxruntime.so.1. */
const onnxRuntimes: Readonly<Record<string, Download & { readonly folder: string }>> = {
  "1.19.2": {
    version: "1.19.2",
    sha256: "dbd3f1c72e91f783eea3e87b546fb064f75afffbb11a35264656f58eba4c784d",
    folder: "package/bin/napi-v3/linux/x64",
  },
  "1.30.0": {
    version: "1.30.0",
    sha256: "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75",
    folder: "package/bin/napi-v6/linux/x64",
  },
};

export interface ServerFilesOptions {
  /** Version of ONNX Runtime: 1.19.2 or 1.30.0. */
  readonly onnxRuntime: string;
  /** Version of the Python that runs models: 3.8 to 3.13. */
  readonly python: string;
  readonly say: Say;
}

/**
 * A folder with `bin/tritonserver`, `backends/` (python, onnxruntime), `caches/` and `libs/` (for LD_LIBRARY_PATH), made from
 * the package registries unless this user has it already.
 */
export const serverFiles = async ({ onnxRuntime, python, say }: ServerFilesOptions): Promise<string> => {
  const runtime = onnxRuntimes[onnxRuntime];
  if (runtime === undefined) {
    const known = Object.keys(onnxRuntimes).join(" and ");
    throw new Unavailable(`ONNX Runtime ${onnxRuntime} was never tried`, `REAL_ORT takes ${known}`);
  }
  const folder = cacheFolder(`tritonserver-${TRITON_VERSION}-onnxruntime-${onnxRuntime}-python${python}`);
  const make = async (unfinished: string): Promise<void> => {
    say(`making tritonserver ${TRITON_VERSION} with ONNX Runtime ${onnxRuntime} in ${folder}`);
    const work = join(unfinished, "work");
    mkdirSync(work);
    const unpacked = await unpackPytriton(work, say);
    const server = join(unpacked, "pytriton/tritonserver");
    for (const part of ["bin", "backends", "caches"])
      cpSync(join(server, part), join(unfinished, part), { recursive: true, verbatimSymlinks: true });
    cpSync(join(unpacked, "nvidia_pytriton.libs"), join(unfinished, "libs"), { recursive: true });
    const stub = join(unfinished, "backends/python/triton_python_backend_stub");
    copyStub(join(server, "python_backend_stubs"), python, stub);
    for (const program of [join(unfinished, "bin/tritonserver"), stub]) chmodSync(program, 0o755);
    await addOnnxRuntime(join(unfinished, "backends/onnxruntime"), runtime, work, say);
    rmSync(work, { recursive: true });
    // The folder of mkdtemp is closed to others.
    chmodSync(unfinished, 0o755);
  };
  try {
    return await madeOnce(folder, make);
  } catch (error) {
    if (error instanceof ProgramFailure)
      throw new Unavailable(`it could not be made (${error.message})`, "have PyPI and npm within reach");
    throw error;
  }
};

const copyStub = (stubs: string, python: string, to: string): void => {
  const versions = readdirSync(stubs);
  if (!versions.includes(python)) {
    const known = versions.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).join(", ");
    throw new Unavailable(
      `its Python backend is not made for Python ${python}`,
      `have /usr/bin/python3 be one of ${known}`,
    );
  }
  cpSync(join(stubs, python, "triton_python_backend_stub"), to);
};

const unpackPytriton = async (work: string, say: Say): Promise<string> => {
  const python = await pythonWithPip(say);
  say(`downloading nvidia-pytriton ${pytriton.version} from PyPI (55 MB)`);
  const wanted = `nvidia-pytriton==${pytriton.version}`;
  await run(python, [
    ...["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"],
    ...["--only-binary=:all:", "--dest", work, wanted],
  ]);
  const wheel = join(work, onlyFile(work, ".whl"));
  await verify(wheel, pytriton.sha256);
  const unpacked = join(work, "wheel");
  await run(python, ["-m", "zipfile", "-e", wheel, unpacked]);
  return unpacked;
};

const addOnnxRuntime = async (
  backend: string,
  runtime: Download & { readonly folder: string },
  work: string,
  say: Say,
): Promise<void> => {
  if (programPath("npm") === null) throw new Unavailable("npm is missing", "install Node.js with npm");
  say(`downloading onnxruntime-node ${runtime.version} from npm (70 to 115 MB)`);
  await run("npm", ["pack", "--silent", `onnxruntime-node@${runtime.version}`], { cwd: work });
  const archive = join(work, onlyFile(work, ".tgz"));
  await verify(archive, runtime.sha256);
  await run("tar", ["xzf", archive, "-C", work, runtime.folder]);
  mkdirSync(backend);
  // A link in 1.19.2.
  cpSync(join(work, runtime.folder, "libonnxruntime.so.1"), join(backend, "libonnxruntime.so.1"), {
    dereference: true,
  });
  const own = fileURLToPath(onnxRuntimeBackendFolder);
  for (const [file, sha256] of checksums(readFileSync(join(own, "SHA256SUMS"), "utf8"))) {
    await verify(join(own, file), sha256);
    cpSync(join(own, file), join(backend, file));
  }
};

/** Lines of a file that sha256sum wrote: name and checksum. */
export const checksums = (text: string): readonly (readonly [file: string, sha256: string])[] =>
  [...text.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm)].map(([, sha256 = "", file = ""]) => [file, sha256]);

/** A Python whose pip works; it need not be the one that runs models. */
const pythonWithPip = async (say: Say): Promise<string> => {
  const candidates = ["python3", "/usr/bin/python3"];
  for (const python of candidates) if (await hasPip(python)) return python;
  await installPackages(["python3-pip"], "pip (python3-pip)", say);
  return "/usr/bin/python3";
};

const hasPip = (python: string): Promise<boolean> =>
  run(python, ["-m", "pip", "--version"]).then(
    () => true,
    () => false,
  );

const onlyFile = (folder: string, ending: string): string => {
  const [file] = readdirSync(folder).filter((name) => name.endsWith(ending));
  if (file === undefined) throw new Error(`nothing that ends in ${ending} was downloaded to ${folder}`);
  return file;
};

/** Throws unless the file's SHA-256 is this one. */
export const verify = async (file: string, sha256: string): Promise<void> => {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const found = hash.digest("hex");
  if (found !== sha256)
    throw new Unavailable(
      `${file} has SHA-256 ${found} instead of ${sha256}`,
      "find out who changed it; nothing of it was used",
    );
};
