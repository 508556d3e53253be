import { VirtualClock } from "../../common/virtual-clock.ts";
import { noFaults } from "../../core/faults/fault-source.ts";
import type { KillCandidate, KillChance, Ledger } from "../../core/memory/ledger.ts";
import { type Machine, parseMachine } from "../../core/memory/machine.ts";
import type { MemoryProfiles } from "../../core/memory/profile.ts";
import { callContainer, callTriton } from "../../scenario/wires.ts";
import { createSimulatedContainer, type SimulatedContainer } from "../../simulation/simulated-container.ts";
import { readMemoryProfiles } from "../../storage/memory-profiles.ts";
import type { Fleet, Step } from "./fleet.ts";
import { fleetFiles, REPOSITORY } from "./fleet-models.ts";
import { type FleetRequest, pingRequest, requestOf } from "./fleet-request.ts";
import { SHM_BYTES } from "./play-real.ts";
import type { Seen } from "./recording.ts";

const SECOND_US = 1_000_000;

/** How far apart steps are on the real server, where the process list is read in between. */
const BETWEEN_STEPS_US = 100_000;

/** Sizes that differ by less count as equal: the pages of programs and libraries that a process has in memory come and go. */
export const EQUAL_WITHIN_BYTES = 4 * 2 ** 20;

/** A process that died in the ledger. */
export interface LedgerKill {
  readonly process: string;
  readonly residentBytes: number;
  /** Largest of those that could have died. */
  readonly largest: Pick<KillCandidate, "process" | "residentBytes">;
  /** How many others were as large as the largest. */
  readonly equals: number;
  /** `rule`: it did not fit. `chance`: one more, as was seen. `none`: the ledger would have killed nobody here. */
  readonly because: "rule" | "chance" | "none";
}

export interface StepPlayed extends Seen {
  readonly killed: readonly LedgerKill[];
  readonly ping?: Seen;
  /** Fits so narrowly that the real server may stand still. */
  readonly freezeRisk: boolean;
  /** Host memory of the container afterwards. */
  readonly heldMib: number;
}

/**
 * Plays a fleet on the emulator with a machine of the container's size, on a virtual clock.
 * @param seenKills by step: who died on a real server. Where the ledger leaves to chance who dies, and how many, it is as
 * was seen; a process that died there and not here is killed after the step, so that what follows can be compared. Without
 * them the first of equals dies, and no further one.
 */
export const playThroughLedger = (
  fleet: Fleet,
  seenKills: readonly (readonly string[])[] | null = null,
): readonly StepPlayed[] => new LedgerPlayer(fleet, seenKills).play();

class LedgerPlayer {
  readonly #fleet: Fleet;
  readonly #seenKills: readonly (readonly string[])[] | null;
  readonly #clock = new VirtualClock();
  readonly #simulated: SimulatedContainer;
  /** Of the step that is played. */
  #expected: string[] = [];
  #killed: LedgerKill[] = [];
  #further = false;
  #freezeRisk = false;

