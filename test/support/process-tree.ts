import { readdirSync, readFileSync } from "node:fs";

/** What a process and all its descendants hold and have used. Read from /proc, so Linux only. */
export interface ProcessTreeUsage {
  /** User and system time since the start, children that have ended included; resolution 10,000 us. */
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly threads: number;
  /** Open file descriptors. */
  readonly handles: number;
}

/** USER_HZ, which the kernel fixes at 100 for every architecture that Node runs on. */
const TICK_US = 10_000;

/** Zeroes for what no longer runs. */
export function processTreeUsage(pid: number): ProcessTreeUsage {
  let cpuUs = 0;
  let rssBytes = 0;
  let threads = 0;
  let handles = 0;
  for (const member of processTree(pid)) {
    const stat = statFields(member);
    if (stat === null) continue;
    for (const field of [14, 15, 16, 17]) cpuUs += numberAt(stat, field) * TICK_US;
    threads += numberAt(stat, 20);
    rssBytes += statusBytes(member, "VmRSS");
    handles += entries(`/proc/${member}/fd`).length;
  }
  return { cpuUs, rssBytes, threads, handles };
}

function processTree(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const entry of entries("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const stat = statFields(pid);
    if (stat === null) continue;
    const parent = numberAt(stat, 4);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const members = [root];
  for (const member of members) members.push(...(children.get(member) ?? []));
  return members;
}

/** Fields of /proc/<pid>/stat, numbered from 1 as proc(5) does; the command (field 2) may hold spaces and brackets. */
function statFields(pid: number): readonly string[] | null {
  const text = read(`/proc/${pid}/stat`);
  if (text === null) return null;
  const afterCommand = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return ["", "", "", ...afterCommand];
}

function numberAt(fields: readonly string[], position: number): number {
  return Number(fields[position] ?? 0);
}

function statusBytes(pid: number, key: string): number {
  const line = read(`/proc/${pid}/status`)
    ?.split("\n")
    .find((candidate) => candidate.startsWith(`${key}:`));
  return line === undefined ? 0 : Number.parseInt(line.slice(key.length + 1), 10) * 1024;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function entries(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
