import { formatByteSize } from "../core/memory/byte-size.ts";
import type { ReturnReason } from "../core/memory/ledger.ts";
import type { JournalEvent, PoolSize } from "../journal/event.ts";
import { PoolAccount, type PoolContent, poolBars, poolPicture } from "../journal/pool-picture.ts";
import { bytesByPool, evictionLines, quoted } from "../journal/sentences.ts";
import { counted, durationText, listed } from "../journal/words.ts";

/** How a line is to be read; a terminal may show it in a colour. */
export type Tone = "plain" | "quiet" | "good" | "bad" | "picture";

export type WriteLine = (text: string, tone: Tone) => void;

export interface StoryOptions {
  readonly write: WriteLine;
  /** Several instances: each line says which. */
  readonly severalInstances: boolean;
  /** Of each instance's machine; the journal has them only once its container is up. */
  readonly pools?: readonly PoolSize[];
}

/** What makes the pools worth a look when it is over. */
const pictured: ReadonlySet<string> = new Set([
  "load-answer",
  "unload-answer",
  "killed",
  "container-died",
  "refused",
]);

/** What the pools are drawn from. */
const ofPools: ReadonlySet<string> = new Set(["bytes", "container-started", "container-died"]);

/** Cells of a bar. */
const WIDTH = 48;

/**
 * Tells a run while it happens, line by line. Equal news in a row become one line, so that a long run of answered requests
 * costs a line and not a page; the pools are drawn where they have changed for a reason.
 */
