import { expect, type TestAPI, test } from "vitest";
import type { PoolName } from "../core/memory/memory-account.ts";
import type { EmulatorControl } from "./control.ts";
import { misleadingVariables } from "./environment.ts";
import { hasAnswered507, hasEvicted, hasLoaded, hasStayedUnder, type Judgement } from "./judgements.ts";
import { type StartOptions, startEmulator, type TestEmulator } from "./start-emulator.ts";

/* `triton-local/testing/vitest`: importing it adds the matchers to vitest's `expect`. */

/** Of what `startEmulator`, the fixture and the container give. Each looks at all since the start or the last reset. */
export interface EmulatorMatchers {
  /** The model was loaded, whether it is still in memory or not. */
  toHaveLoaded(model: string): Promise<void>;
  /** The model was unloaded to make room. @param newcomer for this model; absent = for any */
  toHaveEvicted(model: string, newcomer?: string): Promise<void>;
  /** A pool never held as much. @param limit `12GiB`, `80%` of the pool, or bytes @param pool `host`, `gpu:0`, `shm`, `disk` */
  toHaveStayedUnder(limit: string | number, pool: PoolName): Promise<void>;
  /** The container answered a load or an invocation with 507: memory was exhausted. @param model absent = any */
  toAnswer507(model?: string): Promise<void>;
}

declare module "vitest" {
  interface Matchers<T> extends EmulatorMatchers {}
}

const isEmulator = (value: unknown): value is EmulatorControl =>
  typeof value === "object" &&
  value !== null &&
  "journal" in value &&
  "explain" in value &&
  "memory" in value;

const ofEmulator =
  <Args extends readonly unknown[]>(
    name: keyof EmulatorMatchers,
    judge: (emulator: EmulatorControl, ...args: Args) => Promise<Judgement>,
  ) =>
  async (received: unknown, ...args: Args): Promise<Judgement> => {
    if (isEmulator(received)) return judge(received, ...args);
    throw new TypeError(`${name} is asked of an emulator: expect(emulator).${name}(...)`);
  };

expect.extend({
  toHaveLoaded: ofEmulator("toHaveLoaded", hasLoaded),
  toHaveEvicted: ofEmulator("toHaveEvicted", hasEvicted),
  toHaveStayedUnder: ofEmulator("toHaveStayedUnder", hasStayedUnder),
  toAnswer507: ofEmulator("toAnswer507", hasAnswered507),
});

interface Fixtures {
  /** The same for all tests of a file, set back before each test that names it. */
  emulator: TestEmulator;
  /** As the last test left it. */
  emulatorOfFile: TestEmulator;
}

/**
 * vitest's `test` with an `emulator`: one for each file, as after its start in each test. `process.env` has its `env` while it
 * runs. The log of a test that fails is printed. Tests that run at the same time in one file would set it back for each other.
 */
export const emulatorTest = (options: StartOptions = {}): TestAPI<Fixtures> =>
  test.extend<Fixtures>({
    emulatorOfFile: [
      // biome-ignore lint/correctness/noEmptyPattern: vitest reads from it which fixtures this one needs
      async ({}, use) => {
        await using emulator = await startEmulator(options);
        const before = { ...process.env };
        for (const name of misleadingVariables) delete process.env[name];
        Object.assign(process.env, emulator.env);
        await use(emulator);
        for (const name of [...misleadingVariables, ...Object.keys(emulator.env)]) {
          if (before[name] === undefined) delete process.env[name];
          else process.env[name] = before[name];
        }
      },
      { scope: "file" },
    ],
    emulator: async ({ emulatorOfFile, onTestFailed }, use) => {
      await emulatorOfFile.reset();
      await emulatorOfFile.faults.add(...(options.faults ?? []));
      const logBefore = emulatorOfFile.log().length;
      onTestFailed(() => {
        process.stderr.write(emulatorOfFile.log().slice(logBefore));
      });
      await use(emulatorOfFile);
    },
  });
