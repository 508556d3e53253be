import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Result } from "../../../emulator/common/status.ts";
import { SystemClock } from "../../../emulator/common/system-clock.ts";
import type { ModelFolder } from "../../../emulator/core/storage.ts";
import { temporaryFolder } from "../../../emulator/parity/cases/model-repository.ts";
import { DiskStorage } from "../../../emulator/storage/disk-storage.ts";

const storage = new DiskStorage(new SystemClock());

/** The system's temporary folder of these tests. */
const temporary = temporaryFolder();
const outer = process.env.TMPDIR;

beforeAll(() => {
  process.env.TMPDIR = join(temporary.path, "inner");
  mkdirSync(join(temporary.path, "inner"));
});

afterAll(() => {
  if (outer === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = outer;
  temporary[Symbol.dispose]();
});

/** A repository with these files (path -> content), gone after the test. */
const repository = (files: Readonly<Record<string, string>> = {}): string => {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true });
    writeFileSync(join(folder.path, path), content);
  }
  return folder.path;
};

const answer = <T>(ask: (done: (result: Result<T>) => void) => void): Promise<Result<T>> => new Promise(ask);

const granted = <T>(result: Result<T>): T => {
  if (!result.ok) throw result.error;
  return result.value;
};

const listModels = async (root: string): Promise<readonly string[]> =>
  granted(await answer<readonly string[]>((done) => storage.listModels(root, done)));

const readModel = async (
  root: string,
  name = "m",
  configName: string | null = null,
): Promise<ModelFolder | null> =>
  granted(await answer<ModelFolder | null>((done) => storage.readModelFolder(root, name, configName, done)));

const createOverride = (files: Readonly<Record<string, string>>): Promise<Result<ModelFolder>> =>
  answer((done) =>
    storage.createOverrideFolder(
      new Map(Object.entries(files).map(([path, content]) => [path, new TextEncoder().encode(content)])),
      done,
    ),
  );

test("models: are the subfolders and the links to folders, sorted", async () => {
  const root = repository({ "b/1/x": "", "a/1/x": "", "file.txt": "" });
  symlinkSync(join(root, "b"), join(root, "link"));
  symlinkSync(join(root, "file.txt"), join(root, "link-to-file"));
  symlinkSync(join(root, "nowhere"), join(root, "broken"));
  expect(await listModels(root)).toEqual(["a", "b", "link"]);
});

test("models: of a root that is not there are an INTERNAL error", async () => {
  const result = await answer<readonly string[]>((done) => storage.listModels("/no/such/root", done));
  const error = { code: "INTERNAL", message: "failed to open directory /no/such/root" };
  expect(result).toMatchObject({ ok: false, error });
});

test("model folder: lists everything below with sizes, sorted by path", async () => {
  const root = repository({ "m/config.pbtxt": "name: 'm'", "m/1/model.bin": "12345", "m/labels.txt": "a" });
  const folder = await readModel(root);
  expect(folder!.path).toBe(join(root, "m"));
  expect(folder!.entries.map(({ path, kind, byteSize }) => [path, kind, byteSize])).toEqual([
    ["1", "folder", 0],
    ["1/model.bin", "file", 5],
    ["config.pbtxt", "file", 9],
    ["labels.txt", "file", 1],
  ]);
  expect(folder!.config).toEqual({ path: "config.pbtxt", text: "name: 'm'" });
});

test("model folder: is the root itself, when it has no name, and its path is as the root's is written", async () => {
  const root = repository({ "m/1/x": "" });
  const read = async (written: string, name: string): Promise<string | undefined> => {
    const answered = await answer<ModelFolder | null>((done) =>
      storage.readModelFolder(written, name, null, done),
    );
    return granted(answered)?.path;
  };
  expect(await read(root, "")).toBe(root);
  expect(await read(`${root}/`, "m")).toBe(`${root}/m`);
  expect(await read(`${root}//`, "m")).toBe(`${root}//m`);
  expect(await read(`${root}/m/..`, "m")).toBe(`${root}/m/../m`);
});

test("model folder: is null, when there is none of that name or the name is no folder's", async () => {
  const root = repository({ "m/1/x": "", "outside/secret/1/x": "", plain: "" });
  for (const name of ["absent", ".", "..", "../m", "m/1", "outside/secret", "plain", "m\\1", "m\0", "m\0x"]) {
    expect(await readModel(join(root), name), JSON.stringify(name)).toBeNull();
  }
});

test("model folder: odd names are only names", async () => {
  const names = ["a b", "..x", "ü", "%2e%2e", "-rf", "x'y\"z"];
  const root = repository(Object.fromEntries(names.map((name) => [`${name}/1/x`, ""])));
  for (const name of names) expect((await readModel(root, name))?.entries).toHaveLength(2);
});

test("named configuration: wins over config.pbtxt where it exists", async () => {
  const root = repository({ "m/config.pbtxt": "plain", "m/configs/named.pbtxt": "named" });
  expect((await readModel(root, "m", "named"))!.config).toEqual({
    path: "configs/named.pbtxt",
    text: "named",
  });
  expect((await readModel(root, "m", "absent"))!.config?.text).toBe("plain");
  expect((await readModel(root, "m", "../config"))!.config?.text).toBe("plain");
});

