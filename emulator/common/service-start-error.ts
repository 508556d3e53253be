/** A listening service that could not be started; the message is the log line of the real server. */
export class ServiceStartError extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = "ServiceStartError";
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

/** @param cause what listening failed with; an address in use has the real server's text, others say why */
export const serviceStartError = (
  service: "HTTP" | "GRPC" | "Sagemaker" | "Metrics" | "Emulator",
  address: string,
  port: number,
  cause: unknown,
): ServiceStartError => {
  const socket = `Socket '${address}:${port}'`;
  const inUse = codeOf(cause) === "EADDRINUSE";
  const reason = cause instanceof Error ? cause.message : String(cause);
  const text = inUse ? `${socket} already in use ` : `${socket} cannot be listened on: ${reason}`;
  return new ServiceStartError(`failed to start ${service} service: Unavailable - ${text}`, cause);
};
