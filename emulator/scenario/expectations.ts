import type { JournalEvent } from "../journal/event.ts";
import { durationText } from "../journal/words.ts";
import { type Call, type Run, type Standing, standingAt } from "./observed.ts";
import { type Bound, isWithin, shownSize } from "./quantities.ts";
import { matchModels, type Scenario } from "./scenario.ts";
import type { Expectation } from "./schema.ts";

/** What became of one expectation. */
export interface Outcome {
  readonly expectation: Expectation;
  readonly holds: boolean;
  /** The expectation in words. */
  readonly expected: string;
  readonly seen: string;
}

/** Holds every expectation of the scenario against what happened. */
export const checkExpectations = (scenario: Scenario, run: Run): readonly Outcome[] => {
  const standings = new Map<number, Standing>();
  const standing = (at: number | undefined): Standing => {
    const moment = at ?? Number.POSITIVE_INFINITY;
    const known = standings.get(moment) ?? standingAt(run, moment);
    standings.set(moment, known);
    return known;
  };
  return scenario.words.expect.map((expectation) => ({
    expectation,
    ...check(expectation, { scenario, run, standing }),
  }));
};

interface Seen {
  readonly scenario: Scenario;
  readonly run: Run;
  /** undefined = at the end. */
  readonly standing: (at: number | undefined) => Standing;
}

type Verdict = Omit<Outcome, "expectation">;

type Of<Word extends string> = Extract<Expectation, Readonly<Record<Word, unknown>>>;

const check = (expectation: Expectation, seen: Seen): Verdict => {
  if ("answer" in expectation) return checkAnswer(expectation, seen);
  if ("answers" in expectation) return checkAnswers(expectation, seen);
  if ("resident" in expectation) return checkResident(expectation, seen);
  if ("not_resident" in expectation) return checkNotResident(expectation, seen);
  if ("fits" in expectation) return checkFits(expectation, seen);
  if ("evicted" in expectation) return checkEvicted(expectation, seen);
  if ("killed" in expectation) return checkKilled(expectation, seen);
  if ("holds" in expectation) return checkHolds(expectation, seen);
  if ("pool" in expectation) return checkPool(expectation, seen);
  if ("state" in expectation) return checkState(expectation, seen);
  if ("endpoint" in expectation) return checkEndpoint(expectation, seen);
  if ("count" in expectation) return checkCount(expectation, seen);
  return checkJournal(expectation, seen);
};

const verdict = (holds: boolean, expected: string, seen: string): Verdict => ({ holds, expected, seen });

const all = (models: readonly string[]): string => (models.length === 0 ? "none" : models.join(", "));

const moment = (at: number | undefined): string =>
  at === undefined ? "at the end" : `at ${durationText(at)}`;

const instanceName = ({ run }: Seen, instance: number | undefined): string | undefined =>
  instance === undefined ? undefined : run.instances[instance - 1];

const place = (instance: number | undefined): string =>
  instance === undefined ? "" : ` on instance ${instance}`;

/** Index of the step that a label names. */
const stepOf = ({ scenario }: Seen, label: string): number =>
  scenario.words.traffic.findIndex(({ as }) => as === label);

interface AnswerConditions {
  readonly status?: Bound | undefined;
  readonly text?: string | undefined;
  readonly from?: string | undefined;
  readonly error?: string | undefined;
  readonly took?: Bound | undefined;
  readonly cache_hit?: boolean | undefined;
}

const meets = ({ answer }: Call, { status, text, from, error, took, cache_hit }: AnswerConditions): boolean =>
  answer !== null &&
  (status === undefined || isWithin(answer.status ?? 0, status)) &&
  (text === undefined || answer.text.includes(text)) &&
  (from === undefined || answer.from === from) &&
  (error === undefined || answer.error === error) &&
  (took === undefined || isWithin(answer.tookUs, took)) &&
  (cache_hit === undefined || answer.cacheHit === cache_hit);

const conditionsInWords = ({ status, text, from, error, took, cache_hit }: AnswerConditions): string =>
  [
    status === undefined ? null : `status ${status.text}`,
    text === undefined ? null : `text with ${JSON.stringify(text)}`,
    from === undefined ? null : `from the ${from}`,
    error === undefined ? null : error,
    took === undefined ? null : `in ${took.text}`,
    cache_hit === undefined ? null : cache_hit ? "a cache hit" : "no cache hit",
  ]
    .filter((part) => part !== null)
    .join(", ");

