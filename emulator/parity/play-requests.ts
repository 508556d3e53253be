import { type AcceptedDifference, acceptedBy } from "./difference/accepted-differences.ts";
import { type Comparison, compareAnswers, describeAnswer } from "./difference/compare-answers.ts";
import { countsDiffer, type Finding, keyOf } from "./difference/finding.ts";
import { shrink } from "./difference/shrink.ts";
import type { Answer } from "./exchange/answer.ts";
import { HURRIED, PATIENT } from "./exchange/http-connection.ts";
import type { Pair } from "./pair.ts";
import { Chance } from "./traffic/chance.ts";
import { isLeftOut } from "./traffic/left-out.ts";
import { modelsOf, needsGrpc, shellCommand, type TrafficRequest } from "./traffic/request.ts";
import { send } from "./traffic/send.ts";
import type { Surface, World } from "./traffic/surface.ts";

/** What came of the requests of one surface. */
export interface SurfaceResult {
  readonly surface: Surface;
  agree: number;
  /** Of these, agreed only within the tolerance. */
  approximate: number;
  differ: number;
  /** Of these, covered by accepted-differences.json. */
  accepted: number;
  notComparable: number;
}

export interface RequestsOptions {
  readonly seed: number;
  readonly count: number;
  readonly surfaces: readonly Surface[];
  /** Only this request of the run; null = all. */
  readonly only: number | null;
  readonly accepted: readonly AcceptedDifference[];
  /** Requests that a shrinker may send for one difference. */
  readonly shrinkLimit: number;
  /** Called after each request. */
  readonly onProgress: (done: number, findings: number) => void;
  readonly onFinding: (finding: Finding) => void;
  /** Waits a moment. */
  readonly pause: () => Promise<void>;
}

export interface RequestsResult {
  readonly surfaces: readonly SurfaceResult[];
  readonly findings: readonly Finding[];
  /** Requests of which the real server died, each started anew after it. */
  readonly deaths: readonly string[];
  /** How often a request was made again because it is left out by that name. */
  readonly leftOut: ReadonlyMap<string, number>;
}

interface Exchange {
  readonly ours: Answer;
  readonly theirs: Answer;
  readonly comparison: Comparison;
}

/** Sends generated requests to both servers, one after the other, and compares the answers. */
export const playRequests = async (
  pair: Pair,
  world: World,
  options: RequestsOptions,
): Promise<RequestsResult> => new RequestPlayer(pair, world, options).run();

/** Relative; of single precision that went through some hundred additions. */
export const ARITHMETIC_TOLERANCE = 1e-4;

/** Gauges are read by the real server once in two seconds. */
const PATIENCE: Readonly<Record<string, number>> = { metrics: 125 };
/** Counters follow an answer by a moment, and an unload goes on after its answer: what only looks is asked again. */
const PATIENCE_OF_LOOKS = 20;
/** Who is sent a reset may lose what came before it: then bytes are sent again so often more. */
const PATIENCE_AFTER_RESET = 3;

/** Whether it changes nothing, so that it can be asked again. */
const onlyLooks = (request: TrafficRequest): boolean => {
  switch (request.kind) {
    case "http":
      return request.method === "GET" || /^\/v2\/repository(\/[^/]+)?\/index/.test(request.path);
    case "grpc":
      return /(Ready|Live|Metadata|Config|Statistics|Index|Check)$/.test(request.rpc);
    default:
      return false;
  }
};

const wasReset = (answer: Answer): boolean => answer.kind === "raw" && answer.answer.ended === "reset";

const patienceFor = ({ name }: Surface, request: TrafficRequest): number => {
  if (request.kind === "raw") return 1;
  return PATIENCE[name] ?? (onlyLooks(request) ? PATIENCE_OF_LOOKS : 0);
};

class RequestPlayer {
  readonly #pair: Pair;
  readonly #world: World;
  readonly #options: RequestsOptions;
  readonly #findings = new Map<string, Finding>();
  readonly #results: readonly SurfaceResult[];
  readonly #deaths: string[] = [];
  readonly #leftOut = new Map<string, number>();

