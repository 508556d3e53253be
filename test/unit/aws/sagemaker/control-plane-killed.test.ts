import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StateFile } from "../../../../emulator/aws/sagemaker/state-file.ts";
import { Random } from "../../../../emulator/common/random.ts";
import { Fixture, SECOND } from "./control-plane-fixture.ts";
import { type Line, stateOf } from "./control-plane-worker.ts";

/** `STATE_KILLS=1000 STATE_SEED=7 npx vitest run control-plane-killed` does more, or the same again. */
const kills = Number(process.env.STATE_KILLS ?? 50);
const seed = Number(process.env.STATE_SEED ?? Math.floor(Math.random() * 2 ** 32));

const worker = fileURLToPath(new URL("control-plane-worker.ts", import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "triton-local-killed-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the worker until it has said so many lines, and kills it there. @returns all that it said */
const killedAfter = async (workerSeed: number, lines: number): Promise<Line[]> => {
  const child = spawn(process.execPath, [worker, folder, String(workerSeed)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said: Line[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => {
    // What was cut off was not said.
    if (line.endsWith("}")) said.push(JSON.parse(line));
    if (said.length === lines) child.kill("SIGKILL");
  });
  const [[code, signal]] = await Promise.all([once(child, "exit"), once(reader, "close")]);
  expect({ code, signal }).toEqual({ code: null, signal: "SIGKILL" });
  return said;
};

test(
  `kill -9: what the control plane answered is there again, at ${kills} random points`,
  async () => {
    process.stdout.write(`kills: ${kills} from STATE_SEED=${seed}\n`);
    const random = new Random(seed);
    /** By id: what was last done, and what was begun after it. */
    const possible = new Map<string, (string | null)[]>();
    for (let kill = 0; kill < kills; kill++) {
      const said = await killedAfter(random.nextUint32(), 1 + (random.nextUint32() % 60));
      for (const { id, state, done } of said) {
        possible.set(id, done ? [state] : [...(possible.get(id) ?? [null]), state]);
      }
      const store = new StateFile(folder);
      const fixture = new Fixture(store);
      fixture.clock.advance(SECOND);
      for (const [id, states] of possible) {
        const state = stateOf(fixture, id);
        expect(states, `STATE_SEED=${seed}, kill ${kill}: ${id}`).toContain(state);
        possible.set(id, [state]);
      }
      expect(readdirSync(folder)).toEqual(["sagemaker.jsonl"]);
      fixture.plane.stop();
    }
  },
  kills * 5000,
);
