import { setTimeout as sleep } from "node:timers/promises";
import { exchange } from "../exchange/http-connection.ts";
import type { StartOptions } from "./target.ts";

export interface Ports {
  readonly http: number;
  readonly grpc: number;
  readonly metrics: number;
  readonly sagemaker: number;
}

/** tritonserver's flags: where it listens, what it serves, and what the case asks for. */
export const serverFlags = ({ repository, flags }: StartOptions, ports: Ports): readonly string[] => [
  ...(flags.some((flag) => flag.startsWith("--model-repository="))
    ? []
    : [`--model-repository=${repository}`]),
  `--http-port=${ports.http}`,
  `--grpc-port=${ports.grpc}`,
  `--metrics-port=${ports.metrics}`,
  `--sagemaker-port=${ports.sagemaker}`,
  ...flags,
];

const READY_TIMEOUT_MS = 60_000;
const METRICS_TIMEOUT_MS = 500;

/** Waits until it answers; false = it ended before. Throws where it neither answers nor ends. */
export const becomesReady = async (
  ports: Pick<Ports, "http" | "metrics">,
  hasEnded: () => boolean,
): Promise<boolean> => {
  const giveUp = Date.now() + READY_TIMEOUT_MS;
  while (!(await answers(ports.http))) {
    if (hasEnded()) return false;
    if (Date.now() > giveUp)
      throw new Error(`the server did not become ready in ${READY_TIMEOUT_MS / 1000} s`);
    await sleep(POLL_MS);
  }
  // The metrics port opens last, where there is one.
  const goOn = Date.now() + METRICS_TIMEOUT_MS;
  while (Date.now() < goOn && !(await answers(ports.metrics))) await sleep(POLL_MS);
  return true;
};

const POLL_MS = 20;

/** Whether anything comes back: an engine that forwards a port accepts before the server does. */
const answers = async (port: number): Promise<boolean> =>
  (await exchange(port, liveRequest, (received) => received.length > 0, 1000)).received.length > 0;

const liveRequest = Buffer.from("GET /v2/health/live HTTP/1.1\r\n\r\n");

/** `I1125 15:36:00.000000 123 file.cc:1] "text"` without what changes from run to run; ONNX Runtime's time stamp too. */
export const withoutLogPrefix = (text: string): string =>
  text.replace(/^[IWEF]\d{4} [\d:.]+ \d+ /gm, "").replace(/^\d{4}-\d\d-\d\d [\d:.]+ \[/gm, "[");

/** By name; an exit code is 128 above, or negative where the signal itself is known. */
export const signalNumbers: Readonly<Record<string, number>> = {
  SIGINT: 2,
  SIGABRT: 6,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};
