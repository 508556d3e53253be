/** What the core and the backends may say. Severity and verbosity are filtered by whoever implements it. */
export interface Log {
  info(message: string): void;
  warning(message: string): void;
  error(message: string): void;
  verbose(level: number, message: string): void;
}

export const silentLog: Log = {
  info: () => {},
  warning: () => {},
  error: () => {},
  verbose: () => {},
};
