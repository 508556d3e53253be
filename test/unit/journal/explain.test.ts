import { describe, expect, test } from "vitest";
import { explain, questionOf } from "../../../emulator/journal/explain.ts";
import { eviction, GIB, MIB, Story } from "../../support/journal-story.ts";

const victim = (model: string, hostBytes = 1.9 * GIB, idleUs = 180e6, uses = 3) => ({
  model,
  hostBytes,
  gpuBytes: 0,
  idleUs,
  uses,
});

/** `a` and `b` are in memory; at 240 s request r-4 wants `c`, for which both have to go. */
const makingRoom = (change: Parameters<typeof eviction>[2] = {}) =>
  new Story()
    .cold(10, "a", "r-1")
    .cold(20, "b", "r-2")
    .hit(60, "a", "r-3")
    .at(240)
    .write({ model: "c", request: "r-4", event: "invocation", cacheHit: false })
    .write({ model: "c", request: "r-4", event: "download", bytes: 292 * MIB })
    .at(242)
    .write({ model: "c", request: "r-4", event: "unpacked", bytes: 400 * MIB, durationUs: 2e6 })
    .write(eviction("c", "r-4", { victims: [victim("b"), victim("a")], ...change }))
    .evicted(242, "b", "c", "r-4")
    .evicted(242.5, "a", "c", "r-4");

const loadedAndAnswered = (story: Story) =>
  story
    .at(243)
    .write({ model: "c", request: "r-4", event: "load" })
    .at(253)
    .write({ model: "c", request: "r-4", event: "load-answer", status: 200, durationUs: 10e6 })
    .at(253.2)
    .write({
      model: "c",
      request: "r-4",
      event: "answer",
      status: 200,
      from: "container",
      durationUs: 13.2e6,
    });

describe("a request that took long", () => {
  test("for it room had to be made: the reading, the rule, who went, and where the time is", () => {
    expect(loadedAndAnswered(makingRoom()).explain({ request: "r-4" })).toBe(
      `Request r-4 for c on i-1 succeeded: 200 from the container after 13.2 s, because c had to be brought into memory first.

     +0 s  c was not in memory: it had not been loaded on i-1
     +0 s  its archive of 292.0 MiB was downloaded and unpacked in 2 s: 400.0 MiB on disk
     +2 s  room was to be made (high-utilisation): host stood at 84 % (12.6 GiB of 15.0 GiB, read 0.4 s before), above the mark of 80 %
             rule lru, until-estimate-fits chose 2 models for c, which needs an estimated 512.0 MiB of host:
               b: idle 3 min, 3 uses, frees 1.9 GiB of host
               a: idle 3 min, 3 uses, frees 1.9 GiB of host
     +2 s  b was unloaded in 0.5 s
   +2.5 s  a was unloaded in 0.5 s
     +3 s  c was loaded in 10 s
  +13.2 s  answered 200

Of 13.2 s: 2 s downloading and unpacking, 1 s unloading others, 10 s loading, 0.2 s the rest: waiting and the inference.

What would have prevented it:
  - The mark of 80 % would not have been passed with 15.8 GiB of host or more; this machine has 15.0 GiB.
`,
    );
  });

  test("its model had been unloaded for somebody else: for whose request, and that it was still on the disk", () => {
    const story = loadedAndAnswered(makingRoom())
      .at(300)
      .write({ model: "a", request: "r-5", event: "invocation", cacheHit: false })
      .write({ model: "a", request: "r-5", event: "load" })
      .bytes("a", 1.9 * GIB, 9 * GIB)
      .at(302)
      .write({ model: "a", request: "r-5", event: "load-answer", status: 200, durationUs: 2e6 })
      .at(302.1)
      .write({
        model: "a",
        request: "r-5",
        event: "answer",
        status: 200,
        from: "container",
        durationUs: 2.1e6,
      });
    expect(story.explain({ request: "r-5" })).toBe(
      `Request r-5 for a on i-1 succeeded: 200 from the container after 2.1 s, because a had to be brought into memory first.

    +0 s  a was not in memory: it had been unloaded 57 s before to make room for c, which request r-4 asked for
    +0 s  a was loaded from the archive that was still on the disk in 2 s, and took 1.9 GiB of host
  +2.1 s  answered 200

Of 2.1 s: 2 s loading, 0.1 s the rest: waiting and the inference.

What would have prevented it:
  - Where a was in memory already, an answer took 30 ms (median of 1).
`,
    );
    expect(story.explain({ request: "r-4" })).toContain(
      "  +1 min  a, unloaded for this, was asked for again by request r-5",
    );
  });

  test("its archive had been deleted from the disk, and for whom", () => {
    const story = new Story()
      .cold(1, "a", "r-1")
      .at(30)
      .write({ model: "a", request: "r-2", event: "archive-deleted", bytes: 5, rule: "lru" })
      .cold(90, "a", "r-3");
    expect(story.explain({ request: "r-3" })).toContain(
      "its archive of 292.0 MiB (deleted from the disk 1 min before, for request r-2) was downloaded and unpacked in 1 s",
    );
  });

  test("it waited for a load that another request had begun", () => {
    const story = new Story()
      .at(10)
      .write({ model: "a", request: "r-1", event: "invocation", cacheHit: false })
      .write({ model: "a", request: "r-1", event: "load" })
      .at(12)
      .write({ model: "a", request: "r-2", event: "invocation", cacheHit: false })
      .at(15)
      .write({ model: "a", request: "r-1", event: "load-answer", status: 200, durationUs: 5e6 })
      .at(15.1)
      .write({
        model: "a",
        request: "r-2",
        event: "answer",
        status: 200,
        from: "container",
        durationUs: 3.1e6,
      });
    const text = story.explain({ request: "r-2" });
    expect(text).toContain("because it waited for a, which request r-1 was bringing into memory.");
    expect(text).toContain(
      "+0 s  a was not in memory, but request r-1 was already bringing it in: this one waited for it",
    );
    expect(text).toContain("+3 s  the load that had begun before ended: the answer 200");
    expect(text).toContain("Of 3.1 s: 3 s loading, 0.1 s the rest: waiting and the inference.");
  });

  test("a fault made it so", () => {
    const story = new Story()
      .at(10)
      .write({ model: "a", request: "r-1", event: "invocation", cacheHit: false })
      .write({ model: "a", request: "r-1", event: "load" })
      .write({ model: "a", event: "fault", fault: "slow-load", operation: "load" })
      .at(30)
      .write({ model: "a", request: "r-1", event: "load-answer", status: 200, durationUs: 20e6 })
      .write({
        model: "a",
        request: "r-1",
        event: "answer",
        status: 200,
        from: "container",
        durationUs: 20e6,
      });
    const text = story.explain({ request: "r-1" });
    expect(text).toContain("200 from the container after 20 s, because the fault slow-load struck at load.");
    expect(text).toContain("  - The fault slow-load struck here: without that rule it would not have.");
  });
});