const answerInWords = ({ answer, atUs }: Call): string => {
  if (answer === null) return `asked at ${durationText(atUs)} and not answered`;
  const { status, from, text, error, tookUs, cacheHit } = answer;
  const who =
    status === null
      ? "no answer, the connection broke"
      : `status ${status} from the ${from}${error === null ? "" : ` (${error})`}`;
  const hit = cacheHit === null ? "" : cacheHit ? ", a cache hit" : ", no cache hit";
  const shown = text.length > 240 ? `${text.slice(0, 240)}...` : text;
  return `${who} in ${durationText(tookUs)}${hit}${text === "" ? "" : `: ${shown.trimEnd()}`}`;
};

const checkAnswer = (expectation: Of<"answer">, seen: Seen): Verdict => {
  const step = stepOf(seen, expectation.answer);
  const calls = seen.run.calls.filter((call) => call.step === step);
  const wanted = conditionsInWords(expectation);
  if (expectation.answered === false) {
    const answered = calls.find(({ answer }) => answer !== null);
    return verdict(
      calls.length > 0 && answered === undefined,
      `${expectation.answer} is never answered`,
      answered === undefined ? `${calls.length} calls, none answered` : answerInWords(answered),
    );
  }
  const wrong = calls.find((call) => !meets(call, expectation));
  const [first] = calls;
  return verdict(
    first !== undefined && wrong === undefined,
    `${expectation.answer} is answered ${wanted}`,
    first === undefined ? "it was never asked" : answerInWords(wrong ?? first),
  );
};

const checkAnswers = (expectation: Of<"answers">, seen: Seen): Verdict => {
  const { answers, model, count, share, ...conditions } = expectation;
  const step = stepOf(seen, answers);
  const names = model === undefined ? null : matchModels(model, [...seen.scenario.fleet.keys()]);
  const calls = seen.run.calls.filter(
    (call) =>
      (answers === "all" ? call.kind === "invoke" : call.step === step) &&
      (names === null || (call.model !== null && names.includes(call.model))),
  );
  const meeting = calls.filter((call) => meets(call, conditions)).length;
  const share0 = calls.length === 0 ? 0 : meeting / calls.length;
  const holds =
    count === undefined && share === undefined
      ? calls.length > 0 && meeting === calls.length
      : (count === undefined || isWithin(meeting, count)) && (share === undefined || isWithin(share0, share));
  const quantity = [count?.text, share?.text].filter((text) => text !== undefined).join(" and ") || "all";
  const whose = model === undefined ? "" : ` of ${model}`;
  return verdict(
    holds,
    `of the answers to ${answers}${whose}: ${quantity} with ${conditionsInWords(conditions) || "an answer"}`,
    `${meeting} of ${calls.length} (${(100 * share0).toFixed(1)} %)${statuses(calls)}`,
  );
};

