import { DeclaredArchives, DeclaredArtifacts } from "../aws/artifacts/declared-artifacts.ts";
import { CountedDisk } from "../aws/artifacts/disk-space.ts";
import { InstanceAgent } from "../aws/placement/instance-agent.ts";
import type { PlatformAnswer } from "../aws/placement/platform-answer.ts";
import { Router } from "../aws/placement/router.ts";
import { modelNameOf } from "../aws/placement/target-model.ts";
import { Random } from "../common/random.ts";
import { VirtualClock } from "../common/virtual-clock.ts";
import { FaultPlan } from "../core/faults/fault-plan.ts";
import type { JournalEvent } from "../journal/event.ts";
import { Journal } from "../journal/journal.ts";
import { createSimulatedContainer, type SimulatedContainer } from "../simulation/simulated-container.ts";
import { type Arrivals, chooser, drawFrom, firstArrivals, nextArrival } from "./arrivals.ts";
import {
  archiveBytes,
  archiveFiles,
  changed,
  configJson,
  type FleetModel,
  modelFiles,
  requestBody,
  statedBytes,
  unpackedBytes,
} from "./fleet.ts";
import type { Call, CallAnswer, Run } from "./observed.ts";
import { matchModels, type Scenario } from "./scenario.ts";
import type { Level, Step } from "./schema.ts";
import { type Answer, callContainer, callTriton, TRITON_REPOSITORY, tritonFlags } from "./wires.ts";

export interface RunOptions {
  readonly scenario: Scenario;
  /** Told of each event at once, the journal's first line included. */
  readonly onEvent?: (event: JournalEvent) => void;
}

const SECOND_US = 1_000_000;
/** How long a run goes on after the last answer, so that unloads that were begun end. */
const SETTLE_US = 5 * SECOND_US;
/** How long it waits for answers: longer than an unload that hangs. */
const PATIENCE_US = 400 * SECOND_US;

const LEAST_THINK_US = 1000;
/** Requests of one size have one body; of so many sizes they are kept. */
const MOST_BODIES = 256;

/** Where nothing is said: an S3 download to a small instance, and the unpacking of it; assumed. */
const DOWNLOAD_RATE = 100e6;
const UNPACK_RATE = 200e6;

/** 1 January 2026, so that a journal is the same whenever it is made. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

/**
 * Runs a scenario on a clock of its own; takes no time but for computing. The same scenario gives the same journal, byte
 * for byte.
 */
export const runScenario = ({ scenario, onEvent }: RunOptions): Run => new Stage(scenario, onEvent).run();

interface Instance {
  readonly name: string;
  readonly simulated: SimulatedContainer;
  readonly agent: InstanceAgent | null;
  removed: boolean;
}

interface Asked {
  readonly model?: string;
  readonly request: string;
  readonly kind: Call["kind"];
}

class Stage {
  readonly #scenario: Scenario;
  readonly #clock = new VirtualClock(EPOCH_MS);
  readonly #journal: Journal;
  readonly #events: JournalEvent[] = [];
  readonly #calls: Call[] = [];
  readonly #random: Random;
  readonly #archives = new DeclaredArchives();
  readonly #faults: FaultPlan;
  /** All there ever were; those that are removed stay, so that a number means the same throughout. */
  readonly #instances: Instance[] = [];
  readonly #router: Router | null;
  /** As they are now: an overwrite changes them. */
  readonly #fleet: Map<string, FleetModel>;
  readonly #bodies = new Map<string, Uint8Array>();
  /** Calls that wait for an answer, and traffic that is still to come. */
  #open = 0;
  #toCome = 0;

