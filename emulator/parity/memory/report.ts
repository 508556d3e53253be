import type { FleetComparison, Verdict } from "./compare.ts";
import type { Step } from "./fleet.ts";
import type { FleetRecording } from "./recording.ts";

/** Fleets on a real server in a container with a memory limit, beside the ledger. */
export interface MemoryFidelityReport {
  readonly release: string;
  readonly fleets: readonly FleetComparison[];
  /** Fleets on which the real server stood still, each played again with more memory. */
  readonly stalled: readonly FleetRecording[];
}

export interface MemoryFidelityTotals {
  readonly fleets: number;
  readonly fitWithinOne: number;
  readonly steps: number;
  readonly agreed: number;
  readonly kills: Readonly<Record<Verdict, number>>;
  /** How often, by how many died at one load or inference. */
  readonly killsAtOnce: Readonly<Record<string, number>>;
  readonly differences: number;
  readonly unexplained: number;
}

export const totalsOf = ({ fleets }: MemoryFidelityReport): MemoryFidelityTotals => {
  const kills = fleets.flatMap((fleet) => fleet.kills);
  const count = (verdict: Verdict): number => kills.filter((kill) => kill.verdict === verdict).length;
  const differences = fleets.flatMap((fleet) => fleet.differences);
  const killsAtOnce: Record<string, number> = {};
  for (const { killed } of fleets.flatMap(({ recording }) => recording.seen)) {
    if (killed.length > 0) killsAtOnce[killed.length] = (killsAtOnce[killed.length] ?? 0) + 1;
  }
  return {
    fleets: fleets.length,
    fitWithinOne: fleets.filter(({ fit }) => Math.abs(fit.real - fit.ledger) <= 1).length,
    steps: fleets.reduce((sum, { steps }) => sum + steps, 0),
    agreed: fleets.reduce((sum, { agreed }) => sum + agreed, 0),
    kills: { same: count("same"), equals: count("equals"), further: count("further"), other: count("other") },
    killsAtOnce,
    differences: differences.length,
    unexplained: differences.filter(({ reason }) => reason === null).length,
  };
};

/** One line for each thing that was to be shown. */
export const totalsText = (totals: MemoryFidelityTotals): readonly string[] => {
  const { fleets, fitWithinOne, steps, agreed, kills, differences, unexplained } = totals;
  const all = kills.same + kills.equals + kills.further + kills.other;
  return [
    `the same number of models fit, within one: ${fitWithinOne} of ${fleets} fleets`,
    `the one who died was the largest or its equal: ${all - kills.other} of ${all}`,
    `status and body agree: ${agreed} of ${steps} steps`,
    `differences: ${differences}, of which ${unexplained} without a known reason`,
  ];
};

/** docs/memory-fidelity.md. */
export const fidelityPage = (report: MemoryFidelityReport): string => {
  const totals = totalsOf(report);
  const { fleets, stalled } = report;
  const ofInstances = fleets.filter(({ recording }) => recording.fleet.kind === "two instances").length;
  const seeds = fleets.map(({ recording }) => recording.fleet.seed).slice(0, fleets.length - ofInstances);
  return [
    "# The memory model beside a real server",
    "",
    "<!-- made by: npm run parity -- --memory -->",
    "",
    `${seeds.length} random fleets of Python models, seeds ${Math.min(...seeds)} to ${Math.max(...seeds)}, and ${ofInstances} of a model whose two instances do`,
    `not fit, on a real Triton ${report.release} in a container with a memory limit and no swap, and the same requests to the`,
    "emulator with a machine of that size on a virtual clock. `npm run parity -- --memory --fleets=20 --seed=1` does it",
    "again; the answers that were read lie in `fixtures/recordings`, and `npm test` holds the ledger against them without an",
    "engine. Another seed adds fleets.",
    "",
    "| To be shown | Seen |",
    "|---|---|",
    ...totalsText(totals).map((line) => `| ${line.replace(": ", " | ")} |`),
    "",
    "## How it is compared",
    "",
    "A fleet is a limit of 300 to 1024 MiB and models that hold a known number of bytes, every page touched: equal ones, two",
    "sizes, mixed sizes, or some that grow with each inference; now and then one of two instances, or one that is larger than",
    "the limit. They are loaded one after the other, three beyond the limit; then models are loaded, unloaded and invoked at",
    "random, whoever may be dead; at the end every model is called. First loads keep 8 MiB away from the limit. Either all",
    "goes through KServe's repository API or all through the container API.",
    "",
    "- **Fit**: models loaded before a load fails or somebody dies for it.",
    "- **Victims** on the real server come from the kernel's log, their names from the process list. Chance decides among",
    "  processes of one size (within 4 MiB: pages of programs and libraries come and go), and whether more die before the first",
    "  one's memory is back. There the ledger takes what was seen, and everything else must follow. A victim that the ledger",
    "  would not have chosen is a difference.",
    "- **Instances** of a model load at the same time, and race. Chance decides which has its memory first: one that is killed",
    "  while it loads fails the load, one that is killed after that does not, and its sibling goes on. Chance also decides",
    "  which takes the first request; from then on they take turns, the dead ones included. Both are taken from what was",
    "  seen: who died, which load failed and for whom, and a line that each process writes when it runs.",
    "- **Answers**: status and body of every request are compared byte for byte, and so are pings in the midst of a load.",
    "  Seconds are compared by order of magnitude: the real server shared a machine of two cores with other work.",
    "- **Held** is what the kernel cannot take back: all that is charged to the container but pages of files.",
    "- **Page cache** is warm: a server without a limit reads all files first.",
    "",
    "## Fleets",
    "",
    "| Seed | API | Models | Limit, MiB | Fit, real | Fit, ledger | Died: same | among equals | one more | other | Answers that agree | Held, real less ledger: median, largest, MiB |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ...fleets.map(fleetRow),
    "",
    "Died when one did not fit: " +
      Object.entries(totals.killsAtOnce)
        .map(([died, times]) => `${died} at once ${times} times`)
        .join(", ") +
      ".",
    "",
    "## Differences",
    "",
    ...differenceTable(fleets),
    "",
    "## Standing still",
    "",
    ...(stalled.length === 0
      ? ["None of these fleets made the real server stand still."]
      : [
          "Neither the request nor a health request was answered: the real server stood still near its limit. The fleet was",
          "played again with 16 MiB more.",
          "",
          "| Seed | Limit, MiB | At | Load average, processors of the machine |",
          "|---|---|---|---|",
          ...stalled.map(
            ({ fleet, seen, loadAverage, processors }) =>
              `| ${fleet.seed} | ${fleet.limitMib} | ${stepText(fleet.steps[seen.length] ?? { call: "wait" })} | ${loadAverage}, ${processors} |`,
          ),
        ]),
    "",
    ...LEARNED,
    "",
  ].join("\n");
};

