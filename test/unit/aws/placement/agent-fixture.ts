import type {
  Artifact,
  ArtifactStore,
  UnpackedArtifact,
} from "../../../../emulator/aws/artifacts/artifact-store.ts";
import {
  type EvictionSettings,
  evictionPresets,
} from "../../../../emulator/aws/placement/eviction/presets.ts";
import type { MemoryReading } from "../../../../emulator/aws/placement/eviction/resident-model.ts";
import { type AgentOptions, InstanceAgent } from "../../../../emulator/aws/placement/instance-agent.ts";
import type { PlatformAnswer } from "../../../../emulator/aws/placement/platform-answer.ts";
import { fail, ok, type Result } from "../../../../emulator/common/status.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import {
  type FaultEffect,
  type FaultOperation,
  noFaults,
} from "../../../../emulator/core/faults/fault-source.ts";
import type {
  EventBody,
  EventName,
  EventSubject,
  JournalWriter,
} from "../../../../emulator/journal/event.ts";
import { ScriptedContainer } from "./scripted-container.ts";

export const SECOND = 1_000_000;
export const MEGABYTE = 1_000_000;

/** Archives of 100 MB that unpack to as much, except where told otherwise; each download takes 2 s. */
export class ScriptedArtifacts implements ArtifactStore {
  readonly fetched: string[] = [];
  readonly removed: string[] = [];
  /** Begin and end of what was done, by the container's name of the model. */
  readonly log: string[] = [];
  readonly missing = new Set<string>();
  readonly bytes = new Map<string, number>();
  readonly unpackedBytes = new Map<string, number>();
  /** How the nth fetch of a model fails; null = it does not. */
  fails: (targetModel: string, nth: number) => Result<never> | null = () => null;
  fetchUs = 2 * SECOND;
  removeUs = 0;
  readonly #clock: VirtualClock;
  readonly #counts = new Map<string, number>();

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  find(targetModel: string, done: (result: Result<Artifact | null>) => void): void {
    const archiveBytes = this.bytes.get(targetModel) ?? 100 * MEGABYTE;
    this.#clock.defer(() =>
      done(ok(this.missing.has(targetModel) ? null : { targetModel, archiveBytes, etag: '"1"' })),
    );
  }

  fetch(artifact: Artifact, modelName: string, done: (result: Result<UnpackedArtifact>) => void): void {
    const { targetModel, archiveBytes } = artifact;
    this.fetched.push(targetModel);
    this.log.push(`fetch ${modelName}`);
    const nth = (this.#counts.get(targetModel) ?? 0) + 1;
    this.#counts.set(targetModel, nth);
    this.#clock.setTimer(this.fetchUs, () =>
      done(
        this.fails(targetModel, nth) ??
          ok({
            url: `/opt/ml/models/${modelName}/model`,
            bytes: this.unpackedBytes.get(targetModel) ?? archiveBytes,
          }),
      ),
    );
  }

  remove(modelName: string, done: () => void): void {
    this.removed.push(modelName);
    this.log.push(`remove ${modelName}`);
    this.#clock.setTimer(this.removeUs, () => {
      this.log.push(`removed ${modelName}`);
      done();
    });
  }
}

export const diskFull = fail("UNAVAILABLE", "No space left on device");

export type Event = EventSubject & EventBody;

/** Events in turn. */
export class RecordedJournal implements JournalWriter {
  readonly enabled = true;
  readonly events: Event[] = [];

  write(event: Event): void {
    this.events.push(event);
  }

  of<Name extends EventName>(name: Name): (EventSubject & Extract<EventBody, { event: Name }>)[] {
    return this.events.filter(
      (event): event is EventSubject & Extract<EventBody, { event: Name }> => event.event === name,
    );
  }
}

export interface AgentFixture {
  readonly clock: VirtualClock;
  readonly container: ScriptedContainer;
  readonly artifacts: ScriptedArtifacts;
  readonly journal: RecordedJournal;
  readonly agent: InstanceAgent;
  /** What the next reading of memory says: megabytes of 1000 on the host. Null = it cannot be read. */
  memory: { hostMegabytes: number } | null;
  /** Every answer so far, by request id. */
  readonly answers: Map<string, PlatformAnswer>;
  /** Answers that came a second time. */
  readonly twice: string[];
  invoke(targetModel: string, requestId?: string): string;
  /** Invokes and waits for the answer, a quarter of an hour at most. */
  invoked(targetModel: string): PlatformAnswer;
}

export interface FixtureOptions extends Partial<Omit<AgentOptions, "settings">> {
  readonly settings?: Partial<EvictionSettings>;
  readonly clock?: VirtualClock;
}

/** An agent with a scripted container, memory that is never full, and a reading for each decision. */
export const agentFixture = ({
  settings,
  clock = new VirtualClock(),
  ...options
}: FixtureOptions = {}): AgentFixture => {
  const container = new ScriptedContainer(clock);
  const artifacts = new ScriptedArtifacts(clock);
  const journal = new RecordedJournal();
  const answers = new Map<string, PlatformAnswer>();
  const twice: string[] = [];
  const memory = { hostMegabytes: 0 };
  let requests = 0;
  const read = (): MemoryReading | null =>
    fixture.memory === null
      ? null
      : {
          used: { host: fixture.memory.hostMegabytes * MEGABYTE, gpu: 0, disk: 0 },
          capacity: { host: 1000 * MEGABYTE, gpu: 0, disk: 0 },
        };
  const agent = new InstanceAgent({
    instance: "i-1",
    container,
    artifacts,
    clock,
    gauge: { read },
    disk: { capacityBytes: 10_000 * MEGABYTE },
    settings: { ...evictionPresets.sagemaker, sampleEveryUs: 0, ...settings },
    cacheEnabled: true,
    seed: 1,
    journal,
    faults: noFaults,
    ...options,
  });
  const invoke = (targetModel: string, requestId = `r-${++requests}`): string => {
    agent.invoke(
      { requestId, targetModel, headers: [], body: new TextEncoder().encode(requestId) },
      (answer) => {
        if (answers.has(requestId)) twice.push(requestId);
        answers.set(requestId, answer);
      },
    );
    return requestId;
  };
  const fixture: AgentFixture = {
    clock,
    container,
    artifacts,
    journal,
    agent,
    memory,
    answers,
    twice,
    invoke,
    invoked: (targetModel) => {
      const id = invoke(targetModel);
      for (let step = 0; step < 9000 && !answers.has(id); step++) clock.advance(SECOND / 10);
      const answer = answers.get(id);
      if (answer === undefined) throw new Error(`${id} for ${targetModel} was not answered`);
      return answer;
    },
  };
  return fixture;
};

/** Strikes the nth passage of an operation by a model. */
export const faultAt = (operation: FaultOperation, model: string, nth: number, effect: FaultEffect) => {
  let count = 0;
  return {
    at: (point: { readonly operation: FaultOperation; readonly model: string | null }) => {
      if (point.operation !== operation || point.model !== model) return null;
      count++;
      return count === nth ? { name: "scripted", effect } : null;
    },
    requestedAt: () => ok(null),
    imitates: () => false,
  };
};