  constructor(scenario: Scenario, onEvent?: (event: JournalEvent) => void) {
    this.#scenario = scenario;
    this.#fleet = new Map(scenario.fleet);
    this.#random = new Random(scenario.seed);
    const { words, level } = scenario;
    this.#journal = new Journal({
      clock: this.#clock,
      limit: 0,
      run: {
        seed: scenario.seed,
        machine: scenario.machine.name,
        profile: words.profile === undefined ? "shipped" : `shipped ${JSON.stringify(words.profile)}`,
        policy: level === "endpoint" ? policyName(words) : null,
        scenario: scenario.name,
      },
    });
    const keepsAll = words.expect.some((expectation) => "journal" in expectation);
    const record = (event: JournalEvent): void => {
      if (keepsAll || !isRoutine(event)) this.#events.push(event);
      onEvent?.(event);
    };
    record(this.#journal.run);
    this.#journal.listen(record);
    for (const model of scenario.targets) this.#putArchive(model);
    this.#faults = new FaultPlan(scenario.faults, ({ fault, point: { operation, model } }) =>
      this.#journal.write({ event: "fault", fault, operation, ...(model === null ? {} : { model }) }),
    );
    this.#router =
      level === "endpoint"
        ? new Router({ agents: [], journal: this.#journal, settings: scenario.router })
        : null;
  }

  run(): Run {
    const { words } = this.#scenario;
    for (let number = words.instances ?? 1; number > 0; number--) this.#addInstance();
    for (const [index, step] of words.traffic.entries()) this.#plan(index, step);
    this.#advance();
    return {
      events: this.#events,
      calls: this.#calls,
      endUs: this.#clock.now(),
      instances: this.#instances.map(({ name }) => name),
    };
  }

  /** To the end that the scenario names; else until all is answered and has come to rest. */
  #advance(): void {
    const { until } = this.#scenario.words;
    if (until !== undefined) {
      this.#clock.advance(until);
      return;
    }
    let waitedUs = 0;
    while (this.#toCome > 0 || (this.#open > 0 && waitedUs < PATIENCE_US)) {
      this.#clock.advance(SECOND_US);
      waitedUs = this.#toCome > 0 ? 0 : waitedUs + SECOND_US;
    }
    this.#clock.advance(SETTLE_US);
  }

  #addInstance(): void {
    const instance = this.#createInstance(`instance-${this.#instances.length + 1}`);
    this.#instances.push(instance);
    const { simulated, agent, name } = instance;
    simulated.container.start((error) => {
      if (error !== null) {
        this.#journal.write({ instance: name, event: "container-died", because: error.message });
      }
      if (agent === null) return;
      agent.start();
      this.#router?.add(agent);
    });
  }

  #createInstance(name: string): Instance {
    const { machine, profiles, level, settings, platform, words, fleet } = this.#scenario;
    const [clock, journal, faults] = [this.#clock, this.#journal, this.#faults];
    const simulated = createSimulatedContainer({
      clock,
      machine,
      profiles,
      journal,
      faults,
      seed: this.#random.nextUint32(),
      instance: name,
      ...(words.server?.ping_mode === undefined ? {} : { pingMode: words.server.ping_mode }),
      flags: tritonFlags(words.server ?? {}, level),
    });
    const { container, storage } = simulated;
    if (level === "triton") {
      storage.write(`${TRITON_REPOSITORY}/`);
      for (const model of fleet.values())
        writeFiles(storage, modelFiles(model, `${TRITON_REPOSITORY}/${model.name}/`));
    }
    if (level === "container") for (const model of this.#scenario.targets) this.#unpack(storage, model);
    const seed = this.#random.nextUint32();
    if (level !== "endpoint") return { name, simulated, agent: null, removed: false };
    const capacityBytes = machine.pools.find(({ pool }) => pool === "disk")?.capacityBytes ?? 0;
    const agent = new InstanceAgent({
      instance: name,
      container,
      clock,
      gauge: container.gauge,
      disk: { capacityBytes },
      settings,
      platform,
      cacheEnabled: words.cache !== "disabled",
      seed,
      journal,
      faults,
      pinned: new Set(words.pinned),
      artifacts: new DeclaredArtifacts({
        archives: this.#archives,
        files: storage,
        disk: new CountedDisk(capacityBytes),
        clock,
        downloadBytesPerSecond: words.download_rate ?? DOWNLOAD_RATE,
        unpackBytesPerSecond: words.unpack_rate ?? UNPACK_RATE,
      }),
      profileBytes: (model) => {
        const known = this.#fleet.get(model);
        return known === undefined ? null : statedBytes(known, this.#fleet);
      },
    });
    return { name, simulated, agent, removed: false };
  }

  #plan(index: number, step: Step): void {
    if ("arrivals" in step) {
      this.#planArrivals(index, step);
      return;
    }
    const repeat = "repeat" in step ? (step.repeat ?? 1) : 1;
    const every = "every" in step ? (step.every ?? 0) : 0;
    const label = step.as ?? `step-${index + 1}`;
    for (let time = 0; time < repeat; time++) {
      const name = repeat === 1 ? label : `${label}-${time + 1}`;
      this.#later(step.at + time * every, () => this.#take(index, name, step));
    }
  }

  #planArrivals(index: number, words: Arrivals): void {
    const names = this.#scenario.targets.map(({ name }) => name);
    const models = words.models?.flatMap((pattern) => matchModels(pattern, names)) ?? names;
    const random = new Random(words.seed ?? this.#random.nextUint32());
    const choose = chooser(words, models, random);
    const startUs = words.at ?? 0;
    const endUs = words.for === undefined ? Number.POSITIVE_INFINITY : startUs + words.for;
    const label = words.as ?? `step-${index + 1}`;
    const most = words.requests ?? Number.POSITIVE_INFINITY;
    const instance = this.#instanceOf(words);
    let sent = 0;
    const isOver = (): boolean => sent >= most || this.#clock.now() >= endUs;
    const send = (afterwards: () => void): void => {
      sent++;
      const size = { rows: drawFrom(words.rows, random), length: drawFrom(words.length, random) };
      this.#invoke(index, `${label}-${sent}`, choose(), { ...size, via: words.via }, instance, afterwards);
    };
    if (words.arrivals === "closed") {
      const call = (): void => {
        if (isOver()) return;
        const askedUs = this.#clock.now();
        send(() => {
          // A caller that is answered in no time would never let it pass.
          const least = this.#clock.now() > askedUs ? 0 : LEAST_THINK_US;
          this.#later(Math.max(words.think ?? 0, least), call);
        });
      };
      this.#later(startUs, () => {
        for (let caller = firstArrivals(words); caller > 0; caller--) call();
      });
      return;
    }
    const arrive = (count: number): void => {
      for (let i = 0; i < count && !isOver(); i++) send(() => {});
      const next = nextArrival(words, random);
      if (sent < most && this.#clock.now() + next.afterUs < endUs) {
        this.#later(next.afterUs, () => arrive(next.count));
      }
    };
    this.#later(startUs, () => arrive(firstArrivals(words)));
  }

  /** Something of the traffic that is still to come. */
  #later(delayUs: number, run: () => void): void {
    this.#toCome++;
    this.#clock.setTimer(delayUs, () => {
      this.#toCome--;
      run();
    });
  }

  #instanceOf(step: { readonly instance?: number | undefined } | object): Instance {
    const number = "instance" in step ? step.instance : undefined;
    return this.#instances[(number ?? 1) - 1]!;
  }

  #take(index: number, label: string, step: Exclude<Step, Arrivals>): void {
    const instance = this.#instanceOf(step);
    if ("invoke" in step) {
      const times = step.times ?? 1;
      for (let i = 1; i <= times; i++) {
        this.#invoke(index, times === 1 ? label : `${label}-${i}`, step.invoke, step, instance, () => {});
      }
      return;
    }
    if ("overwrite" in step) {
      this.#overwrite(step.overwrite, step.with ?? {}, step.config_text);
      return;
    }
    if ("scale_to" in step) {
      this.#scaleTo(step.scale_to);
      return;
    }
    if ("remove" in step) {
      this.#remove(step.remove);
      return;
    }
    this.#operate(index, label, step, instance);
  }

  /** What goes to one instance and is no invocation. */
  #operate(
    index: number,
    request: string,
    step: Exclude<
      Step,
      Arrivals | { invoke: string } | { overwrite: string } | { remove: string } | { scale_to: number }
    >,
    { simulated, name }: Instance,
  ): void {
    const { container } = simulated;
    const via = this.#wireOf(step);
    const subject = { instance: name, request };
    if ("load" in step) {
      const answered = this.#ask(index, { kind: "load", model: step.load, request });
      this.#journal.write({ ...subject, model: step.load, event: "load" });
      const done = this.#loadAnswered(answered, step.load, request, name);
      if (via === "triton") {
        const config = this.#overrideOf(step);
        const body = config === null ? "" : JSON.stringify({ parameters: { config } });
        callTriton(simulated, "POST", `/v2/repository/models/${step.load}/load`, body, done);
      } else {
        const modelName = step.hash ?? modelNameOf(step.load);
        const known = this.#fleet.get(step.load);
        if (step.hash !== undefined && known !== undefined) this.#unpack(simulated.storage, known, modelName);
        const url = `${unpackedFolder(modelName)}/model`;
        container.load({ modelName, targetModel: step.load, url }, (answer) => done(textOf(answer)));
      }
      return;
    }
    if ("unload" in step) {
      const answered = this.#ask(index, { kind: "unload", model: step.unload, request });
      this.#journal.write({
        ...subject,
        model: step.unload,
        event: "unload",
        because: "the scenario says so",
      });
      const startUs = this.#clock.now();
      const done = (answer: Answer | null): void => {
        const durationUs = this.#clock.now() - startUs;
        const status = answer?.status ?? null;
        this.#journal.write({ ...subject, model: step.unload, event: "unload-answer", status, durationUs });
        answered(answer);
      };
      if (via === "triton") {
        const body = JSON.stringify({ parameters: { unload_dependents: step.dependents ?? false } });
        callTriton(simulated, "POST", `/v2/repository/models/${step.unload}/unload`, body, done);
      } else {
        const modelName = step.hash ?? modelNameOf(step.unload);
        container.unload({ modelName, targetModel: step.unload }, (answer) => done(textOf(answer)));
      }
      return;
    }
    if ("call" in step) {
      const [method = "", path = ""] = step.call.split(/\s+/);
      const answered = this.#ask(index, { kind: "ask", request });
      if (via === "triton") callTriton(simulated, method, path, step.body ?? "", answered);
      else callContainer(container, method, path, step.body ?? "", step.target_model, answered);
      return;
    }
    if ("ask" in step) {
      const answered = this.#ask(index, { kind: "ask", request });
      const done = (answer: Answer | null): void => {
        if (step.ask === "ping")
          this.#journal.write({ ...subject, event: "ping", status: answer?.status ?? null });
        answered(answer);
      };
      if (step.ask === "ping") container.ping((answer) => done(textOf(answer)));
      else if (step.ask === "list") container.list((answer) => done(textOf(answer)));
      else callTriton(simulated, "GET", `/v2/health/${step.ask}`, "", done);
      return;
    }
    if ("kill" in step) {
      container.kill("the scenario says so");
      return;
    }
    const answered = this.#ask(index, { kind: "restart" in step ? "restart" : "stop", request });
    if ("restart" in step) {
      container.restart((running) => answered({ status: running ? 200 : 503, text: "" }));
      return;
    }
    const server = simulated.server();
    if (server === null) answered(null);
    else server.stop(step.within ?? 30, (clean) => answered({ status: clean ? 0 : 1, text: "" }));
  }

  /** The configuration that a load of Triton brings with it; null = none. */
  #overrideOf({ load, override, config }: Extract<Step, { load: string }>): string | null {
    const known = this.#fleet.get(load);
    if (config !== undefined || override === undefined || known === undefined) return config ?? null;
    return configJson(changed(known, override));
  }

  #loadAnswered(answered: (answer: Answer | null) => void, model: string, request: string, instance: string) {
    const startUs = this.#clock.now();
    return (answer: Answer | null): void => {
      const status = answer?.status ?? null;
      this.#journal.write({
        instance,
        model,
        request,
        event: "load-answer",
        status,
        durationUs: this.#clock.now() - startUs,
        ...(answer === null || answer.status < 300 ? {} : { text: answer.text }),
      });
      answered(answer);
    };
  }

  #wireOf({ via }: { readonly via?: Level | undefined }): Level {
    return via ?? this.#scenario.level;
  }

  #invoke(
    index: number,
    request: string,
    model: string,
    step: {
      readonly rows?: number | undefined;
      readonly length?: number | undefined;
      readonly body?: string | undefined;
      readonly via?: Level | undefined;
      readonly hash?: string | undefined;
    },
    { simulated, name }: Instance,
    afterwards: () => void,
  ): void {
    const body =
      step.body === undefined
        ? this.#bodyOf(model, step.rows ?? 1, step.length ?? 1)
        : Buffer.from(step.body);
    const via = this.#wireOf(step);
    if (via === "endpoint" && this.#router !== null) {
      const call = this.#begin(index, { kind: "invoke", model, request });
      this.#router.invoke(
        { requestId: request, targetModel: model, headers: jsonHeaders, body },
        (answer) => {
          this.#end(call, platformAnswer(answer, this.#clock.now() - call.atUs));
          afterwards();
        },
      );
      return;
    }
    const answered = this.#ask(index, { kind: "invoke", model, request });
    const subject = { instance: name, model, request };
    const startUs = this.#clock.now();
    this.#journal.write({ ...subject, event: "invocation", cacheHit: true });
    const done = (answer: Answer | null): void => {
      this.#journal.write({
        ...subject,
        event: "answer",
        status: answer?.status ?? 0,
        from: "container",
        durationUs: this.#clock.now() - startUs,
        ...(answer === null || answer.status < 300 ? {} : { text: answer.text }),
      });
      answered(answer);
      afterwards();
    };
    if (via === "triton") callTriton(simulated, "POST", `/v2/models/${model}/infer`, body, done);
    else {
      const modelName = step.hash ?? modelNameOf(model);
      simulated.container.invoke({ modelName, targetModel: model, headers: jsonHeaders, body }, (answer) =>
        done(textOf(answer)),
      );
    }
  }

  /** @returns what is to be called with the answer */
  #ask(step: number, asked: Asked): (answer: Answer | null) => void {
    const call = this.#begin(step, asked);
    return (answer) =>
      this.#end(call, {
        status: answer?.status ?? null,
        from: "container",
        text: answer?.text ?? "",
        error: null,
        tookUs: this.#clock.now() - call.atUs,
        cacheHit: null,
      });
  }

  #begin(step: number, { kind, model, request }: Asked): Call {
    const call: Call = { request, step, kind, model: model ?? null, atUs: this.#clock.now(), answer: null };
    this.#calls.push(call);
    this.#open++;
    return call;
  }

  #end(call: Call, answer: CallAnswer): void {
    if (call.answer !== null) throw new Error(`${call.request} is answered twice`);
    call.answer = answer;
    this.#open--;
  }

  #bodyOf(model: string, rows: number, length: number): Uint8Array {
    const known = this.#fleet.get(model);
    const batching = known?.batching ?? false;
    const key = `${batching} ${rows} ${length}`;
    const body = this.#bodies.get(key) ?? requestBody(batching, rows, length);
    if (this.#bodies.size < MOST_BODIES) this.#bodies.set(key, body);
    return body;
  }

  #putArchive(model: FleetModel): void {
    this.#archives.put({
      targetModel: model.name,
      archiveBytes: archiveBytes(model, this.#fleet),
      unpackedBytes: unpackedBytes(model, this.#fleet),
      files: archiveFiles(model, this.#fleet),
      ...(model.words.damage === undefined ? {} : { damage: model.words.damage }),
    });
  }

  #unpack(
    storage: SimulatedContainer["storage"],
    model: FleetModel,
    modelName: string = modelNameOf(model.name),
  ): void {
    const folder = `${unpackedFolder(modelName)}/model`;
    storage.write(`${folder}/`);
    writeFiles(
      storage,
      new Map([...archiveFiles(model, this.#fleet)].map(([path, text]) => [`${folder}/${path}`, text])),
    );
  }

  /** The newest instances go first. */
  #scaleTo(count: number): void {
    const serving = this.#instances.filter(({ removed }) => !removed);
    for (let missing = count - serving.length; missing > 0; missing--) this.#addInstance();
    for (const instance of serving.slice(count)) {
      instance.removed = true;
      this.#router?.remove(instance.name, () => {
        instance.simulated.container.kill("the instance is gone: scaled in");
      });
    }
  }

  #overwrite(name: string, words: Partial<FleetModel["words"]>, configText?: string): void {
    const known = this.#fleet.get(name);
    if (known === undefined) return;
    const model = changed(known, words, configText);
    this.#fleet.set(name, model);
    const { level } = this.#scenario;
    if (level === "endpoint") this.#putArchive(model);
    for (const { simulated } of this.#instances) {
      if (level === "container") this.#unpack(simulated.storage, model);
      if (level === "triton")
        writeFiles(simulated.storage, modelFiles(model, `${TRITON_REPOSITORY}/${name}/`));
    }
  }

  #remove(name: string): void {
    this.#archives.delete(name);
    for (const { simulated } of this.#instances) {
      if (this.#scenario.level === "container") simulated.storage.remove(unpackedFolder(modelNameOf(name)));
      if (this.#scenario.level === "triton") simulated.storage.remove(`${TRITON_REPOSITORY}/${name}`);
    }
  }
}