describe("a request that failed", () => {
  test("nothing fitted and nobody was left to unload", () => {
    const story = makingRoom()
      .at(243)
      .write({ model: "c", request: "r-4", event: "load" })
      .write({
        model: "c",
        event: "refused",
        pool: "gpu:0",
        asked: 700 * MIB,
        free: 300 * MIB,
        text: "CUDA out of memory. Tried to allocate 700.00 MiB",
      })
      .at(245)
      .write({
        model: "c",
        request: "r-4",
        event: "load-answer",
        status: 507,
        durationUs: 2e6,
        text: '{"error":"load failed for model \'c\': CUDA out of memory."}',
      })
      .write(
        eviction("c", "r-4", {
          trigger: "out-of-memory-answer",
          because: "the container answered 507",
          enough: false,
        }),
      )
      .write({
        model: "c",
        request: "r-4",
        event: "answer",
        status: 424,
        from: "container",
        durationUs: 5e6,
        text: "Received server error (507) from primary",
      });
    const text = story.explain({ request: "r-4" });
    expect(text).toContain(
      "Request r-4 for c on i-1 failed: 424 from the container after 5 s, because c did not fit into memory and nobody was left to unload: the load was answered 507.\nThe caller read: “Received server error (507) from primary”",
    );
    expect(text).toContain(
      "loading c got the answer 507 after 2 s: “load failed for model 'c': CUDA out of memory.”",
    );
    expect(text).toContain(
      "gpu:0 had 300.0 MiB free when c asked for 700.0 MiB: refused with “CUDA out of memory. Tried to allocate 700.00 MiB”",
    );
    expect(text).toContain("nobody could be unloaded: no other model is loaded, or they are busy");
    expect(text).toContain("  - With 400.0 MiB more of free memory on gpu:0 it would not have been refused.");
  });

  test("a limit of the model's own refused it, where there was room", () => {
    const subject = { model: "a", request: "r-2" };
    const text = new Story()
      .cold(1, "a", "r-1")
      .at(60)
      .write({ ...subject, event: "invocation", cacheHit: true })
      .write({
        model: "a",
        event: "refused",
        pool: "gpu:0",
        asked: MIB,
        free: GIB,
        text: "Available memory of 0",
      })
      .write({ ...subject, event: "answer", status: 400, from: "container", durationUs: 0, text: "no" })
      .explain({ request: "r-2" });
    expect(text).toContain("gpu:0 had 1.0 GiB free when a asked for 1.0 MiB: refused");
    expect(text).toContain(
      "  - There was room on gpu:0: a limit of the model's own, gpu_mem_limit, refused it.",
    );
  });

  test("its model's process had been killed for somebody else's sake, and nobody had been told", () => {
    const story = killed();
    const text = story.explain({ request: "r-3" });
    expect(text).toContain(
      "Request r-3 for c on i-1 failed: 424 from the container after 1 s, because c had lost its process 1 min before: the kernel killed it when d asked for 700.0 MiB with 300.0 MiB free.",
    );
    expect(text).toContain("+0 s  c looked ready, but it had lost its process 1 min before");
    expect(text).toContain(
      "  - With 400.0 MiB more of free host memory nobody would have been killed (asked for 700.0 MiB, free 300.0 MiB).",
    );
    expect(text).toContain("Only a new load brings c back");
  });

  test("the model was not there in time, and the load went on", () => {
    const story = new Story()
      .at(10)
      .write({ model: "a", request: "r-1", event: "invocation", cacheHit: false })
      .write({ model: "a", request: "r-1", event: "load" })
      .at(70)
      .write({
        model: "a",
        request: "r-1",
        event: "answer",
        status: 429,
        from: "platform",
        durationUs: 60e6,
        text: "Model a is not ready",
      })
      .at(81)
      .write({ model: "a", request: "r-1", event: "load-answer", status: 200, durationUs: 71e6 });
    const text = story.explain({ request: "r-1" });
    expect(text).toContain("429 from the platform after 1 min, because a was not loaded in time.");
    expect(text).toContain("a was loaded in 1 min 11 s");
    expect(text).toContain("Of 1 min: 1 min loading.");
    expect(text).toContain(
      "  - The load was done 11 s after the answer: the same request then finds a in memory.",
    );
  });

  test("its archive is none", () => {
    const story = new Story()
      .at(1)
      .write({ model: "a", request: "r-1", event: "invocation", cacheHit: false })
      .write({ model: "a", request: "r-1", event: "download", bytes: 5 })
      .at(1.1)
      .write({ model: "a", request: "r-1", event: "artifact-refused", text: "a is cut off" })
      .write({
        model: "a",
        request: "r-1",
        event: "answer",
        status: 400,
        from: "platform",
        durationUs: 100_000,
      });
    const text = story.explain({ request: "r-1" });
    expect(text).toContain(
      "400 from the platform after 0.1 s, because its archive could not be used: “a is cut off”.",
    );
    expect(text).toContain("+0 s  its archive of 5 B could not be used: “a is cut off”");
  });

  test("the container died meanwhile; that two noticed it is told once", () => {
    const story = new Story()
      .cold(1, "a", "r-1")
      .at(20)
      .write({ model: "a", request: "r-2", event: "invocation", cacheHit: true })
      .at(20.5)
      .write({ event: "container-died", because: "the kernel killed tritonserver: largest resident size" })
      .write({ event: "container-died", because: "nobody answers" })
      .write({
        model: "a",
        request: "r-2",
        event: "answer",
        status: 424,
        from: "platform",
        durationUs: 500_000,
      });
    const text = story.explain({ request: "r-2" });
    expect(text).toContain("because the container died meanwhile:");
    expect(text.match(/\+0\.5 s {2}the container died/g)).toHaveLength(1);
    expect(story.explain({ model: "a" })).toContain(
      "a is not in memory on i-1: it had gone with its container, which died just before: the kernel killed tritonserver: largest resident size",
    );
  });

  test("a 400 for want of memory: only a 507 would have made room", () => {
    const story = new Story()
      .at(1)
      .write({ model: "a", request: "r-1", event: "invocation", cacheHit: false })
      .write({ model: "a", request: "r-1", event: "load" })
      .write({
        model: "a",
        event: "killed",
        process: "a_0_0",
        residentBytes: 900 * MIB,
        rule: "largest resident size",
        tied: 0,
        newcomer: "a",
        asked: 900 * MIB,
        free: 700 * MIB,
      })
      .at(4)
      .write({
        model: "a",
        request: "r-1",
        event: "load-answer",
        status: 400,
        durationUs: 3e6,
        text: "Stub process 'a_0_0' is not healthy.",
      })
      .write({
        model: "a",
        request: "r-1",
        event: "answer",
        status: 424,
        from: "container",
        durationUs: 3e6,
      });
    const text = story.explain({ request: "r-1" });
    expect(text).toContain("because a could not be loaded: the answer 400.");
    expect(text).toContain(
      "the kernel killed a_0_0, the process of a itself (900.0 MiB), when a asked for 900.0 MiB of host with 700.0 MiB free (rule: largest resident size)",
    );
    expect(text).toContain(
      "  - The container answered 400, not 507: only a 507 makes the platform unload others and try again.",
    );
  });
});

