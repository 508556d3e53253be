import type { TritonServer } from "../core/triton-server.ts";

/**
 * Brings the models of a server in mode explicit back to those that were loaded at its start, as their folders are now: what
 * came later goes, what went or was loaded with another configuration comes back. The response cache is empty then.
 */
export const resetModels = async (server: TritonServer, atStart: readonly string[]): Promise<void> => {
  server.clearResponseCache();
  const wanted = new Set(atStart);
  const later = new Set(
    server.modelStates().flatMap(({ name, state }) => (state === "READY" && !wanted.has(name) ? [name] : [])),
  );
  await Promise.all([
    ...[...later].map((name) => new Promise((done) => server.unloadModel(name, true, done))),
    ...atStart.map((name) => new Promise((done) => server.loadModel(name, [], done))),
  ]);
};
