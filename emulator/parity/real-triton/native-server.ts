import { existsSync } from "node:fs";
import { join } from "node:path";
import { installPackages, ProgramFailure, run, type Say } from "./programs.ts";
import { DEFAULT_ONNX_RUNTIME, serverFiles, TRITON_VERSION } from "./server-files.ts";
import { Unavailable } from "./unavailable.ts";

/** How a server is started; its own flags follow `args`. */
export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Its models' Python: a stub embeds the library of exactly this version, whatever other Pythons are on PATH. */
const PYTHON = "/usr/bin/python3";

/**
 * A tritonserver that runs on this machine as it is, with the Python and the ONNX Runtime backends, listening on loopback.
 * Made on first use, which takes half a minute. Throws Unavailable where that cannot be.
 */
export const nativeServer = async (
  say: Say,
  onnxRuntime: string = DEFAULT_ONNX_RUNTIME,
): Promise<ServerCommand> => {
  const unsuitable = unsuitablePlatform(process.platform, process.arch);
  if (unsuitable !== null)
    throw new Unavailable(unsuitable, "use a container, or a Linux machine with x86-64");
  const python = await modelPython(say);
  const folder = await serverFiles({ onnxRuntime, python, say });
  const command = serverCommand(folder);
  await requireLibraries(folder, python, command.env, say);
  return command;
};

/** Why there is no native server on such a machine; null = there is one. */
export const unsuitablePlatform = (platform: string, arch: string): string | null =>
  platform === "linux" && arch === "x64"
    ? null
    : `tritonserver ${TRITON_VERSION} is made here for Linux on x86-64 only, this is ${platform} on ${arch}`;

/** How the server of such a folder is started. */
export const serverCommand = (folder: string): ServerCommand => ({
  program: join(folder, "bin/tritonserver"),
  args: [
    `--backend-directory=${join(folder, "backends")}`,
    `--cache-directory=${join(folder, "caches")}`,
    "--http-address=127.0.0.1",
    "--grpc-address=127.0.0.1",
    "--metrics-address=127.0.0.1",
  ],
  env: {
    LD_LIBRARY_PATH: join(folder, "libs"),
    // A stub takes its standard library from the first python3 on PATH.
    PATH: `/usr/bin:${process.env.PATH ?? ""}`,
  },
});

/** Version of the Python that runs models, with numpy there. */
const modelPython = async (say: Say): Promise<string> => {
  if (!existsSync(PYTHON))
    await installPackages(["python3", "python3-numpy"], `${PYTHON} for the Python backend`, say);
  const hasNumpy = await run(PYTHON, ["-c", "import numpy"]).then(
    () => true,
    () => false,
  );
  if (!hasNumpy) await installPackages(["python3-numpy"], "numpy (python3-numpy)", say);
  return (await run(PYTHON, ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])).trim();
};

/** Without its library a stub ends at once, and the load that waits for it never does. */
const requireLibraries = async (
  folder: string,
  python: string,
  env: Readonly<Record<string, string>>,
  say: Say,
): Promise<void> => {
  const stub = join(folder, "backends/python/triton_python_backend_stub");
  if (missingLibraries(await run("ldd", [stub], { env })).some((name) => name.startsWith("libpython")))
    await installPackages([`libpython${python}`], `libpython${python}`, say);
  try {
    const missing = [stub, join(folder, "bin/tritonserver")].map((file) => run("ldd", [file], { env }));
    const names = missingLibraries((await Promise.all(missing)).join("\n"));
    if (names.length > 0)
      throw new Unavailable(`it needs ${names.join(", ")}`, `install ${names.join(", ")}`);
  } catch (error) {
    // ldd fails where the C library is older than the server's, too.
    if (!(error instanceof ProgramFailure)) throw error;
    throw new Unavailable(`it does not run here (${error.message})`, "use a newer Linux: glibc 2.35 or so");
  }
};

/** Names that ldd could not resolve. */
export const missingLibraries = (ldd: string): readonly string[] => [
  ...new Set([...ldd.matchAll(/^\s*(\S+) => not found/gm)].map(([, name = ""]) => name)),
];