test("a fault at an inference is told of a request only where no other was in flight", () => {
  const story = (others: boolean) => {
    const made = new Story().cold(1, "a", "r-1").at(20);
    if (others) made.write({ model: "a", request: "r-2", event: "invocation", cacheHit: true });
    return made
      .write({ model: "a", request: "r-3", event: "invocation", cacheHit: true })
      .write({ model: "a", event: "fault", fault: "slow-run", operation: "infer" })
      .at(22)
      .write({
        model: "a",
        request: "r-3",
        event: "answer",
        status: 200,
        from: "container",
        durationUs: 2e6,
      })
      .explain({ request: "r-3" });
  };
  expect(story(false)).toContain("because the fault slow-run struck at infer");
  expect(story(true)).not.toContain("slow-run");
});

test("a refusal says who held the pool, though it may have been told to go", () => {
  const gpu = (model: string, change: number, after: number) =>
    ({
      model,
      event: "bytes",
      process: "tritonserver",
      pool: "gpu:0",
      kind: "weights",
      change,
      before: after - change,
      after,
      cause: "load",
    }) as const;
  const story = new Story()
    .write(gpu("old", 5 * GIB, 5 * GIB))
    .write(gpu("idle", 2 * GIB, 7 * GIB))
    .cold(1, "old", "r-1")
    .hit(10, "idle", "r-2", 1e6)
    .at(20)
    .write({ model: "old", request: "x", event: "unload", because: "somebody said so" })
    .write({ model: "old", request: "x", event: "unload-answer", status: 200, durationUs: 0 })
    .at(21)
    .write({ model: "new", request: "r-3", event: "invocation", cacheHit: false })
    .write({ model: "new", request: "r-3", event: "load" })
    .write({
      model: "new",
      event: "refused",
      pool: "gpu:0",
      asked: 5 * GIB,
      free: GIB,
      text: "x".repeat(300),
    });
  const text = story.explain({ request: "r-3" });
  expect(text).toContain(
    "gpu:0 was held by old 5.0 GiB (unloaded 1 s before) and idle 2.0 GiB (idle for 10 s)",
  );
  expect(text).toContain(`refused with “${"x".repeat(80)} ... ${"x".repeat(120)}”`);
});

