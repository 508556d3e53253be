import type { Invocation } from "../../emulator/aws/placement/instance-agent.ts";
import type { PlatformAnswer } from "../../emulator/aws/placement/platform-answer.ts";
import type { RuntimeEndpoint, RuntimeVariant } from "../../emulator/aws/runtime/endpoints.ts";
import { type RuntimeOptions, RuntimeService } from "../../emulator/aws/runtime/runtime-service.ts";
import type { AwsPort } from "../../emulator/aws/wire/aws-port.ts";
import { silentLog } from "../../emulator/common/log.ts";
import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import { noFaults } from "../../emulator/core/faults/fault-source.ts";
import { noJournal } from "../../emulator/journal/event.ts";
import { awsPort } from "./aws-exchange.ts";

const unused = {
  cacheHit: true,
  times: { waitUs: 0, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: 0 },
};

/** An answer of the platform, from what matters of it. */
export const platformAnswer = (
  answer: Partial<PlatformAnswer> & Pick<PlatformAnswer, "status">,
): PlatformAnswer => ({
  from: "container",
  headers: ["Content-Type", "application/json"],
  body: Buffer.from("{}"),
  error: null,
  ...unused,
  ...answer,
});

export interface AskedVariant extends RuntimeVariant {
  readonly calls: Invocation[];
}

/** A variant that answers the same to all, at once. */
export const variantOf = (
  name: string,
  { weight = 1, answer = platformAnswer({ status: 200 }) }: { weight?: number; answer?: PlatformAnswer } = {},
): AskedVariant => {
  const calls: Invocation[] = [];
  return {
    name,
    weight,
    calls,
    invoke: (call, answered) => {
      calls.push(call);
      answered(answer);
    },
  };
};

export const endpointOf = (name: string, parts: Partial<RuntimeEndpoint> = {}): RuntimeEndpoint => ({
  name,
  status: "InService",
  mode: "MultiModel",
  variants: [variantOf("AllTraffic")],
  shadowVariants: [],
  async: null,
  ...parts,
});

/** A port with the runtime alone. */
export const runtimePort = (
  endpoints: readonly RuntimeEndpoint[],
  options: Partial<RuntimeOptions> = {},
): AwsPort =>
  awsPort([
    new RuntimeService({
      endpoints: { find: (name) => endpoints.find((endpoint) => endpoint.name === name) ?? null },
      fallback: null,
      objects: null,
      observer: null,
      journal: noJournal,
      faults: noFaults,
      clock: new VirtualClock(),
      log: silentLog,
      seed: 1,
      ...options,
    }),
  ]);
