import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { silentLog } from "../../../emulator/common/log.ts";
import { Random } from "../../../emulator/common/random.ts";
import { DiskObjectStore } from "../../../emulator/storage/disk-object-store.ts";
import { contentOf, filesOf, localObjectStore } from "../../support/local-object-store.ts";
import { BUCKET, contentOfVersions, type Line } from "../../support/object-store-worker.ts";

/** `STORE_KILLS=1000 STORE_SEED=7 npx vitest run disk-object-store-killed` does more, or the same again. */
const kills = Number(process.env.STORE_KILLS ?? 50);
const seed = Number(process.env.STORE_SEED ?? Math.floor(Math.random() * 2 ** 32));

const worker = fileURLToPath(new URL("../../support/object-store-worker.ts", import.meta.url));

/** Runs the worker until it has said so many lines, and kills it there. @returns all that it said */
const killedAfter = async (folder: string, workerSeed: number, lines: number): Promise<Line[]> => {
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

/** What may be there: the last that was done, and what was begun after it. */
class Expected {
  readonly #possible = new Map<string, (string | null)[]>();

  take({ on, id, state, done }: Line): void {
    const name = `${on} ${id}`;
    if (done) this.#possible.set(name, [state]);
    else this.#possible.set(name, [...this.of(on, id), state]);
  }

  of(on: Line["on"], id: string): readonly (string | null)[] {
    return this.#possible.get(`${on} ${id}`) ?? [null];
  }

  settle(on: Line["on"], id: string, state: string | null): void {
    this.#possible.set(`${on} ${id}`, [state]);
  }

  ids(on: Line["on"]): string[] {
    return [...this.#possible.keys()].flatMap((name) =>
      name.startsWith(`${on} `) ? [name.slice(on.length + 1)] : [],
    );
  }
}

test(
  `kill -9: nothing acknowledged is lost and nothing half-written is seen, at ${kills} random points`,
  async () => {
    process.stdout.write(`kills: ${kills} from STORE_SEED=${seed}\n`);
    const { root } = await localObjectStore();
    const random = new Random(seed);
    const expected = new Expected();
    for (let kill = 0; kill < kills; kill++) {
      const at = `STORE_SEED=${seed}, kill ${kill}`;
      const said = await killedAfter(root, random.nextUint32(), 1 + (random.nextUint32() % 24));
      for (const line of said) expected.take(line);
      const warnings: string[] = [];
      const store = await DiskObjectStore.open(root, {
        ...silentLog,
        warning: (text) => warnings.push(text),
      });
      expect(warnings, at).toEqual([]);

      for (const id of expected.ids("bucket")) {
        const state = store.bucket(id) === null ? null : "there";
        expect(expected.of("bucket", id), `${at}: bucket ${id}`).toContain(state);
        expected.settle("bucket", id, state);
      }
      for (const key of expected.ids("object")) {
        const content = await contentOf(store, BUCKET, key);
        const version = (await store.head(BUCKET, key))?.headers.version ?? null;
        expect(expected.of("object", key), `${at}: object ${key}`).toContain(version);
        expect(content?.equals(contentOfVersions(version ?? "")) ?? null, `${at}: object ${key}`).toBe(
          version === null ? null : true,
        );
        expected.settle("object", key, version);
      }
      const { entries } = store.list(BUCKET, { prefix: "", delimiter: "", after: "", limit: 1000 });
      const known = expected.ids("object").filter((key) => expected.of("object", key)[0] !== null);
      expect(
        entries.map((entry) => ("object" in entry ? entry.object.key : "")),
        at,
      ).toEqual(known.sort());

      const uploads = new Map(store.uploads(BUCKET).map((upload) => [upload.uploadId, upload]));
      for (const id of expected.ids("upload")) {
        const possible = expected.of("upload", id);
        const sizes = uploads.get(id)?.parts.map(({ byteSize }) => byteSize) ?? null;
        expect(
          possible.map(
            (parts) =>
              parts?.split("+").flatMap((part) => (part === "" ? [] : [Number(part.split(":")[1])])) ?? null,
          ),
          `${at}: upload ${id}`,
        ).toContainEqual(sizes);
        expected.settle("upload", id, null);
      }
      for (const id of uploads.keys()) await store.abortUpload(BUCKET, id);
      const notOfObjects = filesOf(root).filter((path) => !/\/objects\/[0-9a-f]{64}$/.test(path));
      const buckets = store.buckets().map(({ name }) => name);
      expect(notOfObjects, at).toEqual(
        [
          "buckets",
          "temporary",
          ...buckets.flatMap((name) =>
            ["", "/objects", "/uploads"].map((below) => `buckets/${name}${below}`),
          ),
        ].sort(),
      );
    }
  },
  60_000 + 3_000 * kills,
);
