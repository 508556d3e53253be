import { cpus, freemem, totalmem } from "node:os";

export interface Gauge {
  readonly name: string;
  readonly type: "gauge";
  readonly help: string;
  readonly value: number;
}

interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

const readCpuTimes = (): CpuTimes => {
  let busy = 0;
  let total = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.idle + times.irq;
    total += all;
    busy += all - times.idle;
  }
  return { busy, total };
};

/**
 * Gauges of the machine. They are read when asked for, at most once an interval, so that an idle server does nothing;
 * the real server polls them instead.
 */
export class SystemGauges {
  readonly #intervalMs: number;
  readonly #cpuMetrics: boolean;
  readonly #pinnedPoolBytes: number;
  readonly #nowMs: () => number;
  #readMs: number;
  #times = readCpuTimes();
  #utilization = 0;
  #usedBytes = 0;
  #totalBytes = 0;

  constructor(options: {
    readonly intervalMs: number;
    readonly cpuMetrics: boolean;
    readonly pinnedPoolBytes: number;
    readonly nowMs: () => number;
  }) {
    this.#intervalMs = options.intervalMs;
    this.#cpuMetrics = options.cpuMetrics;
    this.#pinnedPoolBytes = options.pinnedPoolBytes;
    this.#nowMs = options.nowMs;
    this.#readMs = options.nowMs();
  }

  read(): readonly Gauge[] {
    this.#refresh();
    const gauge = (name: string, help: string, value: number): Gauge => ({
      name,
      type: "gauge",
      help,
      value,
    });
    const gauges = [
      gauge(
        "nv_pinned_memory_pool_total_bytes",
        "Pinned memory pool total memory size, in bytes",
        this.#pinnedPoolBytes,
      ),
      gauge("nv_pinned_memory_pool_used_bytes", "Pinned memory pool used memory size, in bytes", 0),
    ];
    if (this.#cpuMetrics) {
      gauges.push(
        gauge("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", this.#utilization),
        gauge("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes", this.#totalBytes),
        gauge("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes", this.#usedBytes),
      );
    }
    return gauges;
  }

  #refresh(): void {
    const now = this.#nowMs();
    if (this.#totalBytes > 0 && now - this.#readMs < this.#intervalMs / 2) return;
    this.#readMs = now;
    const times = readCpuTimes();
    const total = times.total - this.#times.total;
    if (total > 0) this.#utilization = (times.busy - this.#times.busy) / total;
    this.#times = times;
    this.#totalBytes = totalmem();
    this.#usedBytes = this.#totalBytes - freemem();
  }
}
