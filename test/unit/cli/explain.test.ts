import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EXPLAIN_USAGE, explainCommand } from "../../../emulator/cli/explain.ts";
import { silentLog } from "../../../emulator/common/log.ts";
import { VirtualClock } from "../../../emulator/common/virtual-clock.ts";
import { FaultPlan } from "../../../emulator/core/faults/fault-plan.ts";
import { startControlFrontend } from "../../../emulator/frontends/control/server.ts";
import { type Listener, listen } from "../../../emulator/frontends/http1/listener.ts";
import { Story } from "../../support/journal-story.ts";

let folder = "";
const listeners: Listener[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "explain-"));
});

afterEach(async () => {
  rmSync(folder, { recursive: true });
  for (const listener of listeners.splice(0)) await listener.close();
});

/** Exit code, and what was printed where. */
const run = async (...args: string[]) => {
  const printed = { out: "", err: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name === "stdout" ? "out" : "err"] += String(text);
      return true;
    }),
  );
  try {
    return { code: await explainCommand(args), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
};

const story = new Story().cold(1, "a.tar.gz", "r-1").hit(9, "a.tar.gz", "r-2");

const file = (content: string): string => {
  const path = join(folder, "journal.jsonl");
  writeFileSync(path, content);
  return `--journal=${path}`;
};

test("explain --journal: prints what the journal says of a request or a model, and exits 0", async () => {
  const journal = file(story.journal.text());
  expect(await run("r-2", journal)).toEqual({ code: 0, out: story.explain({ request: "r-2" }), err: "" });
  expect(await run("a.tar.gz", journal)).toEqual({
    code: 0,
    out: story.explain({ model: "a.tar.gz" }),
    err: "",
  });
});

test("explain: exits 1 where nobody knows it, and says what is near", async () => {
  const { code, out } = await run("a.tar", file(story.journal.text()));
  expect(code).toBe(1);
  expect(out).toContain("Did you mean a.tar.gz?");
});

test("explain --journal: exits 2 for a file that cannot be read, or is no journal, and says where", async () => {
  const broken = await run("r-1", file(`${story.journal.text()}{}\n`));
  expect(broken).toMatchObject({ code: 2, out: "" });
  expect(broken.err).toMatch(/is no journal: line 10: event undefined is not known/);
  const missing = await run("r-1", `--journal=${join(folder, "none")}`);
  expect(missing).toMatchObject({ code: 2, out: "" });
  expect(missing.err).toContain("cannot read the journal");
});

test("explain --url: asks the server, for a request first, then for a model, then for an endpoint", async () => {
  const { journal } = story.status(30, "e", "Creating", "c");
  const frontend = await startControlFrontend(
    { address: "127.0.0.1", port: 0 },
    {
      journal,
      faults: new FaultPlan(),
      clock: new VirtualClock(),
      isReady: () => true,
      resetModels: (done) => done(),
      resetMetrics: () => {},
      memory: () => ({ instances: [], real: { rssBytes: 0, gpus: [] } }),
    },
    silentLog,
  );
  listeners.push(frontend);
  const url = `--url=http://127.0.0.1:${frontend.port}/`;
  expect(await run("r-2", url)).toEqual({ code: 0, out: story.explain({ request: "r-2" }), err: "" });
  expect(await run("a.tar.gz", url)).toMatchObject({ code: 0, out: story.explain({ model: "a.tar.gz" }) });
  expect(await run("e", url)).toMatchObject({ code: 0, out: story.explain({ endpoint: "e" }) });
  const nobody = await run("nobody at all", url);
  expect(nobody).toMatchObject({
    code: 1,
    out: expect.stringContaining("no model 'nobody at all'"),
    err: "",
  });
});

test("explain --url: exits 2 where something else answers, or nobody does", async () => {
  const other = await listen(
    {
      address: "127.0.0.1",
      port: 0,
      onRequest: ({ reply }) => reply({ status: 404, headers: ["Content-Type", "text/html"], body: [] }),
    },
    silentLog,
  );
  const url = `--url=http://127.0.0.1:${other.port}`;
  const answered = await run("r-1", url);
  expect([answered.code, answered.err.includes("answered 404")]).toEqual([2, true]);
  await other.close();
  const silent = await run("r-1", url);
  expect(silent.code).toBe(2);
  expect(silent.err).toContain("ECONNREFUSED");
  expect(silent.err).toContain("Is the server running");
});

test.each([
  [[], "explain takes one request id, model or endpoint"],
  [["a", "b"], "explain takes one request id, model or endpoint"],
  [["a", "--url=x", "--journal=y"], "give --url or --journal, not both"],
  [["a", "--what"], "--what"],
])("explain %j: exits 2 with how it is used", async (args, message) => {
  const { code, out, err } = await run(...args);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain(message);
  expect(err).toContain(EXPLAIN_USAGE);
});

test("explain --help: prints how it is used", async () => {
  expect(await run("--help")).toEqual({ code: 0, out: EXPLAIN_USAGE, err: "" });
});
