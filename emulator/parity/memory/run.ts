import { mkdirSync, writeFileSync } from "node:fs";
import type { Engine } from "../real-triton/engine.ts";
import { serverImage } from "../real-triton/image.ts";
import type { Say } from "../real-triton/programs.ts";
import { TRITON_VERSION } from "../real-triton/server-files.ts";
import { parityFolder } from "../shipped-files.ts";
import { compareFleet, type FleetComparison } from "./compare.ts";
import { DockerEngine } from "./docker-engine.ts";
import { type Fleet, makeFleet, makeInstancesFleet } from "./fleet.ts";
import { playOnRealServer, type RealServer, warmPageCache } from "./play-real.ts";
import type { FleetRecording } from "./recording.ts";
import { readFleetRecordings, writeFleetRecordings } from "./recordings.ts";
import { fidelityPage, type MemoryFidelityReport, totalsOf } from "./report.ts";

export interface MemoryFidelityOptions {
  /** Default 20. */
  readonly fleets?: number;
  /** Of the first fleet; the next ones count on. Default 1. */
  readonly seed?: number;
  /** Besides them: fleets of a model whose two instances do not fit. Default 6. */
  readonly instancesFleets?: number;
  /** Name of an image on the engine whose program is tritonserver. Default: the one of `serverImage`. */
  readonly image?: string;
  /** Called with a line for each fleet. */
  readonly say?: Say;
}

/** Of the first of these. */
const INSTANCES_SEED = 1001;

/** A fleet on which the server stands still is played again with so much more memory, so many times. */
const MORE_MIB = 16;
const TRIES = 4;

/**
 * Plays random fleets on a real Triton in containers with a memory limit, and through the ledger; keeps what was read in
 * fixtures/recordings. A fleet takes about 40 s. Throws Unavailable where there can be no image.
 */
export const runMemoryFidelity = async (
  engine: Engine,
  options: MemoryFidelityOptions = {},
): Promise<MemoryFidelityReport> => {
  const { fleets = 20, seed = 1, instancesFleets = 6, say = () => {} } = options;
  const image = options.image ?? (await serverImage(engine, say));
  const server = { engine: new DockerEngine(engine.socket), image, release: TRITON_VERSION };
  await warmPageCache(server);
  const played: FleetComparison[] = [];
  const stalled: FleetRecording[] = [];
  const all = [
    ...Array.from({ length: fleets }, (_, index) => makeFleet(seed + index)),
    ...Array.from({ length: instancesFleets }, (_, index) => makeInstancesFleet(INSTANCES_SEED + index)),
  ];
  for (const [index, fleet] of all.entries()) {
    const recordings = await playUntilItMoves(server, fleet);
    writeFleetRecordings(recordings);
    stalled.push(...recordings.filter((recording) => recording.stalled));
    const last = recordings.find((recording) => !recording.stalled);
    if (last === undefined) {
      say(`fleet ${fleet.seed}: the server stood still at each of ${TRIES} limits`);
      continue;
    }
    const comparison = compareFleet(last);
    played.push(comparison);
    say(`${index + 1} of ${all.length}: ${fleetLine(comparison)}`);
  }
  return { release: TRITON_VERSION, fleets: played, stalled };
};

/** All that was recorded, in this run or earlier ones. Null where nothing was. */
export const recordedMemoryFidelity = (release: string = TRITON_VERSION): MemoryFidelityReport | null => {
  const recordings = readFleetRecordings(release);
  if (recordings.length === 0) return null;
  return {
    release,
    fleets: recordings.filter(({ stalled }) => !stalled).map(compareFleet),
    stalled: recordings.filter(({ stalled }) => stalled),
  };
};

/** Writes docs/memory-fidelity.md and, for programs, fixtures/parity/memory-<release>.json. */
export const writeMemoryFidelityPage = (report: MemoryFidelityReport): void => {
  mkdirSync(parityFolder, { recursive: true });
  writeFileSync(new URL(`memory-${report.release}.json`, parityFolder), reportJson(report));
  writeFileSync(new URL("../../docs/memory-fidelity.md", parityFolder), fidelityPage(report));
};

const playUntilItMoves = async (server: RealServer, fleet: Fleet): Promise<readonly FleetRecording[]> => {
  const recordings: FleetRecording[] = [];
  for (let tries = 0; tries < TRIES; tries++) {
    const limitMib = fleet.limitMib + tries * MORE_MIB;
    const recording = await playOnRealServer(server, { ...fleet, limitMib });
    recordings.push(recording);
    if (!recording.stalled) break;
  }
  return recordings;
};

const fleetLine = ({ recording: { fleet }, fit, kills, agreed, steps }: FleetComparison): string => {
  const other = kills.filter(({ verdict }) => verdict === "other").length;
  return (
    `seed ${fleet.seed}, ${fleet.surface}, ${fleet.kind}, ${fleet.limitMib} MiB: ${fit.real} fit (ledger ${fit.ledger}), ` +
    `${kills.length} died (${other} not as the ledger says), ${agreed} of ${steps} answers agree`
  );
};

const reportJson = (report: MemoryFidelityReport): string => {
  const { fleets, stalled, ...head } = report;
  const rows = fleets.map(({ recording: { fleet, engine, killsFrom }, ...comparison }) => {
    const { seed, surface, kind, limitMib, models } = fleet;
    return { seed, surface, kind, limitMib, models: models.length, engine, killsFrom, ...comparison };
  });
  const stood = stalled.map(({ fleet: { seed, limitMib }, seen }) => ({ seed, limitMib, step: seen.length }));
  return `${JSON.stringify({ ...head, totals: totalsOf(report), fleets: rows, stalled: stood }, null, 2)}\n`;
};
