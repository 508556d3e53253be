const unitMs: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };

/** Milliseconds of a `grpc-timeout` header: digits and a unit, with blanks around them; null when it is neither (2.51.0). */
export const parseTimeoutMs = (header: string): number | null => {
  const match = /^ *([0-9]+) *([HMSmun]) *$/.exec(header);
  return match === null ? null : Number(match[1]) * unitMs[match[2]!]!;
};
