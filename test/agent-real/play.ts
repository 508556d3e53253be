import type { MemoryReading } from "../../emulator/aws/placement/eviction/resident-model.ts";
import { InstanceAgent } from "../../emulator/aws/placement/instance-agent.ts";
import { noFaults } from "../../emulator/core/faults/fault-source.ts";
import type { JournalEvent, JournalWriter } from "../../emulator/journal/event.ts";
import { answerLine, decisionsOf } from "./decisions.ts";
import { bytesOf, GPU_BYTES, HOST_BYTES } from "./fleet.ts";
import type { Run, RunRequest } from "./runs.ts";
import type { Side } from "./sides.ts";

export interface Played {
  readonly decisions: readonly string[];
  readonly answers: readonly string[];
  /** Of the wall clock. */
  readonly seconds: number;
}

const FAIL = -1;

const bodyOf = ({ runsOut }: RunRequest): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      inputs: [{ name: "INPUT", datatype: "INT32", shape: [1], data: [runsOut ? FAIL : 1] }],
    }),
  );

/** Our server has no Python: there the model's failure is asked for by header, in the words of `model.py`. */
const headersOf = ({ runsOut }: RunRequest): readonly string[] => [
  "Content-Type",
  "application/json",
  ...(runsOut
    ? ["x-triton-local-fault", "effect=out-of-memory,message=CUDA out of memory. Tried to allocate 20.00 MiB"]
    : []),
];

/** The requests of a run, one after the other, with an agent of its own on a fresh container of the side. */
export const play = async (side: Side, run: Run): Promise<Played> => {
  const startMs = performance.now();
  const instance = await side.start(run.diskBytes);
  try {
    const events: JournalEvent[] = [];
    const journal: JournalWriter = {
      enabled: true,
      write: (event) => {
        events.push({ ...event, atUs: instance.clock.now() });
        if (event.model === undefined) return;
        if (event.event === "load-answer" && event.status === 200) loaded.add(event.model);
        if (event.event === "unload-answer" && event.status === 200) loaded.delete(event.model);
      },
    };
    // What is loaded takes what it is said to take: the same reading on every side.
    const loaded = new Set<string>();
    const read = (): MemoryReading => {
      const used = { host: 0, gpu: 0, disk: 0 };
      for (const name of loaded) {
        used.host += bytesOf(name)?.host ?? 0;
        used.gpu += bytesOf(name)?.gpu ?? 0;
      }
      return { used, capacity: { host: HOST_BYTES, gpu: GPU_BYTES, disk: run.diskBytes } };
    };
    const agent = new InstanceAgent({
      instance: side.name,
      container: instance.container,
      artifacts: instance.artifacts,
      clock: instance.clock,
      gauge: { read },
      disk: { capacityBytes: run.diskBytes },
      settings: run.settings,
      cacheEnabled: run.cacheEnabled,
      seed: run.seed,
      journal,
      faults: noFaults,
      profileBytes: bytesOf,
    });
    const answers: string[] = [];
    for (const [index, request] of run.requests.entries()) {
      let waiting = request.times;
      for (let copy = 0; copy < request.times; copy++) {
        const requestId = `${index}.${copy}`;
        agent.invoke(
          {
            requestId,
            targetModel: request.targetModel,
            headers: headersOf(request),
            body: bodyOf(request),
          },
          (answer) => {
            waiting--;
            answers.push(`${answerLine(requestId, answer)} ${request.targetModel}`);
          },
        );
      }
      let seen = -1;
      await instance.settle(() => {
        const quiet = seen === events.length;
        seen = events.length;
        const idle = agent.residents().every(({ busy }) => !busy);
        return waiting === 0 && idle && (run.cacheEnabled || (quiet && agent.modelCount === 0));
      });
    }
    agent.stop();
    return {
      decisions: decisionsOf(events),
      answers: answers.sort(),
      seconds: (performance.now() - startMs) / 1000,
    };
  } finally {
    await instance.stop();
  }
};