test("what happened at the moment it came, but before it, is not told", () => {
  const story = new Story()
    .write({ event: "container-started" })
    .write({ model: "a", request: "r-1", event: "invocation", cacheHit: true });
  expect(story.explain({ request: "r-1" })).not.toContain("started");
});

test("a slow request that found its model in memory says how many others were in flight", () => {
  const story = new Story().cold(1, "a", "r-1").at(20);
  for (const request of ["r-2", "r-3", "r-4"]) {
    story.write({ model: "a", request, event: "invocation", cacheHit: true });
  }
  expect(story.explain({ request: "r-4" })).toContain(
    "a was in memory, loaded 16 s before; 2 other requests for it were in flight",
  );
});

test("many unloads that go together are one line, and so are those who want to be back", () => {
  const names = ["v-1", "v-2", "v-3", "v-4", "v-5", "v-6"];
  const story = new Story()
    .at(1)
    .write({ model: "c", request: "r-1", event: "invocation", cacheHit: false })
    .write(eviction("c", "r-1", { victims: names.map((name) => victim(name)) }));
  for (const model of names) story.write({ model, request: "r-1", event: "unload", because: "room" });
  story.at(1.5);
  for (const model of names) {
    story.write({ model, request: "r-1", event: "unload-answer", status: 200, durationUs: 500_000 });
  }
  for (const [index, model] of names.entries()) story.cold(10 * (index + 1), model, `again-${index}`);
  const text = story.explain({ request: "r-1" });
  expect(text).toContain("v-1, v-2, v-3, v-4 and 2 more were unloaded in 0.5 s");
  expect(text).toContain(
    "6 of the 6 that were unloaded for this were asked for again, first v-1 by request again-0",
  );
  expect(text.match(/unloaded in/g)).toHaveLength(1);
});

test("unloads at the same time are counted once", () => {
  const story = new Story()
    .at(1)
    .write({ model: "c", request: "r-1", event: "invocation", cacheHit: false })
    .write({ model: "a", request: "r-1", event: "unload", because: "room" })
    .write({ model: "b", request: "r-1", event: "unload", because: "room" })
    .at(2)
    .write({ model: "a", request: "r-1", event: "unload-answer", status: 200, durationUs: 1e6 })
    .at(2.5)
    .write({ model: "b", request: "r-1", event: "unload-answer", status: 200, durationUs: 1.5e6 })
    .at(3)
    .write({ model: "c", request: "r-1", event: "answer", status: 200, from: "container", durationUs: 2e6 });
  expect(story.explain({ request: "r-1" })).toContain(
    "Of 2 s: 1.5 s unloading others, 0.5 s the rest: waiting and the inference.",
  );
});

test("what is no invocation: what was asked of the container itself", () => {
  const story = new Story()
    .at(1)
    .write({ model: "a", request: "step-1", event: "load" })
    .at(3)
    .write({ model: "a", request: "step-1", event: "load-answer", status: 200, durationUs: 2e6 });
  expect(story.explain({ request: "step-1" })).toBe(
    "step-1 was no invocation but a load of a on i-1; all that belongs to it took 2 s.\n\n  +0 s  a was loaded in 2 s\n",
  );
  expect(questionOf(story.events, "step-1")).toEqual({ request: "step-1" });
});

