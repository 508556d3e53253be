import type { PlatformAnswer } from "../aws/placement/platform-answer.ts";
import { modelNameOf } from "../aws/placement/target-model.ts";
import { Random } from "../common/random.ts";
import { VirtualClock } from "../common/virtual-clock.ts";
import type { FaultSource } from "../core/faults/fault-source.ts";
import type { EventSubject, JournalEvent } from "../journal/event.ts";
import { Journal } from "../journal/journal.ts";
import { counted } from "../journal/words.ts";
import { type Arrivals, chooser, drawFrom, firstArrivals, nextArrival } from "./arrivals.ts";
import { requestBody } from "./fleet.ts";
import { Foresight } from "./foresight.ts";
import type { Answer } from "./http-port.ts";
import type { Call, CallAnswer, Run } from "./observed.ts";
import { matchModels, requestLine, type Scenario } from "./scenario.ts";
import type { Level, Step } from "./schema.ts";
import { type Instance, Stage, unpackedFolder } from "./stage.ts";
import { callContainer, callEndpoint, callTriton, errorCodeOf, stopTriton } from "./wires.ts";

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
/** What is left out between an answer that took no time and the next call of the same caller. */
const LEAST_THINK_US = 1000;
/** Requests of one size have one body; of so many sizes they are kept. */
const MOST_BODIES = 256;

/** 1 January 2026, so that a journal is the same whenever it is made. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

/**
 * Runs a scenario on a clock of its own; takes no time but for computing. The same scenario gives the same journal, byte
 * for byte. Policy `belady` sees the future: the calls of a run with `lru` before it.
 */
export const runScenario = ({ scenario, onEvent }: RunOptions): Run => {
  const { settings } = scenario;
  if (settings.victims !== "belady") return new Runner(scenario, new Foresight([]), onEvent).run();
  const before = new Runner(
    { ...scenario, settings: { ...settings, victims: "lru" } },
    new Foresight([]),
  ).run();
  return new Runner(scenario, new Foresight(before.calls), onEvent).run();
};

interface Asked {
  readonly model?: string;
  readonly request: string;
  readonly kind: Call["kind"];
}

/** What goes to one instance and is no invocation. */
type Operation = Exclude<
  Step,
  | Arrivals
  | { invoke: string }
  | { overwrite: string }
  | { remove: string }
  | { scale_to: number }
  | { create_endpoint: string }
  | { delete_endpoint: string }
>;

/** What an invocation says beside its model. */
interface InvokeWords {
  readonly rows?: number | undefined;
  readonly length?: number | undefined;
  readonly value?: number | undefined;
  readonly body?: string | undefined;
  readonly via?: Level | undefined;
  readonly instance?: number | undefined;
  readonly hash?: string | undefined;
}

/** Sends the traffic, and notes what came of it. */
class Runner {
  readonly #scenario: Scenario;
  readonly #clock = new VirtualClock(EPOCH_MS);
  readonly #journal: Journal;
  readonly #random: Random;
  readonly #stage: Stage;
  readonly #events: JournalEvent[] = [];
  readonly #calls: Call[] = [];
  readonly #bodies = new Map<string, Uint8Array>();
  /** Calls that wait for an answer, and traffic that is still to come. */
  #open = 0;
  #toCome = 0;
  #invocations = 0;

