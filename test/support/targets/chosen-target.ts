import { emulatorTarget } from "./emulator.ts";
import { liveServer } from "./live-server.ts";
import { realServer } from "./real-server.ts";
import type { Target } from "./target.ts";

/**
 * TARGET says what the cases are played against: nothing = our server; `real` = the command REAL_SERVER (default:
 * tritonserver), started for each case; a URL = a server that already runs.
 */
export const chosenTarget = (): Target => {
  const wanted = process.env.TARGET ?? "";
  if (wanted === "") return emulatorTarget;
  if (wanted === "real") return realServer(process.env.REAL_SERVER ?? "tritonserver");
  if (wanted.startsWith("http://")) return liveServer(wanted);
  throw new Error(`TARGET=${wanted}: expected nothing, "real" or "http://host:port"`);
};
