/**
 * `npm run parity`: `triton-local parity` with the stand-in for the Python backend that the tests have. Without --real beside
 * a container and then a native server. What whole runs found is kept in fixtures/parity and shown on docs/parity.md.
 * `--record` remakes fixtures/recordings instead; `--memory` plays
 * fleets in containers with a memory limit (docs/memory-fidelity.md).
 */
import { parity } from "../../emulator/cli/parity.ts";
import { keepReport } from "../../emulator/parity/report/report-file.ts";
import { standIn } from "../support/targets/emulator.ts";
import { memoryFidelity } from "./memory-fidelity.ts";
import { record } from "./record.ts";

const args = process.argv.slice(2);
const exitCode = args.includes("--record")
  ? await record(args)
  : args.includes("--memory")
    ? await memoryFidelity(args)
    : await parity(args, process.env, {
        ...standIn,
        kinds: ["container", "native"],
        keep: keepReport,
      });
process.stderr.write("", () => process.exit(exitCode));
