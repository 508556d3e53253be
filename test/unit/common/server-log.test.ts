import { expect, test } from "vitest";
import { type LogFilter, ServerLog } from "../../../emulator/common/server-log.ts";

const everything: LogFilter = {
  log_info: true,
  log_warning: true,
  log_error: true,
  log_verbose_level: 0,
  log_format: "default",
};

const logWith = (filter: Partial<LogFilter>) => {
  const lines: string[] = [];
  const sink = {
    now: () => Date.UTC(2026, 10, 25, 15, 40, 1) * 1000 + 13908,
    pid: 4086,
    write: (l: string) => lines.push(l),
  };
  return { log: new ServerLog(sink, { ...everything, ...filter }), lines };
};

test("server log: writes the real server's default format, the message escaped", () => {
  const { log, lines } = logWith({});
  log.info("loading: simple:1");
  log.error('failed to load "x"\nat once');
  log.warning("w");
  expect(lines).toEqual([
    'I1125 15:40:01.013908 4086 triton_local:1] "loading: simple:1"\n',
    'E1125 15:40:01.013908 4086 triton_local:1] "failed to load \\"x\\"\\nat once"\n',
    'W1125 15:40:01.013908 4086 triton_local:1] "w"\n',
  ]);
});

test("server log: writes ISO8601 when told so while in use", () => {
  const { log, lines } = logWith({});
  log.apply({ ...everything, log_format: "ISO8601" });
  log.info("x");
  expect(lines).toEqual(['2026-11-25T15:40:01Z I 4086 triton_local:1] "x"\n']);
});

test("server log: writes a block as it is, on lines of its own", () => {
  const { log, lines } = logWith({});
  log.block("+--+\n|  |\n+--+");
  expect(lines).toEqual(["I1125 15:40:01.013908 4086 triton_local:1] \n+--+\n|  |\n+--+\n\n"]);
});

test("server log: leaves out the levels that are off", () => {
  const { log, lines } = logWith({ log_info: false, log_warning: false, log_error: false });
  log.info("i");
  log.block("b");
  log.warning("w");
  log.error("e");
  expect(lines).toEqual([]);
});

test("server log: writes verbose messages up to the level set", () => {
  const { log, lines } = logWith({ log_verbose_level: 1 });
  log.verbose(1, "one");
  log.verbose(2, "two");
  expect(lines).toEqual(['I1125 15:40:01.013908 4086 triton_local:1] "one"\n']);
});