const statuses = (calls: readonly Call[]): string => {
  const counts = new Map<string, number>();
  for (const { answer } of calls) {
    const status = answer === null ? "not answered" : String(answer.status ?? "broken");
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  const parts = [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([status, count]) => `${status}: ${count}`);
  return parts.length === 0 ? "" : `; ${parts.join(", ")}`;
};

const wantedModels = (patterns: readonly string[], { scenario }: Seen): readonly string[] =>
  patterns.flatMap((pattern) => matchModels(pattern, [...scenario.fleet.keys()]));

const readyTargets = (
  expectation: { at?: number | undefined; instance?: number | undefined },
  seen: Seen,
) => {
  const ready = seen.standing(expectation.at).ready(instanceName(seen, expectation.instance));
  return seen.scenario.targets.map(({ name }) => name).filter((name) => ready.has(name));
};

const checkResident = (expectation: Of<"resident">, seen: Seen): Verdict => {
  const { resident, at, instance } = expectation;
  const ready = seen.standing(at).ready(instanceName(seen, instance));
  return verdict(
    wantedModels(resident, seen).every((model) => ready.has(model)),
    `${moment(at)} ${all(resident)} resident${place(instance)}`,
    `resident: ${all(readyTargets(expectation, seen))}`,
  );
};

const checkNotResident = (expectation: Of<"not_resident">, seen: Seen): Verdict => {
  const { not_resident, at, instance } = expectation;
  const ready = seen.standing(at).ready(instanceName(seen, instance));
  return verdict(
    !wantedModels(not_resident, seen).some((model) => ready.has(model)),
    `${moment(at)} ${all(not_resident)} not resident${place(instance)}`,
    `resident: ${all(readyTargets(expectation, seen))}`,
  );
};

const checkFits = (expectation: Of<"fits">, seen: Seen): Verdict => {
  const { fits, models, at, instance } = expectation;
  const wanted = models === undefined ? null : wantedModels(models, seen);
  const ready = readyTargets(expectation, seen).filter((name) => wanted === null || wanted.includes(name));
  return verdict(
    isWithin(ready.length, fits),
    `${moment(at)} ${fits.text} ${models === undefined ? "models" : all(models)} resident${place(instance)}`,
    `${ready.length}: ${all(ready)}`,
  );
};

interface Window {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

const inWindow = (events: readonly JournalEvent[], { before, after }: Window): readonly JournalEvent[] =>
  before === undefined && after === undefined
    ? events
    : events.filter(
        ({ atUs }) => (before === undefined || atUs < before) && (after === undefined || atUs >= after),
      );

const windowInWords = ({ before, after }: Window): string =>
  [
    after === undefined ? "" : ` from ${durationText(after)} on`,
    before === undefined ? "" : ` before ${durationText(before)}`,
  ].join("");

type Eviction = Extract<JournalEvent, { event: "eviction" }>;

const evictionInWords = ({ atUs, victims, model, rule, trigger }: Eviction): string =>
  `${durationText(atUs)} ${all(victims.map((victim) => victim.model))} for ${model ?? "?"} (${trigger}, ${rule})`;

const shortList = (texts: readonly string[]): string =>
  texts.length === 0
    ? "none"
    : texts.slice(0, 6).join("; ") + (texts.length > 6 ? `; and ${texts.length - 6} more` : "");

const checkEvicted = (expectation: Of<"evicted">, seen: Seen): Verdict => {
  const { evicted, trigger, rule, victims, times } = expectation;
  const evictions = inWindow(seen.run.events, expectation).filter((event) => event.event === "eviction");
  const fitting = evictions.filter(
    (eviction) =>
      (trigger === undefined || eviction.trigger === trigger) &&
      (rule === undefined || eviction.rule.includes(rule)) &&
      (victims === undefined || isWithin(eviction.victims.length, victims)),
  );
  const counts = wantedModels(evicted, seen).map(
    (model) => fitting.filter((eviction) => eviction.victims.some((victim) => victim.model === model)).length,
  );
  const conditions = [
    trigger === undefined ? "" : ` by trigger ${trigger}`,
    rule === undefined ? "" : ` by rule ${rule}`,
    victims === undefined ? "" : `, ${victims.text} victims at once`,
    times === undefined ? "" : `, ${times.text} times`,
  ].join("");
  return verdict(
    counts.every((count) => (times === undefined ? count > 0 : isWithin(count, times))),
    `${all(evicted)} evicted${conditions}${windowInWords(expectation)}`,
    `evictions: ${shortList(evictions.map(evictionInWords))}`,
  );
};

const checkKilled = ({ killed, rule, times }: Of<"killed">, seen: Seen): Verdict => {
  const kills = seen.run.events.filter((event) => event.event === "killed");
  const counts = killed.map((pattern) => {
    const names = matchModels(pattern, [...seen.scenario.fleet.keys()]);
    return kills.filter(
      (kill) =>
        (kill.process === pattern || (kill.model !== undefined && names.includes(kill.model))) &&
        (rule === undefined || kill.rule.includes(rule)),
    ).length;
  });
  const conditions = `${rule === undefined ? "" : ` by rule ${JSON.stringify(rule)}`}${times === undefined ? "" : `, ${times.text} times`}`;
  return verdict(
    counts.every((count) => (times === undefined ? count > 0 : isWithin(count, times))),
    `${all(killed)} killed by the kernel${conditions}`,
    `kills: ${shortList(kills.map(({ atUs, process, rule: by }) => `${durationText(atUs)} ${process} (${by})`))}`,
  );
};

const checkHolds = (expectation: Of<"holds">, seen: Seen): Verdict => {
  const { holds: pattern, pool, bytes, at, instance } = expectation;
  const standing = seen.standing(at);
  const amounts = matchModels(pattern, [...seen.scenario.fleet.keys()]).map((model) => ({
    model,
    held: standing.held(model, pool, instanceName(seen, instance)),
  }));
  return verdict(
    amounts.every(({ held }) => isWithin(held, bytes)),
    `${moment(at)} ${pattern} holds ${bytes.text}${pool === undefined ? "" : ` of ${pool}`}${place(instance)}`,
    shortList(amounts.map(({ model, held }) => `${model} ${shownSize(held)}`)),
  );
};

const checkPool = (expectation: Of<"pool">, seen: Seen): Verdict => {
  const { pool, used, high_water, at, instance } = expectation;
  const standing = seen.standing(at);
  const at0 = instanceName(seen, instance);
  const [usedNow, highest] = [standing.used(pool, at0), standing.highWater(pool, at0)];
  const wanted = [
    used === undefined ? null : `used ${used.text}`,
    high_water === undefined ? null : `high-water mark ${high_water.text}`,
  ].filter((part) => part !== null);
  return verdict(
    (used === undefined || isWithin(usedNow, used)) &&
      (high_water === undefined || isWithin(highest, high_water)),
    `${moment(at)} pool ${pool}: ${wanted.join(", ")}${place(instance)}`,
    `used ${shownSize(usedNow)}, high-water mark ${shownSize(highest)}`,
  );
};

const checkState = (expectation: Of<"state">, seen: Seen): Verdict => {
  const { state: pattern, is, reason, at, instance } = expectation;
  const states = matchModels(pattern, [...seen.scenario.fleet.keys()]).map((model) => ({
    model,
    ...(seen.standing(at).state(model, instanceName(seen, instance)) ?? { state: "ABSENT", reason: "" }),
  }));
  return verdict(
    states.every((one) => one.state === is && (reason === undefined || one.reason.includes(reason))),
    `${moment(at)} ${pattern} is ${is}${reason === undefined ? "" : ` with reason ${JSON.stringify(reason)}`}${place(instance)}`,
    shortList(states.map((one) => `${one.model} ${one.state}${one.reason === "" ? "" : ` (${one.reason})`}`)),
  );
};

const checkEndpoint = ({ endpoint, status, reason, at }: Of<"endpoint">, { run }: Seen): Verdict => {
  const last = run.endpoint.findLast(({ atUs }) => at === undefined || atUs <= at);
  const because = last?.failureReason ?? "";
  return verdict(
    last?.status === status && (reason === undefined || because.includes(reason)),
    `${moment(at)} endpoint ${endpoint} is ${status}${reason === undefined ? "" : ` with reason ${JSON.stringify(reason)}`}`,
    last === undefined ? "it was not created" : `${last.status}${because === "" ? "" : `: ${because}`}`,
  );
};

const counted: Readonly<Record<Of<"count">["count"], JournalEvent["event"]>> = {
  loads: "load",
  unloads: "unload",
  evictions: "eviction",
  downloads: "download",
  kills: "killed",
  refusals: "refused",
  deaths: "container-died",
  restarts: "container-started",
  faults: "fault",
};

const checkCount = (expectation: Of<"count">, seen: Seen): Verdict => {
  const { count, model, is } = expectation;
  const names = model === undefined ? null : matchModels(model, [...seen.scenario.fleet.keys()]);
  const found = inWindow(seen.run.events, expectation).filter(
    (event) =>
      event.event === counted[count] &&
      (names === null || (event.model !== undefined && names.includes(event.model))),
  ).length;
  const whose = model === undefined ? "" : ` of ${model}`;
  return verdict(
    isWithin(found, is),
    `${count}${whose}${windowInWords(expectation)}: ${is.text}`,
    String(found),
  );
};

/** Numbers and truths have to be equal, texts may be part of what was said; of lists and mappings every part has to be met. */
const fits = (wanted: unknown, found: unknown): boolean => {
  if (typeof wanted === "string")
    return typeof found === "string" ? found.includes(wanted) : String(found) === wanted;
  if (Array.isArray(wanted)) {
    return Array.isArray(found) && wanted.every((one) => found.some((other) => fits(one, other)));
  }
  if (typeof wanted === "object" && wanted !== null) {
    return (
      typeof found === "object" &&
      found !== null &&
      Object.entries(wanted).every(([name, value]) =>
        fits(value, new Map<string, unknown>(Object.entries(found)).get(name)),
      )
    );
  }
  return wanted === found;
};

const checkJournal = (expectation: Of<"journal">, seen: Seen): Verdict => {
  const { journal, times } = expectation;
  const events = inWindow(seen.run.events, expectation);
  const found = events.filter((event) =>
    Object.entries(journal).every(([name, value]) =>
      name === "event"
        ? event.event === value
        : fits(value, new Map<string, unknown>(Object.entries(event)).get(name)),
    ),
  );
  const alike = events.filter(({ event }) => event === journal.event);
  return verdict(
    times === undefined ? found.length > 0 : isWithin(found.length, times),
    `journal with ${JSON.stringify(journal)}${times === undefined ? "" : `, ${times.text} times`}${windowInWords(expectation)}`,
    `${found.length} lines; of that event ${shortList(alike.map((event) => JSON.stringify(event)))}`,
  );
};
