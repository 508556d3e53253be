import { describe, expect, test } from "vitest";
import { modelNameOf } from "../../../../emulator/aws/placement/target-model.ts";
import { fail } from "../../../../emulator/common/status.ts";
import { agentFixture, diskFull, faultAt, MEGABYTE, SECOND } from "./agent-fixture.ts";

describe("a cold model", () => {
  test("is downloaded, loaded and invoked, when it is asked for the first time", () => {
    const { container, journal, invoked, agent } = agentFixture();
    const answer = invoked("a.tar.gz");
    expect(answer).toMatchObject({
      status: 200,
      from: "container",
      error: null,
      cacheHit: false,
      times: {
        waitUs: 3 * SECOND,
        downloadUs: 2 * SECOND,
        loadUs: SECOND,
        unloadUs: 0,
        containerUs: 10_000,
      },
    });
    expect(container.calls.map(({ operation, model }) => `${operation} ${model}`)).toEqual([
      "load a.tar.gz",
      "invoke a.tar.gz",
    ]);
    expect(journal.events.map(({ event }) => event)).toEqual([
      "invocation",
      "download",
      "unpacked",
      "load",
      "load-answer",
      "answer",
    ]);
    expect(
      new Set(journal.events.map(({ instance, request, model }) => `${instance} ${request} ${model}`)),
    ).toEqual(new Set(["i-1 r-1 a.tar.gz"]));
    expect(agent.holds("a.tar.gz")).toBe("loaded");
  });

  test("counts as loaded as soon as the container has it, and not before", () => {
    const { invoke, agent, clock } = agentFixture();
    invoke("a.tar.gz");
    clock.advance(2.5 * SECOND);
    expect([agent.modelCount, agent.loadedCount]).toEqual([1, 0]);
    clock.advance(SECOND);
    expect([agent.modelCount, agent.loadedCount]).toEqual([1, 1]);
  });

  test("is served at once, when it is asked for again", () => {
    const { invoked, container, artifacts } = agentFixture();
    invoked("a.tar.gz");
    expect(invoked("a.tar.gz")).toMatchObject({ cacheHit: true, times: { waitUs: 0, containerUs: 10_000 } });
    expect(container.asked("load")).toHaveLength(1);
    expect(artifacts.fetched).toHaveLength(1);
  });

  test("is loaded once, when several ask for it together; only who was first is charged for the load", () => {
    const { clock, invoke, answers, container } = agentFixture();
    for (const id of ["x", "y", "z"]) invoke("a.tar.gz", id);
    clock.advance(10 * SECOND);
    expect(container.asked("load")).toEqual(["a.tar.gz"]);
    expect(container.bodies).toEqual(["x", "y", "z"]);
    const loads = ["x", "y", "z"].map((id) => answers.get(id)?.times);
    expect(loads.map((times) => times?.loadUs)).toEqual([SECOND, 0, 0]);
    expect(loads.map((times) => times?.waitUs)).toEqual([3 * SECOND, 3 * SECOND, 3 * SECOND]);
  });

  test("counts as loaded, when the container says it has it already", () => {
    const { container, invoked } = agentFixture();
    container.scripts.load = () => ({ status: 409 });
    expect(invoked("a.tar.gz").status).toBe(200);
  });

  test("makes a ModelError with the container's words, when its load fails; the next call tries again", () => {
    const { container, invoked, agent } = agentFixture();
    container.scripts.load = (_, nth) =>
      nth === 1 ? { status: 400, text: '{"error":"bad"}' } : { status: 200 };
    const answer = invoked("a.tar.gz");
    expect(answer).toMatchObject({
      status: 424,
      from: "container",
      error: { type: "ModelError", originalStatusCode: 400, originalMessage: '{"error":"bad"}' },
    });
    expect(answer.headers).toContain("ModelError");
    expect(JSON.parse(new TextDecoder().decode(answer.body))).toEqual({
      Message:
        'Received client error (400) from primary with message "{"error":"bad"}". See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/Endpoints/triton-local in account 000000000000 for more information.',
      OriginalStatusCode: 400,
      OriginalMessage: '{"error":"bad"}',
    });
    expect(agent.residents()).toEqual([]);
    expect(invoked("a.tar.gz").status).toBe(200);
  });

  test("is refused, when its name is none", () => {
    const { container, artifacts, invoked, agent } = agentFixture();
    const names = ["", "/etc/passwd", "../a", "a/../../b", "a/./b", " a", "a\nb", "é", "x".repeat(1025)];
    for (const name of names) {
      expect(invoked(name), JSON.stringify(name)).toMatchObject({
        status: 400,
        from: "platform",
        error: { type: "ValidationError" },
      });
    }
    expect(invoked("").error?.message).toBe("Request r-10 is missing a target model header");
    expect(invoked("../a").error?.message).toBe(
      "Target model '../a' is refused: it has '.' or '..' in its path; give the key below the model data prefix as it is.",
    );
    expect(container.calls).toEqual([]);
    expect(artifacts.fetched).toEqual([]);
    expect(agent.modelCount).toBe(0);
    expect(invoked("team/a..b.tar.gz").status).toBe(200);
  });

  test("is refused in the platform's words, when there is no such archive", () => {
    const { artifacts, invoked, journal, agent } = agentFixture();
    artifacts.missing.add("a.tar.gz");
    expect(invoked("a.tar.gz")).toMatchObject({
      status: 400,
      from: "platform",
      error: {
        type: "ValidationError",
        message:
          'Failed to download model data for container "container_1" from URL: "s3://triton-local/models/a.tar.gz". Please ensure that there is an object located at the URL and that the role passed to CreateModel has permissions to download the object.',
      },
    });
    expect(journal.of("artifact-refused")).toHaveLength(1);
    expect(agent.modelCount).toBe(0);
    artifacts.missing.clear();
    expect(invoked("a.tar.gz").status).toBe(200);
  });

  test("says why, when its archive cannot be used", () => {
    const { artifacts, invoked } = agentFixture();
    artifacts.fails = () => fail("INVALID_ARG", "archive 'a.tar.gz' is not gzip");
    const { status, error } = invoked("a.tar.gz");
    expect(status).toBe(400);
    expect(error?.message).toContain("is not gzip");
  });

  test("knows the container's name of it, the same for every load", () => {
    expect(modelNameOf("a.tar.gz")).toBe(modelNameOf("a.tar.gz"));
    expect(modelNameOf("a.tar.gz")).not.toBe(modelNameOf("b.tar.gz"));
    // What the url of a load may hold in Triton.
    expect(modelNameOf("team-a/m.tar.gz")).toMatch(/^[0-9A-Za-z._]+$/);
  });
});

