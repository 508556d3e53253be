/** `triton-local serve` with the stand-in for the Python backend: for cases that watch a process end. */
import { serve } from "../../emulator/cli/serve.ts";
import { PythonStandIn } from "./backends/python-stand-in.ts";

const RELEASE_SECONDS = 2;
const exitCode = await serve(process.argv.slice(2), process.env, [new PythonStandIn(RELEASE_SECONDS)]);
process.stderr.write("", () => process.exit(exitCode));
