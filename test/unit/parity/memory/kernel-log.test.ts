import { expect, test } from "vitest";
import { killedIn } from "../../../../emulator/parity/memory/kernel-log.ts";

const line = (id: string, pid: number): string =>
  `[24018.938238] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=${id},mems_allowed=0,` +
  `oom_memcg=/docker/${id},task_memcg=/docker/${id},task=triton_python_b,pid=${pid},uid=0`;

test("kernel log: names who was killed in one container, in order", () => {
  const log = [
    "[24018.938200] triton_python_b invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    line("a9ac", 16601),
    "[24018.938304] Memory cgroup out of memory: Killed process 16601 (triton_python_b) total-vm:313068kB",
    line("77ff", 17000),
    line("a9ac", 16179),
  ].join("\n");
  expect(killedIn(log, "a9ac")).toEqual([16601, 16179]);
  expect(killedIn(log, "0000")).toEqual([]);
});