  constructor(fleet: Fleet, seenKills: readonly (readonly string[])[] | null) {
    this.#fleet = fleet;
    this.#seenKills = seenKills;
    const chance: KillChance = {
      victim: (candidates) => this.#victim(candidates),
      killsAnother: (candidates) => {
        const [next] = this.#expected;
        const near = candidates.find(({ process }) => process === next);
        this.#further = near !== undefined && isEqual(near, candidates[0]);
        return this.#further;
      },
    };
    this.#simulated = createSimulatedContainer({
      clock: this.#clock,
      machine: machineOf(fleet.limitMib),
      profiles: shippedProfiles(),
      seed: fleet.seed,
      faults: noFaults,
      journal: {
        enabled: true,
        write: (event) => {
          if (event.event === "freeze-risk") this.#freezeRisk = true;
        },
      },
      flags: { modelNamespacing: fleet.surface === "container", modelRepositories: [REPOSITORY] },
      chance,
    });
    const { storage, container } = this.#simulated;
    storage.write(`${REPOSITORY}/`);
    for (const [path, content] of fleetFiles(fleet, "synthetic")) storage.write(path, content);
    container.start((error) => {
      if (error !== null) throw error;
    });
    this.#clock.settle();
  }

  play(): readonly StepPlayed[] {
    const { steps } = this.#fleet;
    const count = this.#seenKills?.length ?? steps.length;
    return steps.slice(0, count).map((step, index) => this.#step(step, this.#seenKills?.[index] ?? []));
  }

  #step(step: Step, expected: readonly string[]): StepPlayed {
    this.#expected = [...expected];
    this.#killed = [];
    this.#further = false;
    this.#freezeRisk = false;
    const request = requestOf(this.#fleet, step);
    const answer = request === null ? this.#wait(step.seconds ?? 0) : null;
    const asked = request === null ? null : this.#ask(request);
    let ping: Seen | null = null;
    if (step.pingAfterSeconds !== undefined) {
      this.#clock.advance(step.pingAfterSeconds * SECOND_US);
      ping = this.#ask(pingRequest)();
    }
    const seen = asked?.() ?? answer ?? nothing(0);
    this.#alignWithReality();
    this.#clock.advance(BETWEEN_STEPS_US);
    return {
      ...seen,
      killed: this.#killed,
      ...(ping === null ? {} : { ping }),
      freezeRisk: this.#freezeRisk,
      heldMib: (this.#ledger?.used("host") ?? 0) / 2 ** 20,
    };
  }

  #wait(seconds: number): Seen {
    this.#clock.advance(seconds * SECOND_US);
    return nothing(seconds);
  }

  /** @returns what lets time pass until the answer is there, or the patience is at its end */
  #ask(request: FleetRequest): () => Seen {
    const startUs = this.#clock.now();
    let seen: Seen | null = null;
    this.#send(request, (answer) => {
      const seconds = (this.#clock.now() - startUs) / SECOND_US;
      seen = answer === null ? nothing(seconds) : { status: answer.status, body: answer.text, seconds };
    });
    this.#clock.settle();
    return () => {
      const giveUpUs = startUs + request.patienceSeconds * SECOND_US;
      while (seen === null && this.#clock.now() < giveUpUs) this.#clock.advance(10_000);
      return seen ?? nothing(request.patienceSeconds);
    };
  }

  #send(
    { port, method, path, body, targetModel }: FleetRequest,
    answered: Parameters<typeof callTriton>[4],
  ): void {
    if (port === "kserve") callTriton(this.#simulated, method, path, body, answered);
    else callContainer(this.#simulated.container, method, path, body, targetModel, answered);
  }

  get #ledger(): Ledger | null {
    return this.#simulated.container.ledger;
  }

  /** Among equals who died in reality; else the largest. */
  #victim(candidates: readonly KillCandidate[]): number {
    const largest = candidates[0];
    if (largest === undefined) return 0;
    const [next] = this.#expected;
    const seen = candidates.findIndex(({ process }) => process === next);
    const index = Math.max(0, seen);
    const chosen = candidates[index] ?? largest;
    this.#expected = this.#expected.filter((process) => process !== chosen.process);
    this.#killed.push({
      process: chosen.process,
      residentBytes: chosen.residentBytes,
      largest,
      equals: candidates.filter((candidate) => isEqual(candidate, largest)).length - 1,
      because: this.#further ? "chance" : "rule",
    });
    this.#further = false;
    return index;
  }

  #alignWithReality(): void {
    for (const process of this.#expected) {
      const known = this.#ledger?.processes().find(({ name }) => name === process);
      const residentBytes = known?.residentBytes ?? 0;
      if (known !== undefined) this.#ledger?.kill(process);
      this.#killed.push({
        process,
        residentBytes,
        largest: { process, residentBytes },
        equals: 0,
        because: "none",
      });
    }
    this.#clock.settle();
  }
}

const isEqual = (one: KillCandidate, other: KillCandidate | undefined): boolean =>
  Math.abs((other?.residentBytes ?? 0) - one.residentBytes) <= EQUAL_WITHIN_BYTES;

const nothing = (seconds: number): Seen => ({ status: null, body: "", seconds });

const machineOf = (limitMib: number): Machine => {
  const machine = parseMachine(`${limitMib}MiB`);
  if (!machine.ok) throw machine.error;
  const pools = machine.value.pools.map((size) =>
    size.pool === "shm" ? { ...size, capacityBytes: SHM_BYTES } : size,
  );
  return { ...machine.value, pools };
};

const shippedProfiles = (): MemoryProfiles => {
  const read = readMemoryProfiles([]);
  if (!read.ok) throw read.error;
  return read.value;
};
