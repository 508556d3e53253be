import type { Partner } from "../../../emulator/parity/cases/dialogue.ts";
import { recordedPartner } from "../../../emulator/parity/recordings/recorded-partner.ts";
import { containerTarget } from "../../../emulator/parity/targets/container.ts";
import { liveServer } from "../../../emulator/parity/targets/live-server.ts";
import { nativeTarget } from "../../../emulator/parity/targets/native.ts";
import type { Target } from "../../../emulator/parity/targets/target.ts";
import { emulatorTarget } from "./emulator.ts";
import { realServer } from "./real-server.ts";

/**
 * TARGET says what the cases are played against: nothing = our server; `container`, `native` = a real one, made here;
 * `recordings` = what a real one answered earlier; `real` = the command REAL_SERVER (default: tritonserver), started for each
 * case; a URL = a server that already runs.
 */
export const chosenTarget = async (): Promise<Target | Partner> => {
  const wanted = process.env.TARGET ?? "";
  if (wanted === "") return emulatorTarget;
  if (wanted === "container") return containerTarget((line) => console.log(line), process.env.REAL_ORT);
  if (wanted === "native") return nativeTarget((line) => console.log(line), process.env.REAL_ORT);
  if (wanted === "recordings") return recordedPartner();
  if (wanted === "real") return realServer(process.env.REAL_SERVER ?? "tritonserver");
  if (wanted.startsWith("http://")) return liveServer(wanted);
  throw new Error(
    `TARGET=${wanted}: expected nothing, "container", "native", "recordings", "real" or "http://host:port"`,
  );
};
