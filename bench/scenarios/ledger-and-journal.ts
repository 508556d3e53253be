import { SyntheticBackend } from "../../emulator/backends/synthetic/synthetic-backend.ts";
import { Random } from "../../emulator/common/random.ts";
import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import { type MemoryAccount, UnlimitedMemoryAccount } from "../../emulator/core/memory/memory-account.ts";
import { type JournalWriter, noJournal } from "../../emulator/journal/event.ts";
import { eventText } from "../../emulator/journal/event-text.ts";
import { Journal } from "../../emulator/journal/journal.ts";
import { tritonServer } from "../../test/support/core-fixture.ts";
import { machineOf, startLedger } from "../../test/support/ledger-fixture.ts";
import type { BenchContext } from "../context.ts";
import { collectGarbage, nanosecondsEach } from "../cpu-time.ts";
import { OURS, type Row, rowOf } from "../row.ts";
import { body, builtinProfiles, simulatedInstance, syntheticConfig } from "../simulated-instance.ts";

const SECTION =
  "Ledger and journal (CPU time; synthetic models that take no time, on a virtual clock, in one process)";
const EVENTS = 200_000;
const INFERENCES = 20_000;
const MODELS = 10_000;

/** What accounting for every byte and recording every event costs a request, and what a known model costs. */
export async function ledgerAndJournal(context: BenchContext): Promise<readonly Row[]> {
  // Once without counting: the code is then compiled.
  measure();
  const rounds = Array.from({ length: context.rounds }, measure);
  const row = (what: string, unit: string, pick: (figures: Figures) => number) =>
    rowOf(SECTION, what, unit, new Map([[OURS, rounds.map(pick)]]));
  return [
    row("an event, kept in memory", "ns", ({ event }) => event.kept),
    row("an event, kept and made a text for a listener", "ns", ({ event }) => event.told),
    row("inference in the core, bytes counted without a limit", "ns", ({ inference }) => inference.unlimited),
    row("inference in the core, ledger of a machine", "ns", ({ inference }) => inference.ledger),
    row("invocation by TargetModel, no journal", "ns", ({ invocation }) => invocation.silent),
    row("invocation by TargetModel, journal", "ns", ({ invocation }) => invocation.kept),
    row("invocation by TargetModel, journal with a listener", "ns", ({ invocation }) => invocation.told),
    row(`first invocation of each of ${MODELS} models`, "us", ({ many }) => many.firstUs),
    row(`invocation with ${MODELS} models in memory`, "ns", ({ many }) => many.warm),
    row("heap for each model in memory", "kB", ({ many }) => many.bytesPerModel / 1000),
  ];
}

type Figures = ReturnType<typeof measure>;

const measure = () => ({
  event: { kept: eventNs(false), told: eventNs(true) },
  inference: {
    unlimited: inferenceNs(new UnlimitedMemoryAccount()),
    ledger: inferenceNs(newLedger()),
  },
  invocation: {
    silent: invocationNs(() => noJournal),
    kept: invocationNs((clock) => newJournal(clock)),
    told: invocationNs((clock) => withListener(newJournal(clock))),
  },
  many: manyModels(),
});

const newJournal = (clock: VirtualClock): Journal =>
  new Journal({
    clock,
    run: { seed: 1, machine: null, profile: "builtin", policy: null, scenario: null },
  });

/** As a file or a client that follows would have it. */
const withListener = (journal: Journal): Journal => {
  journal.listen((event) => {
    eventText(event);
  });
  return journal;
};

const eventNs = (listened: boolean): number => {
  const journal = newJournal(new VirtualClock());
  if (listened) withListener(journal);
  return nanosecondsEach(EVENTS, (index) =>
    journal.write({
      instance: "i-1",
      model: "a.tar.gz",
      request: `r-${index}`,
      event: "answer",
      status: 200,
      from: "container",
      durationUs: 1000,
    }),
  );
};

const newLedger = (): MemoryAccount =>
  startLedger({ machine: machineOf("64TiB"), profiles: builtinProfiles() }).ledger;

const inferenceNs = (account: MemoryAccount): number => {
  const fixture = tritonServer({
    account,
    models: { a: syntheticConfig("IN", "OUT") },
    backends: (clock) => [new SyntheticBackend({ clock, random: new Random(1) })],
    loaded: ["a"],
  });
  return nanosecondsEach(INFERENCES, () => {
    const call = fixture.infer("a");
    fixture.clock.settle();
    if (call.error !== null || call.open) throw new Error(`no answer: ${call.error?.message}`);
  });
};

const instance = (journal: JournalWriter, clock: VirtualClock) => {
  const { agent } = simulatedInstance(journal, clock);
  const headers = ["Content-Type", "application/json"];
  return (targetModel: string, index: number): void => {
    let status = 0;
    agent.invoke({ requestId: `r-${index}`, targetModel, headers, body }, (answer) => {
      status = answer.status;
    });
    clock.settle();
    if (status !== 200) throw new Error(`${targetModel}: answered ${status}`);
  };
};

const invocationNs = (newWriter: (clock: VirtualClock) => JournalWriter): number => {
  const clock = new VirtualClock();
  const invoke = instance(newWriter(clock), clock);
  invoke("a.tar.gz", 0);
  return nanosecondsEach(INFERENCES, (index) => invoke("a.tar.gz", index));
};

const manyModels = () => {
  const clock = new VirtualClock();
  const invoke = instance(noJournal, clock);
  const names = Array.from({ length: MODELS }, (_, index) => `model-${index}.tar.gz`);
  invoke("first.tar.gz", 0);
  const before = heapBytes();
  const firstNs = nanosecondsEach(MODELS, (index) => invoke(names[index] ?? "", index));
  const bytesPerModel = (heapBytes() - before) / MODELS;
  const warm = nanosecondsEach(INFERENCES, (index) => invoke(names[(index * 7919) % MODELS] ?? "", index));
  return { firstUs: firstNs / 1000, bytesPerModel, warm };
};

/** After everything that is not needed has gone. */
const heapBytes = (): number => {
  collectGarbage();
  return process.memoryUsage().heapUsed;
};