test("control characters of names and texts do not reach the terminal", () => {
  const story = new Story()
    .write({ model: "a\u001b[2J", request: "r-1", event: "invocation", cacheHit: true })
    .write({
      model: "a\u001b[2J",
      request: "r-1",
      event: "answer",
      status: 424,
      from: "container",
      durationUs: 0,
      text: "\u0007ring",
    });
  const text = story.explain({ request: "r-1" });
  expect(text).toContain("Request r-1 for a?[2J");
  expect(text).toContain("“?ring”");
  expect(text).not.toMatch(/(?!\n)\p{Cc}/u);
});

test("a request without an answer: how far it has come", () => {
  const story = new Story()
    .at(1)
    .write({ model: "a", request: "r-1", event: "invocation", cacheHit: false })
    .write({ model: "a", request: "r-1", event: "load" })
    .at(9)
    .write({ event: "ping", status: null });
  const text = story.explain({ request: "r-1" });
  expect(text).toContain("Request r-1 for a on i-1 has no answer 8 s after it came (1 s).");
  expect(text).toContain("loading a had no answer so far");
  expect(text).toContain("a ping got no answer");
});

/** `d` comes at 200 s and the kernel kills `c` for it; at 260 s somebody calls `c`. */
const killed = (story = new Story()) =>
  story
    .cold(10, "c", "r-1")
    .at(200)
    .write({ model: "d", request: "r-2", event: "invocation", cacheHit: false })
    .write({ model: "d", request: "r-2", event: "load" })
    .write({
      model: "c",
      event: "killed",
      process: "c_0_0",
      residentBytes: 500 * MIB,
      rule: "largest resident size",
      tied: 2,
      newcomer: "d",
      asked: 700 * MIB,
      free: 300 * MIB,
    })
    .at(202)
    .write({ model: "d", request: "r-2", event: "load-answer", status: 200, durationUs: 2e6 })
    .at(202.1)
    .write({
      model: "d",
      request: "r-2",
      event: "answer",
      status: 200,
      from: "container",
      durationUs: 2.1e6,
    })
    .at(260)
    .write({ model: "c", request: "r-3", event: "invocation", cacheHit: true })
    .at(261)
    .write({
      model: "c",
      request: "r-3",
      event: "answer",
      status: 424,
      from: "container",
      durationUs: 1e6,
      text: "Stub process 'c_0_0' is not healthy.",
    });

