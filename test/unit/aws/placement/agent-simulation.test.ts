import { describe, expect, test } from "vitest";
import {
  type EvictionSettings,
  evictionPresets,
} from "../../../../emulator/aws/placement/eviction/presets.ts";
import { victimCounts } from "../../../../emulator/aws/placement/eviction/victim-counts.ts";
import { victimPolicies } from "../../../../emulator/aws/placement/eviction/victim-policies.ts";
import { Router } from "../../../../emulator/aws/placement/router.ts";
import { Random } from "../../../../emulator/common/random.ts";
import { fail } from "../../../../emulator/common/status.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { eventText } from "../../../../emulator/journal/event-text.ts";
import {
  type AgentFixture,
  agentFixture,
  diskFull,
  MEGABYTE,
  RecordedJournal,
  SECOND,
} from "./agent-fixture.ts";
import type { Operation, Reply } from "./scripted-container.ts";

const MODELS = Array.from({ length: 12 }, (_, index) => `m${index}.tar.gz`);

/** Whole numbers below `limit`. */
const dice =
  (random: Random) =>
  (limit: number): number =>
    Math.floor((random.nextUint32() / 2 ** 32) * limit);

const pick = <T>(values: readonly T[], roll: (limit: number) => number): T => values[roll(values.length)]!;

/** Everything that can go wrong with a container, by chance; and what must never happen, checked as it is called. */
const hostile = (fixture: AgentFixture, roll: (limit: number) => number) => {
  const { container, clock, agent } = fixture;
  const wrongs: string[] = [];
  /** What runs at the container, by operation and model; forgotten when it is started anew. */
  let running = new Map<string, number>();
  const reply = (operation: Operation, model: string): Reply => {
    const chance = roll(1000);
    if (chance < 10) return "never";
    if (chance < 20) return { status: null, afterUs: roll(SECOND) };
    const afterUs = pick([undefined, 0, roll(SECOND), roll(20 * SECOND), roll(90 * SECOND)], roll);
    const wrong = chance < 250;
    const statuses = {
      load: [507, 507, 507, 400, 409],
      unload: [400, 404, 409],
      invoke: [507, 507, 404, 400, 500],
    };
    const status =
      wrong && (operation === "load" || operation === "unload" || operation === "invoke")
        ? pick(statuses[operation], roll)
        : 200;
    return { status, text: `${operation} ${model}`, ...(afterUs === undefined ? {} : { afterUs }) };
  };
  const count = (key: string): number => running.get(key) ?? 0;
  const track = (operation: Operation, model: string): Reply => {
    if (operation === "load" && count(`load ${model}`) > 0) wrongs.push(`two loads of ${model} at once`);
    if (operation === "unload" && count(`invoke ${model}`) > 0) wrongs.push(`${model} unloaded in use`);
    if (operation === "invoke" && count(`unload ${model}`) > 0)
      wrongs.push(`${model} used while it is unloaded`);
    if (operation === "invoke" && count(`load ${model}`) > 0)
      wrongs.push(`${model} used before it is loaded`);
    const scripted = reply(operation, model);
    if (scripted !== "never" && scripted.afterUs === undefined) return scripted;
    const key = `${operation} ${model}`;
    const mine = running;
    mine.set(key, count(key) + 1);
    // A load or unload that never ends is given up after 360 s; just before, it counts no longer.
    const limited = operation === "load" || operation === "unload";
    const endUs = scripted === "never" ? (limited ? 360 * SECOND - 1 : null) : (scripted.afterUs ?? 0);
    if (endUs !== null) clock.setTimer(endUs, () => mine.set(key, (mine.get(key) ?? 0) - 1));
    return scripted;
  };
  for (const operation of ["load", "unload", "invoke"] as const) {
    container.scripts[operation] = (model) => track(operation, model);
  }
  container.scripts.ping = () =>
    pick<Reply>([{ status: 200 }, { status: 200, afterUs: SECOND }, { status: 400 }, { status: null }], roll);
  container.scripts.restart = () => {
    running = new Map();
    return { status: 200, afterUs: roll(5 * SECOND) };
  };
  const names = agent.residents().map(({ name }) => name);
  if (new Set(names).size !== names.length) wrongs.push("a resident twice");
  return wrongs;
};