  constructor(scenario: Scenario, foresight: Foresight, onEvent?: (event: JournalEvent) => void) {
    this.#scenario = scenario;
    this.#random = new Random(scenario.seed);
    this.#journal = this.#openJournal(onEvent);
    this.#stage = new Stage({
      scenario,
      clock: this.#clock,
      random: this.#random,
      journal: this.#journal,
      nextUse: (model) => foresight.nextUse(model, this.#invocations),
    });
  }

  run(): Run {
    for (const [index, step] of this.#scenario.words.traffic.entries()) this.#plan(index, step);
    this.#advance();
    return {
      events: this.#events,
      calls: this.#calls,
      endpoint: this.#stage.hosted?.changes ?? [],
      endUs: this.#clock.now(),
      instances: this.#stage.instances.map(({ name }) => name),
    };
  }

  #openJournal(onEvent: ((event: JournalEvent) => void) | undefined): Journal {
    const { seed, machine, name, words, level } = this.#scenario;
    const journal = new Journal({
      clock: this.#clock,
      limit: 0,
      run: {
        seed,
        machine: machine.name,
        profile: words.profile === undefined ? "shipped" : `shipped ${JSON.stringify(words.profile)}`,
        policy: level === "endpoint" ? policyName(words) : null,
        scenario: name,
      },
    });
    const keepsAll = words.expect.some((expectation) => "journal" in expectation);
    const record = (event: JournalEvent): void => {
      if (keepsAll || !isRoutine(event)) this.#events.push(event);
      onEvent?.(event);
    };
    record(journal.run);
    journal.listen(record);
    return journal;
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
    const label = words.as ?? `step-${index + 1}`;
    const startUs = words.at ?? 0;
    const endUs = words.for === undefined ? Number.POSITIVE_INFINITY : startUs + words.for;
    const most = words.requests ?? Number.POSITIVE_INFINITY;
    let sent = 0;
    const isOver = (inUs = 0): boolean => sent >= most || this.#clock.now() + inUs >= endUs;
    const send = (afterwards: () => void): void => {
      sent++;
      const size = {
        rows: drawFrom(words.rows, random),
        length: drawFrom(words.length, random),
        value: words.value === undefined ? 0 : drawFrom(words.value, random),
      };
      const { via, instance } = words;
      this.#invoke(index, `${label}-${sent}`, choose(), { ...size, via, instance }, afterwards);
    };
    const call = (): void => {
      if (isOver()) return;
      const askedUs = this.#clock.now();
      send(() => {
        // A caller that is answered in no time would never let it pass.
        const least = this.#clock.now() > askedUs ? 0 : LEAST_THINK_US;
        this.#later(Math.max(words.think ?? 0, least), call);
      });
    };
    const arrive = (count: number): void => {
      for (let i = 0; i < count && !isOver(); i++) send(() => {});
      const next = nextArrival(words, random);
      if (!isOver(next.afterUs)) this.#later(next.afterUs, () => arrive(next.count));
    };
    this.#later(startUs, () => {
      if (words.arrivals === "closed") for (let left = firstArrivals(words); left > 0; left--) call();
      else arrive(firstArrivals(words));
    });
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
    return this.#stage.instances[(number ?? 1) - 1]!;
  }

  #take(index: number, label: string, step: Exclude<Step, Arrivals>): void {
    if ("invoke" in step) {
      const times = step.times ?? 1;
      for (let i = 1; i <= times; i++) {
        this.#invoke(index, times === 1 ? label : `${label}-${i}`, step.invoke, step, () => {});
      }
      return;
    }
    const filesOf = (model: string): string =>
      this.#scenario.level === "endpoint" ? `the archive of ${model} is` : `the files of ${model} are`;
    if ("overwrite" in step) {
      const { overwrite: model, with: changes = {}, config_text: written } = step;
      const what =
        written === undefined ? Object.keys(changes).join(", ") : `config.pbtxt: ${written.trim()}`;
      this.#tell(this.#everywhere(model, label), `${filesOf(model)} overwritten: ${what}`);
      this.#stage.overwrite(model, changes, written);
      return;
    }
    if ("scale_to" in step) {
      this.#tell({ request: label }, `the endpoint is to have ${counted(step.scale_to, "instance")}`);
      this.#stage.scaleTo(step.scale_to);
      return;
    }
    if ("remove" in step) {
      this.#tell(this.#everywhere(step.remove, label), `${filesOf(step.remove)} deleted`);
      this.#stage.remove(step.remove);
      return;
    }
    if ("create_endpoint" in step || "delete_endpoint" in step) {
      this.#manage(index, label, step);
      return;
    }
    this.#operate(index, label, step);
  }

  #manage(
    index: number,
    request: string,
    step: Extract<Step, { create_endpoint: string } | { delete_endpoint: string }>,
  ): void {
    const { hosted } = this.#stage;
    if (hosted === null) return;
    const answered = this.#ask(index, { kind: "manage", request });
    const creates = "create_endpoint" in step;
    const answer = creates
      ? hosted.create({
          name: step.create_endpoint,
          instances: step.instances ?? 1,
          startupLimitUs: step.startup_limit,
        })
      : hosted.delete(step.delete_endpoint);
    const did = creates ? `CreateEndpoint ${step.create_endpoint}` : `DeleteEndpoint ${step.delete_endpoint}`;
    this.#tellAnswer({ request }, did, answer, this.#clock.now());
    answered(answer);
  }

  /** The model of one instance is that instance's; of several it is nobody's in particular. */
  #everywhere(model: string, request: string): EventSubject {
    const [only, ...others] = this.#stage.instances;
    return only !== undefined && others.length === 0 ? { instance: only.name, model, request } : { request };
  }

  /** What no other event of the journal tells. */
  #tell(subject: EventSubject, did: string): void {
    this.#journal.write({ ...subject, event: "step", did });
  }

  /** The same of what is answered. @param startUs when it was asked */
  #tellAnswer(subject: EventSubject, did: string, answer: Answer | null, startUs: number): void {
    const durationUs = this.#clock.now() - startUs;
    const text = answer?.text ? { text: answer.text } : {};
    this.#journal.write({
      ...subject,
      event: "step",
      did,
      status: answer?.status ?? null,
      ...text,
      durationUs,
    });
  }

  #operate(index: number, request: string, step: Operation): void {
    if ("call" in step) {
      this.#call(index, request, step);
      return;
    }
    const instance = this.#instanceOf(step);
    if ("load" in step) this.#load(index, request, step, instance);
    else if ("unload" in step) this.#unload(index, request, step, instance);
    else if ("ask" in step) this.#question(index, request, step, instance);
    else if ("kill" in step) instance.simulated.container.kill("the scenario says so");
    else if ("restart" in step) {
      const answered = this.#ask(index, { kind: "restart", request });
      instance.simulated.container.restart((running) => answered({ status: running ? 200 : 503, text: "" }));
    } else {
      const answered = this.#ask(index, { kind: "stop", request });
      const subject = { instance: instance.name, request };
      const server = instance.simulated.server();
      this.#tell(subject, "SIGTERM to tritonserver");
      if (server === null) answered(null);
      else {
        stopTriton(server, instance.simulated.faults, this.#clock, step.within ?? 30, (clean) => {
          const status = clean ? 0 : 1;
          this.#tell(subject, `tritonserver ends with exit code ${status}`);
          answered({ status, text: "" });
        });
      }
    }
  }

  #load(index: number, request: string, step: Extract<Step, { load: string }>, instance: Instance): void {
    const model = step.load;
    const subject = { instance: instance.name, request, model };
    const answered = this.#ask(index, { kind: "load", model, request });
    const startUs = this.#clock.now();
    this.#journal.write({ ...subject, event: "load" });
    const done = (answer: Answer | null): void => {
      this.#journal.write({
        ...subject,
        event: "load-answer",
        status: answer?.status ?? null,
        durationUs: this.#clock.now() - startUs,
        ...textWhereFailed(answer),
      });
      answered(answer);
    };
    if (this.#wireOf(step) === "triton") {
      const config =
        step.config ?? (step.override === undefined ? null : this.#stage.override(model, step.override));
      const body = config === null ? "" : JSON.stringify({ parameters: { config } });
      callTriton(instance.simulated, "POST", `/v2/repository/models/${model}/load`, body, done);
      return;
    }
    const modelName = step.hash ?? modelNameOf(model);
    if (step.hash !== undefined) this.#stage.unpackAs(instance, model, modelName);
    const url = `${unpackedFolder(modelName)}/model`;
    instance.simulated.container.load({ modelName, targetModel: model, url }, (answer) =>
      done(textOf(answer)),
    );
  }

  #unload(
    index: number,
    request: string,
    step: Extract<Step, { unload: string }>,
    { name, simulated }: Instance,
  ): void {
    const model = step.unload;
    const subject = { instance: name, request, model };
    const answered = this.#ask(index, { kind: "unload", model, request });
    const startUs = this.#clock.now();
    this.#journal.write({ ...subject, event: "unload", because: "the scenario says so" });
    const done = (answer: Answer | null): void => {
      const durationUs = this.#clock.now() - startUs;
      this.#journal.write({ ...subject, event: "unload-answer", status: answer?.status ?? null, durationUs });
      answered(answer);
    };
    if (this.#wireOf(step) === "triton") {
      const body = JSON.stringify({ parameters: { unload_dependents: step.dependents ?? false } });
      callTriton(simulated, "POST", `/v2/repository/models/${model}/unload`, body, done);
      return;
    }
    const modelName = step.hash ?? modelNameOf(model);
    simulated.container.unload({ modelName, targetModel: model }, (answer) => done(textOf(answer)));
  }

  #call(index: number, request: string, step: Extract<Step, { call: string }>): void {
    const [method, path] = requestLine(step.call);
    const { body = "", target_model } = step;
    const { endpoint } = this.#stage;
    if (this.#wireOf(step) === "endpoint" && endpoint !== null) {
      const call = this.#begin(index, { kind: "invoke", request });
      callEndpoint(endpoint, request, body, target_model, (answer) =>
        this.#end(call, platformAnswer(answer, this.#stage.faults, this.#clock.now() - call.atUs)),
      );
      return;
    }
    const { name, simulated } = this.#instanceOf(step);
    const answered = this.#ask(index, { kind: "ask", request });
    const startUs = this.#clock.now();
    const done = (answer: Answer | null): void => {
      this.#tellAnswer({ instance: name, request }, step.call, answer, startUs);
      answered(answer);
    };
    if (this.#wireOf(step) === "triton") callTriton(simulated, method, path, body, done);
    else callContainer(simulated.container, method, path, body, target_model, done);
  }

  #question(
    index: number,
    request: string,
    { ask }: Extract<Step, { ask: string }>,
    { name, simulated }: Instance,
  ): void {
    const subject = { instance: name, request };
    const answered = this.#ask(index, { kind: "ask", request });
    const path = ask === "list" ? "/models" : `/v2/health/${ask}`;
    const startUs = this.#clock.now();
    const done = (answer: Answer | null): void => {
      if (ask === "ping") this.#journal.write({ ...subject, event: "ping", status: answer?.status ?? null });
      else this.#tellAnswer(subject, `GET ${path}`, answer, startUs);
      answered(answer);
    };
    if (ask === "ping") simulated.container.ping((answer) => done(textOf(answer)));
    else if (ask === "list") simulated.container.list((answer) => done(textOf(answer)));
    else callTriton(simulated, "GET", path, "", done);
  }

  #wireOf({ via }: { readonly via?: Level | undefined }): Level {
    return via ?? this.#scenario.level;
  }

  #invoke(index: number, request: string, model: string, step: InvokeWords, afterwards: () => void): void {
    const body = step.body === undefined ? this.#bodyOf(model, step) : Buffer.from(step.body);
    const via = this.#wireOf(step);
    const { endpoint } = this.#stage;
    if (via === "endpoint" && endpoint !== null) {
      const call = this.#begin(index, { kind: "invoke", model, request });
      endpoint.invoke({ requestId: request, targetModel: model, headers: jsonHeaders, body }, (answer) => {
        this.#end(call, platformAnswer(answer, this.#stage.faults, this.#clock.now() - call.atUs));
        afterwards();
      });
      return;
    }
    const { name, simulated } = this.#instanceOf(step);
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
        ...textWhereFailed(answer),
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
        from: asked.kind === "manage" ? "platform" : "container",
        text: answer?.text ?? "",
        error: null,
        tookUs: this.#clock.now() - call.atUs,
        cacheHit: null,
      });
  }

  #begin(step: number, { kind, model, request }: Asked): Call {
    const call: Call = { request, step, kind, model: model ?? null, atUs: this.#clock.now(), answer: null };
    this.#calls.push(call);
    if (kind === "invoke") this.#invocations++;
    this.#open++;
    return call;
  }

  #end(call: Call, answer: CallAnswer): void {
    if (call.answer !== null) throw new Error(`${call.request} is answered twice`);
    call.answer = answer;
    this.#open--;
  }

  #bodyOf(model: string, { rows = 1, length = 1, value = 0 }: InvokeWords): Uint8Array {
    const batching = this.#stage.model(model)?.batching ?? false;
    const key = `${batching} ${rows} ${length} ${value}`;
    const body = this.#bodies.get(key) ?? requestBody(batching, rows, length, value);
    if (this.#bodies.size < MOST_BODIES) this.#bodies.set(key, body);
    return body;
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

const decoder = new TextDecoder();

/** What a container answered, as text where it is an error. */
const textOf = (answer: { readonly status: number; readonly body: Uint8Array } | null): Answer | null =>
  answer === null ? null : { status: answer.status, text: decoder.decode(answer.body) };

const textWhereFailed = (answer: Answer | null): { readonly text?: string } =>
  answer === null || answer.status < 300 ? {} : { text: answer.text };

const platformAnswer = (answer: PlatformAnswer, faults: FaultSource, tookUs: number): CallAnswer => ({
  status: answer.status,
  from: answer.from,
  text: answer.error === null ? "" : decoder.decode(answer.body),
  error: errorCodeOf(answer, faults),
  tookUs,
  cacheHit: answer.cacheHit,
});
