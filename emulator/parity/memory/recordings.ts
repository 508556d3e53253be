import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { recordingsFolder } from "../shipped-files.ts";
import type { FleetRecording } from "./recording.ts";

const folderOf = (release: string): URL => new URL(`${release}/memory/`, recordingsFolder);

const fileName = ({ fleet: { seed, limitMib } }: FleetRecording): string =>
  `fleet-${seed}-${limitMib}mib.json`;

/** What fleets read on a real server, earlier, by seed; several of one seed where the server stood still. */
export const readFleetRecordings = (release: string): readonly FleetRecording[] => {
  const folder = folderOf(release);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name): FleetRecording => JSON.parse(readFileSync(new URL(name, folder), "utf8")))
    .sort((one, other) => one.fleet.seed - other.fleet.seed || one.fleet.limitMib - other.fleet.limitMib);
};

/** In the place of what was recorded of that fleet before. @param recordings all of one seed, of one release */
export const writeFleetRecordings = (recordings: readonly FleetRecording[]): void => {
  const [first] = recordings;
  if (first === undefined) return;
  const folder = folderOf(first.release);
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder))
    if (name.startsWith(`fleet-${first.fleet.seed}-`)) rmSync(new URL(name, folder));
  for (const recording of recordings)
    writeFileSync(new URL(fileName(recording), folder), recordingText(recording));
};

/** One line for each model, step and answer. */
const recordingText = ({ fleet, seen, ...rest }: FleetRecording): string => {
  const lines = (items: readonly object[]): string =>
    `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`;
  const { models, steps, ...numbers } = fleet;
  const head = JSON.stringify(rest).slice(1, -1);
  const fleetHead = JSON.stringify(numbers).slice(1, -1);
  return `{${head},\n "fleet": {${fleetHead},\n  "models": ${lines(models)},\n  "steps": ${lines(steps)}},\n "seen": ${lines(seen)}}\n`;
};
