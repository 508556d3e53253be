import { expect, test } from "vitest";
import type { Answered, SingleModelContainer } from "../../../../emulator/aws/placement/container.ts";
import { localEndpoint, type PlatformAnswer } from "../../../../emulator/aws/placement/platform-answer.ts";
import { SingleModelAgent } from "../../../../emulator/aws/placement/single-model-agent.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import type { JournalEvent } from "../../../../emulator/journal/event.ts";
import { Journal } from "../../../../emulator/journal/journal.ts";

const SECOND = 1_000_000;

class OneModel implements SingleModelContainer {
  alive = true;
  restarts = 0;
  answer: { readonly status: number; readonly text: string; readonly afterUs: number } = {
    status: 200,
    text: "ok",
    afterUs: 10_000,
  };
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  ping(answered: Answered): void {
    answered(this.alive ? { status: 200, headers: [], body: new Uint8Array(0) } : null);
  }

  invocations(_call: object, answered: Answered): void {
    const { status, text, afterUs } = this.answer;
    if (!this.alive) answered(null);
    else
      this.#clock.setTimer(afterUs, () =>
        answered({ status, headers: ["Content-Type", "text/plain"], body: Buffer.from(text) }),
      );
  }

  restart(started: (running: boolean) => void): void {
    this.restarts++;
    this.#clock.setTimer(SECOND, () => {
      this.alive = true;
      started(true);
    });
  }
}

const serve = () => {
  const clock = new VirtualClock();
  const container = new OneModel(clock);
  const run = { seed: 1, machine: null, profile: "", policy: null, scenario: null };
  const journal = new Journal({ clock, run });
  const events: JournalEvent[] = [];
  journal.listen((event) => events.push(event));
  const agent = new SingleModelAgent({ instance: "i", container, clock, journal, endpoint: localEndpoint });
  agent.start();
  const answers: PlatformAnswer[] = [];
  const invoke = (more: { limitUs?: number } = {}): void =>
    agent.invoke(
      { requestId: "r", targetModel: "", headers: [], body: new Uint8Array(0), ...more },
      (answer) => answers.push(answer),
    );
  return { clock, container, agent, answers, invoke, events };
};

test("one model: what the container says is the answer, and all of its time the container's", () => {
  const { clock, answers, invoke, events } = serve();
  invoke();
  clock.advance(10_000);
  expect(answers).toMatchObject([
    { status: 200, from: "container", cacheHit: true, times: { waitUs: 0, containerUs: 10_000 } },
  ]);
  expect(events.filter(({ request }) => request === "r").map(({ event }) => event)).toEqual([
    "invocation",
    "answer",
  ]);
});

test("one model: an error of the container is a ModelError; an answer that does not come in 60 s too", () => {
  const { clock, container, answers, invoke } = serve();
  container.answer = { status: 500, text: "bad", afterUs: 0 };
  invoke();
  clock.settle();
  container.answer = { status: 200, text: "late", afterUs: 61 * SECOND };
  invoke();
  clock.advance(60 * SECOND);
  expect(answers.map(({ status, error }) => [status, error?.type, error?.originalStatusCode])).toEqual([
    [424, "ModelError", 500],
    [424, "ModelError", 0],
  ]);
});

test("one model: an invocation that brings a time of its own has that long", () => {
  const { clock, container, answers, invoke } = serve();
  container.answer = { status: 200, text: "late", afterUs: 61 * SECOND };
  invoke({ limitUs: 900 * SECOND });
  invoke({ limitUs: SECOND });
  clock.advance(61 * SECOND);
  expect(answers.map(({ status, error }) => [status, error?.timedOut])).toEqual([
    [424, true],
    [200, undefined],
  ]);
});

test("one model: a container that died is started again, and requests wait for it", () => {
  const { clock, container, agent, answers, invoke } = serve();
  container.alive = false;
  invoke();
  expect(answers).toMatchObject([{ status: 424, error: { originalStatusCode: 0 } }]);
  expect(agent.healthy).toBe(false);
  invoke();
  clock.advance(SECOND + 10_000);
  expect(container.restarts).toBe(1);
  expect(answers[1]).toMatchObject({ status: 200 });
  expect(agent.healthy).toBe(true);
});

test("one model: an instance that leaves answers what it has, and nothing new", () => {
  const { clock, agent, answers, invoke } = serve();
  invoke();
  let left = false;
  agent.drain(() => {
    left = true;
  });
  invoke();
  expect(answers).toMatchObject([{ status: 503, error: { type: "ServiceUnavailable" } }]);
  expect(left).toBe(false);
  clock.advance(10_000);
  expect(answers[1]).toMatchObject({ status: 200 });
  expect(left).toBe(true);
});

test("one model: stopped, what waits is answered with 503", () => {
  const { agent, answers, invoke } = serve();
  invoke();
  agent.stop();
  expect(answers).toMatchObject([{ status: 503 }]);
  agent.drain(() => answers.push(...answers));
  expect(answers).toHaveLength(2);
});
