import { VirtualClock } from "../../common/virtual-clock.ts";
import { noFaults } from "../../core/faults/fault-source.ts";
import type { InstanceChance } from "../../core/instance-chance.ts";
import type { KillCandidate, KillChance, Ledger } from "../../core/memory/ledger.ts";
import { type Machine, parseMachine } from "../../core/memory/machine.ts";
import type { MemoryProfiles } from "../../core/memory/profile.ts";
import { callContainer, callTriton } from "../../scenario/wires.ts";
import { createSimulatedContainer, type SimulatedContainer } from "../../simulation/simulated-container.ts";
import { readMemoryProfiles } from "../../storage/memory-profiles.ts";
import type { Fleet, Step } from "./fleet.ts";
import { deadProcess, fleetFiles, REPOSITORY } from "./fleet-models.ts";
import { type FleetRequest, pingRequest, requestOf } from "./fleet-request.ts";
import { SHM_BYTES } from "./play-real.ts";
import type { Seen, StepSeen } from "./recording.ts";

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
 * @param seen what a real server did, by step. Where the ledger leaves to chance who dies, how many, and which of a model's
 * instances is first, it is as was seen; a process that died there and not here is killed after the step, so that what
 * follows can be compared. Without it the first of equals dies, and no further one, and instances keep their order.
 */
export const playThroughLedger = (
  fleet: Fleet,
  seen: readonly StepSeen[] | null = null,
): readonly StepPlayed[] => new LedgerPlayer(fleet, seen).play();

class LedgerPlayer {
  readonly #fleet: Fleet;
  readonly #seen: readonly StepSeen[] | null;
  readonly #clock = new VirtualClock();
  readonly #simulated: SimulatedContainer;
  /** The step that is played, as it was seen. */
  #real: StepSeen | null = null;
  /** Who is yet to die in it. */
  #expected: string[] = [];
  #killed: LedgerKill[] = [];
  #further = false;
  #freezeRisk = false;

  constructor(fleet: Fleet, seen: readonly StepSeen[] | null) {
    this.#fleet = fleet;
    this.#seen = seen;
    const chance: KillChance = {
      victim: (candidates) => this.#victim(candidates),
      killsAnother: (candidates) => {
        const near = candidates[this.#nextSeen(candidates)];
        this.#further = near !== undefined && isEqual(near, candidates[0]);
        return this.#further;
      },
    };
    const instanceChance: InstanceChance = {
      loadsNext: (instances) => firstLoaded(instances, this.#real),
      servesNext: (instances) => Math.max(0, instances.indexOf(this.#real?.served ?? "")),
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
      instanceChance,
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
    const count = this.#seen?.length ?? steps.length;
    return steps.slice(0, count).map((step, index) => this.#step(step, this.#seen?.[index] ?? null));
  }

  #step(step: Step, real: StepSeen | null): StepPlayed {
    this.#real = real;
    this.#expected = [...(real?.killed ?? [])];
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
    const index = Math.max(0, this.#nextSeen(candidates));
    const chosen = candidates[index] ?? largest;
    const told = this.#expected.indexOf(chosen.process);
    if (told >= 0) this.#expected.splice(told, 1);
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

  /** The next that died in reality, -1 where it is not among them. Who asks did so only if the answer names it. */
  #nextSeen(candidates: readonly KillCandidate[]): number {
    const failed = deadProcess(this.#real?.body ?? "");
    return candidates.findIndex(
      ({ process, asks }) => process === this.#expected[0] && (!asks || process === failed),
    );
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

/** The one that the load failed for was not ready yet when it died; one that died although the load succeeded was. */
const firstLoaded = (instances: readonly string[], real: StepSeen | null): number => {
  if (real === null) return 0;
  const last = real.status === 200 ? null : deadProcess(real.body);
  const first = instances.findIndex((name) => (last === null ? real.killed.includes(name) : name !== last));
  return Math.max(0, first);
};

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
