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

/** @param path `--log-file`, which is added to; empty or impossible to open = stderr, as in the real server */
export const openServerLog = (path: string, filter: LogFilter): ServerLog => {
  if (path === "") return new ServerLog(sinkTo(toStderr), filter);
  try {
    const file = openSync(path, "a");
    return new ServerLog(
      sinkTo((lines) => writeSync(file, lines)),
      filter,
    );
  } catch (error) {
    const log = new ServerLog(sinkTo(toStderr), filter);
    log.warning(`cannot write the log to ${path}: ${error instanceof Error ? error.message : error}`);
    return log;
  }
};