  constructor(pair: Pair, world: World, options: RequestsOptions) {
    this.#pair = pair;
    this.#world = world;
    this.#options = options;
    this.#results = options.surfaces.map((surface) => ({
      surface,
      agree: 0,
      approximate: 0,
      differ: 0,
      accepted: 0,
      notComparable: 0,
    }));
  }

  async run(): Promise<RequestsResult> {
    const { count, only, onProgress } = this.#options;
    const numbers = only === null ? Array.from({ length: count }, (_, number) => number) : [only];
    for (const [done, number] of numbers.entries()) {
      await this.#play(number);
      onProgress(done + 1, this.#findings.size);
    }
    return {
      surfaces: this.#results,
      findings: [...this.#findings.values()],
      deaths: this.#deaths,
      leftOut: this.#leftOut,
    };
  }

  #request(number: number): { result: SurfaceResult; request: TrafficRequest } {
    const chance = new Chance(this.#options.seed, number);
    const result = chance.weighted(this.#results.map((row) => [row.surface.weight, row] as const));
    for (;;) {
      const request = result.surface.make(chance, this.#world);
      const reason = isLeftOut(request, this.#world.models);
      if (reason === null) return { result, request };
      this.#leftOut.set(reason.name, (this.#leftOut.get(reason.name) ?? 0) + 1);
    }
  }

  async #play(number: number): Promise<void> {
    const { result, request } = this.#request(number);
    const { surface } = result;
    if (needsGrpc(request) && this.#pair.theirs.grpc === null) {
      result.notComparable++;
      return;
    }
    const exchange = await this.#exchange(request, patienceFor(surface, request));
    if (await this.#died(surface, number, request, exchange)) {
      result.notComparable++;
      return;
    }
    const { divergences, approximate } = exchange.comparison;
    if (divergences.length === 0) {
      result.agree++;
      if (approximate) result.approximate++;
      return;
    }
    result.differ++;
    const finding = await this.#record(surface, number, request, exchange);
    if (finding.accepted !== null) result.accepted++;
    // The two may no longer have counted the same, nor be in the same state.
    if (this.#pair.own && (finding.accepted === null || countsDiffer(divergences)))
      await this.#pair.restart();
  }

  async #exchange(request: TrafficRequest, patience: number): Promise<Exchange> {
    const { ours, theirs } = this.#pair;
    const tolerance = modelsOf(request).some((model) => this.#world.arithmetic.has(model))
      ? Math.max(this.#pair.tolerance, ARITHMETIC_TOLERANCE)
      : this.#pair.tolerance;
    for (let tries = 0; ; tries++) {
      const waits = tries < patience ? HURRIED : PATIENT;
      const [a, b] = await Promise.all([send(ours, request, waits), send(theirs, request, waits)]);
      const comparison = compareAnswers(a, b, { tolerance });
      const limit = wasReset(a) || wasReset(b) ? patience + PATIENCE_AFTER_RESET : patience;
      if (comparison.divergences.length === 0 || tries >= limit) return { ours: a, theirs: b, comparison };
      await this.#options.pause();
    }
  }

  /** A real server that ends by itself is started anew; the request it died of is shown. */
  async #died(
    surface: Surface,
    number: number,
    request: TrafficRequest,
    exchange: Exchange,
  ): Promise<boolean> {
    await this.#hasEnded(exchange);
    const dead = this.#pair.dead();
    if (dead === null) return false;
    if (dead.side === "ours")
      throw new Error(
        `our server ended with code ${dead.code} at ${surface.name}:${number}: ${shellCommand(request)}`,
      );
    this.#deaths.push(`${surface.name}:${number} (code ${dead.code}): ${shellCommand(request)}`);
    await this.#pair.restart();
    return true;
  }

  /** The connection ends some time before the process does; a stream and a call tell it by their code. */
  async #hasEnded({ theirs: answer, comparison }: Exchange): Promise<boolean> {
    const suspicious =
      answer.kind === "connection" ||
      ("code" in answer.answer && answer.answer.code === "UNAVAILABLE") ||
      (comparison.divergences.length > 0 && answer.kind === "raw" && answer.answer.ended !== null);
    for (let tries = 0; suspicious && tries < 40 && this.#pair.dead() === null; tries++)
      await this.#options.pause();
    return this.#pair.dead() !== null;
  }

  async #record(
    surface: Surface,
    number: number,
    request: TrafficRequest,
    exchange: Exchange,
  ): Promise<Finding> {
    const key = keyOf(exchange.comparison.divergences);
    const place = `${surface.name} ${key}`;
    const known = this.#findings.get(place);
    if (known !== undefined) {
      known.count++;
      return known;
    }
    const patience = patienceFor(surface, request);
    const same = async (candidate: TrafficRequest): Promise<boolean> =>
      isLeftOut(candidate, this.#world.models) === null &&
      this.#pair.dead() === null &&
      keyOf((await this.#exchange(candidate, patience)).comparison.divergences) === key;
    // A request that is never answered would take as long each time.
    const silent = [exchange.ours, exchange.theirs].some(
      ({ kind, ...rest }) => kind === "connection" && "how" in rest && rest.how === "no answer",
    );
    const again = !silent && (await same(request));
    let smallest = again ? await shrink(request, same, this.#options.shrinkLimit) : request;
    let shown = again ? await this.#exchange(smallest, patience) : exchange;
    // Something smaller may be the end of the real server, or need more than itself to show.
    if (
      shown !== exchange &&
      ((await this.#hasEnded(shown)) || keyOf(shown.comparison.divergences) !== key)
    ) {
      if (this.#pair.dead() !== null) await this.#pair.restart();
      smallest = request;
      shown = exchange;
    }
    const command = shellCommand(smallest);
    const { divergences } = shown.comparison;
    const accepted = acceptedBy(this.#options.accepted, surface.name, command, divergences);
    const finding: Finding = {
      surface: surface.name,
      key,
      first: `${surface.name}:${number}`,
      count: 1,
      command,
      ours: describeAnswer(shown.ours),
      theirs: describeAnswer(shown.theirs),
      divergences,
      again,
      accepted: accepted?.name ?? null,
    };
    this.#findings.set(place, finding);
    this.#options.onFinding(finding);
    return finding;
  }
}
