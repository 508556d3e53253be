import { constants, type ServerHttp2Session } from "node:http2";

/** The keep-alive flags of the real server; all times in milliseconds. */
export interface KeepaliveOptions {
  /** `--grpc-keepalive-time`: silence after which the server pings. */
  readonly timeMs: number;
  /** `--grpc-keepalive-timeout`: how long it waits for the answer. */
  readonly timeoutMs: number;
  /** `--grpc-keepalive-permit-without-calls` */
  readonly permitWithoutCalls: boolean;
  /** `--grpc-http2-max-pings-without-data`; 0 = no limit. */
  readonly maxPingsWithoutData: number;
  /** `--grpc-http2-min-recv-ping-interval-without-data` */
  readonly minRecvPingIntervalMs: number;
  /** `--grpc-http2-max-ping-strikes`; 0 = no limit. */
  readonly maxPingStrikes: number;
  /** `--grpc-max-connection-age`; 0 = unlimited. */
  readonly maxConnectionAgeMs: number;
  /** `--grpc-max-connection-age-grace`; 0 = unlimited. */
  readonly maxConnectionAgeGraceMs: number;
}

export const defaultKeepalive: KeepaliveOptions = {
  timeMs: 7_200_000,
  timeoutMs: 20_000,
  permitWithoutCalls: false,
  maxPingsWithoutData: 2,
  minRecvPingIntervalMs: 300_000,
  maxPingStrikes: 2,
  maxConnectionAgeMs: 0,
  maxConnectionAgeGraceMs: 0,
};

/** A client without calls may ping this often, as gRPC's own servers have it. */
const IDLE_PING_INTERVAL_MS = 7_200_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Watches one connection: pings a silent client, sends away one that pings too much or is too old. */
export class ConnectionKeeper {
  readonly #session: ServerHttp2Session;
  readonly #options: KeepaliveOptions;
  readonly #timers: NodeJS.Timeout[] = [];
  #calls = 0;
  #strikes = 0;
  #lastPingMs = Number.NEGATIVE_INFINITY;
  #pingsWithoutData = 0;

  constructor(session: ServerHttp2Session, options: KeepaliveOptions) {
    this.#session = session;
    this.#options = options;
    session.on("ping", () => this.#pinged());
    session.on("close", () => {
      for (const timer of this.#timers) clearTimeout(timer);
    });
    if (options.timeMs < MAX_TIMER_MS)
      this.#timers.push(setInterval(() => this.#ping(), options.timeMs).unref());
    if (options.maxConnectionAgeMs > 0 && options.maxConnectionAgeMs < MAX_TIMER_MS) {
      this.#timers.push(setTimeout(() => this.#retire(), options.maxConnectionAgeMs).unref());
    }
  }

  callStarted(): void {
    this.#calls++;
  }

  callEnded(): void {
    this.#calls--;
  }

  /** A reply takes all strikes back. */
  replied(): void {
    this.#strikes = 0;
    this.#pingsWithoutData = 0;
    this.#lastPingMs = Number.NEGATIVE_INFINITY;
  }

  #pinged(): void {
    const { permitWithoutCalls, minRecvPingIntervalMs, maxPingStrikes } = this.#options;
    const idle = !permitWithoutCalls && this.#calls === 0;
    const now = performance.now();
    const allowedAt = this.#lastPingMs + (idle ? IDLE_PING_INTERVAL_MS : minRecvPingIntervalMs);
    this.#lastPingMs = now;
    if (now >= allowedAt) return;
    this.#strikes++;
    if (maxPingStrikes === 0 || this.#strikes <= maxPingStrikes) return;
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from("too_many_pings"));
    this.#session.destroy();
  }

  #ping(): void {
    const { permitWithoutCalls, maxPingsWithoutData, timeoutMs } = this.#options;
    const session = this.#session;
    if (session.destroyed || (this.#calls === 0 && !permitWithoutCalls)) return;
    if (maxPingsWithoutData > 0 && this.#pingsWithoutData >= maxPingsWithoutData) return;
    this.#pingsWithoutData++;
    const giveUp = setTimeout(() => session.destroy(), Math.min(timeoutMs, MAX_TIMER_MS)).unref();
    session.ping(() => clearTimeout(giveUp));
  }

  #retire(): void {
    const session = this.#session;
    session.close();
    const grace = this.#options.maxConnectionAgeGraceMs;
    if (grace > 0 && grace < MAX_TIMER_MS)
      this.#timers.push(setTimeout(() => session.destroy(), grace).unref());
  }
}