/** What a long run has the most of; only the expectation `journal` looks at these lines, the others at the calls. */
const isRoutine = (event: JournalEvent): boolean =>
  event.event === "invocation" || (event.event === "answer" && event.status < 300);

const policyName = ({ policy = {} }: Scenario["words"]): string => {
  const { preset = "sagemaker", ...changes } = policy;
  return Object.keys(changes).length === 0 ? preset : `${preset} ${JSON.stringify(changes)}`;
};

const jsonHeaders: readonly string[] = ["Content-Type", "application/json"];

const unpackedFolder = (modelName: string): string => `/opt/ml/models/${modelName}`;

const writeFiles = (storage: SimulatedContainer["storage"], files: ReadonlyMap<string, string>): void => {
  for (const [path, text] of files) storage.write(path, text);
};

const decoder = new TextDecoder();

/** What a container answered, as text where it is an error. */
const textOf = (answer: { readonly status: number; readonly body: Uint8Array } | null): Answer | null =>
  answer === null ? null : { status: answer.status, text: decoder.decode(answer.body) };

const platformAnswer = (
  { status, from, body, error, cacheHit }: PlatformAnswer,
  tookUs: number,
): CallAnswer => ({
  status,
  from,
  text: error === null ? "" : decoder.decode(body),
  error: error?.type ?? null,
  tookUs,
  cacheHit,
});
