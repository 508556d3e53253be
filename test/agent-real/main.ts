import { parseArgs } from "node:util";
import { type Difference, differences } from "./decisions.ts";
import { type Played, play } from "./play.ts";
import { record } from "./recorded.ts";
import { type Run, runs } from "./runs.ts";
import { REAL, realSide, type Side, servingSide, simulatedSide } from "./sides.ts";

const { values: options } = parseArgs({
  options: {
    /** Part of the names of runs. */
    only: { type: "string", default: "" },
    /** Writes what the real server led to into fixtures/agent-decisions, which `npm test` compares the simulation with. */
    record: { type: "boolean", default: false },
  },
});

// Servers that were started end when this process exits; a signal alone would leave them.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

process.exitCode = await main();

/**
 * Plays the same requests with the same agent on several containers and compares what it decided: on the tritonserver that
 * REAL_SERVER starts, on our server behind a URL, and in the simulation.
 */
async function main(): Promise<number> {
  const real = process.env.REAL_SERVER;
  const sides = [...(real === undefined ? [] : [realSide(real)]), servingSide, simulatedSide];
  let bad = 0;
  for (const run of runs.filter(({ name }) => name.includes(options.only))) bad += await compare(run, sides);
  if (real === undefined) {
    console.log(
      "Not checked: the decisions on a real tritonserver, for REAL_SERVER names no command that starts one.",
    );
  }
  console.log(bad === 0 ? "Every decision and answer agrees." : `${bad} lines differ.`);
  return bad === 0 ? 0 : 1;
}

/** @returns how many lines differ from those of the first side */
async function compare(run: Run, [first, ...others]: readonly Side[]): Promise<number> {
  if (first === undefined) return 0;
  console.log(`\n${run.name} (seed ${run.seed}, ${run.requests.length} requests)`);
  const played = await play(first, run);
  tell(first, played, null);
  if (options.record && first.name === REAL) record(run, played);
  let bad = 0;
  for (const side of others) {
    const other = await play(side, run);
    const found = [
      ...differences(played.decisions, other.decisions),
      ...differences(played.answers, other.answers),
    ];
    tell(side, other, found.length);
    for (const difference of found.slice(0, 5)) show(difference, first, side);
    bad += found.length;
  }
  return bad;
}

function tell({ name }: Side, { decisions, answers, seconds }: Played, differing: number | null): void {
  const count = (event: string): number =>
    decisions.filter((line) => line.includes(`"event":"${event}"`)).length;
  const verdict = differing === null ? "" : differing === 0 ? "agree" : `DIFFER in ${differing}`;
  console.log(
    [
      `  ${name.padEnd(16)}`,
      `${String(decisions.length).padStart(4)} decisions`,
      `${String(count("load")).padStart(3)} loads`,
      `${String(decisions.filter((line) => line.includes('"status":507')).length).padStart(3)} x 507`,
      `${String(count("eviction")).padStart(3)} evictions`,
      `${String(count("unload")).padStart(3)} unloads`,
      `${String(answers.length).padStart(3)} answers`,
      `${seconds.toFixed(1).padStart(6)} s`,
      verdict,
    ].join("  "),
  );
}

function show({ line, one, other }: Difference, first: Side, second: Side): void {
  console.log(`    line ${line}\n      ${first.name}: ${one}\n      ${second.name}: ${other}`);
}