describe("the time limit of an invocation", () => {
  test("ends in ModelNotReadyException while the model is loading, and the load goes on", () => {
    const { clock, container, invoke, invoked, answers } = agentFixture();
    container.scripts.load = () => ({ status: 200, afterUs: 100 * SECOND });
    const id = invoke("a.tar.gz");
    clock.advance(60 * SECOND - 1);
    expect(answers.size).toBe(0);
    clock.advance(1);
    expect(answers.get(id)).toMatchObject({
      status: 429,
      from: "platform",
      error: { type: "ModelNotReadyException" },
      times: { waitUs: 60 * SECOND, containerUs: 0 },
    });
    clock.advance(60 * SECOND);
    expect(invoked("a.tar.gz")).toMatchObject({ status: 200, cacheHit: true });
    expect(container.asked("load")).toHaveLength(1);
  });

  test("ends in a ModelError with status 0 while the container works on it; the model stays in use", () => {
    const { clock, container, invoke, answers, agent, twice } = agentFixture();
    container.scripts.invoke = () => ({ status: 200, afterUs: 90 * SECOND });
    const id = invoke("a.tar.gz");
    clock.advance(60 * SECOND);
    expect(answers.get(id)).toMatchObject({
      status: 424,
      from: "platform",
      error: { type: "ModelError", originalStatusCode: 0 },
      times: { containerUs: 57 * SECOND },
    });
    expect(answers.get(id)?.error?.message).toContain(
      "timed out while waiting for a response from container primary",
    );
    expect(agent.residents()).toMatchObject([{ name: "a.tar.gz", busy: true }]);
    clock.advance(60 * SECOND);
    expect(agent.residents()).toMatchObject([{ busy: false }]);
    expect(twice).toEqual([]);
  });

  test("counts from each arrival, when several wait for the same load", () => {
    const { clock, container, invoke, answers } = agentFixture();
    container.scripts.load = () => "never";
    const first = invoke("a.tar.gz");
    clock.advance(10 * SECOND);
    const second = invoke("a.tar.gz");
    clock.advance(50 * SECOND);
    expect([answers.has(first), answers.has(second)]).toEqual([true, false]);
    clock.advance(10 * SECOND);
    expect(answers.get(second)?.status).toBe(429);
  });

  test("a load has 360 s; who waits then is told, and the next call loads again", () => {
    const { clock, container, invoke, answers, journal, invoked } = agentFixture();
    container.scripts.load = (_, nth) => (nth === 1 ? "never" : { status: 200 });
    invoke("a.tar.gz");
    clock.advance(350 * SECOND);
    const late = invoke("a.tar.gz");
    clock.advance(12 * SECOND);
    expect(answers.get(late)?.status).toBe(429);
    expect(journal.of("load-answer")).toMatchObject([{ status: null, durationUs: 360 * SECOND }]);
    expect(invoked("a.tar.gz").status).toBe(200);
  });
});

