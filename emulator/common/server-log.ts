import type { Log } from "./log.ts";

/** What is written, and how; named as on the wire of `/v2/logging`. */
export interface LogFilter {
  readonly log_info: boolean;
  readonly log_warning: boolean;
  readonly log_error: boolean;
  /** 0 = no verbose messages. */
  readonly log_verbose_level: number;
  readonly log_format: "default" | "ISO8601";
}

export interface LogSink {
  /** Microseconds since 1970. */
  now(): number;
  readonly pid: number;
  /** Takes whole lines, line feed included. */
  write(lines: string): void;
}

/** A log whose filter and format may change while it is in use. */
export interface AdjustableLog extends Log {
  apply(filter: LogFilter): void;
  /** A table or another text of several lines, at level info, as it is. */
  block(text: string): void;
}

/** Stands where the real server names its source file and line, so that whoever parses its log can parse ours. */
const SOURCE = "triton_local:1]";

const pad = (value: number, width = 2): string => String(value).padStart(width, "0");

const defaultPreamble = (severity: string, us: number, pid: number): string => {
  const date = new Date(Math.floor(us / 1000));
  const day = `${pad(date.getUTCMonth() + 1)}${pad(date.getUTCDate())}`;
  const time = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`;
  return `${severity}${day} ${time}.${pad(Math.floor(us) % 1_000_000, 6)} ${pid} ${SOURCE}`;
};

const isoPreamble = (severity: string, us: number, pid: number): string =>
  `${new Date(Math.floor(us / 1000)).toISOString().slice(0, 19)}Z ${severity} ${pid} ${SOURCE}`;

/** The real server's log format: `I1125 15:40:01.313908 4086 source:line] "message"`, the message escaped as JSON is. */
export class ServerLog implements AdjustableLog {
  readonly #sink: LogSink;
  #filter: LogFilter;

  constructor(sink: LogSink, filter: LogFilter) {
    this.#sink = sink;
    this.#filter = filter;
  }

  apply(filter: LogFilter): void {
    this.#filter = filter;
  }

  info(message: string): void {
    if (this.#filter.log_info) this.#write("I", JSON.stringify(message));
  }

  warning(message: string): void {
    if (this.#filter.log_warning) this.#write("W", JSON.stringify(message));
  }

  error(message: string): void {
    if (this.#filter.log_error) this.#write("E", JSON.stringify(message));
  }

  verbose(level: number, message: string): void {
    if (level <= this.#filter.log_verbose_level) this.#write("I", JSON.stringify(message));
  }

  block(text: string): void {
    if (this.#filter.log_info) this.#write("I", `\n${text}\n`);
  }

  #write(severity: string, text: string): void {
    const { pid } = this.#sink;
    const us = this.#sink.now();
    const preamble =
      this.#filter.log_format === "default"
        ? defaultPreamble(severity, us, pid)
        : isoPreamble(severity, us, pid);
    this.#sink.write(`${preamble} ${text}\n`);
  }
}
