const units: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, min: 60e6, h: 3_600e6 };

/** What `parseDurationText` takes, for error texts. */
export const durationTextSyntax = "a time such as 500ms, 2.5s or 1min (us, ms, s, min, h)";

/** Microseconds of `500ms`, `2.5s` or `1 min`; null when the text is no time. Never negative. */
export const parseDurationText = (text: string): number | null => {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/.exec(text);
  const unit = units[match?.[2] ?? "?"];
  if (match === null || unit === undefined) return null;
  const us = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(us) ? us : null;
};