/** What does not come out of a single run. */
const LEARNED: readonly string[] = [
  "## What the ledger learned from it",
  "",
  "Before these fleets were played it held up to 9 MiB too little, and missed two of about 40 kills for that reason:",
  "",
  "- The first inference of a Python process takes 3.8 MiB that stay until it ends.",
  "- Of what a process costs, 1.7 MiB are tritonserver's and the kernel's for it; they stay when it is killed, until the unload.",
  "- An unload leaves 0.3 MiB, not 2; what a later load takes over of that stays again when it goes.",
  "- Not only a second process may die for one newcomer: up to four did, always the largest of those left.",
  "- Two instances that load together have come equally far when memory is used up, so either dies, or both within 15 ms:",
  "  in the kernel's log their sizes differ by less than 5 MiB. The load then fails about every second time.",
  "- Instances take turns from their first request on. A dead one keeps its turn: of two, every second request fails.",
  "- A dead instance that was called keeps those beside it from going at the unload: their processes hold their memory on.",
  "",
  "## What is not shown",
  "",
  "- When the server stands still. It depends on what else the machine does: fleet 2 once stood still at 392 MiB with a load",
  "  average of 46 on two processors, and did not when it was quieter. Here nothing stands still by itself; the fault",
  "  `hang` of [faults.md](faults.md) makes calls do so.",
  "- What a busy machine does to seconds: with such load averages single loads of fleets 2, 4 and 9 took 14 to 19 s. They were",
  "  played again when it was quieter; who died and what was answered had agreed before, too.",
  "- Requests that follow each other at once: then an instance that has just answered may take the next one out of turn. Those",
  "  of the fleets are 0.1 s apart.",
  "- GPUs, swap, version 2 of control groups, and both APIs on one server.",
];

const fleetRow = ({ recording, fit, kills, agreed, steps, heldMib }: FleetComparison): string => {
  const { seed, surface, kind, limitMib, models } = recording.fleet;
  const count = (verdict: Verdict): number => kills.filter((kill) => kill.verdict === verdict).length;
  const cells = [
    seed,
    surface,
    `${models.length}, ${kind}`,
    limitMib,
    fit.real,
    fit.ledger,
    count("same"),
    count("equals"),
    count("further"),
    count("other"),
    `${agreed} of ${steps}`,
    `${heldMib.median}, ${heldMib.largest}`,
  ];
  return `| ${cells.join(" | ")} |`;
};

const differenceTable = (fleets: readonly FleetComparison[]): readonly string[] => {
  const rows = fleets.flatMap(({ recording: { fleet }, differences }) =>
    differences.map(({ step, what, real, ledger, reason }) => {
      const cells = [
        fleet.seed,
        `${step + 1}: ${stepText(fleet.steps[step] ?? { call: "wait" })}`,
        what,
        real,
        ledger,
      ];
      return `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} | ${reason ?? "not known"} |`;
    }),
  );
  if (rows.length === 0) return ["None."];
  return ["| Seed | Step | What | Real | Ledger | Why |", "|---|---|---|---|---|---|", ...rows];
};

const stepText = ({ call, model }: Step): string => (model === undefined ? call : `${call} ${model}`);
