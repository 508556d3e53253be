/** `at(...)`, `rate(...)` and `cron(...)` of Application Auto Scaling. Times are milliseconds since 1970. */
export interface Schedule {
  /**
   * The first run after `afterMs`; null = there is none.
   * @param startMs from when on `rate` counts
   */
  next(afterMs: number, startMs: number): number | null;
}

/**
 * @param timeZone IANA name, for `at` and `cron`
 * @returns null = it is no schedule
 */
export const parseSchedule = (text: string, timeZone = "UTC"): Schedule | null => {
  const [, kind, inner] = /^(at|rate|cron)\((.*)\)$/.exec(text.trim()) ?? [];
  if (kind === undefined || inner === undefined) return null;
  if (kind === "at") return parseAt(inner, timeZone);
  return kind === "rate" ? parseRate(inner) : parseCron(inner, timeZone);
};

export const isTimeZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
};

const parseAt = (text: string, timeZone: string): Schedule | null => {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/.test(text)) return null;
  const wallMs = Date.parse(`${text}Z`);
  if (Number.isNaN(wallMs)) return null;
  const atMs = fromWall(wallMs, timeZone);
  return { next: (afterMs) => (atMs > afterMs ? atMs : null) };
};

const unitMs: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

const parseRate = (text: string): Schedule | null => {
  const [, count, unit] = /^(\d+) (minute|hour|day)s?$/.exec(text) ?? [];
  const everyMs = Number(count) * (unitMs[unit ?? ""] ?? 0);
  if (!(everyMs > 0)) return null;
  return {
    next: (afterMs, startMs) => {
      const runs = Math.max(1, Math.floor((afterMs - startMs) / everyMs) + 1);
      return startMs + runs * everyMs;
    },
  };
};

const months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const DAY_MS = 86_400_000;

/** A schedule that has no run within so many days has none: the 29th of February is at most 8 years away. */
const MAX_DAYS = 8 * 366 + 1;

/** Minute, hour, day of the month, month, day of the week (1 = Sunday), year. */
const parseCron = (text: string, timeZone: string): Schedule | null => {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 6) return null;
  const [minute, hour, dayOfMonth, month, dayOfWeek, year] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const minutes = parseField(minute, 0, 59);
  const hours = parseField(hour, 0, 23);
  const inMonth = parseField(month, 1, 12, months);
  const inYear = parseField(year, 1970, 2199);
  const isDay = parseDay(dayOfMonth, dayOfWeek);
  if (minutes === null || hours === null || inMonth === null || inYear === null || isDay === null)
    return null;
  const times = [...hours]
    .flatMap((h) => [...minutes].map((m) => (h * 60 + m) * 60_000))
    .sort((a, b) => a - b);
  return {
    next: (afterMs) => {
      const firstDay = Math.floor(toWall(afterMs, timeZone) / DAY_MS) * DAY_MS;
      for (let day = 0; day < MAX_DAYS; day++) {
        const dayMs = firstDay + day * DAY_MS;
        const date = new Date(dayMs);
        if (!inYear.has(date.getUTCFullYear()) || !inMonth.has(date.getUTCMonth() + 1) || !isDay(date))
          continue;
        const atMs = times.map((time) => fromWall(dayMs + time, timeZone)).find((at) => at > afterMs);
        if (atMs !== undefined) return atMs;
      }
      return null;
    },
  };
};

/** Lists, ranges, steps and names. */
const parseField = (
  text: string,
  min: number,
  max: number,
  names: readonly string[] = [],
): ReadonlySet<number> | null => {
  const values = new Set<number>();
  const numberOf = (part: string): number => {
    const named = names.indexOf(part.toUpperCase());
    return named >= 0 ? named + min : /^\d+$/.test(part) ? Number(part) : Number.NaN;
  };
  for (const part of text.split(",")) {
    const [range, step] = part.split("/") as [string, string | undefined];
    const every = step === undefined ? 1 : Number(step);
    const [from, to] = range === "*" ? [min, max] : rangeOf(range, step === undefined ? null : max, numberOf);
    if (!(every >= 1 && Number.isInteger(every) && from >= min && to <= max && from <= to)) return null;
    for (let value = from; value <= to; value += every) values.add(value);
  }
  return values;
};

/** @param openEnd where a single number begins a range: `5/10` */
const rangeOf = (
  text: string,
  openEnd: number | null,
  numberOf: (part: string) => number,
): readonly [number, number] => {
  const [from, to] = text.split("-") as [string, string | undefined];
  const first = numberOf(from);
  return [first, to === undefined ? (openEnd ?? first) : numberOf(to)];
};

/** One of the two has to be `?`. */
const parseDay = (dayOfMonth: string, dayOfWeek: string): ((date: Date) => boolean) | null => {
  if (dayOfWeek === "?") return parseDayOfMonth(dayOfMonth);
  return dayOfMonth === "?" ? parseDayOfWeek(dayOfWeek) : null;
};

const lastOfMonth = (date: Date): number =>
  new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();

const parseDayOfMonth = (text: string): ((date: Date) => boolean) | null => {
  if (text === "L") return (date) => date.getUTCDate() === lastOfMonth(date);
  const [, nearest] = /^(\d{1,2})W$/.exec(text) ?? [];
  if (nearest !== undefined) return (date) => date.getUTCDate() === nearestWeekday(date, Number(nearest));
  const values = parseField(text, 1, 31);
  return values === null ? null : (date) => values.has(date.getUTCDate());
};

/** The working day of the month that is nearest to the day. */
const nearestWeekday = (date: Date, day: number): number => {
  const last = lastOfMonth(date);
  const wanted = Math.min(day, last);
  const weekday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), wanted)).getUTCDay();
  if (weekday === 6) return wanted === 1 ? 3 : wanted - 1;
  if (weekday === 0) return wanted === last ? wanted - 2 : wanted + 1;
  return wanted;
};

const parseDayOfWeek = (text: string): ((date: Date) => boolean) | null => {
  const [, last] = /^([1-7])L$/.exec(text) ?? [];
  if (last !== undefined) {
    return (date) => date.getUTCDay() + 1 === Number(last) && date.getUTCDate() > lastOfMonth(date) - 7;
  }
  const [, day, nth] = /^([1-7])#([1-5])$/.exec(text) ?? [];
  if (day !== undefined) {
    return (date) => date.getUTCDay() + 1 === Number(day) && Math.ceil(date.getUTCDate() / 7) === Number(nth);
  }
  const values = parseField(text, 1, 7, days);
  return values === null ? null : (date) => values.has(date.getUTCDay() + 1);
};

/** What clocks in the zone show at that moment, as if it were UTC. */
const toWall = (epochMs: number, timeZone: string): number => {
  if (timeZone === "UTC") return epochMs;
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(epochMs);
  const of = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
};

/** A time that the zone leaves out is taken for the one an hour later. */
const fromWall = (wallMs: number, timeZone: string): number => {
  const guess = wallMs - (toWall(wallMs, timeZone) - wallMs);
  return guess - (toWall(guess, timeZone) - wallMs);
};