describe("a model", () => {
  test("that is not in memory: who asked for the room, who else went, and that nobody wanted it back", () => {
    const text = loadedAndAnswered(makingRoom()).explain({ model: "b" });
    expect(text).toBe(
      `b is not in memory on i-1: it had been unloaded 10.7 s before to make room for c, which request r-4 asked for, and nobody has asked for it since.

       23 s  loaded for request r-2 in 2 s
  4 min 3 s  unloaded to make room for c, which request r-4 asked for (with 1 other)
               room was to be made (high-utilisation): host stood at 84 % (12.6 GiB of 15.0 GiB, read 0.4 s before), above the mark of 80 %
               rule lru, until-estimate-fits chose 2 models for c, which needs an estimated 512.0 MiB of host:
                 b: idle 3 min, 3 uses, frees 1.9 GiB of host
                 a: idle 3 min, 3 uses, frees 1.9 GiB of host

In all on i-1: 1 load, 1 eviction, 1 request, of which 0 found it in memory.

What would have prevented it:
  - The mark of 80 % would not have been passed with 15.8 GiB of host or more; this machine has 15.0 GiB.
`,
    );
  });

  test("that is in memory: since when, for whom, how idle, what it holds", () => {
    const story = new Story()
      .at(1)
      .write({ model: "a", request: "r-1", event: "load" })
      .bytes("a", 1.9 * GIB, 3 * GIB)
      .at(3)
      .write({ model: "a", request: "r-1", event: "load-answer", status: 200, durationUs: 2e6 })
      .hit(60, "a", "r-2")
      .at(100.03)
      .write({ event: "ping", status: 200 });
    expect(story.explain({ model: "a" })).toContain(
      "a is in memory on i-1 since 3 s (1 min 37 s), loaded for request r-1; idle for 40 s; it holds 1.9 GiB of host.",
    );
  });

  test("whose process was killed: idle and innocent, and it looks ready", () => {
    const text = killed().explain({ model: "c" });
    expect(text).toContain("c looks ready on i-1 and is not: it had lost its process 1 min 1 s before");
    expect(text).toContain("; since then 1 request asked for it and 1 failed.");
    expect(text).toContain(
      "the kernel killed c_0_0 of c (500.0 MiB), idle for 3 min 7 s and innocent, when d asked for 700.0 MiB of host with 300.0 MiB free (rule: largest resident size, by chance among 3 processes of that size). Nobody is told: c still looks READY",
    );
  });

  test("whose process was killed is not brought back by a load that loads nothing", () => {
    const state = { model: "c", event: "model-state", version: 1, reason: "" } as const;
    const story = killed(new Story("by hand", 1000, null))
      .write({ ...state, state: "LOADING" })
      .at(300)
      .write({ model: "c", request: "again", event: "load" })
      .write({ model: "c", request: "again", event: "load-answer", status: 200, durationUs: 0 });
    expect(story.explain({ model: "c" })).toContain("c looks ready on i-1 and is not");
    expect(story.explain({ request: "r-3" })).not.toContain("the platform");
    story.write({ ...state, state: "READY" }).at(301);
    expect(story.explain({ model: "c" })).toContain("c is in memory on i-1");
  });

  test("that a fault struck, which names no instance, is one model, not two", () => {
    const story = new Story()
      .cold(1, "a", "r-1")
      .at(9)
      .write({ model: "a", request: "r-2", event: "invocation", cacheHit: true });
    story.journal.write({ model: "a", event: "fault", fault: "broken", operation: "infer" });
    story.write({
      model: "a",
      request: "r-2",
      event: "answer",
      status: 424,
      from: "container",
      durationUs: 0,
    });
    expect(story.explain({ model: "a" }).match(/In all/g)).toHaveLength(1);
    expect(story.explain({ model: "a" })).toContain("the fault broken struck at infer");
    expect(story.explain({ request: "r-2" })).toContain("because the fault broken struck at infer.");
  });

  test("that comes and goes: how often, and how soon it was back", () => {
    const story = makingRoom().cold(250, "a", "r-5");
    expect(story.explain({ model: "a" })).toContain(
      "In all on i-1: 2 loads, 1 eviction, 3 requests, of which 1 found it in memory. After an eviction it was back within 10 s at the soonest.",
    );
  });

  test("on two instances: a sentence for each", () => {
    const story = new Story()
      .cold(1, "a", "r-1")
      .write({ instance: "i-2", model: "a", request: "r-2", event: "placed", because: "i-1 is busy" });
    const text = story
      .write({ instance: "i-2", model: "a", request: "r-2", event: "invocation", cacheHit: false })
      .explain({ model: "a" });
    expect(text).toContain("a is in memory on i-1 since 4 s");
    expect(text).toContain("a is not in memory on i-2: it had not been loaded on i-2.");
    expect(text).toContain("placed on i-2: i-1 is busy");
  });

  test("without a platform in front: what Triton's states say", () => {
    const story = new Story(null)
      .at(1)
      .write({ model: "a", event: "model-state", version: 1, state: "READY", reason: "" })
      .at(8)
      .write({ model: "a", event: "model-state", version: 1, state: "UNAVAILABLE", reason: "unloaded" });
    const text = story.explain({ model: "a" });
    expect(text).toContain("it had been unloaded just before (unloaded)");
    expect(text).toContain("00:00:01 UTC  version 1 became ready");
    expect(text).toContain("00:00:08 UTC  version 1 became UNAVAILABLE: unloaded");
  });

  test("that an unload did not get rid of is still in memory", () => {
    const story = new Story()
      .cold(1, "a", "r-1")
      .at(10)
      .write({ model: "a", event: "unload", because: "to make room for b" })
      .at(20)
      .write({ model: "a", event: "unload-answer", status: 500, durationUs: 10e6 });
    expect(story.explain({ model: "a" })).toContain("a is in memory on i-1 since 4 s");
  });

  test("that went with a reset", () => {
    const story = new Story().cold(1, "a", "r-1").at(9).write({ event: "reset", scope: "all" });
    expect(story.explain({ model: "a" })).toContain("it had gone with a reset just before");
    const metrics = new Story().cold(1, "a", "r-1").at(9).write({ event: "reset", scope: "metrics" });
    expect(metrics.explain({ model: "a" })).toContain("a is in memory");
  });
});

