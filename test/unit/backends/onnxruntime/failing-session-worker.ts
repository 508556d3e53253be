/** A worker that opens anything and ends in the middle of a run. */
import { parentPort } from "node:worker_threads";
import type {
  WorkerReply,
  WorkerRequest,
} from "../../../../emulator/backends/onnxruntime/session-protocol.ts";

const reply = (message: WorkerReply): void => parentPort?.postMessage(message);

parentPort?.on("message", (request: WorkerRequest) => {
  if (request.kind === "stop") parentPort?.close();
  else if (request.kind === "run") process.exit(3);
  else if (request.kind === "close") reply({ kind: "closed", session: request.session });
  else {
    reply({
      kind: "opened",
      session: request.session,
      description: {
        inputs: [],
        overridable: [],
        outputs: [],
        notTensor: null,
        consumers: new Map(),
        runTimeFollowsShapes: false,
        fingerprint: { byteSize: 0, mtimeMs: 0, ino: 0 },
        unusable: null,
        providerRefused: null,
      },
    });
  }
});