export class Story {
  readonly #options: StoryOptions;
  readonly #accounts = new Map<string, PoolAccount>();
  /** Equal news since the last line, by instance: good answers, or calls for a model that is not there. */
  readonly #rows = new Map<string, Row>();
  /** A line that may come again at once. */
  #quiet: {
    readonly line: Line;
    readonly instance: string;
    readonly fromUs: number;
    toUs: number;
    count: number;
  } | null = null;
  /** A call for a model that is not there; no news where it is refused on the spot. */
  #asking: Extract<JournalEvent, { event: "invocation" }> | null = null;
  /** Calls that wait for their answer, in words. */
  readonly #open = new Map<string, string>();
  /** Bytes that one cause moved at one moment. */
  #moved: {
    atUs: number;
    instance: string;
    model: string;
    cause: string;
    bytes: Map<string, number>;
  } | null = null;
  /** Instance whose pools are to be drawn before the next line of another moment. */
  #drawing: { readonly instance: string; readonly atUs: number } | null = null;
  #lastBars = "";

  constructor(options: StoryOptions) {
    this.#options = options;
  }

  tell(event: JournalEvent): void {
    const instance = event.instance ?? "";
    if (this.#moved !== null && !isSameMove(event, this.#moved)) this.#tellMoved();
    this.#settleAsking(event);
    if (this.#drawing !== null && event.atUs > this.#drawing.atUs) this.#draw();
    if (ofPools.has(event.event)) this.#account(instance).apply(event);
    this.#follow(event);
    if (event.event === "bytes") {
      this.#gather(event);
      return;
    }
    if (event.event === "invocation" && (event.cacheHit || event.model === "")) return;
    // With one instance there is no choice; a call without a model is refused wherever it goes.
    if (event.event === "placed" && (!this.#options.severalInstances || event.model === "")) return;
    if (event.event === "invocation") {
      this.#asking = event;
      return;
    }
    if (event.event === "answer") {
      this.#count(event);
      return;
    }
    const line = lineOf(event);
    if (line !== null) this.#line(event, line);
    if (pictured.has(event.event)) this.#drawing = { instance, atUs: event.atUs };
  }

  /** What is still to be said, and the pools as they stand. */
  end(): void {
    this.#tellMoved();
    this.#settleAsking(null);
    this.#drawing = null;
    this.#tellRows();
    this.#tellQuiet();
    if (this.#open.size > 0) {
      const shown = [...this.#open.values()].slice(0, MOST_OPEN);
      const more = this.#open.size - shown.length;
      const all = more > 0 ? [...shown, counted(more, "other")] : shown;
      this.#options.write(`Not answered at the end: ${listed(all)}`, "bad");
    }
    for (const [instance, account] of this.#accounts) {
      const picture = poolPicture(worthDrawing(account.contents()), WIDTH).trimEnd();
      if (account.contents().length === 0) continue;
      const whose = this.#options.severalInstances ? ` of ${instance}` : "";
      this.#options.write(`The pools${whose} at the end:`, "plain");
      for (const bar of picture.split("\n")) this.#options.write(`  ${bar}`, "picture");
    }
  }

  #account(instance: string): PoolAccount {
    const known = this.#accounts.get(instance);
    if (known !== undefined) return known;
    const account = new PoolAccount();
    const { pools } = this.#options;
    if (pools !== undefined) account.apply({ atUs: 0, event: "container-started", pools });
    if (instance !== "" || !this.#options.severalInstances) this.#accounts.set(instance, account);
    return account;
  }

  /** Who waits for an answer. */
  #follow(event: JournalEvent): void {
    const { instance = "", model = "?", request = "a request" } = event;
    const load = `load ${instance} ${model} ${request}`;
    if (event.event === "invocation") this.#open.set(request, `${request} for ${model}`);
    else if (event.event === "answer") this.#open.delete(request);
    else if (event.event === "load") this.#open.set(load, `load of ${model}${ofRequest(event.request)}`);
    else if (event.event === "load-answer") this.#open.delete(load);
    else if (event.event === "container-died") {
      for (const open of this.#open.keys()) if (open.startsWith(`load ${instance} `)) this.#open.delete(open);
    }
  }

  #gather({
    atUs,
    instance = "",
    model = "",
    cause,
    pool,
    change,
  }: Extract<JournalEvent, { event: "bytes" }>): void {
    this.#moved ??= { atUs, instance, model, cause, bytes: new Map() };
    // A server that ends, with all that its models held.
    if (this.#moved.model !== model) this.#moved.model = "";
    this.#moved.bytes.set(pool, (this.#moved.bytes.get(pool) ?? 0) + change);
  }

  #tellMoved(): void {
    const moved = this.#moved;
    this.#moved = null;
    if (moved === null) return;
    const all = [...moved.bytes];
    const taken = bytesByPool(all.filter(([, bytes]) => bytes > 0));
    const given = bytesByPool(all.filter(([, bytes]) => bytes < 0).map(([pool, bytes]) => [pool, -bytes]));
    const who = moved.model === "" ? "tritonserver" : moved.model;
    const stays = moved.cause === "unload" || moved.cause === "failed load";
    const parts = [
      ...(taken === "" ? [] : [stays ? `leaves ${taken} behind` : `takes ${taken}`]),
      ...(given === ""
        ? []
        : [moved.cause === "reused" ? `had left ${given}, which are used again` : `gives back ${given}`]),
    ];
    if (parts.length > 0)
      this.#line(moved, { text: `${who} ${listed(parts)} (${whyMoved(moved)})`, tone: "quiet" });
  }

  /** @param next the event after it; null = none */
  #settleAsking(next: JournalEvent | null): void {
    const asking = this.#asking;
    this.#asking = null;
    if (asking === null) return;
    const isRefused =
      next?.event === "answer" && next.request === asking.request && next.atUs === asking.atUs;
    if (!isRefused) this.#count(asking);
  }

  #count(event: Extract<JournalEvent, { event: "answer" | "invocation" }>): void {
    const { atUs, instance = "", request = "a request" } = event;
    const model = event.model === "" ? "no TargetModel" : (event.model ?? "?");
    const news = newsOf(event);
    if ([...this.#rows.values()].some((row) => !isSameNews(row.news, news))) this.#tellRows();
    const row = this.#rows.get(instance) ?? {
      news,
      instance,
      first: request,
      count: 0,
      fromUs: atUs,
      toUs: atUs,
      times: [],
      models: new Set<string>(),
    };
    this.#rows.set(instance, row);
    row.count++;
    row.toUs = atUs;
    row.models.add(model);
    if (event.event === "answer") {
      const [least = event.durationUs, most = event.durationUs] = row.times;
      row.times = [Math.min(least, event.durationUs), Math.max(most, event.durationUs)];
    }
  }

  #tellRows(): void {
    const rows = [...this.#rows.values()];
    this.#rows.clear();
    for (const row of rows) this.#tellRow(row);
  }

  #tellRow(row: Row): void {
    const { news, instance, first, count, fromUs, toUs, models } = row;
    const who = count === 1 ? first : `${first} and ${counted(count - 1, "more request")}`;
    const whose = models.size > 4 ? counted(models.size, "model") : listed([...models]);
    if (news.status === null) {
      const text = `${who} ask${count === 1 ? "s" : ""} for ${whose}, which ${models.size === 1 ? "is" : "are"} not loaded`;
      this.#print(fromUs, instance, { text });
      return;
    }
    const [least = 0, most = 0] = row.times
      .map(durationText)
      .filter((text, index, all) => all.indexOf(text) === index);
    const times = most === 0 ? `${least}` : `${least} to ${most}`;
    const span = toUs > fromUs ? `, until ${(toUs / 1e6).toFixed(3)}` : "";
    const answer =
      news.status === 0
        ? "nobody answers, the connection breaks"
        : isGood(news.status)
          ? `answered ${news.status} after ${times}`
          : `answered ${news.status} by the ${news.from} after ${times}`;
    this.#print(fromUs, instance, {
      text: `${who} for ${whose}: ${answer}${span}`,
      tone: toneOf(news.status),
      details: news.text === "" ? [] : [quoted(news.text)],
    });
  }

  #line(event: { readonly atUs: number; readonly instance?: string }, line: Line): void {
    this.#tellRows();
    const { atUs, instance = "" } = event;
    const quiet = this.#quiet;
    if (quiet !== null && quiet.line.text === line.text && quiet.instance === instance) {
      quiet.count++;
      quiet.toUs = atUs;
    } else if (line.details === undefined) {
      this.#tellQuiet();
      this.#quiet = { line, instance, fromUs: atUs, toUs: atUs, count: 1 };
    } else this.#print(atUs, instance, line);
  }

  #tellQuiet(): void {
    const quiet = this.#quiet;
    this.#quiet = null;
    if (quiet === null) return;
    const { line, instance, fromUs, toUs, count } = quiet;
    const again = count === 1 ? "" : `, ${count} times until ${(toUs / 1e6).toFixed(3)}`;
    this.#print(fromUs, instance, { ...line, text: `${line.text}${again}` });
  }

  #print(atUs: number, instance: string, { text, tone = "plain", details = [] }: Line): void {
    this.#tellQuiet();
    const where = this.#options.severalInstances ? `${instance.padEnd(12)} ` : "";
    const [first = "", ...more] = [text, ...details];
    this.#options.write(`${timeText(atUs)}  ${where}${first}`, tone);
    for (const detail of more) this.#options.write(`${" ".repeat(TIME_WIDTH)}  ${where}  ${detail}`, tone);
  }

  #draw(): void {
    const drawing = this.#drawing;
    this.#drawing = null;
    if (drawing === null) return;
    const bars = poolBars(worthDrawing(this.#account(drawing.instance).contents()), WIDTH);
    if (bars === "" || bars === this.#lastBars) return;
    this.#tellRows();
    this.#tellQuiet();
    this.#lastBars = bars;
    for (const bar of bars.trimEnd().split("\n")) {
      this.#options.write(`${" ".repeat(TIME_WIDTH)}  ${bar}`, "picture");
    }
  }
}

/** What is told of calls: that a model is not there (status null), or how they were answered. */
interface News {
  readonly status: number | null;
  readonly from: string;
  readonly text: string;
  /** The text without the model's name: the same for many models. */
  readonly gist: string;
}

/** Of what is answered at once as a rule: nothing where it was. */
const afterText = (durationUs = 0): string => (durationUs === 0 ? "" : ` after ${durationText(durationUs)}`);

/** In the journal an answer of status 0 is none. */
const newsOf = (event: Extract<JournalEvent, { event: "answer" | "invocation" }>): News => {
  if (event.event === "invocation") return { status: null, from: "", text: "", gist: "" };
  const { status, from, text = "", model = "" } = event;
  return { status, from, text, gist: model === "" ? text : text.replaceAll(model, "") };
};

const isSameNews = (a: News, b: News): boolean =>
  a.status === b.status && a.from === b.from && a.gist === b.gist;

/** Equal news in a row. */
interface Row {
  readonly news: News;
  readonly instance: string;
  /** The first request of it. */
  readonly first: string;
  count: number;
  readonly fromUs: number;
  toUs: number;
  /** The shortest and the longest, in microseconds. */
  times: readonly number[];
  readonly models: Set<string>;
}

interface Line {
  readonly text: string;
  readonly tone?: Tone;
  readonly details?: readonly string[];
}

const TIME_WIDTH = 11;
/** Calls that are named where they are not answered. */
const MOST_OPEN = 6;

/** `     12.345` seconds since the start. */
const timeText = (atUs: number): string => (atUs / 1e6).toFixed(3).padStart(TIME_WIDTH);

const isSameMove = (
  event: JournalEvent,
  moved: { atUs: number; instance: string; model: string; cause: string },
): boolean =>
  event.event === "bytes" &&
  event.atUs === moved.atUs &&
  (event.instance ?? "") === moved.instance &&
  (event.cause === PROCESS_ENDED || (event.model ?? "") === moved.model) &&
  (event.cause === moved.cause || isRest(event, moved.cause));

const PROCESS_ENDED: ReturnReason = "process ended";

/** What grows without a model is the response cache. */
const whyMoved = ({ model, cause }: { readonly model: string; readonly cause: string }): string =>
  model === "" && cause === "growth" ? "response cache" : cause;

/** What is left of residue of which a part is used again. */
const isRest = (event: Extract<JournalEvent, { event: "bytes" }>, cause: string): boolean =>
  cause === "reused" && event.kind === "residue" && event.change > 0;

/** /dev/shm only where a cell of its bar would be filled. */
const worthDrawing = (pools: readonly PoolContent[]): readonly PoolContent[] =>
  pools.filter(({ pool, used, capacity }) => pool !== "shm" || used * WIDTH * 2 >= (capacity ?? 0));

const ofRequest = (request: string | undefined): string => (request === undefined ? "" : ` (${request})`);

const answeredText = (status: number | null): string =>
  status === null ? "no answer" : `answered ${status}`;

const isGood = (status: number | null): boolean => status !== null && status >= 200 && status < 300;

const toneOf = (status: number | null): Tone => (isGood(status) ? "good" : "bad");

/** Null = not worth a line. */
const lineOf = (event: JournalEvent): Line | null => {
  const { model = "?", request } = event;
  switch (event.event) {
    case "run":
      return {
        text: `seed ${event.seed}, machine ${event.machine ?? "none"}, profile ${event.profile}${event.policy === null ? "" : `, policy ${event.policy}`}`,
        tone: "quiet",
      };
    case "invocation":
    case "answer":
      return null;
    case "download":
      return { text: `${model}: its archive of ${formatByteSize(event.bytes)} is downloaded`, tone: "quiet" };
    case "unpacked":
      return {
        text: `${model}: unpacked to ${formatByteSize(event.bytes)} after ${durationText(event.durationUs)}`,
        tone: "quiet",
      };
    case "artifact-refused":
      return { text: `${model}: its archive cannot be used: ${quoted(event.text)}`, tone: "bad" };
    case "archive-deleted":
      return { text: `${model}: deleted from the disk, ${formatByteSize(event.bytes)} (${event.rule})` };
    case "load":
      return { text: `load of ${model}${ofRequest(request)}` };
    case "load-answer":
      return {
        text: `load of ${model}: ${answeredText(event.status)} after ${durationText(event.durationUs)}`,
        tone: toneOf(event.status),
        details: event.text === undefined ? [] : [quoted(event.text)],
      };
    case "eviction": {
      const { text, details } = evictionLines(event);
      return { text, details };
    }
    case "unload":
      return { text: `unload of ${model}: ${event.because}` };
    case "unload-answer":
      return {
        text: `unload of ${model}: ${answeredText(event.status)} after ${durationText(event.durationUs)}`,
        tone: event.status === 200 ? "plain" : "bad",
      };
    case "placed":
      return { text: `${model} is placed here: ${event.because}` };
    case "model-state":
      return event.state === "LOADING"
        ? null
        : {
            text: `${model} is ${event.state}${event.reason === "" ? "" : `: ${quoted(event.reason)}`}`,
            tone: "quiet",
          };
    case "agent-action":
      return { text: `repository agent ${event.agent} of ${model} is told ${event.action}`, tone: "quiet" };
    case "bytes":
      return null;
    case "refused":
      return {
        text: `${model} is refused ${formatByteSize(event.asked)} of ${event.pool}, ${formatByteSize(Math.max(0, event.free))} free`,
        tone: "bad",
        details: [quoted(event.text)],
      };
    case "killed":
      return {
        text: `the kernel kills ${event.process}${event.model === undefined ? "" : ` of ${event.model}`} (${formatByteSize(event.residentBytes)} resident): ${event.rule}`,
        tone: "bad",
        details: [
          `${event.newcomer} asked for ${formatByteSize(event.asked)}, ${formatByteSize(Math.max(0, event.free))} were free` +
            (event.tied > 0 ? `; ${counted(event.tied, "other")} had the same size` : ""),
        ],
      };
    case "freeze-risk":
      return {
        text: `only ${formatByteSize(event.free)} of the host are left: the real server may stand still`,
        tone: "bad",
      };
    case "fault":
      return {
        text: `fault ${event.fault} strikes at ${event.operation}${event.model === undefined ? "" : ` of ${model}`}`,
        tone: "bad",
      };
    case "ping": {
      const what = event.asked === "list" ? "list after a good ping" : "ping";
      return { text: `${what}: ${answeredText(event.status)}`, tone: event.status === 200 ? "quiet" : "bad" };
    }
    case "container-died":
      return { text: `the container dies: ${event.because}`, tone: "bad" };
    case "container-started":
      return { text: "the container is up, without models", tone: "quiet" };
    case "step":
      return {
        text: `${event.did}${ofRequest(request)}${event.status === undefined ? "" : `: ${answeredText(event.status)}`}${afterText(event.durationUs)}`,
        tone: event.status === undefined ? "plain" : toneOf(event.status),
        details: event.text === undefined ? [] : [quoted(event.text)],
      };
    case "endpoint-status":
    case "reset":
    case "clock":
    case "dropped":
      return null;
  }
};