/** @returns what went wrong, and the journal */
const simulate = (
  seed: number,
  minutes: number,
): { wrongs: readonly string[]; journal: string; asked: number } => {
  const random = new Random(seed);
  const roll = dice(random);
  const clock = new VirtualClock();
  const journal = new RecordedJournal();
  const settings: Partial<EvictionSettings> = {
    triggers: pick(
      [
        evictionPresets.sagemaker.triggers,
        [...evictionPresets.sagemaker.triggers, "idle-timeout"],
        ["out-of-memory-answer"],
      ],
      roll,
    ),
    idleTimeoutUs: 20 * SECOND,
    victims: pick(Object.keys(victimPolicies) as (keyof typeof victimPolicies)[], roll),
    howMany: pick(Object.keys(victimCounts) as (keyof typeof victimCounts)[], roll),
    sampleEveryUs: pick([0, SECOND], roll),
    minimumIdleUs: pick([0, 0, 5 * SECOND], roll),
  };
  const fixtures = [1, 2].map((number) =>
    agentFixture({
      clock,
      journal,
      settings,
      instance: `i-${number}`,
      seed,
      cacheEnabled: roll(4) > 0,
      disk: { capacityBytes: pick([400, 800, 10_000], roll) * MEGABYTE },
      nextUseUs: () => null,
    }),
  );
  const wrongs = fixtures.map((fixture) => hostile(fixture, roll));
  for (const { agent, artifacts } of fixtures) {
    artifacts.fails = () =>
      pick([null, null, null, null, null, diskFull, fail("INVALID_ARG", "not gzip")], roll);
    agent.start();
  }
  const router = new Router({ agents: fixtures.map(({ agent }) => agent), journal });
  const lost: string[] = [];
  const answered = new Map<string, number>();
  let asked = 0;
  const end = minutes * 60 * SECOND;
  while (clock.now() < end) {
    const requestId = `r-${++asked}`;
    const arrivedUs = clock.now();
    const targetModel = roll(50) === 0 ? "../x" : pick(MODELS, roll);
    const answer = (): void => {
      answered.set(requestId, (answered.get(requestId) ?? 0) + 1);
      const tookUs = clock.now() - arrivedUs;
      if (tookUs > 60 * SECOND) lost.push(`${requestId} took ${tookUs / SECOND} s`);
    };
    router.invoke({ requestId, targetModel, headers: [], body: new Uint8Array() }, answer);
    for (const fixture of fixtures) fixture.memory = roll(20) === 0 ? null : { hostMegabytes: roll(1100) };
    clock.advance(pick([0, roll(SECOND), roll(5 * SECOND)], roll));
  }
  clock.advance(61 * SECOND);
  for (let request = 1; request <= asked; request++) {
    const times = answered.get(`r-${request}`) ?? 0;
    if (times !== 1) lost.push(`r-${request} answered ${times} times`);
  }
  for (const { agent } of fixtures) agent.stop();
  clock.runAll();
  return {
    wrongs: [...wrongs.flat(), ...lost],
    journal: journal.events.map((event) => eventText({ atUs: 0, ...event })).join("\n"),
    asked,
  };
};

describe("the agent under a hostile container", () => {
  const seeds = Array.from({ length: 16 }, (_, index) => index + 1);

  test.each(seeds)(
    "answers every call once and in time, and never loads a model twice at once nor unloads one in use, seed %i",
    (seed) => {
      const { wrongs, asked } = simulate(seed, 20);
      expect(asked).toBeGreaterThan(500);
      expect(wrongs).toEqual([]);
    },
  );

  test("writes the same journal for the same seed, and another for another", () => {
    const first = simulate(77, 10).journal;
    expect(simulate(77, 10).journal).toBe(first);
    expect(simulate(78, 10).journal).not.toBe(first);
  });
});
