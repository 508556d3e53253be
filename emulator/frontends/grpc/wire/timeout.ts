const unitMs: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };

/** Milliseconds of a `grpc-timeout` header: up to eight digits and a unit; null when it is neither. */
export const parseTimeoutMs = (header: string): number | null => {
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(header);
  return match === null ? null : Number(match[1]) * unitMs[match[2]!]!;
};
