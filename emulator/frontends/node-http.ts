/**
 * node:http as a CommonJS module has it. Importing it as an ES module reads every one of its exports, which loads the
 * runtime's own fetch and WebSocket: 50 ms of CPU at start for what is never used.
 */
export const nodeHttp = process.getBuiltinModule("node:http");
