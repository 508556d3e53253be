import { openSync, writeSync } from "node:fs";
import { type LogFilter, type LogSink, ServerLog } from "../common/server-log.ts";

const sinkTo = (write: (lines: string) => void): LogSink => ({
  now: () => (performance.timeOrigin + performance.now()) * 1000,
  pid: process.pid,
  write,
});

const toStderr = (lines: string): void => {
  process.stderr.write(lines);
};

/** One write for the lines of one callback: a load makes eight, in three of them. What is left when the process ends is written then. */
const gathered = (write: (lines: string) => void): ((lines: string) => void) => {
  let waiting = "";
  const flush = (): void => {
    if (waiting === "") return;
    const lines = waiting;
    waiting = "";
    write(lines);
  };
  process.once("exit", flush);
  return (lines) => {
    if (waiting === "") queueMicrotask(flush);
    waiting += lines;
    if (waiting.length > MAX_WAITING) flush();
  };
};

/** A callback that logs more than this writes in between. */
const MAX_WAITING = 65_536;

/** @param path `--log-file`, which is added to; empty or impossible to open = stderr, as in the real server */
export const openServerLog = (path: string, filter: LogFilter): ServerLog => {
  if (path === "") return new ServerLog(sinkTo(gathered(toStderr)), filter);
  try {
    const file = openSync(path, "a");
    return new ServerLog(sinkTo(gathered((lines) => writeSync(file, lines))), filter);
  } catch (error) {
    const log = new ServerLog(sinkTo(gathered(toStderr)), filter);
    log.warning(`cannot write the log to ${path}: ${error instanceof Error ? error.message : error}`);
    return log;
  }
};