describe("what would have prevented it", () => {
  test("a fresh reading, where the old one lay above the mark and the truth below it", () => {
    const story = (age: number) =>
      new Story()
        .cold(1, "a", "r-1")
        .at(239)
        .bytes("gone", -3 * GIB, 9.6 * GIB)
        .at(240)
        .write({ model: "c", request: "r-4", event: "invocation", cacheHit: false })
        .write(eviction("c", "r-4", { victims: [victim("a")], readingAgeUs: age }))
        .evicted(240, "a", "c", "r-4");
    expect(story(1_500_000).explain({ request: "r-4" })).toContain(
      "  - A fresh reading would have shown host 64 %, below the mark: the one that decided was 1.5 s old.",
    );
    expect(story(500_000).explain({ request: "r-4" })).not.toContain("fresh reading");
  });

  test("the right estimate, where the load then took less and fewer victims had been enough", () => {
    const story = (took: number) => {
      const made = makingRoom({ needHostBytes: 3 * GIB })
        .at(243)
        .write({ model: "c", request: "r-4", event: "load" })
        .bytes("c", took, 10 * GIB)
        .at(244);
      return made
        .write({ model: "c", request: "r-4", event: "load-answer", status: 200, durationUs: 1e6 })
        .explain({ request: "r-4" });
    };
    expect(story(1 * GIB)).toContain(
      "  - The load took 1.0 GiB of host. Had that been known, and what each victim really gives back, 1 victim would have been enough: a could have stayed.",
    );
    expect(story(2 * GIB)).not.toContain("Had that been known");
    expect(story(4 * GIB)).not.toContain("Had that been known");
  });

  test("what the victims really gave back, where that is more than was expected of them", () => {
    const story = (givenBack: number) =>
      new Story()
        .cold(1, "a", "r-1")
        .bytes("b", 4 * GIB, 12.6 * GIB)
        .at(240)
        .write({ model: "c", request: "r-4", event: "invocation", cacheHit: false })
        .write(eviction("c", "r-4", { victims: [victim("b", 0.3 * GIB), victim("a", 0.3 * GIB)] }))
        .write({ model: "b", event: "model-state", version: 1, state: "READY", reason: "" })
        .write({ model: "b", request: "r-4", event: "unload", because: "to make room for c" })
        .bytes("b", -givenBack, 12.6 * GIB - givenBack)
        .at(240.5)
        .write({ model: "b", request: "r-4", event: "unload-answer", status: 200, durationUs: 500_000 })
        .write({ model: "c", request: "r-4", event: "load" })
        .bytes("c", 2 * GIB, 14 * GIB)
        .at(242)
        .write({ model: "c", request: "r-4", event: "load-answer", status: 200, durationUs: 1.5e6 })
        .explain({ request: "r-4" });
    expect(story(3 * GIB)).toContain(
      "Had that been known, and what each victim really gives back, 1 victim would have been enough: a could have stayed.",
    );
    expect(story(2 * GIB)).not.toContain("Had that been known");
  });

  test("says nothing of a pool that did not decide, and nothing where no mark did", () => {
    const gpu = { pool: "gpu:0", used: 15 * GIB, capacity: 16 * GIB } as const;
    const host = { pool: "host", used: 12.6 * GIB, capacity: 15 * GIB } as const;
    const both = makingRoom({ reading: [host, gpu] }).explain({ request: "r-4" });
    expect(both).toContain("15.8 GiB of host");
    expect(both).not.toContain("GiB of gpu:0 or more");
    expect(both).toContain(
      "host stood at 84 % (12.6 GiB of 15.0 GiB, read 0.4 s before), above the mark of 80 %; gpu:0 15.0 GiB of 16.0 GiB",
    );
    expect(
      makingRoom({ reading: [host, gpu], measured: ["host", "gpu:0"] }).explain({ request: "r-4" }),
    ).toContain("gpu:0 stood at 93.8 % (15.0 GiB of 16.0 GiB, read 0.4 s before), above the mark of 80 %");
    expect(makingRoom({ victims: [], enough: true }).explain({ request: "r-4" })).toContain(
      "nobody had to go",
    );
    const answered = makingRoom({ trigger: "out-of-memory-answer" }).explain({ request: "r-4" });
    expect(answered).not.toContain("What would have prevented it");
  });

  test("nothing where a request went as it should", () => {
    const explanation = explain(new Story().hit(1, "a", "r-1").events, { request: "r-1" });
    expect(explanation.answer).toBe(
      "Request r-1 for a on i-1 succeeded: 200 from the container after 30 ms.",
    );
    expect(explanation.prevention).toEqual([]);
  });
});

test("a request to an endpoint of one model, which names none, is told without a name", () => {
  const text = new Story().hit(1, "", "r-1").explain({ request: "r-1" });
  expect(text).toBe(`Request r-1 on i-1 succeeded: 200 from the container after 30 ms.

    +0 s  the model was in memory
  +30 ms  answered 200
`);
});