test("model folder: may lie behind links, and a link back to it is left out", async () => {
  const root = repository({ "elsewhere/model.bin": "123" });
  mkdirSync(join(root, "m"));
  symlinkSync(join(root, "elsewhere"), join(root, "m", "1"));
  symlinkSync(join(root, "m"), join(root, "m", "loop"));
  symlinkSync(join(root, "m"), join(root, "elsewhere", "loop"));
  symlinkSync(join(root, "nowhere"), join(root, "m", "broken"));
  expect((await readModel(root))!.entries.map(({ path }) => path)).toEqual(["1", "1/model.bin"]);
});

test("change time: is the newer of mtime and ctime", async () => {
  const root = repository({ "m/1/model.bin": "x" });
  const path = join(root, "m", "1", "model.bin");
  const changedMs = async (): Promise<number> =>
    (await readModel(root))!.entries.find((entry) => entry.path === "1/model.bin")!.changedMs;
  const before = await changedMs();
  await expect
    .poll(() => {
      writeFileSync(path, "y");
      utimesSync(path, 0, 0);
      return changedMs();
    })
    .toBeGreaterThan(before);
  const year2100 = Date.UTC(2100, 0) / 1000;
  utimesSync(path, year2100, year2100);
  expect(await changedMs()).toBe(year2100 * 1000);
});

test("change time of the folder: moves when something is put into it", async () => {
  const root = repository({ "m/1/model.bin": "x" });
  const before = (await readModel(root))!.changedMs;
  let files = 0;
  await expect
    .poll(async () => {
      writeFileSync(join(root, "m", `notes${files++}`), "");
      return (await readModel(root))!.changedMs;
    })
    .toBeGreaterThan(before);
});

test("file: is read whole; one that cannot be read says why", async () => {
  const root = repository({ "m/1/x": "abc" });
  const read = (path: string) => answer<Uint8Array>((done) => storage.readFile(path, done));
  expect(new TextDecoder().decode(granted(await read(join(root, "m/1/x"))))).toBe("abc");
  for (const [path, why] of [
    [join(root, "absent"), "No such file or directory"],
    [join(root, "m"), "Is a directory"],
  ] as const) {
    expect(await read(path)).toMatchObject({
      error: { code: "INTERNAL", message: `failed to open text file for read ${path}: ${why}` },
    });
  }
});

test("answers: come in a turn of their own", async () => {
  let inTurn = true;
  const seen = answer<readonly string[]>((done) =>
    storage.listModels("/", () => {
      expect(inTurn).toBe(false);
      done({ ok: true, value: [] });
    }),
  );
  inTurn = false;
  await seen;
});

test("override folder: holds the files that were sent, and is removed whole", async () => {
  const folder = granted(await createOverride({ "7/model.bin": "new", "labels.txt": "a", "7/sub/./x": "y" }));
  expect(folder.entries.map(({ path }) => path)).toEqual([
    "7",
    "7/model.bin",
    "7/sub",
    "7/sub/x",
    "labels.txt",
  ]);
  expect(readFileSync(join(folder.path, "7/model.bin"), "utf8")).toBe("new");
  storage.removeOverrideFolder(folder.path);
  await expect.poll(() => existsSync(folder.path)).toBe(false);
});

test("override folder: paths that leave it are refused, and nothing is written", async () => {
  const before = readdirSync(temporary.path, { recursive: true });
  for (const path of ["../x", "1/../../x", "../../x", "../../../../../../../x", ".."]) {
    const result = await createOverride({ "1/model.bin": "", [path]: "bad" });
    expect(result, JSON.stringify(path)).toMatchObject({ ok: false, error: { code: "INVALID_ARG" } });
  }
  expect(await createOverride({ "../../x.py": "" })).toMatchObject({
    error: {
      message: `Invalid file parameter 'file:../../x.py' with normalized path '${join(temporary.path, "x.py")}' must stay within model directory.`,
    },
  });
  expect(readdirSync(temporary.path, { recursive: true })).toEqual(before);
});

test("override folder: a path that is the folder itself cannot be written", async () => {
  const before = readdirSync(temporary.path, { recursive: true });
  for (const path of [".", "", "a/.."]) {
    const result = await createOverride({ [path]: "bad" });
    expect(result.ok ? null : result.error.asString()).toMatch(
      /^Internal: failed to open binary file for write .*: Is a directory$/,
    );
  }
  expect(readdirSync(temporary.path, { recursive: true })).toEqual(before);
});

test("override folder: an absolute path is one below it", async () => {
  const folder = granted(await createOverride({ "/1/model.bin": "x" }));
  expect(statSync(join(folder.path, "1/model.bin")).isFile()).toBe(true);
});

test("override folder: a path below a file is refused, and no folder stays", async () => {
  const before = readdirSync(join(temporary.path, "inner"));
  const result = await createOverride({ "7": "a file", "7/model.bin": "" });
  expect(readdirSync(join(temporary.path, "inner"))).toEqual(before);
  expect(result).toMatchObject({
    error: {
      code: "INVALID_ARG",
      message: "Invalid file parameter 'file:7/model.bin', directory has been created as a file",
    },
  });
});
