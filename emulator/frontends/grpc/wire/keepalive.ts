import type { Http2Connection } from "../http2/connection.ts";
import { errorCode } from "../http2/frames.ts";

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
  readonly #connection: Http2Connection;
  readonly #options: KeepaliveOptions;
  readonly #timers: NodeJS.Timeout[] = [];
  #calls = 0;
  #strikes = 0;
  #lastPingMs = Number.NEGATIVE_INFINITY;
  #pingsWithoutData = 0;

  constructor(connection: Http2Connection, options: KeepaliveOptions) {
    this.#connection = connection;
    this.#options = options;
    if (options.timeMs < MAX_TIMER_MS)
      this.#timers.push(setInterval(() => this.#ping(), options.timeMs).unref());
    if (options.maxConnectionAgeMs > 0 && options.maxConnectionAgeMs < MAX_TIMER_MS) {
      this.#timers.push(setTimeout(() => this.#retire(), options.maxConnectionAgeMs).unref());
    }
  }

  closed(): void {
    for (const timer of this.#timers) clearTimeout(timer);
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

  /** The client sent a ping. */
  pinged(): void {
    const { permitWithoutCalls, minRecvPingIntervalMs, maxPingStrikes } = this.#options;
    const idle = !permitWithoutCalls && this.#calls === 0;
    const now = performance.now();
    const allowedAt = this.#lastPingMs + (idle ? IDLE_PING_INTERVAL_MS : minRecvPingIntervalMs);
    this.#lastPingMs = now;
    if (now >= allowedAt) return;
    this.#strikes++;
    if (maxPingStrikes === 0 || this.#strikes <= maxPingStrikes) return;
    this.#connection.end(errorCode.ENHANCE_YOUR_CALM, "too_many_pings");
  }

  #ping(): void {
    const { permitWithoutCalls, maxPingsWithoutData, timeoutMs } = this.#options;
    const connection = this.#connection;
    if (connection.destroyed || (this.#calls === 0 && !permitWithoutCalls)) return;
    if (maxPingsWithoutData > 0 && this.#pingsWithoutData >= maxPingsWithoutData) return;
    this.#pingsWithoutData++;
    const giveUp = setTimeout(() => connection.destroy(), Math.min(timeoutMs, MAX_TIMER_MS)).unref();
    connection.ping(() => clearTimeout(giveUp));
  }

  #retire(): void {
    const connection = this.#connection;
    connection.drain();
    const grace = this.#options.maxConnectionAgeGraceMs;
    if (grace > 0 && grace < MAX_TIMER_MS)
      this.#timers.push(setTimeout(() => connection.destroy(), grace).unref());
  }
}
