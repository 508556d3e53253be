import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askEngine, type Engine } from "./engine.ts";
import { installPackages, ProgramFailure, programPath, run, type Say } from "./programs.ts";
import { DEFAULT_ONNX_RUNTIME, serverFiles, TRITON_VERSION } from "./server-files.ts";
import { Unavailable } from "./unavailable.ts";

/** Debian 12: the Python of its own is the one that models run in. */
const SUITE = "bookworm";
const PYTHON = "3.11";

/** Where the server looks for backends and caches by default. */
const HOME = "/opt/tritonserver";

/**
 * Name of an image whose program is tritonserver, there on this engine: the one that REAL_TRITON_IMAGE names, else one of our
 * own, made without an image registry on first use (a minute). Throws Unavailable where that cannot be.
 */
export const serverImage = async (
  engine: Engine,
  say: Say,
  onnxRuntime: string = DEFAULT_ONNX_RUNTIME,
): Promise<string> => {
  const named = process.env.REAL_TRITON_IMAGE ?? "";
  if (named !== "") {
    if (await hasImage(engine, named)) return named;
    throw new Unavailable(`the engine has no image ${named} (REAL_TRITON_IMAGE)`, `docker pull ${named}`);
  }
  const own = ownImage(onnxRuntime);
  if (!(await hasImage(engine, own))) await makeImage(engine, own, onnxRuntime, say);
  return own;
};

/** Name of our own image. */
export const ownImage = (onnxRuntime: string): string =>
  `tritonserver-real:${TRITON_VERSION}${onnxRuntime === DEFAULT_ONNX_RUNTIME ? "" : `-onnxruntime-${onnxRuntime}`}`;

const hasImage = async ({ socket }: Engine, name: string): Promise<boolean> =>
  (await askEngine(socket, "GET", `/images/${name}/json`)).status === 200;

const makeImage = async (engine: Engine, name: string, onnxRuntime: string, say: Say): Promise<void> => {
  if (process.arch !== "x64")
    throw new Unavailable(`the image is made for x86-64 only`, "name an image: REAL_TRITON_IMAGE");
  const server = await serverFiles({ onnxRuntime, python: PYTHON, say });
  if (programPath("mmdebstrap") === null) await installPackages(["mmdebstrap"], "mmdebstrap", say);
  const work = mkdtempSync(join(tmpdir(), "tritonserver-image-"));
  try {
    const root = join(work, "root.tar");
    say(`making the image ${name}: Debian ${SUITE} with Python ${PYTHON} and numpy`);
    const packages = `--include=python3,python3-numpy,libpython${PYTHON}`;
    await run("mmdebstrap", ["--quiet", "--variant=apt", packages, SUITE, root]);
    await run("tar", [
      ...["--append", "--file", root, "--owner=0", "--group=0", `--transform=s,^\\.,.${HOME},`],
      ...["--directory", server, "."],
    ]);
    say(`making the image ${name}: importing it into the engine`);
    const { status, text } = await askEngine(engine.socket, "POST", importPath(name), createReadStream(root));
    if (status !== 200 || text.includes('"error"'))
      throw new Unavailable(
        `the engine did not take the image (${status} ${text.trim()})`,
        "see the engine's log",
      );
  } catch (error) {
    if (!(error instanceof ProgramFailure)) throw error;
    throw new Unavailable(
      `the image could not be made (${error.message})`,
      "name an image: REAL_TRITON_IMAGE",
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

/** Imports a file system as an image whose program is the server, with the flags that a container is given. */
const importPath = (name: string): string => {
  const [repo = "", tag = ""] = name.split(":");
  const query = new URLSearchParams({ fromSrc: "-", repo, tag });
  const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const change of [
    `ENV PATH=${HOME}/bin:${path}`,
    `ENV LD_LIBRARY_PATH=${HOME}/libs`,
    "EXPOSE 8000 8001 8002 8080",
    'ENTRYPOINT ["tritonserver"]',
  ])
    query.append("changes", change);
  return `/images/create?${query.toString().replaceAll("+", "%20")}`;
};
