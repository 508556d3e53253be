import type { ConformanceCase, Step } from "../../emulator/parity/cases/conformance-case.ts";

/** Observed probes that are not cases, and why. Whole areas are listed in fixtures/conformance/README.md. */
export const leftOut: ReadonlyMap<string, string> = new Map([
  ["command-line-02", "begins in the middle of the real server's usage: load.test.ts has its error"],
  ["command-line-03", "shows log lines of the cache's library: load.test.ts has its error"],
  ["command-line-04", "shows a log line of the cache's library: load.test.ts takes small sizes"],
  ["command-line-05", "shows a log line of the cache's library: load.test.ts takes small sizes"],
  ["command-line-06", "shows log lines of the cache's library: load.test.ts has its error"],
  ["command-line-08", "begins in the middle of the real server's usage: load.test.ts has its error"],
  [
    "sagemaker-01",
    "only with `load-blocks-worker` imitated: container-api.test.ts and workers.test.ts play it",
  ],
  ["sagemaker-03", "takes 350 s: container-api.test.ts plays it on a virtual clock"],
  ["sagemaker-09", "only with `load-blocks-worker` imitated: container-api.test.ts plays it"],
  ["sagemaker-17", "only with `load-body-crash` imitated: container-api.test.ts plays it"],
  ["ensemble-24", "a dead process of the Python backend: a later issue"],
  ["sagemaker-24", "a dead process of the Python backend: container-api.test.ts plays it with a stand-in"],
  ["sagemaker-44", "takes 350 s: container-api.test.ts plays it on a virtual clock"],
  ["sagemaker-48", "only with `unload-during-invoke-hang` imitated: container-api.test.ts plays it"],
  ["response-cache-01", "1.2 MB of numbers; response-cache-requests.json asks the same of a smaller cache"],
  ["response-cache-07", "names of metrics, which metrics-01 shows"],
  ["lifecycle-27", "recorded on a server without an ONNX Runtime backend; ours always has one"],
  ["lifecycle-45", "starts from what other probes left behind; http-repository.json asks the same"],
]);

type Adjust = (recorded: ConformanceCase) => ConformanceCase;

const steps =
  (change: (steps: readonly Step[]) => Step[]): Adjust =>
  (recorded) => ({ ...recorded, steps: change(recorded.steps) });

const without = (...places: readonly number[]): Adjust =>
  steps((all) => all.filter((_, i) => !places.includes(i)));

const text =
  (change: (text: string) => string): Adjust =>
  (recorded) =>
    JSON.parse(change(JSON.stringify(recorded)));

/** Takes members out of the responses of some steps. */
const silence = (members: readonly string[], ...places: readonly number[]): Adjust =>
  steps((all) =>
    all.map((step, index) => {
      if (!places.includes(index) || !("response" in step) || step.response === undefined) return step;
      const kept = Object.entries(step.response).filter(([name]) => !members.includes(name));
      return { ...step, response: JSON.parse(JSON.stringify(Object.fromEntries(kept))) };
    }),
  );

const chain =
  (...changes: readonly Adjust[]): Adjust =>
  (recorded) =>
    changes.reduce((before, change) => change(before), recorded);

const unsteady: Adjust = (recorded) => ({ ...recorded, unsteady: true });

/** What a recording cannot say itself: where a repetition legitimately comes out otherwise. */
export const adjustments: ReadonlyMap<string, Adjust> = new Map([
  // The recording shows only the ensemble's row.
  ["ensemble-22", wholeIndex(["e_small"], ["m_small"])],
  ["ensemble-26", wholeIndex(["y_ens"], ["y_e1", "y_e2"])],
  // The first state is memory that was never written.
  [
    "implicit-state-13",
    text((all) => all.replace(/(\[\\*)-\d{9,}/g, (_, open) => `${open}"?"`.replace(/"/g, '\\"'))),
  ],
  // When the first inference is answered depends on which of the server's threads holds its connection.
  ["lifecycle-12", silence(["seconds"], 5, 6)],
  // Which of three idle instances takes a request varies.
  ["lifecycle-13", text((all) => all.replace(/\\"l_inst_0_\d\\"\]/g, '\\"?\\"]'))],
  // Which of the waiting unload and load runs first is a race.
  ["lifecycle-41", chain(silence(["seconds"], 9, 10), without(11, 12))],
  // Each policy took the place of the one before.
  ["lifecycle-44", replacePolicies()],
  // The metrics of the cache are polled every two seconds.
  ["metrics-01", steps((all) => all.toSpliced(2, 0, { sleep: 2.5 }))],
  // The gauges are 0 until they are first polled; the text of step 4 was cut off.
  [
    "metrics-08",
    chain(
      text((all) => all.replace(/(?<=(?:_bytes|_utilization) )0/g, "?")),
      steps((all) => all.map((step, index) => (index === 4 ? sameAnswer(step, all[0]!) : step))),
    ),
  ],
  // The index is read while version 1 may still be unloading.
  ["onnxruntime-93", steps((all) => all.toSpliced(2, 0, { sleep: 0.3 }))],
  // The first state is memory that was never written.
  ["onnxruntime-193", text((all) => all.replace(/19124862\d\d/g, '\\"?\\"'))],
  // The real server dies now and then.
  ["onnxruntime-211", unsteady],
  ["onnxruntime-212", unsteady],
  // The table of options at the start is not ours.
  ["response-cache-09", without(6)],
  // Recorded when the answer was in the cache already; response-cache-requests-01 asks a fresh one.
  ["response-cache-12", without(3)],
  // Step 11 asks the SageMaker port; the text of step 12 was cut off.
  ["shutdown-02", chain(silence(["body"], 12), without(11))],
]);

function replacePolicies(): Adjust {
  return steps((all) =>
    all.map((step) =>
      "act" in step && "append" in step.act
        ? { act: { replace: step.act.append, pattern: "(version_policy.*\\n)?$", by: step.act.text } }
        : step,
    ),
  );
}

function sameAnswer(step: Step, other: Step): Step {
  return "request" in step && "request" in other && other.response !== undefined
    ? { ...step, response: other.response }
    : step;
}

/** Adds the rows of members that serve to the index of the last step. */
function wholeIndex(unloaded: readonly string[], ready: readonly string[]): Adjust {
  const rows = [
    ...unloaded.map((name) => ({ name, version: "1", state: "UNAVAILABLE", reason: "unloaded" })),
    ...ready.map((name) => ({ name, version: "1", state: "READY" })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
  return steps((all) =>
    all.map((step, index) =>
      index === all.length - 1 && "request" in step && step.response !== undefined
        ? { ...step, response: { ...step.response, body: JSON.stringify(rows) } }
        : step,
    ),
  );
}
