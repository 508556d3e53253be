/** Thread entry: sessions of ONNX Runtime, opened, run and closed one request after the other. */
import { parentPort } from "node:worker_threads";
import { failureOf, OrtSession } from "./ort-session.ts";
import type { RunInput, RunOutput, SharedInput, WorkerReply, WorkerRequest } from "./session-protocol.ts";

interface OpenSession {
  readonly session: OrtSession;
  memory: SharedArrayBuffer | null;
}

const sessions = new Map<number, OpenSession>();

const answer = async (request: Exclude<WorkerRequest, { kind: "stop" }>): Promise<void> => {
  const { session } = request;
  try {
    switch (request.kind) {
      case "open": {
        const opened = await OrtSession.open(request.request);
        sessions.set(session, { session: opened, memory: null });
        reply({ kind: "opened", session, description: opened.description });
        return;
      }
      case "run": {
        const { outputs, runUs } = await run(request);
        reply({ kind: "ran", session, outputs, runUs }, transferable(outputs));
        return;
      }
      case "close": {
        await sessions.get(session)?.session.close();
        sessions.delete(session);
        reply({ kind: "closed", session });
        return;
      }
    }
  } catch (error) {
    reply({ kind: "failed", session, failure: failureOf(error) });
  }
};

const run = async (
  request: Extract<WorkerRequest, { kind: "run" }>,
): Promise<{ outputs: RunOutput[]; runUs: number }> => {
  const entry = sessions.get(request.session);
  if (entry === undefined) throw new Error(`session ${request.session} is not open`);
  if (request.memory !== null) entry.memory = request.memory;
  const inputs = request.inputs.map((input) => fromShared(input, entry.memory));
  const start = performance.now();
  const outputs = await entry.session.run(inputs, request.outputs);
  return { outputs, runUs: (performance.now() - start) * 1000 };
};

const noBytes = new Uint8Array(0);

const fromShared = (
  { name, dataType, shape, memory, offset, byteLength }: SharedInput,
  own: SharedArrayBuffer | null,
): RunInput => {
  const source = memory ?? own;
  const data = source === null ? noBytes : new Uint8Array(source, offset, byteLength);
  return { name, dataType, shape, data };
};

/** Outputs are fresh buffers of their own, so they move rather than being copied; small strings may share Node's pool. */
const transferable = (outputs: readonly RunOutput[]): ArrayBuffer[] => {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of outputs) {
    if (data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength)
      buffers.add(data.buffer);
  }
  return [...buffers];
};

const reply = (message: WorkerReply, transfer: ArrayBuffer[] = []): void =>
  parentPort?.postMessage(message, transfer);

let queue: Promise<void> = Promise.resolve();

parentPort?.on("message", (request: WorkerRequest) => {
  queue = queue.then(async () => {
    if (request.kind !== "stop") return answer(request);
    for (const { session } of sessions.values()) await session.close();
    sessions.clear();
    parentPort?.close();
  });
});
