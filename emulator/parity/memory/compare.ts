import type { Step } from "./fleet.ts";
import { EQUAL_WITHIN_BYTES, type LedgerKill, playThroughLedger, type StepPlayed } from "./play-ledger.ts";
import type { FleetRecording, Seen, StepSeen } from "./recording.ts";

/**
 * `same`: the one that had to die. `equals`: chance among processes of its size. `further`: one more, largest as well, before
 * the first one's bytes were back. `other`: the ledger would have killed another, or none.
 */
export type Verdict = "same" | "equals" | "further" | "other";

export interface KillComparison {
  readonly step: number;
  readonly process: string;
  /** In the ledger, MiB. */
  readonly residentMib: number;
  readonly equals: number;
  readonly verdict: Verdict;
}

export interface Difference {
  readonly step: number;
  readonly what: "status" | "body" | "ping" | "victim" | "time";
  readonly real: string;
  readonly ledger: string;
  /** Why it is there, where that is known. */
  readonly reason: string | null;
}

export interface FleetComparison {
  readonly recording: FleetRecording;
  /** Models loaded one after the other until a load failed or somebody died for it. */
  readonly fit: { readonly real: number; readonly ledger: number };
  readonly kills: readonly KillComparison[];
  /** What the container held, real less ledger, after each step that moves memory: the middle one, and the largest of either sign. */
  readonly heldMib: { readonly median: number; readonly largest: number };
  /** Steps that were compared, and those whose answers agreed. */
  readonly steps: number;
  readonly agreed: number;
  readonly differences: readonly Difference[];
}

/** A fleet as it was seen on a real server, beside what the ledger makes of it. */
export const compareFleet = (recording: FleetRecording): FleetComparison => {
  const { fleet, seen } = recording;
  const steps = fleet.steps.slice(0, seen.length);
  const played = playThroughLedger(fleet, seen);
  const { loadAverage, processors } = recording;
  const busy =
    loadAverage > processors ? `${BUSY} (load average ${loadAverage} on ${processors} processors)` : null;
  const differences = steps.flatMap((step, index) =>
    compareStep({ index, step, busy }, seen[index]!, played[index]!),
  );
  const told = new Set(
    differences.filter(({ what }) => what !== "time" && what !== "victim").map(({ step }) => step),
  );
  const asked = steps.flatMap((step, index) => (step.call === "wait" ? [] : [index]));
  return {
    recording,
    fit: { real: fitting(steps, seen), ledger: fitting(fleet.steps, playThroughLedger(fleet)) },
    kills: played.flatMap(({ killed }, step) => killed.map((kill) => compareKill(step, kill, seen[step]!))),
    heldMib: deviations(seen, played),
    steps: asked.length,
    agreed: asked.filter((index) => !told.has(index)).length,
    differences,
  };
};

const deviations = (seen: readonly StepSeen[], played: readonly StepPlayed[]): FleetComparison["heldMib"] => {
  const all = seen
    .flatMap(({ heldMib }, index) => (heldMib === null ? [] : [heldMib - (played[index]?.heldMib ?? 0)]))
    .sort((one, other) => one - other);
  const rounded = (value = 0): number => Math.round(value * 10) / 10;
  const largest = all.toSorted((one, other) => Math.abs(other) - Math.abs(one))[0];
  return { median: rounded(all[Math.floor(all.length / 2)]), largest: rounded(largest) };
};

const fitting = (
  steps: readonly Step[],
  seen: readonly { readonly status: number | null; readonly killed: readonly unknown[] }[],
): number => {
  const loads = steps.flatMap(({ call }, index) => (call === "load" ? [seen[index]] : []));
  const first = loads.findIndex(
    (load) => load === undefined || load.status !== 200 || load.killed.length > 0,
  );
  return first < 0 ? loads.length : first;
};

const mib = (bytes: number): number => Math.round((bytes / 2 ** 20) * 10) / 10;

const verdictOf = ({ because, largest, residentBytes, equals }: LedgerKill): Verdict => {
  if (because === "none" || largest.residentBytes - residentBytes > EQUAL_WITHIN_BYTES) return "other";
  if (because === "chance") return "further";
  return equals === 0 ? "same" : "equals";
};

const compareKill = (step: number, kill: LedgerKill, seen: StepSeen): KillComparison => ({
  step,
  process: kill.process,
  residentMib: mib(kill.residentBytes),
  equals: kill.equals,
  verdict: seen.killed.includes(kill.process) ? verdictOf(kill) : "other",
});

/** Where a comparison is, and what explains differences there. */
interface Place {
  readonly index: number;
  readonly step: Step;
  /** Null where the machine had little to do. */
  readonly busy: string | null;
}

const compareStep = (place: Place, real: StepSeen, ledger: StepPlayed): Difference[] => {
  const { index, step, busy } = place;
  const differences: Difference[] = [];
  const near = ledger.freezeRisk ? NEAR_THE_LIMIT : null;
  const compare = (what: Difference["what"], seen: string, ours: string, reason = near): void => {
    if (seen !== ours) differences.push({ step: index, what, real: seen, ledger: ours, reason });
  };
  compare("status", statusText(real), statusText(ledger));
  compare("body", real.body, ledger.body);
  if (step.pingAfterSeconds !== undefined)
    compare("ping", statusText(real.ping ?? ledger), statusText(ledger.ping ?? ledger));
  for (const kill of ledger.killed) {
    if (compareKill(index, kill, real).verdict !== "other") continue;
    if (kill.because === "none") compare("victim", sized(kill), "nobody");
    else if (real.killed.includes(kill.process)) compare("victim", sized(kill), sized(kill.largest));
    else compare("victim", "nobody", sized(kill));
  }
  if (!sameMagnitude(real.seconds, ledger.seconds)) {
    const reason = real.seconds > ledger.seconds ? busy : null;
    compare("time", `${real.seconds} s`, `${ledger.seconds} s`, reason);
  }
  return differences;
};

const BUSY = "the machine had more to do than it could";

const NEAR_THE_LIMIT = "so near the limit the ledger itself says that it cannot tell (freeze-risk)";

const sized = ({ process, residentBytes }: { readonly process: string; readonly residentBytes: number }) =>
  `${process} (${mib(residentBytes)} MiB)`;

const statusText = ({ status }: Seen): string => (status === null ? "no answer" : String(status));

/** Less than this is as good as at once. */
const AT_ONCE_SECONDS = 0.5;

const sameMagnitude = (one: number, other: number): boolean =>
  Math.max(one, other) < 10 * Math.max(AT_ONCE_SECONDS, Math.min(one, other));