describe("the disk", () => {
  test("keeps what was unloaded: a reload downloads nothing, also when the archive was overwritten or deleted", () => {
    const { container, artifacts, invoked, memory } = agentFixture();
    invoked("a.tar.gz");
    if (memory) memory.hostMegabytes = 900;
    invoked("b.tar.gz");
    expect(container.asked("unload")).toEqual(["a.tar.gz"]);
    artifacts.missing.add("a.tar.gz");
    if (memory) memory.hostMegabytes = 0;
    expect(invoked("a.tar.gz")).toMatchObject({ status: 200, cacheHit: false, times: { downloadUs: 0 } });
    expect(artifacts.fetched).toEqual(["a.tar.gz", "b.tar.gz"]);
  });

  test("loses archives of models that are not loaded, the longest unused first, when a new one does not fit", () => {
    const { invoked, memory, artifacts, journal, container } = agentFixture({
      disk: { capacityBytes: 450 * MEGABYTE },
    });
    for (const name of ["loaded", "older", "newer"]) invoked(name);
    invoked("loaded");
    if (memory) memory.hostMegabytes = 950;
    invoked("next");
    expect(container.asked("unload")).toEqual(["older", "newer", "loaded"]);
    if (memory) memory.hostMegabytes = 0;
    invoked("loaded");
    expect(artifacts.removed).toEqual([]);
    invoked("one more");
    expect(artifacts.removed).toEqual([modelNameOf("older")]);
    expect(journal.of("archive-deleted")).toMatchObject([
      {
        model: "older",
        request: "r-7",
        bytes: 100 * MEGABYTE,
        rule: "lru: 100000000 bytes do not fit on the disk, 50000000 are free",
      },
    ]);
    expect(invoked("older").times.downloadUs).toBe(2 * SECOND);
  });

  test("goes by the last use of a model, not by its download", () => {
    const { invoked, memory, artifacts } = agentFixture({ disk: { capacityBytes: 350 * MEGABYTE } });
    for (const name of ["a", "b", "a"]) invoked(name);
    if (memory) memory.hostMegabytes = 950;
    invoked("c");
    if (memory) memory.hostMegabytes = 0;
    invoked("d");
    expect(artifacts.removed).toEqual([modelNameOf("b")]);
  });

  test("deletes nothing, when that would not be enough", () => {
    const { invoked, memory, artifacts } = agentFixture({ disk: { capacityBytes: 250 * MEGABYTE } });
    invoked("a");
    if (memory) memory.hostMegabytes = 900;
    invoked("b");
    artifacts.bytes.set("c", 200 * MEGABYTE);
    expect(invoked("c").status).toBe(400);
    expect(artifacts.removed).toEqual([]);
  });

  test("keeps archives of loaded models, when no other is left to delete", () => {
    const { invoked, artifacts } = agentFixture({ disk: { capacityBytes: 250 * MEGABYTE } });
    for (const name of ["a", "b"]) invoked(name);
    expect(invoked("c")).toMatchObject({ status: 400, from: "platform" });
    expect(artifacts.removed).toEqual([]);
    expect(invoked("a")).toMatchObject({ status: 200, cacheHit: true });
  });

  test("is full to the caller, when nothing may go; nothing is downloaded", () => {
    const { invoked, artifacts } = agentFixture({ disk: { capacityBytes: 50 * MEGABYTE } });
    expect(invoked("a")).toMatchObject({ status: 400, from: "platform", error: { type: "ValidationError" } });
    expect(invoked("a").error?.message).toBe(
      "The model data archive is too large. Please reduce the size of the model data archive or move to an instance type with more memory. (a: 100000000 bytes do not fit, 50000000 of 50000000 are free and no other archive may go)",
    );
    expect(artifacts.fetched).toEqual([]);
  });

  test("gives back what does not fit once it is unpacked", () => {
    const { invoked, artifacts } = agentFixture({ disk: { capacityBytes: 150 * MEGABYTE } });
    artifacts.unpackedBytes.set("a", 200 * MEGABYTE);
    expect(invoked("a").status).toBe(400);
    expect(artifacts.removed).toEqual([modelNameOf("a")]);
    expect(invoked("b").status).toBe(200);
  });

  test("deletes and tries again, when it is fuller than it looked", () => {
    const { invoked, artifacts, container, memory } = agentFixture();
    invoked("a");
    if (memory) memory.hostMegabytes = 900;
    invoked("b");
    expect(container.asked("unload")).toEqual(["a"]);
    artifacts.fails = (model, nth) => (model === "c" && nth === 1 ? diskFull : null);
    expect(invoked("c").status).toBe(200);
    expect(artifacts.removed).toContain(modelNameOf("a"));
    expect(artifacts.fetched).toEqual(["a", "b", "c", "c"]);
  });

  test("says so, when it is full whatever goes", () => {
    const { invoked, artifacts } = agentFixture();
    artifacts.fails = () => diskFull;
    expect(invoked("a")).toMatchObject({ status: 400, error: { type: "ValidationError" } });
    expect(artifacts.fetched).toEqual(["a"]);
  });
});

