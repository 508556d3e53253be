import { areas as allAreas } from "../../emulator/parity/cases/areas.ts";
import { recordCases } from "../../emulator/parity/recordings/record-cases.ts";
import {
  recordTraffic,
  TRAFFIC_REQUESTS,
  TRAFFIC_SEED,
  trafficFile,
} from "../../emulator/parity/recordings/recorded-traffic.ts";
import { chooseTarget, type TargetKind } from "../../emulator/parity/targets/choose.ts";

const TRAFFIC = "traffic";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * `npm run parity -- --record [--real=container|native] [area ...]`: remakes fixtures/recordings with a real server, all areas
 * and generated requests, or those that are named, these as `traffic`. @returns the exit code: 1 where it answered otherwise than a case says; that is kept all the same
 */
export const record = async (args: readonly string[]): Promise<number> => {
  const named = args.filter((arg) => !arg.startsWith("--"));
  const areas = named.filter((area) => area !== TRAFFIC);
  const unknown = areas.find((area) => !allAreas.includes(area));
  if (unknown !== undefined) {
    say(`nothing recorded: '${unknown}' is none of ${[...allAreas, TRAFFIC].join(", ")}`);
    return 2;
  }
  const wanted = wantedKind(args);
  const { target, close } = await chooseTarget({ say, ...(wanted === null ? {} : { wanted }) });
  try {
    if (target === null) {
      say("nothing recorded: no real server can be had here, for the reasons above");
      return 2;
    }
    const date = new Date();
    const { folder, from, recorded, disagreements } = await recordCases(target, {
      ...(named.length === 0 ? {} : { areas }),
      date,
      say,
    });
    if (named.length === 0 || named.includes(TRAFFIC)) {
      const file = trafficFile(folder);
      const count = await recordTraffic(target, {
        file,
        from: { ...from, seed: TRAFFIC_SEED },
        count: TRAFFIC_REQUESTS,
        say,
      });
      say(`${count} generated requests are in ${file.pathname}`);
    }
    say(`${recorded} dialogues are in ${folder.pathname}`);
    for (const disagreement of disagreements) say(`not as its case says: ${disagreement}`);
    return disagreements.length === 0 ? 0 : 1;
  } finally {
    await close();
  }
};

const wantedKind = (args: readonly string[]): TargetKind | null => {
  if (args.includes("--real=native")) return "native";
  return args.includes("--real=container") ? "container" : null;
};
