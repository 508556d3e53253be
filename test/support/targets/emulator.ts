import { fileURLToPath } from "node:url";
import { ownTarget } from "../../../emulator/cli/own-target.ts";
import { PythonStandIn } from "../backends/python-stand-in.ts";

/** Long enough to be seen, short enough not to be waited for. */
const RELEASE_SECONDS = 0.3;

const launcher = fileURLToPath(new URL("../serve-with-python-stand-in.ts", import.meta.url));

/** The stand-in for the Python backend, in this process and in one of its own. */
export const standIn = {
  extraBackends: () => [new PythonStandIn(RELEASE_SECONDS)],
  command: [process.execPath, launcher],
};

/** Our server with it: in this process where a case does not watch a process end. */
export const emulatorTarget = ownTarget(standIn);