describe("faults on the way to the disk", () => {
  test("a download that fails is the platform's failure; the next call downloads again", () => {
    const { invoked } = agentFixture({
      faults: faultAt("download", "a", 1, { kind: "fail", message: "connection reset" }),
    });
    expect(invoked("a")).toMatchObject({ status: 500, error: { type: "InternalFailure" } });
    expect(invoked("a").status).toBe(200);
  });

  test("an archive that cannot be unpacked is refused, and its folder deleted", () => {
    const { invoked, artifacts } = agentFixture({
      faults: faultAt("unpack", "a", 1, { kind: "fail", message: "the archive is cut off" }),
    });
    expect(invoked("a")).toMatchObject({ status: 400, error: { type: "ValidationError" } });
    expect(artifacts.removed).toEqual([modelNameOf("a")]);
    expect(invoked("a").status).toBe(200);
  });

  test("a delay is added to the download, and one that never ends lets the caller's time run out", () => {
    const slow = agentFixture({ faults: faultAt("download", "a", 1, { kind: "delay", us: 5 * SECOND }) });
    expect(slow.invoked("a").times.downloadUs).toBe(7 * SECOND);
    const hanging = agentFixture({ faults: faultAt("unpack", "a", 1, { kind: "hang" }) });
    expect(hanging.invoked("a").status).toBe(429);
  });
});