describe("an endpoint", () => {
  const instance = "e/AllTraffic/i-1";
  const notFound = "Endpoint e of account 000000000000 not found.";
  const updated = () =>
    new Story()
      .status(1, "e", "Creating", "c")
      .turnedAway(2, "e", "r-1", notFound)
      .turnedAway(3, "e", "r-2", notFound)
      .at(121)
      .write({ instance, event: "container-started" })
      .status(121.5, "e", "InService", "c")
      .status(200, "e", "Updating", "c2")
      .turnedAway(201, "e", "r-3", "Request r-3 is missing a target model header")
      .status(260, "e", "RollingBack", "c", "no ping")
      .status(260, "e", "InService", "c", "no ping")
      .status(300, "f", "Creating", "c");

  test("says which status it has and why, how long each change took, and who was refused", () => {
    expect(updated().explain({ endpoint: "e" })).toBe(
      `Endpoint e is InService since 4 min 20 s (40 s), with configuration c: “no ping”

         1 s  Creating, configuration c
   2 min 1 s  the container of e/AllTraffic/i-1 is up
   2 min 2 s  InService after 2 min 1 s, configuration c
  3 min 20 s  Updating, configuration c2
  4 min 20 s  RollingBack, configuration c: “no ping”
  4 min 20 s  InService after 1 min, configuration c: “no ping”

Refused: 2 requests while it was Creating.
`,
    );
  });

  test("that is gone says so, and which instances went with it", () => {
    const story = updated()
      .status(400, "e", "Deleting", "c")
      .at(401)
      .write({ instance, event: "container-died", because: "the instance is gone" })
      .status(401, "e", null, "c")
      .turnedAway(410, "e", "r-4", notFound);
    const text = story.explain({ endpoint: "e" });
    expect(text).toContain("Endpoint e is gone since 6 min 41 s (9 s), with configuration c.\n");
    expect(text).toContain("the container of e/AllTraffic/i-1 ended: the instance is gone");
    expect(text).toContain("gone after 1 s, configuration c");
    expect(text).toContain("Refused: 2 requests while it was Creating and 1 request while it was gone.");
    expect(story.explain({ request: "r-4" })).toContain("because endpoint e had been deleted 9 s before.");
  });

  test("that did not serve is the reason why a request failed", () => {
    expect(updated().explain({ request: "r-2" })).toContain(
      "Request r-2 for a.tar.gz to endpoint e failed: 400 from the platform after 0 s, because endpoint e was Creating, since 2 s.",
    );
    const failed = new Story()
      .status(1, "e", "Failed", "c", "no ping")
      .turnedAway(2, "e", "r-1", notFound)
      .explain({ request: "r-1" });
    expect(failed).toContain("because endpoint e was Failed, since 1 s, with the reason “no ping”.");
  });

  test("that serves while it is updated is not the reason", () => {
    const text = updated().explain({ request: "r-3" });
    expect(text).toContain("because the platform said so.");
    expect(text).toContain("+0 s  no instance got to see it\n");
  });

  test("of that name in two regions: both are told, and where", () => {
    const story = new Story().status(1, "e", "InService", "c");
    story.journal.write({
      event: "endpoint-status",
      endpoint: "e",
      region: "eu-west-1",
      status: "Creating",
      config: "c",
    });
    const text = story.explain({ endpoint: "e" });
    expect(text).toContain("Endpoint e in us-east-1 is InService");
    expect(text).toContain("Endpoint e in eu-west-1 is Creating");
    expect(text).toContain("Creating, configuration c in eu-west-1");
  });

  test("is taken for one where no request and no model has its name", () => {
    const { events } = updated();
    expect(questionOf(events, "e")).toEqual({ endpoint: "e" });
    expect(questionOf(events, "a.tar.gz")).toEqual({ model: "a.tar.gz" });
    expect(explain(events, { endpoint: "r-1" }).answer).toBe(
      "The journal knows no endpoint 'r-1', but a request of that name. It has 3 requests, 1 model and 2 endpoints. Did you mean r-1 or r-2 or r-3?",
    );
    expect(explain(events, { model: "e" }).answer).toContain("but an endpoint of that name");
  });
});

describe("what the journal does not know", () => {
  const { events } = new Story().cold(1, "tenant-1.tar.gz", "r-1").hit(9, "tenant-2.tar.gz", "r-2");

  test.each([
    [
      { model: "tenant-1" },
      "The journal knows no model 'tenant-1'. It has 2 requests and 2 models. Did you mean tenant-1.tar.gz?",
    ],
    [
      { model: "r-1" },
      "The journal knows no model 'r-1', but a request of that name. It has 2 requests and 2 models. Did you mean r-1 or r-2?",
    ],
    [
      { request: "zzzzzzzzz" },
      "The journal knows no request 'zzzzzzzzz'. It has 2 requests and 2 models. Among them are tenant-1.tar.gz, tenant-2.tar.gz, r-1, r-2.",
    ],
  ])("%j: names what is near", (question, answer) => {
    const explanation = explain(events, question);
    expect(explanation).toMatchObject({ known: false, answer, story: [], prevention: [] });
  });

  test("says so when its oldest lines were dropped", () => {
    const story = new Story("by hand", 2).hit(1, "a", "r-1").hit(2, "a", "r-2");
    expect(story.explain({ request: "r-1" })).toContain("Its oldest lines were dropped.");
  });

  test("questionOf: an id is a request's where there is such a request, else a model's", () => {
    expect(questionOf(events, "r-1")).toEqual({ request: "r-1" });
    expect(questionOf(events, "tenant-1.tar.gz")).toEqual({ model: "tenant-1.tar.gz" });
  });
});
